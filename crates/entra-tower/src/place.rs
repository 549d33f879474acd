//! The method and path of a request, as a number.

use std::hash::{BuildHasher, RandomState};

use http::{Request, Uri};

/// Where in the API a request goes: its method, its path without the query, and the origin where a layer has several. To write may take
/// other claims than to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    path: u64,
    /// The path without its last segment: none where it is not known, or has no segment left.
    folder: Option<u64>,
}

/// Makes numbers of paths. A number is cheap enough for every request, takes no memory and is of use in this process only.
pub(crate) struct Places {
    seed: u64,
    /// Whether the origin counts: where there is one only, it is not looked at.
    with_origin: bool,
}

impl Place {
    pub(crate) fn is_same(self, other: Self) -> bool {
        self.path == other.path
    }

    pub(crate) fn is_beside(self, other: Self) -> bool {
        self.folder.is_some() && self.folder == other.folder
    }
}

impl Places {
    pub(crate) fn new(origins: usize) -> Self {
        Self {
            seed: RandomState::new().hash_one(origins),
            with_origin: origins > 1,
        }
    }

    /// The place, without its folder.
    #[inline]
    pub(crate) fn of<B>(&self, request: &Request<B>) -> Place {
        let path = extend(self.seed_of(request), request.uri().path().as_bytes());
        Place { path, folder: None }
    }

    /// The place, with its folder.
    pub(crate) fn in_full<B>(&self, request: &Request<B>) -> Place {
        let folder = request.uri().path().rsplit_once('/').map(|(folder, _)| folder);
        let folder = folder.filter(|folder| !folder.is_empty());
        Place {
            folder: folder.map(|folder| extend(self.seed_of(request), folder.as_bytes())),
            ..self.of(request)
        }
    }

    #[inline]
    fn seed_of<B>(&self, request: &Request<B>) -> u64 {
        self.origin(request.uri()) ^ number(request.method().as_str().as_bytes())
    }

    #[inline]
    fn origin(&self, uri: &Uri) -> u64 {
        match uri.authority().filter(|_| self.with_origin) {
            Some(authority) => extend(self.seed, authority.as_str().as_bytes()),
            None => self.seed,
        }
    }
}

/// A hash of eight bytes at a time: the standard library's takes as long as all the rest of a request with its token at hand.
#[inline]
fn extend(seed: u64, bytes: &[u8]) -> u64 {
    let start = mix(seed ^ bytes.len() as u64);
    let Some(last) = bytes.last_chunk() else {
        return mix(start ^ number(bytes));
    };
    let chunks = bytes.chunks_exact(8).filter_map(<[u8]>::first_chunk);
    // The last eight bytes overlap the chunk before them.
    chunks
        .chain([last])
        .fold(start, |hash, chunk| mix(hash ^ u64::from_le_bytes(*chunk)))
}

/// The last eight bytes as a number.
#[inline]
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[inline]
fn mix(number: u64) -> u64 {
    let product = u128::from(number) * u128::from(FACTOR);
    (product >> 64) as u64 ^ product as u64
}

/// The golden ratio's fraction: odd, and half of its bits are set.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    fn get(uri: &str) -> Request<()> {
        Request::get(uri).body(()).unwrap()
    }

    #[test]
    fn place_is_the_path_without_its_query() {
        let places = Places::new(1);
        let place = |uri: &str| places.in_full(&get(uri));
        let users = place("https://a.test/v1.0/users");
        assert!(users.is_same(place("https://a.test/v1.0/users?$top=1")));
        assert!(users.is_same(places.of(&get("https://b.test/v1.0/users"))));
        for other in [
            "/",
            "/v1.0/user",
            "/v1.0/users/",
            "/v1.0/users/1",
            "/v2.0/users",
            "/v1.0/sersu",
        ] {
            assert!(!users.is_same(place(&format!("https://a.test{other}"))), "{other}");
        }
    }

    #[test]
    fn methods_of_one_path_have_places_of_their_own() {
        let places = Places::new(1);
        let [one, other] = ["GET", "POST"].map(|method| {
            let request = Request::builder().method(method).uri("https://a.test/users/1");
            places.in_full(&request.body(()).unwrap())
        });
        assert!(!one.is_same(other) && !one.is_beside(other));
    }

    #[test]
    fn several_origins_have_places_of_their_own() {
        let places = Places::new(2);
        let place = |uri: &str| places.in_full(&get(uri));
        assert!(!place("https://a.test/v1.0").is_same(place("https://b.test/v1.0")));
        assert!(place("https://a.test/v1.0").is_same(place("https://a.test/v1.0?a")));
    }

    #[test]
    fn places_beside_each_other_share_all_but_the_last_segment() {
        let places = Places::new(1);
        let place = |path: &str| places.in_full(&get(&format!("https://a.test{path}")));
        assert!(place("/a/1").is_beside(place("/a/2")));
        for (one, other) in [("/a/1", "/b/1"), ("/a/1", "/a/1/b"), ("/a", "/b"), ("/", "/a")] {
            assert!(!place(one).is_beside(place(other)), "{one} {other}");
        }
    }
}
