//! Which token a request gets: the kinds of token that a layer has, and the paths that want one of them.

use std::{iter, mem};

use entra_proto::ClaimsRequest;

use crate::place::Place;

/// The kinds of token of a layer, and who gets which. It is changed by few responses, and read by many requests.
///
/// The claims of a challenge are for the path that it came from, on trial. Once the API has accepted a token with them there, they are
/// for all paths that have no route of their own.
#[derive(Clone)]
pub(crate) struct Table<T> {
    /// The first one is of the source that the layer was made with.
    kinds: Vec<Kind<T>>,
    /// The kind of all paths without a route.
    current: Id,
    /// The kind before the current one, while no token of the current kind has been accepted.
    previous: Option<Id>,
    /// The oldest first.
    routes: Vec<Route>,
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
    /// Whether it has been the kind of all paths: once, so that what one path does cannot switch them to and fro.
    was_current: bool,
    /// Whether a path that had not asked for it rejected it. It is offered to no other one, then.
    is_disputed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Id(u32);

/// A path that wants one kind.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    place: Place,
    pub(crate) kind: Id,
    /// Why, until the API has accepted a token of that kind there.
    pub(crate) trial: Option<Trial>,
    /// Whether the paths beside it want that kind as well.
    serves_folder: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Trial {
    /// The API asked for these claims.
    Asked,
    /// The API rejected this token, whose claims it had not asked for there.
    Instead(Mark),
}

/// The token of a request: its kind, and its number among the tokens of that kind.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) kind: Id,
    pub(crate) number: u64,
    /// Whether it is of interest that the API accepts it.
    pub(crate) is_trial: bool,
}

impl Route {
    /// Whether the API asked for these claims there.
    pub(crate) fn asks(&self) -> bool {
        !matches!(self.trial, Some(Trial::Instead(_)))
    }
}

impl<T: Clone> Table<T> {
    pub(crate) fn new(source: T, claims: Option<ClaimsRequest>) -> Self {
        Self {
            kinds: vec![Kind {
                id: ORIGINAL,
                source,
                claims,
                rejected: 0,
                was_current: true,
                is_disputed: false,
            }],
            current: ORIGINAL,
            previous: None,
            routes: Vec::new(),
            next: ORIGINAL.0 + 1,
        }
    }

    /// Whether all paths have one kind, and nothing is on trial.
    pub(crate) fn is_uniform(&self) -> bool {
        let is_plain = |route: &Route| route.kind == self.current && route.trial.is_none();
        self.previous.is_none() && self.routes.iter().all(is_plain)
    }

    /// The kind with this number, unless it had to go.
    pub(crate) fn kind(&self, id: Id) -> Option<&Kind<T>> {
        self.kinds.iter().find(|kind| kind.id == id)
    }

    pub(crate) fn kind_mut(&mut self, id: Id) -> Option<&mut Kind<T>> {
        self.kinds.iter_mut().find(|kind| kind.id == id)
    }

    /// The kind of the layer's own source.
    pub(crate) fn original(&self) -> &Kind<T> {
        &self.kinds[0]
    }

    pub(crate) fn current(&self) -> &Kind<T> {
        self.kind(self.current).unwrap_or_else(|| self.original())
    }

    /// Whether this kind has the claims.
    pub(crate) fn has(&self, id: Id, claims: &ClaimsRequest) -> bool {
        self.kind(id).is_some_and(|kind| kind.claims.as_ref() == Some(claims))
    }

    pub(crate) fn kind_with(&self, claims: &ClaimsRequest) -> Option<&Kind<T>> {
        self.kinds.iter().find(|kind| kind.claims.as_ref() == Some(claims))
    }

    /// The kind for a place, and whether it is on trial there.
    pub(crate) fn choose(&self, place: Place) -> (&Kind<T>, bool) {
        let route = self.position(place).map(|position| &self.routes[position]);
        route
            .and_then(|route| Some((self.kind(route.kind)?, route.trial.is_some())))
            .unwrap_or_else(|| (self.current(), self.previous.is_some()))
    }

