//! Properties of every grant, for any target, version and text.

use std::cell::Cell;
use std::collections::BTreeMap;

use entra_proto::{EndpointVersion, Guid, Target, TokenRequest};
use http::Uri;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::grants::{GRANTS, ID, confidential, form, request, sent};
use EndpointVersion::{V1, V2};

fn target() -> impl Strategy<Value = Target> {
    let resource = "(https://|api://|spn:)[a-z0-9.]{1,12}(/[!-~]{0,6}){0,2}/{0,2}";
    let scopes = proptest::collection::vec(
        "(https://|api://)[ab]/{1,2}[A-Za-z.]{1,8}|https://a//?.default|openid|User.Read|offline_access",
        1..4,
    );
    prop_oneof![
        resource.prop_filter_map("not a resource", |text: String| Target::resource(&text).ok()),
        scopes.prop_filter_map("not scopes", |scopes| Target::scopes(&scopes.join(" ")).ok()),
    ]
}

/// Generates a secret that a service issues.
fn issued() -> impl Strategy<Value = String> {
    "[!-~]{12,60}"
}

fn version() -> impl Strategy<Value = EndpointVersion> {
    prop_oneof![Just(V1), Just(V2)]
}

fn grant() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&GRANTS[..])
}

proptest! {
    #[test]
    fn v1_sends_resource_and_v2_scope_for_every_grant(target in target(), version in version(), grant in grant()) {
        let Ok(request) = request(&confidential(version), grant, target, "text") else { return Ok(()) };
        let form = sent(&request);
        match version {
            V1 => {
                // The only scope on v1 is the documented one, beside an assertion.
                let scope = (grant == "on_behalf_of").then_some("openid");
                prop_assert_eq!(form.get("scope").map(String::as_str), scope);
                prop_assert_eq!(&form["resource"], &*request.target().audience().unwrap());
            }
            V2 => {
                prop_assert!(!form.contains_key("resource"));
                let words: Vec<&str> = form["scope"].split(' ').collect();
                let is_for_user = !matches!(grant, "client_credentials" | "on_behalf_of");
                let (_, plain) = request.target().wire_parameter(V2).unwrap();
                prop_assert!(form["scope"].starts_with(&*plain), "{} {}", form["scope"], plain);
                let added = form["scope"][plain.len()..].split_ascii_whitespace().collect::<Vec<_>>();
                prop_assert!(added.iter().all(|word| is_for_user && ["openid", "profile", "offline_access"].contains(word)));
                if is_for_user {
                    for wanted in ["openid", "profile", "offline_access"] {
                        prop_assert!(words.contains(&wanted));
                    }
                }
            }
        }
    }

    #[test]
    fn secret_of_a_grant_is_read_back_by_another_parser(text in issued(), version in version(), grant in grant(), resource in "(https|api)://[a-z]{1,9}/{0,2}") {
        let target = Target::resource(&resource).unwrap();
        let request = request(&confidential(version), grant, target, &text).unwrap();
        let form = sent(&request);
        // A user's token may be given in quotation marks, which are removed.
        let quoted = text.len() > 1 && ["\"", "'", "`"].iter().any(|quote| text.starts_with(quote) && text.ends_with(quote));
        let bracketed = text.starts_with('<') && text.ends_with('>');
        prop_assume!(!(quoted || bracketed));
        let names: &[&str] = match (grant, version) {
            ("client_credentials", _) => &[],
            ("code", _) => &["code"],
            ("refresh", _) => &["refresh_token"],
            ("on_behalf_of", _) => &["assertion"],
            (_, V1) => &["code", "device_code"],
            (_, V2) => &["device_code"],
        };
        let found: Vec<&str> = form.iter().filter(|(_, value)| **value == text).map(|(name, _)| name.as_str()).collect();
        prop_assert_eq!(&found, names);
        prop_assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), (ID, "s3cret"));
        let id = Guid::from_bytes([7; 16]);
        let (once, again) = (request.encode(id), request.encode(id));
        prop_assert_eq!(once.body().as_bytes(), again.body().as_bytes());
        prop_assert_eq!((once.headers(), once.uri()), (again.headers(), again.uri()));
        let key = request.cache_key();
        prop_assert!(!key.as_str().contains(&text) && !key.as_str().contains("s3cret"));
        prop_assert_eq!(key.as_str().lines().count(), if grant == "client_credentials" { 6 } else { 7 });
        let shown = format!("{request:?}");
        prop_assert!(!shown.contains(&text));
    }
}

/// Returns the same scopes in another order, one of them twice. A resource is returned unchanged.
fn shuffled(target: &Target, turn: usize) -> Target {
    let Target::Scopes(scopes) = target else {
        return target.clone();
    };
    let mut words: Vec<&str> = scopes.as_str().split(' ').collect();
    words.push(words[turn % words.len()]);
    words.sort_by_key(|word| {
        word.bytes()
            .fold(turn, |sum, byte| sum.wrapping_mul(31) ^ usize::from(byte))
    });
    Target::scopes(&words.join(" ")).unwrap()
}

/// Returns the URI and the parameters, with the scopes as a set.
fn wire(request: &TokenRequest) -> (Uri, BTreeMap<String, String>) {
    let http = request.encode(Guid::from_bytes([7; 16]));
    let mut form = form(http.body());
    if let Some(scope) = form.get_mut("scope") {
        let mut scopes: Vec<&str> = scope.split(' ').collect();
        scopes.sort_unstable();
        scopes.dedup();
        *scope = scopes.join(" ");
    }
    (http.uri().clone(), form)
}

/// The second request is derived from the first, so that many pairs send the same parameters.
#[test]
fn keys_are_equal_if_and_only_if_the_requests_are() {
    let change = || proptest::bool::weighted(0.15);
    let pairs = (
        (target(), target(), any::<usize>()),
        (version(), grant(), grant(), issued()),
        (change(), change(), change(), change()),
    );
    let (same, other) = (Cell::new(0), Cell::new(0));
    let law = |((one, another, turn), (version, grant, another_grant, text), changed): (_, (_, _, _, String), _)| {
        let (new_target, new_version, new_grant, new_text) = changed;
        let second = if new_target { another } else { shuffled(&one, turn) };
        let second_version = match version {
            V1 if new_version => V2,
            V2 if new_version => V1,
            unchanged => unchanged,
        };
        let second_grant = if new_grant { another_grant } else { grant };
        let second_text = if new_text { format!("{text}x") } else { text.clone() };
        let (Ok(a), Ok(b)) = (
            request(&confidential(version), grant, one, &text),
            request(&confidential(second_version), second_grant, second, &second_text),
        ) else {
            return Ok(());
        };
        let alike = wire(&a) == wire(&b);
        let count = if alike { &same } else { &other };
        count.set(count.get() + 1);
        prop_assert_eq!(
            a.cache_key() == b.cache_key(),
            alike,
            "{} {}",
            a.cache_key().as_str(),
            b.cache_key().as_str()
        );
        Ok(())
    };
    TestRunner::new(Config::with_cases(256)).run(&pairs, law).unwrap();
    let (same, other) = (same.get(), other.get());
    assert!(same > 20 && other > 20, "{same} pairs send the same, {other} do not");
}
