//! The token table of a layer: the kinds of token, and the paths that require one of them.

use std::iter;

use entra_proto::claims::ClaimsRequest;

use crate::path_id::PathId;

/// The kinds of token of a layer, and the requests that get each. Few responses change it, and many
/// requests read it.
///
/// A route is a fact: the API has accepted that kind for that path. Anything else is tried by one
/// request first: by the copy of the rejected one, or by the next one for that path.
#[derive(Clone)]
pub(crate) struct Table<T> {
    /// The first kind is that of the source that the layer was made with.
    kinds: Vec<Kind<T>>,
    /// The kind of all paths without a route.
    current: Id,
    /// The routes, the oldest first.
    routes: Vec<Route>,
    /// The trials for the next requests, the oldest first.
    waiting: Vec<Waiting>,
    next: u32,
}

/// A kind of token: with these claims, or with those of the layer's own source.
#[derive(Clone)]
pub(crate) struct Kind<T> {
    pub(crate) id: Id,
    pub(crate) source: T,
    claims: Option<ClaimsRequest>,
    /// The greatest number of a token that was reported as rejected.
    pub(crate) rejected: u64,
    /// True if it has been the kind of all paths.
    was_current: bool,
    /// The path that required the kind last and could not send its request again.
    required_by: Option<PathId>,
    /// The number of requests of other paths that may still be rejected with this kind.
    offers: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Id(u32);

#[derive(Clone, Copy)]
struct Route {
    path_id: PathId,
    kind: Id,
}

#[derive(Clone, Copy)]
struct Waiting {
    path_id: PathId,
    scope: Scope,
    kind: Id,
    trial: Trial,
}

/// The set of requests that may try a kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Path,
    Folder,
    All,
}

/// The reason why a request tries a kind.
#[derive(Clone, Copy)]
pub(crate) enum Trial {
    /// The API required these claims for this path.
    Required,
    /// The API required these claims for two other paths.
    Offered,
    /// The API rejected this token for this path, and had not required its claims there.
    Instead { kind: Id, number: u64 },
}

/// The token of a request: its kind, and its number among the tokens of that kind.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) kind: Id,
    pub(crate) number: u64,
    /// The trial that the token is part of, if it matters that the API accepts it.
    pub(crate) trial: Option<Trial>,
}

impl<T: Clone> Table<T> {
    pub(crate) fn new(source: T, claims: Option<ClaimsRequest>) -> Self {
        let mut table = Self {
            kinds: Vec::new(),
            current: ORIGINAL,
            routes: Vec::new(),
            waiting: Vec::new(),
            next: ORIGINAL.0,
        };
        table.push(claims, source);
        table.kinds[0].was_current = true;
        table
    }

    /// Returns true if all requests get the current kind.
    pub(crate) fn is_uniform(&self) -> bool {
        self.waiting.is_empty() && self.routes.iter().all(|route| route.kind == self.current)
    }

    /// Returns the kind with this ID, unless it was evicted.
    pub(crate) fn kind(&self, id: Id) -> Option<&Kind<T>> {
        self.kinds.iter().find(|kind| kind.id == id)
    }

    pub(crate) fn kind_mut(&mut self, id: Id) -> Option<&mut Kind<T>> {
        self.kinds.iter_mut().find(|kind| kind.id == id)
    }

    pub(crate) fn kind_with(&self, claims: &ClaimsRequest) -> Option<&Kind<T>> {
        self.kinds.iter().find(|kind| kind.claims.as_ref() == Some(claims))
    }

    /// Returns the kind of the layer's own source.
    pub(crate) fn original(&self) -> &Kind<T> {
        &self.kinds[0]
    }

    pub(crate) fn current(&self) -> &Kind<T> {
        self.kind(self.current).unwrap_or_else(|| self.original())
    }

    /// Returns the kind that the API has accepted for this path, or for its latest sibling.
    pub(crate) fn route(&self, path_id: PathId) -> Option<&Kind<T>> {
        let own = self.routes.iter().find(|route| route.path_id.is_same(path_id));
        let sibling = || self.routes.iter().rev().find(|route| route.path_id.is_sibling(path_id));
        self.kind(own.or_else(sibling)?.kind)
    }

    /// Returns the kind for a path.
    pub(crate) fn choose(&self, path_id: PathId) -> &Kind<T> {
        self.route(path_id).unwrap_or_else(|| self.current())
    }

    /// Returns the kinds for a path after `first`: if there is no token with claims, one without
    /// them is better than none.
    pub(crate) fn fallbacks(&self, path_id: PathId, first: Id) -> impl Iterator<Item = &Kind<T>> {
        let (chosen, current, original) = (self.choose(path_id), self.current(), self.original());
        let chosen = Some(chosen).filter(|chosen| chosen.id != first);
        let current = Some(current).filter(|current| current.id != first && chosen.is_none_or(|c| c.id != current.id));
        let is_new = |other: &&Kind<T>| {
            let before = chosen.into_iter().chain(current).map(|kind| kind.id);
            iter::once(first).chain(before).all(|id| id != other.id)
        };
        let original = Some(original).filter(is_new);
        chosen.into_iter().chain(current).chain(original)
    }