    /// The route of a place, or else the latest one beside it.
    fn position(&self, place: Place) -> Option<usize> {
        let own = self.routes.iter().position(|route| route.place.is_same(place));
        let beside = |route: &Route| route.serves_folder && route.place.is_beside(place);
        own.or_else(|| self.routes.iter().rposition(beside))
    }

    /// The kinds for a place, the best one first: where there is no token with claims, one without them is better than none.
    pub(crate) fn candidates(&self, place: Place) -> impl Iterator<Item = (&Kind<T>, bool)> {
        let (first, is_trial) = self.choose(place);
        let (current, original) = (self.current(), self.original());
        let current = iter::once((current, self.previous.is_some())).filter(move |_| current.id != first.id);
        let original = (original.id != first.id && original.id != self.current).then_some((original, false));
        iter::once((first, is_trial)).chain(current).chain(original)
    }

    /// The route of this very place.
    pub(crate) fn route(&self, place: Place) -> Option<&Route> {
        self.routes.iter().find(|route| route.place.is_same(place))
    }

    /// Adds a kind, in the place of another one where there are too many.
    pub(crate) fn add(&mut self, claims: ClaimsRequest, source: T) -> Id {
        while self.kinds.len() >= MOST_KINDS || self.bytes() + claims.as_str().len() > MOST_BYTES {
            let Some(least) = self.least() else { break };
            self.kinds.retain(|kind| kind.id != least);
            self.routes.retain(|route| route.kind != least);
        }
        let id = Id(self.next);
        self.next += 1;
        self.kinds.push(Kind {
            id,
            source,
            claims: Some(claims),
            rejected: 0,
            was_current: false,
            is_disputed: false,
        });
        id
    }

    fn bytes(&self) -> usize {
        let claims = self.kinds.iter().filter_map(|kind| kind.claims.as_ref());
        claims.map(|claims| claims.as_str().len()).sum()
    }

    /// The kind whose loss matters least: the oldest that no path has accepted, or else the oldest.
    fn least(&self) -> Option<Id> {
        let is_proven = |id| {
            self.routes
                .iter()
                .any(|route| route.kind == id && route.trial.is_none())
        };
        let others = || {
            let ids = self.kinds.iter().map(|kind| kind.id);
            ids.filter(|id| ![ORIGINAL, self.current].contains(id) && self.previous != Some(*id))
        };
        others().find(|id| !is_proven(*id)).or_else(|| others().next())
    }

    /// Sends the requests of a place to a kind, on trial.
    pub(crate) fn try_at(&mut self, place: Place, kind: Id, trial: Trial) {
        self.forget(place);
        if self.routes.len() >= MOST_ROUTES {
            // What is on trial is lost before what is known to be good.
            let least = self.routes.iter().position(|route| route.trial.is_some());
            self.routes.remove(least.unwrap_or_default());
        }
        // Two paths that ask for the same speak for their folder, also where no path is requested twice.
        let asks = |route: &Route| route.kind == kind && route.place.is_beside(place) && route.asks();
        let serves_folder = matches!(trial, Trial::Asked)
            && self.kind(kind).is_some_and(|kind| !kind.is_disputed)
            && self.routes.iter().any(asks);
        self.routes.push(Route {
            place,
            kind,
            trial: Some(trial),
            serves_folder,
        });
    }

    /// A path that had not asked for this kind rejected it.
    pub(crate) fn dispute(&mut self, id: Id) {
        if let Some(kind) = self.kind_mut(id) {
            kind.is_disputed = true;
        }
        for route in self.routes.iter_mut().filter(|route| route.kind == id) {
            route.serves_folder &= route.trial.is_none();
        }
    }

    /// Whether another path asks for this kind as well.
    pub(crate) fn is_wanted_elsewhere(&self, place: Place, kind: Id) -> bool {
        let others = self.routes.iter().filter(|route| !route.place.is_same(place));
        others.into_iter().any(|route| route.kind == kind && route.asks())
    }

