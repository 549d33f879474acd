//! Which token a request gets: the kinds of token that a layer has, and the paths that want one of them.

use std::iter;

use entra_proto::claims::ClaimsRequest;

use crate::place::Place;

/// The kinds of token of a layer, and who gets which. It is changed by few responses, and read by many requests.
///
/// A route is a fact: the API has accepted that kind there. What is not known yet is tried by one request: by the copy of the rejected
/// one, or else by the next one for that path.
#[derive(Clone)]
pub(crate) struct Table<T> {
    /// The first one is of the source that the layer was made with.
    kinds: Vec<Kind<T>>,
    /// The kind of all paths without a route.
    current: Id,
    /// The oldest first.
    routes: Vec<Route>,
    /// What the next requests are to try, the oldest first.
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
    /// Whether it has been the kind of all paths.
    was_current: bool,
    /// The path that asked for it last, and cannot send its request again.
    asked_by: Option<Place>,
    /// How many requests of other paths may still be rejected with it.
    offers: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Id(u32);

#[derive(Clone, Copy)]
struct Route {
    place: Place,
    kind: Id,
}

#[derive(Clone, Copy)]
struct Waiting {
    place: Place,
    scope: Scope,
    kind: Id,
    trial: Trial,
}

/// The requests that may try a kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Path,
    Folder,
    All,
}

/// The reason why a request tries a kind.
#[derive(Clone, Copy)]
pub(crate) enum Trial {
    /// The API asked for these claims there.
    Asked,
    /// Two other paths asked for these claims.
    Offered,
    /// The API rejected this token there, and had not asked for its claims.
    Instead { kind: Id, number: u64 },
}

