//! The corpus of access tokens: it is what the forge makes. `ENTRA_CORPUS=write` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::support::document;
use entra_emulator::{Api, App, Defect, Emulator, Forge, Tenant, TokenVersion, User};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const HOME: &str = "aaaabbbb-0000-4ccc-8111-dddd2222eeee";
const PARTNER: &str = "bbbbcccc-1111-4ddd-8222-eeee3333ffff";
const STRANGER: &str = "ccccdddd-2222-4eee-8333-ffff44440000";
const EXTERNAL: &str = "ddddeeee-3333-4fff-8444-000055551111";
const API: &str = "11112222-bbbb-4333-8444-4444dddd5555";
const DAEMON: &str = "22223333-cccc-4444-8555-5555eeee6666";
const OTHER: &str = "33334444-dddd-4555-8666-6666ffff7777";
const BLUEPRINT: &str = "44445555-eeee-4666-8777-777700008888";
const USER: &str = "55556666-ffff-4777-8888-888811119999";
const LOGIN: &str = "https://login.microsoftonline.com";
const NOW: u64 = 1_767_225_600;
const LEEWAY: u64 = 300;

/// The file.
#[derive(Deserialize, Serialize, PartialEq)]
struct Corpus {
    about: String,
    /// Seconds since the epoch.
    now: u64,
    leeway: u64,
    /// By name.
    apis: BTreeMap<String, Value>,
    /// By URL.
    documents: BTreeMap<String, Value>,
    tokens: Vec<Row>,
}

#[derive(Deserialize, Serialize, PartialEq, Clone)]
struct Row {
    name: String,
    api: String,
    verdict: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    about: String,
    token: Vec<Piece>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    principal: Option<Value>,
}

/// A part of a token's text. Only long runs are repeated.
#[derive(Deserialize, Serialize, PartialEq, Clone, Debug)]
#[serde(untagged)]
enum Piece {
    Text(String),
    Repeat { repeat: String, times: usize },
}

impl Row {
    fn new(name: &str, api: &str, verdict: &str, about: &str, token: &str) -> Self {
        Self {
            name: name.to_owned(),
            api: api.to_owned(),
            verdict: verdict.to_owned(),
            rule: None,
            about: about.to_owned(),
            token: pieces(token),
            principal: None,
        }
    }

    fn text(&self) -> String {
        let pieces = self.token.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Repeat { repeat, times } => repeat.repeat(*times),
        });
        pieces.collect()
    }
}

/// A text with its runs of four repeated characters, which is what bytes of one value are in base64.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at + 4 <= text.len() {
        let unit = &text.as_bytes()[at..at + 4];
        let times = text.as_bytes()[at..]
            .chunks(4)
            .take_while(|chunk| *chunk == unit)
            .count();
        if times < 64 {
            at += 1;
            continue;
        }
        if start < at {
            pieces.push(Piece::Text(text[start..at].to_owned()));
        }
        pieces.push(Piece::Repeat {
            repeat: text[at..at + 4].to_owned(),
            times,
        });
        at += 4 * times;
        start = at;
    }
    if start < text.len() {
        pieces.push(Piece::Text(text[start..].to_owned()));
    }
    pieces
}

fn emulator() -> Emulator {
    let api = Api::new(format!("api://{API}"))
        .app_id(API)
        .token_version(TokenVersion::V2);
    let api = api.optional_claim("idtyp").role("Tasks.Read.All").scope("Tasks.Read");
    let user = User::new("Alex Wilber")
        .id(USER)
        .user_principal_name("alex@contoso.example");
    let emulator = Emulator::builder()
        .seed(3)
        .frozen_at(UNIX_EPOCH + Duration::from_secs(NOW))
        .tenant(Tenant::new("contoso.example").id(HOME).user(user))
        .tenant(Tenant::new("fabrikam.example").id(PARTNER))
        .tenant(Tenant::new("stranger.example").id(STRANGER))
        .tenant(Tenant::new("external.example").id(EXTERNAL).external())
        .api(api)
        .app(App::new("daemon").client_id(DAEMON))
        .app(App::new("other").client_id(OTHER))
        .build();
    for _ in 0..4 {
        emulator.rotate_signing_key();
    }
    emulator
}