    /// Adds a kind, and evicts another one if there are too many.
    pub(crate) fn add(&mut self, claims: ClaimsRequest, source: T) -> Id {
        while self.kinds.len() >= MAX_KINDS || self.bytes() + claims.as_str().len() > MAX_BYTES {
            let Some(to_evict) = self.to_evict() else { break };
            self.kinds.retain(|kind| kind.id != to_evict);
            self.routes.retain(|route| route.kind != to_evict);
            self.waiting.retain(|waiting| waiting.kind != to_evict);
        }
        self.push(Some(claims), source)
    }

    fn push(&mut self, claims: Option<ClaimsRequest>, source: T) -> Id {
        let id = Id(self.next);
        self.next = self.next.wrapping_add(1);
        self.kinds.push(Kind {
            id,
            source,
            claims,
            rejected: 0,
            was_current: false,
            required_by: None,
            offers: MAX_OFFERS,
        });
        id
    }

    fn bytes(&self) -> usize {
        let claims = self.kinds.iter().filter_map(|kind| kind.claims.as_ref());
        claims.map(|claims| claims.as_str().len()).sum()
    }

    /// Returns the kind to evict: the oldest one that no path has accepted, or else the oldest.
    fn to_evict(&self) -> Option<Id> {
        let is_proven = |id| self.routes.iter().any(|route| route.kind == id);
        let candidates = || {
            let ids = self.kinds.iter().map(|kind| kind.id);
            ids.filter(|id| *id != ORIGINAL && *id != self.current)
        };
        candidates().find(|id| !is_proven(*id)).or_else(|| candidates().next())
    }

    /// Records that the API required a kind, and that there is no copy of the request: the next one
    /// for that path tries the kind.
    ///
    /// If two paths require the same kind, a request of another path tries it as well. Otherwise
    /// nothing would be tried if no path is requested twice.
    pub(crate) fn require(&mut self, path_id: PathId, id: Id) {
        self.wait(path_id, Scope::Path, id, Trial::Required);
        let Some(kind) = self.kind_mut(id) else { return };
        let before = kind
            .required_by
            .replace(path_id)
            .filter(|before| !before.is_same(path_id));
        if let Some(before) = before.filter(|_| kind.offers > 0) {
            let scope = if before.is_sibling(path_id) {
                Scope::Folder
            } else {
                Scope::All
            };
            self.wait(path_id, scope, id, Trial::Offered);
        }
    }

    /// Queues a trial for the next request of this path, with the kind of the layer's own source.
    pub(crate) fn try_original(&mut self, path_id: PathId, trial: Trial) {
        self.wait(path_id, Scope::Path, ORIGINAL, trial);
    }

    fn wait(&mut self, path_id: PathId, scope: Scope, kind: Id, trial: Trial) {
        self.waiting
            .retain(|waiting| waiting.scope != scope || !waiting.path_id.is_same(path_id));
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push(Waiting {
            path_id,
            scope,
            kind,
            trial,
        });
    }

    /// Returns the trial for a request of this path, if its token is cached or the API required it
    /// for this path.
    pub(crate) fn next_trial(&self, path_id: PathId, is_cached: impl Fn(&T) -> bool) -> Option<usize> {
        self.waiting.iter().position(|waiting| match waiting.scope {
            Scope::Path => waiting.path_id.is_same(path_id),
            Scope::Folder if !waiting.path_id.is_sibling(path_id) => false,
            Scope::Folder | Scope::All => self.kind(waiting.kind).is_some_and(|kind| is_cached(&kind.source)),
        })
    }

    /// Takes a trial, which is for one request.
    pub(crate) fn take_trial(&mut self, number: usize) -> Option<(&Kind<T>, Trial)> {
        let Waiting { kind, trial, .. } = self.waiting.remove(number);
        if let (Trial::Offered, Some(kind)) = (trial, self.kind_mut(kind)) {
            kind.offers = kind.offers.saturating_sub(1);
        }
        self.kind(kind).map(|kind| (kind, trial))
    }

    /// Records that the API accepted a token of this kind for this path, which was a trial.
    pub(crate) fn accepted(&mut self, path_id: PathId, id: Id, trial: Trial) {
        let Some(kind) = self.kind_mut(id) else { return };
        kind.offers = MAX_OFFERS;
        // One path alone says nothing about the others if the kind was the current one before.
        let is_for_all = match trial {
            Trial::Required => !kind.was_current,
            Trial::Offered => true,
            Trial::Instead { .. } => false,
        };
        if is_for_all {
            kind.was_current = true;
            self.current = id;
            self.waiting.retain(|waiting| waiting.kind != id);
        }
        self.routes.retain(|route| !route.path_id.is_same(path_id));
        if self.routes.len() >= MAX_ROUTES {
            // A route to the current kind is no loss.
            let to_evict = self.routes.iter().position(|route| route.kind == self.current);
            self.routes.remove(to_evict.unwrap_or_default());
        }
        self.routes.push(Route { path_id, kind: id });
    }

