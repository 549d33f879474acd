//! Access tokens at every API and as assertions: all detect the same flaws, and each reports them
//! in its own format.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::{Api, App, Config, Emulator, EmulatorBuilder, Issuers, Tenant};
use http::Request;

use crate::support::{Response, access_token_of, get_as, json_body, post};

const SECRET: &str = "s3cret";
const APP: &str = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb";

/// Returns an application that may use the three APIs and is an API itself.
fn builder() -> EmulatorBuilder {
    let mut app = App::new("a")
        .client_id(APP)
        .secret(SECRET)
        .grant("api://a", "Everything");
    for (api, role) in [
        (Emulator::GRAPH, "User.Read.All"),
        (Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read"),
        (Emulator::MANAGED_DESKTOP, "MmdSupport.ReadWrite"),
    ] {
        app = app.grant(api, role);
    }
    Emulator::builder()
        .seed(7)
        .tenant(Tenant::new("contoso.example"))
        .api(Api::new("api://a").app_id(APP).scope("access").role("Everything"))
        .app(app)
}

/// An endpoint that takes tokens.
struct Place {
    audience: &'static str,
    path: &'static str,
}

const PLACES: [Place; 4] = [
    Place {
        audience: Emulator::GRAPH,
        path: "/v1.0/users",
    },
    Place {
        audience: Emulator::OFFICE_MANAGEMENT,
        path: "/api/v1.0/{tenant}/activity/feed/subscriptions/list",
    },
    Place {
        audience: Emulator::MANAGED_DESKTOP,
        path: "/support/odata/v1/tenants/{tenant}/devices",
    },
    Place {
        audience: "api://a",
        path: "/{tenant}/oauth2/v2.0/token",
    },
];

impl Place {
    fn path(&self, emulator: &Emulator) -> String {
        self.path.replace("{tenant}", emulator.tenant_id())
    }

    fn token(&self, emulator: &Emulator) -> String {
        access_token_of(emulator, SECRET, &format!("{}/.default", self.audience))
    }

    fn is_api(&self) -> bool {
        self.audience != "api://a"
    }

    /// Uses the token, and returns the status with the message or the AADSTS code.
    fn use_token(&self, emulator: &Emulator, token: &str) -> (u16, String) {
        if self.is_api() {
            return seen(&get_as(emulator, &self.path(emulator), token));
        }
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("requested_token_use", "on_behalf_of"),
            ("client_id", APP),
            ("client_secret", SECRET),
            ("assertion", token),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        seen(&post(emulator, &self.path(emulator), &fields))
    }
}

fn seen(response: &Response) -> (u16, String) {
    let body = json_body(response);
    let message = match body["error_codes"][0].as_u64() {
        Some(code) => code.to_string(),
        None => body["error"]["message"].as_str().unwrap_or_default().to_owned(),
    };
    (response.status().as_u16(), message)
}

/// Changes the part of a token with this index.
fn with_part(token: &str, at: usize, change: impl Fn(&mut serde_json::Value)) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let mut value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&parts[at]).unwrap()).unwrap();
    change(&mut value);
    parts[at] = URL_SAFE_NO_PAD.encode(value.to_string());
    parts.join(".")
}

#[test]
fn each_flaw_has_its_error_at_each_api() {
    let emulator = builder().build();
    emulator.clock().freeze();
    let foreign = builder()
        .issuers(Issuers::At("https://other.example".to_owned()))
        .build();
    foreign.clock().freeze();
    let denied = "Authorization has been denied for this request.";
    // The texts of Graph, Managed Desktop and the token endpoint. The Management Activity API has
    // one text for all.
    let expected = [
        (
            "two parts",
            "IDX14100: JWT is not well formed, there are no three parts of base64url.",
            "The access token is malformed",
            "50013",
        ),
        (
            "signature",
            "Access token validation failure. Invalid signature.",
            "The signature is invalid",
            "50013",
        ),
        (
            "alg none",
            "Access token validation failure. Invalid signature.",
            "The signature is invalid",
            "50013",
        ),
        (
            "changed claims",
            "Access token validation failure. Invalid signature.",
            "The signature is invalid",
            "50013",
        ),
        (
            "expired",
            "Lifetime validation failed, the token is expired.",
            "The token expired",
            "500133",
        ),
        (
            "not yet",
            "Lifetime validation failed, the token is not valid yet.",
            "The token is not valid yet",
            "500133",
        ),
        (
            "issuer",
            "Access token validation failure. Invalid issuer.",
            "The issuer is invalid",
            "50013",
        ),
        (
            "audience",
            "Access token validation failure. Invalid audience.",
            "The audience 'https://vault.azure.net' is invalid",
            "500131",
        ),
        (
            "revoked",
            "Access token validation failure. The token was revoked.",
            "The token was revoked",
            "50173",
        ),
    ];
    for place in &PLACES {
        for (flaw, graph, desktop, assertion) in expected {
            emulator.reset();
            emulator.clock().freeze();
            let good = place.token(&emulator);
            let token = match flaw {
                "two parts" => good.rsplit_once('.').unwrap().0.to_owned(),
                "signature" => format!("{}AAAA", good.strip_suffix(&good[good.len() - 4..]).unwrap()),
                "alg none" => with_part(&good, 0, |header| header["alg"] = "none".into()),
                "changed claims" => with_part(&good, 1, |claims| claims["roles"] = serde_json::json!(["All"])),
                "issuer" => place.token(&foreign),
                "audience" => access_token_of(&emulator, SECRET, "https://vault.azure.net/.default"),
                _ => good,
            };
            match flaw {
                "expired" => emulator.clock().advance(Duration::from_secs(3_600)),
                "not yet" => emulator.clock().set(
                    std::time::UNIX_EPOCH
                        + Duration::from_secs(
                            crate::support::claims(&serde_json::json!({"access_token": token}))["nbf"]
                                .as_u64()
                                .unwrap()
                                - 1,
                        ),
                ),
                "revoked" => emulator.revoke_tokens(),
                _ => {}
            }
            let (status, text) = match place.audience {
                Emulator::GRAPH => (401, graph),
                Emulator::OFFICE_MANAGEMENT => (401, denied),
                Emulator::MANAGED_DESKTOP => (401, desktop),
                _ => (400, assertion),
            };
            let seen = place.use_token(&emulator, &token);
            assert_eq!(seen, (status, text.to_owned()), "{flaw} at {}", place.audience);
        }
    }
}