/// The keys by what is special about them: an old one, that of the home tenant, that of another cloud, that for encryption, and
/// the one in use.
fn kids(emulator: &Emulator) -> [String; 5] {
    let keys = document(emulator, "/common/discovery/v2.0/keys");
    let kids: Vec<String> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().into())
        .collect();
    kids.try_into().expect("five keys")
}

fn documents(emulator: &Emulator) -> BTreeMap<String, Value> {
    let mut documents = BTreeMap::new();
    let external = format!("https://{EXTERNAL}.ciamlogin.com/{EXTERNAL}/v2.0");
    let mut metadata = vec![format!("{external}/.well-known/openid-configuration")];
    for tenant in [HOME, PARTNER, "common"] {
        metadata.push(format!("{LOGIN}/{tenant}/.well-known/openid-configuration"));
        metadata.push(format!("{LOGIN}/{tenant}/v2.0/.well-known/openid-configuration"));
    }
    let [_, of_tenant, of_cloud, of_encryption, _] = kids(emulator);
    for url in metadata {
        let metadata = document(emulator, &url);
        let address = metadata["jwks_uri"].as_str().unwrap().to_owned();
        let is_v1 = !address.contains("/v2.0/");
        let mut keys = document(emulator, &address);
        for key in keys["keys"].as_array_mut().unwrap() {
            let kid = key["kid"].clone();
            if kid == of_tenant && !is_v1 {
                key["issuer"] = json!(format!("{LOGIN}/{HOME}/v2.0"));
            } else if kid == of_cloud {
                key["cloud_instance_name"] = json!("microsoftonline.us");
            } else if kid == of_encryption {
                key["use"] = json!("enc");
            }
            // Long, and a validator goes by modulus and exponent.
            key.as_object_mut().unwrap().remove("x5c");
        }
        keys["keys"]
            .as_array_mut()
            .unwrap()
            .push(json!({"kty": "EC", "use": "sig", "kid": "curve", "crv": "P-256"}));
        documents.insert(url, metadata);
        documents.insert(address, keys);
    }
    documents
}

fn apis() -> BTreeMap<String, Value> {
    let api = |tenants: Value, at: &str, scopes: &[&str], roles: &[&str], callers: Value| {
        json!({
            "audiences": [API, format!("api://{API}")],
            "tenants": tenants,
            "callers": callers,
            "scopes": scopes,
            "roles": roles,
            "metadata": {
                "1.0": format!("{at}/.well-known/openid-configuration"),
                "2.0": format!("{at}/v2.0/.well-known/openid-configuration"),
            },
        })
    };
    let (home, common) = (format!("{LOGIN}/{HOME}"), format!("{LOGIN}/common"));
    let (scopes, roles): (&[&str], &[&str]) = (&["Tasks.Read", "Tasks.ReadWrite"], &["Tasks.Read.All"]);
    let any = Value::Null;
    let mut external = api(
        json!([EXTERNAL]),
        &format!("https://{EXTERNAL}.ciamlogin.com/{EXTERNAL}"),
        scopes,
        roles,
        any.clone(),
    );
    // An external tenant issues no v1 tokens.
    external["metadata"].as_object_mut().unwrap().remove("1.0");
    BTreeMap::from([
        (
            "one_tenant".to_owned(),
            api(json!([HOME]), &home, scopes, roles, any.clone()),
        ),
        (
            "some_tenants".to_owned(),
            api(json!([HOME, PARTNER]), &common, scopes, roles, any.clone()),
        ),
        (
            "any_tenant".to_owned(),
            api(any.clone(), &common, scopes, roles, any.clone()),
        ),
        ("external_tenant".to_owned(), external),
        (
            "users_only".to_owned(),
            api(json!([HOME]), &home, scopes, &[], any.clone()),
        ),
        (
            "applications_only".to_owned(),
            api(json!([HOME]), &home, &[], roles, any),
        ),
        (
            "listed_callers".to_owned(),
            api(json!([HOME]), &home, scopes, roles, json!([DAEMON])),
        ),
    ])
}