/// The token of a request: its kind, and its number among the tokens of that kind.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) kind: Id,
    pub(crate) number: u64,
    /// Present if it is of interest that the API accepts it.
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

    /// Whether all requests get the current kind.
    pub(crate) fn is_uniform(&self) -> bool {
        self.waiting.is_empty() && self.routes.iter().all(|route| route.kind == self.current)
    }

    /// The kind with this number, unless it had to go.
    pub(crate) fn kind(&self, id: Id) -> Option<&Kind<T>> {
        self.kinds.iter().find(|kind| kind.id == id)
    }

    pub(crate) fn kind_mut(&mut self, id: Id) -> Option<&mut Kind<T>> {
        self.kinds.iter_mut().find(|kind| kind.id == id)
    }

    pub(crate) fn kind_with(&self, claims: &ClaimsRequest) -> Option<&Kind<T>> {
        self.kinds.iter().find(|kind| kind.claims.as_ref() == Some(claims))
    }

    /// The kind of the layer's own source.
    pub(crate) fn original(&self) -> &Kind<T> {
        &self.kinds[0]
    }

    pub(crate) fn current(&self) -> &Kind<T> {
        self.kind(self.current).unwrap_or_else(|| self.original())
    }

    /// The kind that the API has accepted at this place, or else at the latest one beside it.
    pub(crate) fn route(&self, place: Place) -> Option<&Kind<T>> {
        let own = self.routes.iter().find(|route| route.place.is_same(place));
        let beside = || self.routes.iter().rev().find(|route| route.place.is_beside(place));
        self.kind(own.or_else(beside)?.kind)
    }

    /// The kind for a place.
    pub(crate) fn choose(&self, place: Place) -> &Kind<T> {
        self.route(place).unwrap_or_else(|| self.current())
    }

    /// The kinds for a place after `first`: where there is no token with claims, one without them is better than none.
    pub(crate) fn others(&self, place: Place, first: Id) -> impl Iterator<Item = &Kind<T>> {
        let (chosen, current, original) = (self.choose(place), self.current(), self.original());
        let chosen = Some(chosen).filter(|chosen| chosen.id != first);
        let current = Some(current).filter(|current| current.id != first && chosen.is_none_or(|c| c.id != current.id));
        let is_new = |other: &&Kind<T>| {
            let before = chosen.into_iter().chain(current).map(|kind| kind.id);
            iter::once(first).chain(before).all(|id| id != other.id)
        };
        let original = Some(original).filter(is_new);
        chosen.into_iter().chain(current).chain(original)
    }

    /// Adds a kind, in the place of another one where there are too many.
    pub(crate) fn add(&mut self, claims: ClaimsRequest, source: T) -> Id {
        while self.kinds.len() >= MOST_KINDS || self.bytes() + claims.as_str().len() > MOST_BYTES {
            let Some(least) = self.least() else { break };
            self.kinds.retain(|kind| kind.id != least);
            self.routes.retain(|route| route.kind != least);
            self.waiting.retain(|waiting| waiting.kind != least);
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
            asked_by: None,
            offers: MOST_OFFERS,
        });
        id
    }

    fn bytes(&self) -> usize {
        let claims = self.kinds.iter().filter_map(|kind| kind.claims.as_ref());
        claims.map(|claims| claims.as_str().len()).sum()
    }

    /// The kind whose loss matters least: the oldest that no path has accepted, or else the oldest.
    fn least(&self) -> Option<Id> {
        let is_proven = |id| self.routes.iter().any(|route| route.kind == id);
        let others = || {
            let ids = self.kinds.iter().map(|kind| kind.id);
            ids.filter(|id| *id != ORIGINAL && *id != self.current)
        };
        others().find(|id| !is_proven(*id)).or_else(|| others().next())
    }

    /// The API asked for a kind, and there is no copy of the request: the next one for that path tries it. Two paths that ask for the
    /// same may speak for others, which is tried as well: else nothing would be tried where no path is requested twice.
    pub(crate) fn ask(&mut self, place: Place, id: Id) {
        self.wait(place, Scope::Path, id, Trial::Asked);
        let Some(kind) = self.kind_mut(id) else { return };
        let before = kind.asked_by.replace(place).filter(|before| !before.is_same(place));
        if let Some(before) = before.filter(|_| kind.offers > 0) {
            let scope = if before.is_beside(place) {
                Scope::Folder
            } else {
                Scope::All
            };
            self.wait(place, scope, id, Trial::Offered);
        }
    }

    /// The next request for that path is to try the kind of the layer's own source.
    pub(crate) fn try_original(&mut self, place: Place, trial: Trial) {
        self.wait(place, Scope::Path, ORIGINAL, trial);
    }

    fn wait(&mut self, place: Place, scope: Scope, kind: Id, trial: Trial) {
        self.waiting
            .retain(|waiting| waiting.scope != scope || !waiting.place.is_same(place));
        if self.waiting.len() >= MOST_WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push(Waiting {
            place,
            scope,
            kind,
            trial,
        });
    }

    /// What a request for this place is to try, if its token is at hand or the API asked for it there.
    pub(crate) fn next_trial(&self, place: Place, is_at_hand: impl Fn(&T) -> bool) -> Option<usize> {
        self.waiting.iter().position(|waiting| match waiting.scope {
            Scope::Path => waiting.place.is_same(place),
            Scope::Folder if !waiting.place.is_beside(place) => false,
            Scope::Folder | Scope::All => self.kind(waiting.kind).is_some_and(|kind| is_at_hand(&kind.source)),
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

    /// The API accepted a token of this kind at that place, which was a trial.
    pub(crate) fn accepted(&mut self, place: Place, id: Id, trial: Trial) {
        let Some(kind) = self.kind_mut(id) else { return };
        kind.offers = MOST_OFFERS;
        // Of a kind that was current before, one path alone says nothing about the others.
        let is_for_all = match trial {
            Trial::Asked => !kind.was_current,
            Trial::Offered => true,
            Trial::Instead { .. } => false,
        };
        if is_for_all {
            kind.was_current = true;
            self.current = id;
            self.waiting.retain(|waiting| waiting.kind != id);
        }
        self.routes.retain(|route| !route.place.is_same(place));
        if self.routes.len() >= MOST_ROUTES {
            // One that says what holds for all paths is no loss.
            let least = self.routes.iter().position(|route| route.kind == self.current);
            self.routes.remove(least.unwrap_or_default());
        }
        self.routes.push(Route { place, kind: id });
    }

    /// The token service gives no token of this kind any more.
    pub(crate) fn withdraw(&mut self, id: Id) {
        self.routes.retain(|route| route.kind != id);
        if self.current == id {
            self.current = ORIGINAL;
        }
    }
}

impl Mark {
    /// The mark of a token that is not on trial.
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

/// How many kinds a layer has at most, with how many bytes of claims, how many paths with a kind of their own, and how many trials that
/// wait for a request.
const MOST_KINDS: usize = 8;
const MOST_BYTES: usize = 64 * 1024;
const MOST_ROUTES: usize = 64;
const MOST_WAITING: usize = 16;

/// How many requests of paths that have not asked for a kind may be rejected with it.
const MOST_OFFERS: u8 = 3;

/// The kind of the layer's own source.
pub(crate) const ORIGINAL: Id = Id(0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Places;

    fn claims(number: usize, length: usize) -> ClaimsRequest {
        ClaimsRequest::parse(&format!(r#"{{"c{number}":{{"v":"{}"}}}}"#, "x".repeat(length))).unwrap()
    }

    fn at(places: &Places, path: &str) -> Place {
        let request = http::Request::get(format!("https://a.test{path}"));
        places.in_full(&request.body(()).unwrap())
    }

    #[test]
    fn kinds_routes_and_trials_are_bounded_in_number_and_bytes() {
        let places = Places::new(1);
        for length in [10, 15_000] {
            let mut table = Table::new((), None);
            for number in 0..1000 {
                let place = at(&places, &format!("/{number}"));
                let id = table.add(claims(number, length), ());
                table.ask(place, id);
                table.accepted(place, [id, ORIGINAL][number % 2], Trial::Asked);
                assert!(table.kinds.len() <= MOST_KINDS && table.bytes() <= MOST_BYTES);
                assert!(table.routes.len() <= MOST_ROUTES && table.waiting.len() <= MOST_WAITING);
            }
        }
    }

    #[test]
    fn kinds_that_were_accepted_outlive_others() {
        let places = Places::new(1);
        let place = |path: &str| at(&places, path);
        let mut table = Table::new((), None);
        let proven = ["/a", "/b"].map(|path| {
            let id = table.add(claims(0, path.len()), ());
            table.accepted(place(path), id, Trial::Asked);
            id
        });
        for number in 1..1000 {
            let id = table.add(claims(number, 10), ());
            table.ask(place(&format!("/evil/{number}")), id);
        }
        for (path, id) in ["/a", "/b"].into_iter().zip(proven) {
            assert_eq!(table.choose(place(path)).id, id);
        }
    }

    #[test]
    fn kinds_of_two_paths_do_not_take_turns_for_the_others() {
        let places = Places::new(1);
        let place = |path: &str| at(&places, path);
        let mut table = Table::new((), None);
        let [first, second] = [1, 2].map(|number| table.add(claims(number, 10), ()));
        for (path, id) in [("/a", first), ("/b", second), ("/c", first)] {
            table.accepted(place(path), id, Trial::Asked);
        }
        assert_eq!(table.current().id, second);
        assert!(!table.is_uniform());
        // Two paths beside each other speak for their folder, and others for all.
        let tried = |table: &Table<()>, path| table.next_trial(place(path), |()| true).is_some();
        table.ask(place("/d/1"), first);
        assert!(!tried(&table, "/d/3"));
        table.ask(place("/d/2"), first);
        assert!(tried(&table, "/d/3") && !tried(&table, "/e/3"));
        assert!(table.next_trial(place("/d/3"), |()| false).is_none());
        table.ask(place("/e/1"), first);
        let number = table.next_trial(place("/f"), |()| true).unwrap();
        assert!(matches!(table.take_trial(number), Some((_, Trial::Offered))));
        table.accepted(place("/f"), first, Trial::Offered);
        assert_eq!((table.current().id, table.choose(place("/b")).id), (first, second));
    }

    #[test]
    fn offers_that_are_rejected_come_to_an_end() {
        let places = Places::new(1);
        let mut table = Table::new((), None);
        let id = table.add(claims(1, 10), ());
        let mut offers = 0;
        for number in 0..100 {
            let place = |path: &str| at(&places, path);
            table.ask(place(&format!("/evil/{number}/a")), id);
            if let Some(number) = table.next_trial(place("/good"), |()| true) {
                assert!(table.take_trial(number).is_some());
                offers += 1;
            }
        }
        assert_eq!(offers, MOST_OFFERS);
    }
}
