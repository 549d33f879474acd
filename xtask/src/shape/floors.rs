//! The floors of a crate: a file may import those of its own room and of the floors below.

use crate::shape::graph::Graph;

/// Returns the imports that lead up, or into another room of the same floor, and the rooms without
/// a file.
pub(super) fn check(folder: &str, graph: &Graph) -> Vec<String> {
    let Some((_, floors)) = FLOORS.iter().find(|(of, _)| *of == folder) else {
        return Vec::new();
    };
    judge(folder, graph, floors)
}

fn judge(folder: &str, graph: &Graph, floors: &[&[&str]]) -> Vec<String> {
    let mut findings = Vec::new();
    for (from, to, place) in graph.imports() {
        let (Some((floor, own)), Some((other_floor, other))) = (room(folder, from, floors), room(folder, to, floors))
        else {
            continue;
        };
        if own != other && floor <= other_floor {
            findings.push(format!(
                "{place} of {to}: {own} stands on no floor above {other}, so it may not import it"
            ));
        }
    }
    for empty in floors.iter().copied().flatten() {
        // Without this, the files of a renamed room would be free.
        let has_file = |file: &str| room(folder, file, floors).is_some_and(|(_, room)| room == *empty);
        if !graph.files().any(has_file) {
            findings.push(format!(
                "{folder}/{empty} does not exist: rename or remove the room in FLOORS (xtask/src/shape/floors.rs)"
            ));
        }
    }
    findings
}

/// The floor and the room of a file.
fn room<'f>(folder: &str, file: &str, floors: &[&'f [&'f str]]) -> Option<(usize, &'f str)> {
    let file = file.strip_prefix(folder)?.strip_prefix('/')?;
    let mut rooms = floors
        .iter()
        .enumerate()
        .flat_map(|(floor, rooms)| rooms.iter().map(move |room| (floor, *room)));
    rooms.find(|(_, room)| file.starts_with(room))
}