/// A token without the claims that only the service can read, and with an ID that is always the same.
fn forge(emulator: &Emulator, version: TokenVersion) -> Forge<'_> {
    let forge = emulator.forge().version(version).claim("uti", "AAAAAAAAAAAAAAAAAAAAAA");
    forge.without_claim("aio").without_claim("rh").without_claim("xms_ftd")
}

/// Who calls, according to the claims of a token.
fn principal(token: &str) -> Value {
    let claims = crate::support::claims(&json!({"access_token": token}));
    let is_user = claims.get("scp").is_some();
    let blueprint = claims.get("xms_par_app_azp");
    let kind = match (blueprint, is_user) {
        (Some(_), _) => "agent",
        (None, true) => "user",
        (None, false) => "application",
    };
    let scopes: Vec<&str> = claims["scp"]
        .as_str()
        .unwrap_or_default()
        .split(' ')
        .filter(|one| !one.is_empty())
        .collect();
    json!({
        "kind": kind,
        "tenant": claims["tid"],
        "object": claims["oid"],
        "application": claims.get("azp").or_else(|| claims.get("appid")),
        "blueprint": blueprint,
        "scopes": scopes,
        "roles": claims.get("roles").cloned().unwrap_or_else(|| json!([])),
    })
}

fn rows(emulator: &Emulator) -> Vec<Row> {
    let mut rows = accepted(emulator);
    rows.extend(rejected(emulator));
    rows.extend(forbidden(emulator));
    rows
}

fn accepted(emulator: &Emulator) -> Vec<Row> {
    use TokenVersion::{V1, V2};
    let [old, of_tenant, ..] = kids(emulator);
    let base = |version| forge(emulator, version);
    let row = |name: &str, api: &str, about: &str, forge: Forge<'_>| {
        let token = forge.token();
        Row {
            principal: Some(principal(&token)),
            ..Row::new(name, api, "accept", about, &token)
        }
    };
    let one = |name: &str, about: &str, forge: Forge<'_>| row(name, "one_tenant", about, forge);
    vec![
        one(
            "v1 application",
            "A v1 token of an application; aud is the App ID URI.",
            base(V1),
        ),
        one(
            "v2 application",
            "A v2 token of an application; aud is the client ID.",
            base(V2),
        ),
        one("v1 user", "A v1 token of a user.", base(V1).user(USER)),
        one("v2 user", "A v2 token of a user.", base(V2).user(USER)),
        one(
            "v1 client ID",
            "A v1 token whose aud is the client ID.",
            base(V1).claim("aud", API),
        ),
        one(
            "v1 agent",
            "A v1 token of an agent identity.",
            base(V1).agent_of(BLUEPRINT),
        ),
        one(
            "v2 agent",
            "A v2 token of an agent identity.",
            base(V2).agent_of(BLUEPRINT),
        ),
        one(
            "agent's user",
            "A token of an agent's own user account.",
            base(V2).user(USER).agent_of(BLUEPRINT),
        ),
        one(
            "agent for a user",
            "A token of an agent for a user who signed in.",
            base(V2).user(USER).agent_of(BLUEPRINT).claim("xms_sub_fct", "1"),
        ),
        one(
            "no idtyp, application",
            "Without the optional claim, sub equals oid.",
            base(V2).without_claim("idtyp"),
        ),
        one(
            "no idtyp, user",
            "Without the optional claim, scp is there.",
            base(V2).user(USER).without_claim("idtyp"),
        ),
        one(
            "old key",
            "A key signed it that is still published.",
            base(V2).key(&old),
        ),
        one(
            "key of the tenant",
            "Its key names the issuer of one tenant.",
            base(V2).key(&of_tenant),
        ),
        one(
            "just expired",
            "It expired 299 seconds ago.",
            base(V2).claim("exp", NOW - LEEWAY + 1),
        ),
        one(
            "soon valid",
            "It is valid in 299 seconds.",
            base(V2).claim("nbf", NOW + LEEWAY - 1),
        ),
        one(
            "fraction of a second",
            "A time may have a fraction.",
            base(V2).claim("exp", NOW as f64 + 600.5),
        ),
        one(
            "no nbf, no iat",
            "Both are optional.",
            base(V2).without_claim("nbf").without_claim("iat"),
        ),
        one("no typ", "The type is optional.", base(V2).without_header("typ")),
        one(
            "type in other letters",
            "The type is compared without regard to letter case.",
            base(V2).header("typ", "jwt"),
        ),
        one(
            "unknown header",
            "What a reader does not know, it ignores.",
            base(V2).header("entra-emulator", json!({"a": [1]})),
        ),
        one(
            "key address that is ignored",
            "The published key signed it; jku and jwk in the header count for nothing.",
            base(V2)
                .header("jku", "https://keys.example/keys")
                .header("jwk", json!({"kty": "oct", "k": "AAAA"})),
        ),
        one(
            "unknown claims",
            "Claims that a reader does not know, nested and not of ASCII.",
            base(V2).claim(
                "entra-emulator",
                json!({"name": "Žofie \u{1f98a}", "list": [[null, {"a": 1.5}]]}),
            ),
        ),
        one(
            "several roles",
            "One of several roles is needed.",
            base(V2).roles(["Other", "Tasks.Read.All"]),
        ),
        one(
            "several scopes",
            "One of several scopes is needed.",
            base(V2).user(USER).scopes(["Other", "Tasks.ReadWrite"]),
        ),
        row(
            "partner",
            "some_tenants",
            "A tenant on the list.",
            base(V2).tenant(PARTNER),
        ),
        row(
            "partner, v1",
            "some_tenants",
            "A tenant on the list.",
            base(V1).tenant(PARTNER),
        ),
        row(
            "stranger",
            "any_tenant",
            "Any tenant will do.",
            base(V2).tenant(STRANGER),
        ),
        row(
            "stranger, v1",
            "any_tenant",
            "Any tenant will do.",
            base(V1).tenant(STRANGER),
        ),
        row(
            "external tenant",
            "external_tenant",
            "The issuer of an external tenant is at its own host.",
            base(V2).tenant(EXTERNAL),
        ),
        row(
            "user where no application may call",
            "users_only",
            "A user with a scope.",
            base(V2).user(USER),
        ),
        row(
            "application where no user may call",
            "applications_only",
            "An application with a role.",
            base(V2),
        ),
        row(
            "listed application",
            "listed_callers",
            "The application is on the list, and idtyp is app.",
            base(V2),
        ),
    ]
}