    /// Removes the route of a place, which has the current kind from now on.
    pub(crate) fn forget(&mut self, place: Place) {
        self.routes.retain(|route| !route.place.is_same(place));
    }

    /// Gives a kind to all paths without a route, unless that has been done before, or one of them rejected it.
    pub(crate) fn offer(&mut self, id: Id) {
        let is_new = |kind: &mut Kind<T>| !kind.is_disputed && !mem::replace(&mut kind.was_current, true);
        if self.kind_mut(id).is_some_and(is_new) {
            self.previous.get_or_insert(self.current);
            self.current = id;
        }
    }

    /// Whether there is another kind for all paths without a route.
    pub(crate) fn is_withdrawable(&self, id: Id) -> bool {
        self.current == id && id != ORIGINAL
    }

    /// Takes a kind from all paths without a route, which get the one from before.
    pub(crate) fn withdraw(&mut self, id: Id) {
        if self.is_withdrawable(id) {
            self.current = self.previous.take().unwrap_or(ORIGINAL);
        }
    }

    /// Whether the kind of all paths without a route is still on trial.
    pub(crate) fn is_on_offer(&self, id: Id) -> bool {
        self.current == id && self.previous.is_some()
    }

    /// The API accepted a token of this kind at that place. Returns whether that was news.
    pub(crate) fn accepted(&mut self, place: Place, id: Id) -> bool {
        let position = self.position(place);
        let route = position
            .map(|position| &mut self.routes[position])
            .filter(|route| route.kind == id);
        let trial = route.and_then(|route| {
            route.serves_folder = true;
            route.trial.take()
        });
        if matches!(trial, Some(Trial::Asked)) {
            self.offer(id);
        }
        let was_offered = self.is_on_offer(id);
        if was_offered {
            self.previous = None;
        }
        trial.is_some() || was_offered
    }
}

/// How many kinds a layer has at most, with how many bytes of claims, and how many paths with a kind of their own.
const MOST_KINDS: usize = 8;
const MOST_BYTES: usize = 64 * 1024;
const MOST_ROUTES: usize = 64;

/// The kind of the layer's own source.
pub(crate) const ORIGINAL: Id = Id(0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Places;

    fn claims(number: usize, length: usize) -> ClaimsRequest {
        ClaimsRequest::parse(&format!(r#"{{"c{number}":{{"v":"{}"}}}}"#, "x".repeat(length))).unwrap()
    }

    #[test]
    fn kinds_and_routes_are_bounded_in_number_and_bytes() {
        let places = Places::new(1);
        for length in [10, 15_000] {
            let mut table = Table::new((), None);
            for number in 0..1000 {
                let place = places.of(&format!("https://a.test/{number}").parse().unwrap());
                let id = table.add(claims(number, length), ());
                table.try_at(place, id, Trial::Asked);
                table.try_at(place, ORIGINAL, Trial::Asked);
                assert!(table.kinds.len() <= MOST_KINDS && table.routes.len() <= MOST_ROUTES);
                assert!(table.bytes() <= MOST_BYTES, "{}", table.bytes());
                assert_eq!(table.choose(place).0.id, ORIGINAL);
            }
        }
    }

    #[test]
    fn kinds_that_were_accepted_outlive_others() {
        let places = Places::new(1);
        let place = |path: &str| places.in_full(&format!("https://a.test{path}").parse().unwrap());
        let mut table = Table::new((), None);
        let proven = ["/a", "/b"].map(|path| {
            let id = table.add(claims(path.len(), 10), ());
            table.try_at(place(path), id, Trial::Asked);
            assert!(table.accepted(place(path), id));
            id
        });
        for number in 0..1000 {
            let id = table.add(claims(number, 10), ());
            table.try_at(place(&format!("/evil/{number}")), id, Trial::Asked);
        }
        for (path, id) in ["/a", "/b"].into_iter().zip(proven) {
            assert_eq!(table.choose(place(path)).0.id, id);
        }
    }
}
