//! Properties that hold for every input.

use entra_emulator::{Api, Config, Emulator, EmulatorBuilder};
use http::{Method, Request};
use proptest::prelude::*;

use crate::support::assertion::Draft;
use crate::support::{assertion, claims, form, json_body, token};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_registered_resource_becomes_its_audience(resource in r"[!-~]{1,40}|(https|api)://[a-z.]{1,12}[!-~]{0,12}/{0,3}|[a-zé✓]{1,9}/") {
        prop_assume!(!matches!(resource.as_str(), "https://graph.microsoft.com"));
        let emulator = Emulator::builder().api(Api::new(&resource)).build();
        let v2 = token(&emulator, "v2.0/token", &form(&emulator, &[("scope", &format!("{resource}/.default"))]));
        prop_assert_eq!(v2.status(), 200);
        prop_assert_eq!(&claims(&json_body(&v2))["aud"], &resource);
        // A lone hyphen removes the field in `form`.
        prop_assume!(resource != "-");
        let v1 = json_body(&token(&emulator, "token", &form(&emulator, &[("resource", &resource)])));
        prop_assert_eq!(&claims(&v1)["aud"], &resource);
        prop_assert_eq!(&v1["resource"], &resource);
    }

    #[test]
    fn graph_handles_any_query(
        filter in "((displayName|mail|x|startsWith|endsWith|any|not|and|or|in|eq|ne|null|true|'a'|'é|5|[(),/:'\" ]) ?){0,14}",
        option in "(\\$|%24)?(filter|orderby|select|top|count|skiptoken|format|[a-z$]{0,6})",
        value in "\\PC{0,20}",
    ) {
        let emulator = Emulator::builder().build();
        let token = crate::support::access_token(&emulator, "https://graph.microsoft.com/.default");
        for (name, value) in [("$filter", &filter), (option.as_str(), &value)] {
            let query = crate::support::encode(&[(name, value)]);
            for path in ["users", "users/$count", "me", "applications"] {
                let request = Request::get(format!("/v1.0/{path}?{query}"))
                    .header("authorization", format!("Bearer {token}"))
                    .header("consistencylevel", "eventual");
                let status = emulator.handle(request.body(Vec::new()).unwrap()).status();
                prop_assert!([200, 400, 403, 501].contains(&status.as_u16()), "{} {}: {}", path, query, status);
            }
        }
    }

    #[test]
    fn equality_and_its_negation_are_disjoint(name in "\\PC{0,6}|(?i)adele vance", literal in "\\PC{0,6}|(?i)adele vance") {
        let user = entra_emulator::User::new(name.as_str()).user_principal_name("a@contoso.example");
        let emulator = Emulator::builder().tenant(entra_emulator::Tenant::new("contoso.example").user(user)).build();
        let token = crate::support::access_token(&emulator, "https://graph.microsoft.com/.default");
        let literal = literal.replace('\'', "''");
        let found = |filter: String| {
            let query = crate::support::encode(&[("$filter", &filter), ("$count", "true")]);
            let request = Request::get(format!("/v1.0/users?{query}"))
                .header("authorization", format!("Bearer {token}"))
                .header("consistencylevel", "eventual");
            json_body(&emulator.handle(request.body(Vec::new()).unwrap()))["@odata.count"].as_u64()
        };
        let equal = found(format!("displayName eq '{literal}'"));
        prop_assert_eq!(equal, Some(u64::from(name.to_lowercase() == literal.replace("''", "'").to_lowercase())));
        prop_assert_eq!(found(format!("displayName ne '{literal}'")), equal.map(|count| 1 - count));
        prop_assert_eq!(found(format!("not (displayName in ('{literal}'))")), equal.map(|count| 1 - count));
    }

    #[test]
    fn only_the_registered_secret_is_accepted(secret in ".{1,60}", other in ".{1,60}") {
        prop_assume!(secret != other && secret != "-" && other != "-");
        let emulator = Emulator::builder().app(entra_emulator::App::new("a").secret(secret.as_str())).build();
        let scope = ("scope", "https://graph.microsoft.com/.default");
        prop_assert_eq!(token(&emulator, "v2.0/token", &form(&emulator, &[scope])).status(), 200);
        prop_assert_eq!(token(&emulator, "v2.0/token", &form(&emulator, &[scope, ("client_secret", &other)])).status(), 401);
    }

    #[test]
    fn changed_assertion_is_rejected(at in any::<prop::sample::Index>(), flip in 1_u8..=255, algorithm in 0..2_usize) {
        let emulator = assertion::emulator();
        let draft = Draft::new(&emulator).header("alg", ["RS256", "PS256"][algorithm]);
        let mut bytes = draft.sign().into_bytes();
        prop_assert_eq!(assertion::send(&emulator, std::str::from_utf8(&bytes).unwrap()).status(), 200);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let changed = String::from_utf8_lossy(&bytes);
        let response = assertion::send(&emulator, &changed);
        prop_assert!(response.status().is_client_error(), "{} at {}", flip, at);
        prop_assert!(!String::from_utf8_lossy(response.body()).contains("access_token"));
    }

    #[test]
    fn any_assertion_is_handled(
        header in r#"\{("(alg|typ|x5t|x5t#S256|x5c|crit)":("(RS256|PS256|JWT|[!-~]{0,9})"|\["[A-Za-z0-9+/=]{0,40}"\]|[0-9]{1,3}|null),?){0,5}\}"#,
        claims in r#"\{("(aud|iss|sub|exp|nbf|iat|jti)":("[!-~]{0,40}"|-?[0-9]{1,25}(\.[0-9])?(e[0-9]{1,3})?|true|null),?){0,7}\}"#,
        audience in "(https|http|x)://[!-~]{0,30}(/[!-~]{0,12}){0,5}",
    ) {
        let emulator = assertion::emulator();
        let draft = Draft::new(&emulator);
        for sent in [draft.sign_text(&header, &claims, "RS256"), draft.claim("aud", audience).sign()] {
            prop_assert!(assertion::send(&emulator, &sent).status().is_client_error());
        }
    }

    #[test]
    fn any_request_is_handled(
        method in "GET|POST|HEAD|PATCH",
        path in "(/(common|v1.0|users|oauth2|v2.0|token|discovery|keys|instance|contoso.onmicrosoft.com|%[0-9a-f]{2}|[!-~&&[^?# ]]{0,9})){0,5}",
        query in "[ -~&&[^# ]]{0,30}",
        header in r"(Basic|Bearer|x) [!-~]{0,30}",
        host in r"[!-~]{0,20}",
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let emulator = Emulator::builder().build();
        let Ok(uri) = format!("/{}?{query}", path.trim_start_matches('/')).parse::<http::Uri>() else { return Ok(()) };
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(uri)
            .header("authorization", header)
            .header("host", host)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .unwrap();
        let response = emulator.handle(request);
        prop_assert!(response.status().as_u16() >= 200);
        prop_assert!(!String::from_utf8_lossy(response.body()).contains("access_token"));
        for event in emulator.requests() {
            let _ = format!("{event:?} {event}");
        }
        // The page shows any request.
        let page = emulator.handle(Request::get("/").body(Vec::new()).unwrap());
        prop_assert_eq!(page.status(), 200);
    }

    #[test]
    fn any_configuration_text_is_handled(text in r#"[\[\]{}:,"a-z0-9 -]{0,60}"#) {
        if let Ok(config) = Config::from_json(&text) {
            let _ = EmulatorBuilder::from(config).try_build();
        }
    }
}