fn rejected(emulator: &Emulator) -> Vec<Row> {
    use TokenVersion::{V1, V2};
    let [_, of_tenant, of_cloud, of_encryption, _] = kids(emulator);
    let base = |version| forge(emulator, version);
    let row = |name: &str, api: &str, rule: &str, about: &str, forge: Forge<'_>| Row {
        rule: Some(rule.to_owned()),
        ..Row::new(name, api, "401", about, &forge.token())
    };
    let mut rows = Vec::new();
    for &defect in Defect::ALL {
        for (version, of_user) in [(V1, false), (V2, false), (V2, true)] {
            // A user's token is another one than an application's for these rules only.
            if of_user && !["principal", "grants"].contains(&defect.rule()) {
                continue;
            }
            let kind = match (version, of_user) {
                (V1, _) => "v1",
                (V2, false) => "v2",
                (V2, true) => "v2 user",
            };
            let forge = if of_user {
                base(version).user(USER)
            } else {
                base(version)
            };
            let name = format!("{kind} {}", defect.name());
            rows.push(row(
                &name,
                "one_tenant",
                defect.rule(),
                defect.about(),
                forge.defect(defect),
            ));
        }
    }
    rows.extend([
        row(
            "unlisted tenant",
            "some_tenants",
            "tenant",
            "The tenant is not on the list.",
            base(V2).tenant(STRANGER),
        ),
        row(
            "unlisted tenant, v1",
            "some_tenants",
            "tenant",
            "The tenant is not on the list.",
            base(V1).tenant(STRANGER),
        ),
        row(
            "key of another tenant",
            "some_tenants",
            "key-issuer",
            "A key that signs for one tenant signed a token of another.",
            base(V2).tenant(PARTNER).key(&of_tenant),
        ),
        row(
            "key of another tenant, any tenant",
            "any_tenant",
            "key-issuer",
            "A key that signs for one tenant signed a token of another.",
            base(V2).tenant(STRANGER).key(&of_tenant),
        ),
        row(
            "key of another cloud",
            "one_tenant",
            "key-cloud",
            "Its key is of another cloud than the metadata.",
            base(V2).key(&of_cloud),
        ),
        row(
            "key of another cloud, v1",
            "any_tenant",
            "key-cloud",
            "Its key is of another cloud than the metadata.",
            base(V1).key(&of_cloud),
        ),
        row(
            "key for encryption",
            "one_tenant",
            "key",
            "Its key is published for encryption.",
            base(V2).key(&of_encryption),
        ),
        row(
            "key of another type",
            "one_tenant",
            "key",
            "The header names a key that is not of RSA.",
            base(V2).header("kid", "curve"),
        ),
        row(
            "issuer of the public cloud",
            "external_tenant",
            "issuer",
            "The issuer of an external tenant is at its own host.",
            base(V2)
                .tenant(EXTERNAL)
                .claim("iss", format!("{LOGIN}/{EXTERNAL}/v2.0")),
        ),
        row(
            "workforce tenant",
            "external_tenant",
            "issuer",
            "A tenant of the public cloud issued it.",
            base(V2).tenant(HOME),
        ),
        row(
            "v1 of an external tenant",
            "external_tenant",
            "version",
            "An external tenant issues v2 tokens only.",
            base(V1).tenant(EXTERNAL),
        ),
        row(
            "any tenant, no grants",
            "any_tenant",
            "grants",
            "Every application of every tenant gets such a token.",
            base(V2).tenant(STRANGER).defect(Defect::NoGrants),
        ),
    ]);
    rows
}

