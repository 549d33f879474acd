//! An application and its sign-ins, for tests of the browser flows.
use std::collections::BTreeMap;

use entra_proto::authorize::{PendingAuthorization, RedirectUri};
use entra_proto::error::RedirectProblem;
use entra_proto::{Application, Authority, ClientSecret, Error, Guid, Target, TokenRequest};

pub(crate) const ID: &str = "2d4d11a2-f814-46a7-890a-274a72a7309e";
pub(crate) const TENANT: &str = "41463f53-8812-40f4-890f-865bf6e35190";
pub(crate) const BACK: &str = "https://www.mycompany.com/myapp/";

pub(crate) fn application(authority: &str) -> Application {
    let authority: Authority = authority.parse().unwrap();
    Application::new(authority, ID.parse().unwrap(), ClientSecret::new("s3cret").unwrap())
}

pub(crate) fn common() -> Application {
    application("https://login.microsoftonline.com/common")
}

pub(crate) fn back() -> RedirectUri {
    BACK.parse().unwrap()
}

pub(crate) fn graph() -> Target {
    Target::scopes("User.Read").unwrap()
}

/// Returns bytes that differ in each of the three thirds.
pub(crate) fn random(seed: u8) -> [u8; 96] {
    std::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at as u8))
}

pub(crate) fn started(app: &Application) -> PendingAuthorization {
    app.authorize(graph(), back()).start(&random(1)).unwrap().1
}

/// Splits a URL into its address and its parameters, with an independent parser.
pub(crate) fn read(url: &str) -> (String, BTreeMap<String, String>) {
    let (address, query) = url.split_once('?').unwrap();
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let (count, map) = (pairs.len(), pairs.into_iter().collect::<BTreeMap<_, _>>());
    assert_eq!(map.len(), count, "duplicate parameter: {url}");
    (address.to_owned(), map)
}

pub(crate) fn form(request: &TokenRequest) -> BTreeMap<String, String> {
    let http = request.encode(Guid::from_bytes([7; 16]));
    let body = String::from_utf8(http.body().as_bytes().to_vec()).unwrap();
    read(&format!("?{body}")).1
}

pub(crate) fn problem<T: std::fmt::Debug>(result: Result<T, Error>) -> RedirectProblem {
    match result {
        Err(Error::Redirect(error)) => error.problem.clone(),
        other => panic!("{other:?}"),
    }
}
