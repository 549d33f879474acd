//! Numbers that identify the method and path of a request.

use std::hash::{BuildHasher, RandomState};

use http::{Request, Uri};

/// The identity of a path of the API: the method, the path without the query, and the origin if a
/// layer has several.
///
/// The method is included because writing may require other claims than reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathId {
    path: u64,
    /// The identity of the path without its last segment. `None` if it was not computed, or if no
    /// segment is left.
    folder: Option<u64>,
}

/// Computes the numbers of paths. A number is cheap enough for every request, takes no memory, and
/// is valid in this process only.
pub(crate) struct PathIds {
    seed: u64,
    /// True if the origin is included. With a single origin it is not.
    with_origin: bool,
}

impl PathId {
    pub(crate) fn is_same(self, other: Self) -> bool {
        self.path == other.path
    }

    pub(crate) fn is_sibling(self, other: Self) -> bool {
        self.folder.is_some() && self.folder == other.folder
    }
}

impl PathIds {
    pub(crate) fn new(origins: usize) -> Self {
        Self {
            seed: RandomState::new().hash_one(origins),
            with_origin: origins > 1,
        }
    }

    /// Returns the identity of the path, without its folder.
    #[inline]
    pub(crate) fn of<B>(&self, request: &Request<B>) -> PathId {
        let path = extend(self.seed_of(request), request.uri().path().as_bytes());
        PathId { path, folder: None }
    }

    /// Returns the identity of the path, with its folder.
    pub(crate) fn with_folder<B>(&self, request: &Request<B>) -> PathId {
        let folder = request.uri().path().rsplit_once('/').map(|(folder, _)| folder);
        let folder = folder.filter(|folder| !folder.is_empty());
        PathId {
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

/// Hashes eight bytes at a time. The hash of the standard library takes as long as the rest of a
/// request with a cached token.
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

/// Returns the last eight bytes as a number.
#[inline]
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[inline]
fn mix(number: u64) -> u64 {
    let product = u128::from(number) * u128::from(FACTOR);
    (product >> 64) as u64 ^ product as u64
}

/// The fraction of the golden ratio: odd, and half of its bits are set.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    fn get(uri: &str) -> Request<()> {
        Request::get(uri).body(()).unwrap()
    }

    #[test]
    fn query_does_not_change_the_path() {
        let path_ids = PathIds::new(1);
        let path_id = |uri: &str| path_ids.with_folder(&get(uri));
        let users = path_id("https://a.test/v1.0/users");
        assert!(users.is_same(path_id("https://a.test/v1.0/users?$top=1")));
        assert!(users.is_same(path_ids.of(&get("https://b.test/v1.0/users"))));
        for other in [
            "/",
            "/v1.0/user",
            "/v1.0/users/",
            "/v1.0/users/1",
            "/v2.0/users",
            "/v1.0/sersu",
        ] {
            assert!(!users.is_same(path_id(&format!("https://a.test{other}"))), "{other}");
        }
    }

    #[test]
    fn methods_of_one_path_differ() {
        let path_ids = PathIds::new(1);
        let [one, other] = ["GET", "POST"].map(|method| {
            let request = Request::builder().method(method).uri("https://a.test/users/1");
            path_ids.with_folder(&request.body(()).unwrap())
        });
        assert!(!one.is_same(other) && !one.is_sibling(other));
    }

    #[test]
    fn paths_of_several_origins_differ() {
        let path_ids = PathIds::new(2);
        let path_id = |uri: &str| path_ids.with_folder(&get(uri));
        assert!(!path_id("https://a.test/v1.0").is_same(path_id("https://b.test/v1.0")));
        assert!(path_id("https://a.test/v1.0").is_same(path_id("https://a.test/v1.0?a")));
    }

    #[test]
    fn siblings_share_all_but_the_last_segment() {
        let path_ids = PathIds::new(1);
        let path_id = |path: &str| path_ids.with_folder(&get(&format!("https://a.test{path}")));
        assert!(path_id("/a/1").is_sibling(path_id("/a/2")));
        for (one, other) in [("/a/1", "/b/1"), ("/a/1", "/a/1/b"), ("/a", "/b"), ("/", "/a")] {
            assert!(!path_id(one).is_sibling(path_id(other)), "{one} {other}");
        }
    }
}