fn forbidden(emulator: &Emulator) -> Vec<Row> {
    let base = || forge(emulator, TokenVersion::V2);
    let row = |name: &str, api: &str, rule: &str, about: &str, forge: Forge<'_>| Row {
        rule: Some(rule.to_owned()),
        ..Row::new(name, api, "403", about, &forge.token())
    };
    let one = |name: &str, about: &str, forge: Forge<'_>| row(name, "one_tenant", "permissions", about, forge);
    let user = || base().user(USER);
    vec![
        one("other role", "It has another role.", base().roles(["Tasks.Write.All"])),
        one(
            "other role, v1",
            "It has another role.",
            base().version(TokenVersion::V1).roles(["Tasks.Write.All"]),
        ),
        one("other scope", "It has another scope.", user().scopes(["Tasks.Write"])),
        one(
            "role in other letters",
            "Names are compared exactly.",
            base().roles(["tasks.read.all"]),
        ),
        one(
            "scope in other letters",
            "Names are compared exactly.",
            user().scopes(["tasks.read"]),
        ),
        one(
            "longer scope",
            "It begins with the name of a scope.",
            user().scopes(["Tasks.Reads"]),
        ),
        one(
            "longer role",
            "It begins with the name of a role.",
            base().roles(["Tasks.Read.All.Too"]),
        ),
        one(
            "two roles in one name",
            "A role is one name, not a list.",
            base().roles(["Other Tasks.Read.All"]),
        ),
        one(
            "scopes with commas",
            "Scopes are separated by spaces.",
            user().scopes(["Other,Tasks.Read"]),
        ),
        one(
            "scope as a role",
            "A role of an application has the name of a scope.",
            base().roles(["Tasks.Read"]),
        ),
        one(
            "role as a scope",
            "A scope of a user has the name of an application's role.",
            user().scopes(["Tasks.Read.All"]),
        ),
        one(
            "user with the role",
            "A user has the role that an application needs, and not the scope.",
            user().scopes(["Other"]).claim("roles", json!(["Tasks.Read.All"])),
        ),
        one(
            "agent with another role",
            "It has another role.",
            base().agent_of(BLUEPRINT).roles(["Other"]),
        ),
        row(
            "application where users may call",
            "users_only",
            "permissions",
            "No role is enough.",
            base(),
        ),
        row(
            "user where applications may call",
            "applications_only",
            "permissions",
            "No scope is enough.",
            user(),
        ),
        row(
            "user with the role where applications may call",
            "applications_only",
            "permissions",
            "The role of a user is not that of an application.",
            user().claim("roles", json!(["Tasks.Read.All"])),
        ),
        row(
            "unlisted application",
            "listed_callers",
            "caller",
            "The application is not on the list.",
            base().app("other"),
        ),
        row(
            "user of an unlisted application",
            "listed_callers",
            "caller",
            "The application is not on the list.",
            user().app("other"),
        ),
        row(
            "listed application without idtyp",
            "listed_callers",
            "caller",
            "Only idtyp proves that the application itself calls.",
            base().without_claim("idtyp"),
        ),
    ]
}

