//! Tokens that a web API rejects.

use entra_emulator::{Defect, Emulator, Forge, TokenVersion};
use serde_json::json;

use crate::corpus::row::Row;
use crate::corpus::world::{forge, kids};
use crate::corpus::{BLUEPRINT, EXTERNAL, HOME, LOGIN, PARTNER, STRANGER, USER};

pub(super) fn rejected(emulator: &Emulator) -> Vec<Row> {
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
            // Only these rules treat a user's token differently from an application's.
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
            "The header names a key that is not an RSA key.",
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

pub(super) fn forbidden(emulator: &Emulator) -> Vec<Row> {
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
            "A user has the role that an application needs, but not the scope.",
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
