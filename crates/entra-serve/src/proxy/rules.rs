//! The requests that the proxy passes on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use zeroize::Zeroizing;

use super::KEY_HEADER;
use super::problem::{Code, Problem};
use crate::access_key::AccessKey;
use crate::caller::Caller;
use crate::guard::Guard;

/// The rules for requests.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) guard: Guard,
    pub(super) key: Option<AccessKey>,
}

impl Rules {
    /// Checks who sends a request, and whether its target is a path at the API.
    ///
    /// # Errors
    /// Rejects all others.
    pub(super) async fn check<B>(&self, request: &Request<B>, caller: &Caller) -> Result<(), Problem> {
        self.guard
            .check(request, caller)
            .map_err(|refusal| Problem::of_refusal(&refusal))?;
        if self.key.as_ref().is_some_and(|key| !has_key(request.headers(), key)) {
            return Err(Problem::new(Code::WrongKey, "the key of the proxy is missing or wrong")
                .with_hint("send it as X-Entra-Proxy-Key, as a bearer token, or as the password of the URL"));
        }
        check_target(request)?;
        if self.key.is_some() {
            return Ok(());
        }
        let checked = self.guard.check_user(caller).await;
        checked.map_err(|refusal| {
            Problem::of_refusal(&refusal).with_hint("require a key, or allow all users of this machine")
        })
    }
}

fn check_target<B>(request: &Request<B>) -> Result<(), Problem> {
    let bad = |problem: &'static str, hint: &'static str| Err(Problem::new(Code::BadRequest, problem).with_hint(hint));
    let (uri, version) = (request.uri(), request.version());
    if version < Version::HTTP_11 {
        return bad(
            "HTTP/1.0 cannot tell a whole body from a part of it",
            "use HTTP/1.1 or HTTP/2",
        );
    }
    if request.method() == Method::CONNECT || (version == Version::HTTP_11 && uri.authority().is_some()) {
        return bad(
            "this is no forward proxy",
            "use its address as that of the API, not as a proxy setting such as HTTPS_PROXY",
        );
    }
    if !uri.path().starts_with('/') {
        return bad("the target is not a path", "name a path of the API");
    }
    Ok(())
}

/// Returns true if a client sent the key, in one of the ways that programs have.
fn has_key(headers: &HeaderMap, key: &AccessKey) -> bool {
    let mut own = headers.get_all(KEY_HEADER).iter();
    if let Some(sent) = own.next() {
        return own.next().is_none() && key.is(sent);
    }
    let mut all = headers.get_all(AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (Some(sent), None) => is_authorization(sent, key),
        _ => false,
    }
}

fn is_authorization(sent: &HeaderValue, key: &AccessKey) -> bool {
    let Ok(text) = sent.to_str() else { return false };
    let Some((scheme, rest)) = text.split_once(' ') else {
        return false;
    };
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return key.matches(rest.as_bytes());
    }
    // Any user with the key as the password.
    scheme.eq_ignore_ascii_case("basic")
        && STANDARD.decode(rest).map(Zeroizing::new).is_ok_and(|pair| {
            let colon = pair.iter().position(|byte| *byte == b':');
            colon.is_some_and(|colon| key.matches(&pair[colon + 1..]))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_has_three_forms_and_nothing_else_passes() {
        let key = AccessKey::random().unwrap();
        let text = key.expose();
        let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
        for (name, value, passes) in [
            ("x-entra-proxy-key", text.to_owned(), true),
            ("authorization", format!("Bearer {text}"), true),
            ("authorization", format!("bearer  {text} "), true),
            ("authorization", basic(format!("entra:{text}")), true),
            ("authorization", basic(format!(":{text}")), true),
            ("x-entra-proxy-key", format!("{text}A"), false),
            ("x-entra-proxy-key", format!("Bearer {text}"), false),
            ("authorization", text.to_owned(), false),
            ("authorization", format!("Digest {text}"), false),
            ("authorization", basic(text.to_owned()), false),
            ("authorization", basic(format!("{text}:")), false),
            ("authorization", "Basic !".to_owned(), false),
            ("authorization", "Bearer ".to_owned(), false),
            ("cookie", text.to_owned(), false),
        ] {
            let headers = [(name.parse().unwrap(), HeaderValue::from_str(&value).unwrap())];
            let headers: HeaderMap = headers.into_iter().collect();
            assert_eq!(has_key(&headers, &key), passes, "{name}: {value}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn other_users_are_rejected_unless_allowed() {
        use crate::caller::{Process, Search};

        let own = rustix::process::geteuid().as_raw();
        let other = own.max(1) + 1;
        for (found, any_user, has_key, passes) in [
            (Some(own), false, false, true),
            (Some(0), false, false, true),
            (Some(other), false, false, false),
            (None, false, false, false),
            (Some(other), true, false, true),
            (None, true, false, true),
            (Some(other), false, true, true),
        ] {
            let key = AccessKey::random().unwrap();
            let mut request = Request::get("/").header("host", "localhost");
            if has_key {
                request = request.header(KEY_HEADER, key.expose());
            }
            let search = std::sync::Arc::<Search>::default();
            search.end(found.map(|uid| Process::new(None, uid)));
            let caller = Caller::tcp(1, "127.0.0.1:50000".parse().unwrap()).with_search(search);
            let rules = Rules {
                key: has_key.then_some(key),
                guard: Guard {
                    any_user,
                    ..Guard::default()
                },
            };
            let checked = rules.check(&request.body(()).unwrap(), &caller).await;
            assert_eq!(checked.is_ok(), passes, "{found:?} {any_user} {has_key}");
        }
    }

    #[test]
    fn second_key_is_refused() {
        let key = AccessKey::random().unwrap();
        let value = HeaderValue::from_str(key.expose()).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(KEY_HEADER, value.clone());
        headers.append(KEY_HEADER, value);
        assert!(!has_key(&headers, &key));
    }
}