const ABOUT: &str = "Access tokens, each with the verdict of a web API that validates it. README.md says how to run it. The keys are public test keys: trust no token that they signed.";

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/access-tokens.json")
}

fn read() -> Option<Corpus> {
    let text = std::fs::read_to_string(path()).ok()?;
    serde_json::from_str(&text).ok()
}

/// Signatures of PS256 differ each time: one of before stays.
fn keep_signatures(rows: &mut [Row], known: &[Row]) {
    for row in rows.iter_mut().filter(|row| row.name.ends_with(" ps256")) {
        let signed = |row: &Row| row.text().rsplit_once('.').map(|(signed, _)| signed.to_owned());
        let same = known
            .iter()
            .find(|other| other.name == row.name && signed(other) == signed(row));
        if let Some(same) = same {
            row.token = same.token.clone();
        }
    }
}

#[test]
fn corpus_is_what_the_forge_makes() {
    let emulator = emulator();
    let known = read();
    let mut tokens = rows(&emulator);
    keep_signatures(&mut tokens, known.as_ref().map_or(&[], |known| &known.tokens));
    let corpus = Corpus {
        about: ABOUT.to_owned(),
        now: NOW,
        leeway: LEEWAY,
        apis: apis(),
        documents: documents(&emulator),
        tokens,
    };
    if std::env::var_os("ENTRA_CORPUS").is_some_and(|value| value == "write") {
        let text = serde_json::to_string_pretty(&corpus).unwrap() + "\n";
        return std::fs::write(path(), text).unwrap();
    }
    let known = known.expect("the corpus is there; ENTRA_CORPUS=write writes it");
    let differ: Vec<&str> = corpus
        .tokens
        .iter()
        .filter(|row| !known.tokens.contains(row))
        .map(|row| row.name.as_str())
        .collect();
    assert_eq!(differ, [""; 0], "ENTRA_CORPUS=write writes it anew");
    assert!(corpus == known, "ENTRA_CORPUS=write writes it anew");
}

#[test]
fn corpus_is_sound() {
    let corpus = read().unwrap();
    let names: BTreeSet<&str> = corpus.tokens.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), corpus.tokens.len(), "names differ");
    for row in &corpus.tokens {
        assert!(corpus.apis.contains_key(&row.api), "{}", row.name);
        let is_rejected = ["401", "403"].contains(&row.verdict.as_str());
        assert!(is_rejected || row.verdict == "accept", "{}", row.name);
        assert_eq!(
            (row.rule.is_some(), row.principal.is_some()),
            (is_rejected, !is_rejected),
            "{}",
            row.name
        );
    }
    for api in corpus.apis.values() {
        for url in api["metadata"].as_object().unwrap().values() {
            let metadata = &corpus.documents[url.as_str().unwrap()];
            assert!(
                corpus.documents.contains_key(metadata["jwks_uri"].as_str().unwrap()),
                "{url}"
            );
        }
    }
}

#[test]
fn pieces_are_the_text_again() {
    for text in [
        "",
        "a",
        "AAAA",
        &"A".repeat(1_001),
        &format!("x.{}.{}y", "W1tb".repeat(70), "A".repeat(300)),
    ] {
        let row = Row::new("", "", "", "", text);
        assert_eq!(row.text(), *text);
        assert!(row.token.len() < 6);
    }
}