#[test]
fn valid_token_is_accepted_until_it_expires() {
    let emulator = builder().build();
    emulator.clock().freeze();
    for place in PLACES.iter().filter(|place| place.is_api()) {
        let token = place.token(&emulator);
        assert_eq!(place.use_token(&emulator, &token).0, 200, "{}", place.audience);
        let event = emulator.requests().pop().unwrap();
        assert_eq!(event.client_id.as_deref(), Some(APP));
        assert_eq!(event.tenant.as_deref(), Some(emulator.tenant_id()));
        emulator.clock().advance(Duration::from_secs(3_599));
        assert_eq!(place.use_token(&emulator, &token).0, 200, "{}", place.audience);
        emulator.clock().advance(Duration::from_secs(1));
        assert_eq!(place.use_token(&emulator, &token).0, 401, "{}", place.audience);
    }
}

#[test]
fn token_of_another_tenant_is_not_accepted() {
    let config = r#"{"tenants": [{"domain": "a.example"}, {"domain": "b.example"}], "apps": [{"multi_tenant": true,
        "consented_everywhere": true, "secrets": [{"value": "s3cret"}]}]}"#;
    let emulator = EmulatorBuilder::from(Config::from_json(config).unwrap()).build();
    let [first, second] = [0, 1].map(|at| emulator.tenants()[at].id.clone());
    for (place, status) in [(&PLACES[1], 400), (&PLACES[2], 403)] {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", emulator.client_id()),
            ("client_secret", emulator.client_secret()),
            ("scope", &format!("{}/.default", place.audience)),
        ];
        let path = format!("/{second}/oauth2/v2.0/token");
        let body = json_body(&post(&emulator, &path, &fields));
        let token = body["access_token"].as_str().unwrap();
        let path = place.path.replace("{tenant}", &first);
        assert_eq!(seen(&get_as(&emulator, &path, token)).0, status, "{path}");
    }
}

#[test]
fn authorization_header_holds_one_bearer_token() {
    let emulator = builder().build();
    for place in PLACES.iter().filter(|place| place.is_api()) {
        let token = place.token(&emulator);
        let status = |values: &[String]| {
            let mut request = Request::get(place.path(&emulator));
            for value in values {
                request = request.header("authorization", value);
            }
            emulator.handle(request.body(Vec::new()).unwrap()).status().as_u16()
        };
        let bearer = format!("Bearer {token}");
        for good in ["Bearer ", "bearer ", "BEARER ", "Bearer   "] {
            assert_eq!(status(&[format!("{good}{token}")]), 200, "{good:?}");
        }
        for bad in [
            vec![],
            vec![bearer.clone(), bearer.clone()],
            vec![bearer.clone(), "Basic eDp5".to_owned()],
            vec!["Basic eDp5".to_owned(), bearer.clone()],
            vec![format!("{bearer}, {bearer}")],
            vec![format!("{bearer} {token}")],
            vec![format!("Token {token}")],
            vec![format!("Bearer{token}")],
            vec![format!("Bearer \"{token}\"")],
            vec!["Bearer".to_owned()],
            vec!["Bearer ".to_owned()],
            vec![token.clone()],
        ] {
            let shown: Vec<&str> = bad.iter().map(|value| &value[..value.len().min(12)]).collect();
            assert_eq!(status(&bad), 401, "{shown:?} at {}", place.audience);
        }
    }
}

#[test]
fn skip_token_of_another_tenant_is_not_accepted() {
    let config = r#"{"tenants": [{"domain": "a.example"}, {"domain": "b.example"}], "apps": [{"multi_tenant": true,
        "consented_everywhere": true, "secrets": [{"value": "s3cret"}],
        "granted": [{"api": "https://graph.microsoft.com", "role": "User.Read.All"}]}]}"#;
    let emulator = EmulatorBuilder::from(Config::from_json(config).unwrap()).build();
    let [first, second] = [0, 1].map(|at| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", emulator.client_id()),
            ("client_secret", emulator.client_secret()),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let path = format!("/{}/oauth2/v2.0/token", emulator.tenants()[at].id);
        let body = json_body(&post(&emulator, &path, &fields));
        body["access_token"].as_str().unwrap().to_owned()
    });
    let page = json_body(&get_as(&emulator, "/v1.0/users?$top=1", &first));
    let next = page["@odata.nextLink"].as_str().unwrap();
    assert_eq!(get_as(&emulator, next, &first).status(), 200);
    assert_eq!(get_as(&emulator, next, &second).status(), 400);
}
