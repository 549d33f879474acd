//! Properties of redirects and stored sign-ins, for any input.

use entra_proto::authorize::{PendingAdminConsent, PendingAuthorization, Redirect};
use entra_proto::claims::ClaimsRequest;
use entra_proto::error::RedirectProblem;
use entra_proto::{Application, Authority, ClientCredential, EndpointVersion, Error, Target};
use proptest::prelude::*;

use crate::browser::{BACK, ID, TENANT, back, common, form, graph, problem, started};

fn target() -> impl Strategy<Value = Target> {
    let resource = "(https://|api://)[a-z0-9.]{1,12}(/[!-$&-Z^-~]{0,6}){0,2}/{0,2}";
    let scopes = proptest::collection::vec(
        "(https://|api://)[a-z.]{1,8}/{1,2}[A-Za-z.+&=]{1,8}|openid|User.Read",
        1..4,
    );
    prop_oneof![
        resource.prop_filter_map("not a resource", |text: String| Target::resource(&text).ok()),
        scopes.prop_filter_map("not scopes", |scopes| Target::scopes(&scopes.join(" ")).ok()),
    ]
}

fn sign_in() -> impl Strategy<Value = (Application, PendingAuthorization)> {
    let authority = prop_oneof![
        Just("https://login.microsoftonline.com/common".parse::<Authority>().unwrap()),
        Just("https://login.partner.microsoftonline.cn/contoso.com".parse().unwrap()),
        Just(Authority::loopback("http://127.0.0.1:8080/41463f53-8812-40f4-890f-865bf6e35190").unwrap()),
    ];
    let version = prop_oneof![Just(EndpointVersion::V1), Just(EndpointVersion::V2)];
    let claims = proptest::option::of("[a-z]{0,5}\\PC{0,9}");
    let uri = "[a-z0-9/?&=%.]{0,20}";
    let bytes = proptest::collection::vec(any::<u8>(), 96);
    (authority, version, target(), claims, uri, bytes).prop_filter_map(
        "cannot be requested",
        |(authority, version, target, claims, uri, bytes)| {
            let app = Application::new(authority, ID.parse().unwrap(), ClientCredential::Public)
                .with_endpoint_version(version);
            let mut request = app.authorize(target, format!("https://a.example/{uri}").parse().ok()?);
            if let Some(name) = claims {
                let claims = serde_json::json!({ name: { "essential": true } }).to_string();
                request = request.with_claims(ClaimsRequest::parse(&claims).unwrap());
            }
            let (_, pending) = request.start(&bytes.try_into().unwrap()).ok()?;
            Some((app, pending))
        },
    )
}

/// Changes a text once: replaces, inserts or removes a character, or changes its case.
fn mutated(text: &str, at: usize, kind: u8, with: char) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let at = at % characters.len();
    match kind % 4 {
        0 => characters[at] = with,
        1 => characters.insert(at, with),
        2 => drop(characters.remove(at)),
        _ => {
            characters[at] = if characters[at].is_ascii_lowercase() {
                characters[at].to_ascii_uppercase()
            } else {
                characters[at].to_ascii_lowercase()
            }
        }
    }
    characters.into_iter().collect()
}

/// Returns a redirect with these parameters in one of the response modes.
fn redirect(way: u8, pairs: &[(&str, &str)]) -> Result<Redirect, Error> {
    let text = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    match way % 4 {
        0 => Redirect::from_query(&text),
        1 => Redirect::from_fragment(&text),
        2 => Redirect::from_form(text.as_bytes()),
        _ => Redirect::from_url(&format!("{BACK}?{text}")),
    }
}

fn assert_rejected(
    app: &Application,
    pending: &PendingAuthorization,
    consent: &PendingAdminConsent,
    redirect: &Redirect,
) {
    let redeemed = pending.redeem(app, redirect).map(drop);
    let accepted = consent.accept(app, redirect).map(drop);
    for outcome in [redeemed, accepted] {
        assert!(
            matches!(&outcome, Err(Error::Redirect(error)) if matches!(error.problem, RedirectProblem::NoState(_) | RedirectProblem::WrongState)),
            "{outcome:?}"
        );
    }
}

