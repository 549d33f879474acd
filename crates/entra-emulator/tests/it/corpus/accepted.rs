//! Tokens that a web API accepts.

use entra_emulator::{Emulator, Forge, TokenVersion};
use serde_json::json;

use crate::corpus::row::Row;
use crate::corpus::world::{forge, kids, principal};
use crate::corpus::{API, BLUEPRINT, EXTERNAL, LEEWAY, NOW, PARTNER, STRANGER, USER};

pub(super) fn accepted(emulator: &Emulator) -> Vec<Row> {
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
            "Without the optional claim, scp is present.",
            base(V2).user(USER).without_claim("idtyp"),
        ),
        one(
            "old key",
            "An older key that is still published signed it.",
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
            "Unknown header parameters are ignored.",
            base(V2).header("entra-emulator", json!({"a": [1]})),
        ),
        one(
            "key address that is ignored",
            "The published key signed it; jku and jwk in the header are ignored.",
            base(V2)
                .header("jku", "https://keys.example/keys")
                .header("jwk", json!({"kty": "oct", "k": "AAAA"})),
        ),
        one(
            "unknown claims",
            "Unknown claims are ignored, also nested and non-ASCII ones.",
            base(V2).claim(
                "entra-emulator",
                json!({"name": "Žofie \u{1f98a}", "list": [[null, {"a": 1.5}]]}),
            ),
        ),
        one(
            "several roles",
            "One of several roles is sufficient.",
            base(V2).roles(["Other", "Tasks.Read.All"]),
        ),
        one(
            "several scopes",
            "One of several scopes is sufficient.",
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
            "Any tenant is accepted.",
            base(V2).tenant(STRANGER),
        ),
        row(
            "stranger, v1",
            "any_tenant",
            "Any tenant is accepted.",
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