/// The floors of each crate, from the lowest to the highest, each with its rooms. Files in no room
/// are free.
const FLOORS: &[(&str, &[&[&str]])] = &[
    (
        "crates/entra-proto/src",
        &[
            &["error/"],
            &["challenge/", "response/"],
            &["known_api/"],
            &["authority/"],
            &["environment/"],
            &["authorize/"],
            &["acquire/"],
        ],
    ),
    (
        "crates/entra-transport/src",
        &[
            &["adapter.rs", "environment.rs", "no_proxy.rs"],
            &["error.rs"],
            &["blocking.rs", "tls.rs", "transport.rs", "tunnel.rs"],
            &["acquire.rs", "builder.rs"],
        ],
    ),
    (
        "crates/entra-credential/src",
        &[
            &["calendar.rs", "crypto.rs", "der.rs", "text.rs", "warning.rs"],
            &["ber.rs", "error.rs", "name.rs", "pkcs12.rs", "thumbprints.rs"],
            &["allowance.rs", "envelope.rs", "mac.rs", "pem.rs", "x509.rs"],
            &["federated.rs", "key.rs", "key_credential.rs", "signature.rs"],
            &["chain.rs", "manifest.rs"],
            &["contents.rs"],
            &["certificate.rs", "pfx.rs"],
            &["bundle.rs", "rotating.rs"],
        ],
    ),
    (
        "crates/entra-client/src",
        &[
            &["clock.rs", "error.rs", "policy.rs", "token_store.rs", "user.rs"],
            &["cache/"],
            &["flow/"],
            &["blocking/"],
            &["from_env.rs"],
        ],
    ),
    (
        "crates/entra-tenants/src",
        &[
            &["error.rs", "overlay.rs"],
            &["consented_tenant.rs", "private_file.rs", "secret_name.rs"],
            &["key.rs", "memory.rs", "record.rs", "storage.rs"],
            &["lock.rs", "seal.rs"],
            &["secrets.rs"],
            &["redb_store.rs"],
        ],
    ),
    (
        "crates/entra-serve/src",
        &[
            &["error.rs", "limits.rs"],
            &["access_key.rs", "identity.rs", "resources.rs", "systemd.rs", "track.rs"],
            &["caller.rs"],
            &["ask.rs", "serve.rs"],
            &["tokens.rs"],
            &["guard.rs", "outcome.rs", "query.rs"],
            &["metrics.rs"],
            &["server/"],
            &["endpoint/", "proxy/"],
        ],
    ),
    (
        "crates/entra-tower/src",
        &[
            &["challenge.rs", "error.rs", "path_id.rs", "rejection.rs", "replay.rs"],
            &["origins.rs", "rate_limit.rs", "table.rs"],
            &["shared.rs"],
            &["future.rs"],
            &["bearer.rs"],
            &["reqwest_middleware.rs", "server/", "ureq_middleware.rs"],
        ],
    ),
    (
        "crates/entra-validate/src",
        &[
            &[
                "audience.rs",
                "base64url.rs",
                "flight.rs",
                "hints.rs",
                "issuer.rs",
                "profile.rs",
                "rule.rs",
                "tenants.rs",
                "verify.rs",
                "words.rs",
            ],
            &["object.rs", "principal.rs"],
            &["claims.rs"],
            &["bearer.rs", "claims_challenge.rs", "report.rs", "token.rs"],
            &["keys/"],
            &["errors.rs", "metadata.rs", "rules.rs", "shared.rs"],
            &["validation.rs"],
            &["blocking.rs", "validator.rs"],
        ],
    ),
    (
        "crates/entra-emulator/src",
        &[
            &["config/"],
            &["state/"],
            &["exchange.rs"],
            &["bearer.rs"],
            &["protocol/", "api/", "landing/"],
            &["managed_identity/", "second_issuer/"],
            &["router.rs"],
            &["headless.rs", "forge/"],
            &["control/"],
            &["server/"],
            &["emulator/"],
        ],
    ),
    (
        "crates/entra-cli/src",
        &[
            &["exit.rs", "folders.rs", "sanitize.rs", "terminal.rs"],
            &["failure.rs"],
            &["tenant_store.rs"],
            &["store/"],
            &["linter/", "profile/"],
            &["settings/"],
            &["commands/"],
        ],
    ),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::shape::graph::module_of;
    use crate::source::Source;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        judge_files(files, &[&["state/"], &["protocol/", "api/"]])
    }

    fn judge_files(files: &[(&str, &str)], floors: &[&[&str]]) -> Vec<String> {
        let sources: Vec<_> = files.iter().map(|(_, code)| Source::read(code)).collect();
        let files = files
            .iter()
            .zip(&sources)
            .map(|((file, _), source)| (format!("a/src/{file}"), module_of(Path::new(file)), source));
        judge("a/src", &Graph::new(files), floors)
    }

    #[test]
    fn imports_lead_down() {
        let files = [
            ("lib.rs", ""),
            ("state/mod.rs", "use crate::leaf::L;"),
            ("state/keys.rs", "use crate::state::S;"),
            ("protocol/mod.rs", "use crate::state::keys::K;"),
            ("api/mod.rs", ""),
            ("leaf.rs", "use crate::protocol::P;"),
        ];
        assert_eq!(findings(&files), [""; 0]);
    }

    #[test]
    fn imports_up_and_across_are_findings() {
        let files = [
            ("lib.rs", ""),
            ("state/mod.rs", "fn f() { crate::protocol::p() }"),
            ("protocol/mod.rs", "use crate::api::A;"),
            ("api/mod.rs", ""),
        ];
        assert_eq!(
            findings(&files),
            [
                "a/src/state/mod.rs:1: crate::protocol::p of a/src/protocol/mod.rs: state/ stands on no floor above protocol/, \
                 so it may not import it",
                "a/src/protocol/mod.rs:1: crate::api::A of a/src/api/mod.rs: protocol/ stands on no floor above api/, so it may \
                 not import it",
            ]
        );
    }

    #[test]
    fn room_without_a_file_is_a_finding() {
        let files = [
            ("lib.rs", ""),
            ("state/mod.rs", ""),
            ("protocol.rs", ""),
            ("api/mod.rs", ""),
        ];
        assert_eq!(
            findings(&files),
            ["a/src/protocol/ does not exist: rename or remove the room in FLOORS (xtask/src/shape/floors.rs)"]
        );
    }

    /// Seeds each row with an import from each room into each other room of its floor and of the
    /// next.
    #[test]
    fn every_row_rejects_imports_up_and_across() {
        let file = |room: &str| match room.strip_suffix('/') {
            Some(module) => format!("{module}/mod.rs"),
            None => room.to_owned(),
        };
        for (folder, floors) in FLOORS {
            let rooms: Vec<&str> = floors.iter().copied().flatten().copied().collect();
            for (floor, own_floor) in floors.iter().enumerate() {
                let next = floors.get(floor + 1).copied().unwrap_or_default();
                for (from, to) in own_floor.iter().flat_map(|from| {
                    let others = own_floor.iter().chain(next).filter(move |to| *to != from);
                    others.map(move |to| (*from, *to))
                }) {
                    let module = to.trim_end_matches('/').trim_end_matches(".rs");
                    let import = format!("use crate::{module}::Item;");
                    let names: Vec<String> = rooms.iter().map(|room| file(room)).collect();
                    let mut files = vec![("lib.rs", "")];
                    for (name, room) in names.iter().zip(&rooms) {
                        files.push((name, if *room == from { &import } else { "" }));
                    }
                    let findings = judge_files(&files, floors);
                    assert_eq!(findings.len(), 1, "{folder}: {from} imports {to}: {findings:?}");
                }
            }
        }
    }
}