proptest! {
    #[test]
    fn stored_sign_in_round_trips((app, pending) in sign_in()) {
        let stored: PendingAuthorization = pending.expose().parse().unwrap();
        prop_assert_eq!(stored.expose(), pending.expose());
        prop_assert_eq!(format!("{:?}", stored), format!("{:?}", pending));
        let redirect = redirect(0, &[("code", "c"), ("state", pending.state())]).unwrap();
        let (one, other) = (pending.redeem(&app, &redirect).unwrap(), stored.redeem(&app, &redirect).unwrap());
        prop_assert_eq!(form(&one), form(&other));
        prop_assert_eq!(one.cache_key(), other.cache_key());
    }

    #[test]
    fn unsolicited_redirect_is_rejected(
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
        text in "\\PC{0,60}|(code|state|error|iss|tenant|admin_consent|[a-z]{0,4}|%[0-9a-f]{0,2}|[=&?#;+]){0,20}",
        way in any::<u8>(),
    ) {
        let app = common();
        let (pending, consent) = (started(&app), app.clone().with_endpoint_version(EndpointVersion::V1).admin_consent(back()).start(&[9; 32]).unwrap().1);
        let read = [
            Redirect::from_form(&bytes),
            Redirect::from_query(&text),
            Redirect::from_fragment(&text),
            Redirect::from_url(&text),
            redirect(way, &[("code", &text), ("state", &text), ("tenant", TENANT), ("admin_consent", "True")]),
        ];
        for redirect in read.into_iter().flatten() {
            assert_rejected(&app, &pending, &consent, &redirect);
        }
    }

    #[test]
    fn redirect_with_a_similar_state_is_rejected(
        (at, kind, with) in (any::<usize>(), any::<u8>(), "[A-Za-z0-9_\\- =%\u{0}\u{e9}]"),
        (from, to) in (0usize..43, 0usize..43),
        (way, bytes) in (any::<u8>(), proptest::collection::vec(any::<u8>(), 96)),
    ) {
        let app = common();
        let pending = app.authorize(graph(), back()).start(&bytes.try_into().unwrap()).unwrap().1;
        let state = pending.state().to_owned();
        let consent: PendingAdminConsent = pending.expose().parse().unwrap();
        let others = [
            mutated(&state, at, kind, with.chars().next().unwrap()),
            state[from.min(to)..from.max(to)].to_owned(),
            state.to_ascii_uppercase(),
            state.to_ascii_lowercase(),
            format!("{state}{state}"),
            format!("state={state}"),
            format!(" {state}"),
            format!("{state}="),
            format!("{state}\0"),
            started(&app).state().to_owned(),
        ];
        for other in others.iter().filter(|other| **other != state) {
            let pairs = [("code", "c"), ("state", other), ("tenant", TENANT), ("admin_consent", "True")];
            assert_rejected(&app, &pending, &consent, &redirect(way, &pairs).unwrap());
            let twice = [("state", other.as_str()), ("code", "c"), ("state", &state)];
            prop_assert_eq!(problem(redirect(way, &twice)), RedirectProblem::Duplicate("state".into()));
        }
        // Only the state was wrong.
        let pairs = [("code", "c"), ("state", &state), ("tenant", TENANT), ("admin_consent", "True")];
        let genuine = redirect(way, &pairs).unwrap();
        prop_assert!(pending.redeem(&app, &genuine).is_ok() && consent.accept(&app, &genuine).is_ok());
    }

    #[test]
    fn parsing_stored_text_never_panics_or_shows_it(
        text in "\\PC{0,80}|canary[a-z=&%]{0,40}",
        (at, kind, with) in (any::<usize>(), any::<u8>(), any::<char>()),
    ) {
        let genuine = started(&common()).expose();
        for text in [text, mutated(&genuine, at, kind, with)] {
            match text.parse::<PendingAuthorization>() {
                Ok(pending) => {
                    let shown = format!("{pending:?}");
                    prop_assert!(!shown.contains(pending.state()), "{}", shown);
                    prop_assert!(pending.expose().parse::<PendingAuthorization>().is_ok());
                }
                Err(error) => prop_assert_eq!(error.to_string(), "pending sign-in is not the text that expose returned"),
            }
            let _ = text.parse::<PendingAdminConsent>().map_err(|error| assert!(!error.to_string().contains("canary")));
        }
    }
}