    /// Records that the token service issues no token of this kind any more.
    pub(crate) fn withdraw(&mut self, id: Id) {
        self.routes.retain(|route| route.kind != id);
        if self.current == id {
            self.current = ORIGINAL;
        }
    }
}

impl Mark {
    /// Returns the mark of a token that is not on trial.
    #[inline]
    pub(crate) fn new(kind: Id, number: u64) -> Self {
        Self {
            kind,
            number,
            trial: None,
        }
    }
}

impl<T> Kind<T> {
    pub(crate) fn has(&self, claims: &ClaimsRequest) -> bool {
        self.claims.as_ref() == Some(claims)
    }
}

/// The maximum number of kinds of a layer.
const MAX_KINDS: usize = 8;
/// The maximum number of bytes of their claims.
const MAX_BYTES: usize = 64 * 1024;
/// The maximum number of paths with their own kind.
const MAX_ROUTES: usize = 64;
/// The maximum number of trials that wait for a request.
const MAX_WAITING: usize = 16;

/// The number of requests of paths that do not require a kind which may be rejected with it.
const MAX_OFFERS: u8 = 3;

/// The kind of the layer's own source.
pub(crate) const ORIGINAL: Id = Id(0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path_id::PathIds;

    fn claims(number: usize, length: usize) -> ClaimsRequest {
        ClaimsRequest::parse(&format!(r#"{{"c{number}":{{"v":"{}"}}}}"#, "x".repeat(length))).unwrap()
    }

    fn at(path_ids: &PathIds, path: &str) -> PathId {
        let request = http::Request::get(format!("https://a.test{path}"));
        path_ids.with_folder(&request.body(()).unwrap())
    }

    #[test]
    fn kinds_routes_and_trials_are_bounded() {
        let path_ids = PathIds::new(1);
        for length in [10, 15_000] {
            let mut table = Table::new((), None);
            for number in 0..1000 {
                let path_id = at(&path_ids, &format!("/{number}"));
                let id = table.add(claims(number, length), ());
                table.require(path_id, id);
                table.accepted(path_id, [id, ORIGINAL][number % 2], Trial::Required);
                assert!(table.kinds.len() <= MAX_KINDS && table.bytes() <= MAX_BYTES);
                assert!(table.routes.len() <= MAX_ROUTES && table.waiting.len() <= MAX_WAITING);
            }
        }
    }

    #[test]
    fn accepted_kinds_outlive_others() {
        let path_ids = PathIds::new(1);
        let path_id = |path: &str| at(&path_ids, path);
        let mut table = Table::new((), None);
        let proven = ["/a", "/b"].map(|path| {
            let id = table.add(claims(0, path.len()), ());
            table.accepted(path_id(path), id, Trial::Required);
            id
        });
        for number in 1..1000 {
            let id = table.add(claims(number, 10), ());
            table.require(path_id(&format!("/evil/{number}")), id);
        }
        for (path, id) in ["/a", "/b"].into_iter().zip(proven) {
            assert_eq!(table.choose(path_id(path)).id, id);
        }
    }

    #[test]
    fn kinds_of_two_paths_do_not_alternate_for_the_others() {
        let path_ids = PathIds::new(1);
        let path_id = |path: &str| at(&path_ids, path);
        let mut table = Table::new((), None);
        let [first, second] = [1, 2].map(|number| table.add(claims(number, 10), ()));
        for (path, id) in [("/a", first), ("/b", second), ("/c", first)] {
            table.accepted(path_id(path), id, Trial::Required);
        }
        assert_eq!(table.current().id, second);
        assert!(!table.is_uniform());
        // Two siblings stand for their folder, and two other paths stand for all.
        let tried = |table: &Table<()>, path| table.next_trial(path_id(path), |()| true).is_some();
        table.require(path_id("/d/1"), first);
        assert!(!tried(&table, "/d/3"));
        table.require(path_id("/d/2"), first);
        assert!(tried(&table, "/d/3") && !tried(&table, "/e/3"));
        assert!(table.next_trial(path_id("/d/3"), |()| false).is_none());
        table.require(path_id("/e/1"), first);
        let number = table.next_trial(path_id("/f"), |()| true).unwrap();
        assert!(matches!(table.take_trial(number), Some((_, Trial::Offered))));
        table.accepted(path_id("/f"), first, Trial::Offered);
        assert_eq!((table.current().id, table.choose(path_id("/b")).id), (first, second));
    }

    #[test]
    fn rejected_offers_come_to_an_end() {
        let path_ids = PathIds::new(1);
        let mut table = Table::new((), None);
        let id = table.add(claims(1, 10), ());
        let mut offers = 0;
        for number in 0..100 {
            let path_id = |path: &str| at(&path_ids, path);
            table.require(path_id(&format!("/evil/{number}/a")), id);
            if let Some(number) = table.next_trial(path_id("/good"), |()| true) {
                assert!(table.take_trial(number).is_some());
                offers += 1;
            }
        }
        assert_eq!(offers, MAX_OFFERS);
    }
}
