//! The layers of the workspace: the crates that each crate may import.

use crate::workspace::Workspace;

/// Returns the imports that the layers do not permit. Dependencies of tests are not restricted.
pub(crate) fn check(workspace: &Workspace) -> Vec<String> {
    let mut findings = Vec::new();
    for package in workspace.ours() {
        let imports = package.dependencies.iter().filter(|dependency| !dependency.dev);
        let (ours, others): (Vec<&str>, Vec<&str>) = imports
            .map(|import| import.name.as_str())
            .partition(|name| workspace.member(name).is_some());
        findings.extend(judge(&package.name, &ours, &others));
    }
    findings
}

/// The crates of the workspace that a crate may import.
enum Imports {
    /// These, and no external crate that belongs to another crate of the workspace.
    Only(&'static [&'static str]),
    /// All of them, because no crate builds upon it.
    Anyone,
}

fn judge(name: &str, ours: &[&str], others: &[&str]) -> Vec<String> {
    let allowed = match LAWS.iter().find(|(of, _)| *of == name) {
        None => {
            return vec![format!(
                "{name} has no row in LAWS (xtask/src/imports.rs): add one with the crates that it may import"
            )];
        }
        Some((_, Imports::Anyone)) => return Vec::new(),
        Some((_, Imports::Only(allowed))) => allowed,
    };
    let mut findings = Vec::new();
    for import in ours.iter().filter(|import| !allowed.contains(import)) {
        let allowed = if allowed.is_empty() {
            "none".to_owned()
        } else {
            allowed.join(", ")
        };
        findings.push(format!("{name} imports {import}; of ours it may import: {allowed}"));
    }
    for (subject, crates, homes) in HOMES.iter().filter(|(_, _, homes)| !homes.contains(&name)) {
        for import in others.iter().filter(|import| crates.contains(import)) {
            findings.push(format!(
                "{name} imports {import}, but {subject} lives in {} only",
                homes.join(", ")
            ));
        }
    }
    findings
}

/// The layers. A crate without a row is an error, so that a new one gets its place on purpose.
const LAWS: &[(&str, Imports)] = &[
    ("entra-proto", Imports::Only(&[])),
    ("entra-transport", Imports::Only(&["entra-proto"])),
    (
        "entra-transport-conformance",
        Imports::Only(&["entra-proto", "entra-transport"]),
    ),
    (
        "entra-transport-hyper",
        Imports::Only(&["entra-proto", "entra-transport"]),
    ),
    (
        "entra-transport-reqwest",
        Imports::Only(&["entra-proto", "entra-transport"]),
    ),
    (
        "entra-transport-ureq",
        Imports::Only(&["entra-proto", "entra-transport"]),
    ),
    ("entra-credential", Imports::Only(&["entra-proto"])),
    ("entra-validate", Imports::Only(&["entra-proto", "entra-transport"])),
    ("entra-client", Imports::Only(&["entra-proto", "entra-transport"])),
    ("entra-tenants", Imports::Only(&["entra-proto"])),
    ("entra-azure-core", Imports::Only(&["entra-client", "entra-proto"])),
    ("entra-object-store", Imports::Only(&["entra-client", "entra-proto"])),
    ("entra-redis", Imports::Only(&["entra-client", "entra-proto"])),
    (
        "entra-tower",
        Imports::Only(&["entra-client", "entra-proto", "entra-validate"]),
    ),
    (
        "entra-serve",
        Imports::Only(&[
            "entra-client",
            "entra-proto",
            "entra-tower",
            "entra-transport",
            "entra-transport-hyper",
            "entra-validate",
        ]),
    ),
    (
        "entra",
        Imports::Only(&[
            "entra-client",
            "entra-credential",
            "entra-proto",
            "entra-tenants",
            "entra-tower",
            "entra-transport",
            "entra-transport-hyper",
            "entra-transport-reqwest",
            "entra-transport-ureq",
            "entra-validate",
        ]),
    ),
    // It checks what the others send, so it shares no code with them.
    ("entra-emulator", Imports::Only(&[])),
    ("entra-bench-driver", Imports::Anyone),
    ("entra-cli", Imports::Anyone),
    ("entra-examples", Imports::Anyone),
    ("entra-tests", Imports::Anyone),
    ("xtask", Imports::Only(&[])),
];

/// Subjects that have a home: what they are, the crates of others that stand for them, and who may
/// name those.
const HOMES: &[(&str, &[&str], &[&str])] = &[
    (
        "tower",
        &["tower", "tower-http", "tower-layer", "tower-service"],
        // The proxy of entra-serve is a service inside of entra-tower's layer. reqwest's transport
        // names the error of a tunnel by the trait of tower: that type has no other name.
        &[
            "entra-serve",
            "entra-tower",
            "entra-transport-hyper",
            "entra-transport-reqwest",
        ],
    ),
    (
        "RSA and ASN.1",
        &[
            "asn1-rs",
            "der",
            "jsonwebtoken",
            "pkcs1",
            "pkcs8",
            "rsa",
            "x509-cert",
            "x509-parser",
        ],
        &["entra-credential", "entra-validate", "entra-emulator"],
    ),
    // The tenant store seals secrets in its file. The transports compare a pinned certificate by
    // its hash, and their suite computes such hashes.
    (
        "cryptography",
        &["aws-lc-rs", "ring"],
        &[
            "entra-credential",
            "entra-validate",
            "entra-emulator",
            "entra-tenants",
            "entra-transport",
            "entra-transport-conformance",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Dependency, Package};

    #[test]
    fn the_layers_hold() {
        for (name, ours, wrong) in [
            ("entra-proto", vec![], 0),
            ("entra-proto", vec!["entra-transport"], 1),
            ("entra-transport", vec!["entra-proto"], 0),
            ("entra-transport-ureq", vec!["entra-proto", "entra-transport"], 0),
            ("entra-transport-ureq", vec!["entra-client"], 1),
            (
                "entra-transport-hyper",
                vec!["entra-transport-reqwest", "entra-client"],
                2,
            ),
            ("entra-client", vec!["entra-proto", "entra-transport"], 0),
            ("entra-client", vec!["entra-credential"], 1),
            ("entra-tenants", vec!["entra-proto"], 0),
            ("entra-tenants", vec!["entra-client"], 1),
            ("entra-emulator", vec!["entra-proto"], 1),
            ("entra-cli", vec!["entra-client", "entra-emulator"], 0),
        ] {
            assert_eq!(judge(name, &ours, &[]).len(), wrong, "{name} importing {ours:?}");
        }
    }

    #[test]
    fn a_new_crate_has_to_get_its_row() {
        let findings = judge("entra-novel", &[], &[]);
        assert!(findings[0].contains("add one"), "{findings:?}");
    }

    #[test]
    fn rsa_and_tower_stay_at_home() {
        assert_eq!(judge("entra-credential", &[], &["x509-parser"]), [""; 0]);
        assert_eq!(judge("entra-transport-hyper", &[], &["tower-service"]), [""; 0]);
        assert_eq!(judge("entra-client", &[], &["rsa", "tower-layer", "serde"]).len(), 2);
        assert_eq!(judge("entra-client", &[], &["aws-lc-rs"]).len(), 1);
        assert_eq!(judge("entra-tenants", &[], &["aws-lc-rs"]), [""; 0]);
        assert_eq!(judge("entra-transport", &[], &["aws-lc-rs", "ring"]), [""; 0]);
        assert_eq!(judge("entra-transport-ureq", &[], &["aws-lc-rs", "ring"]).len(), 2);
        assert_eq!(judge("entra-proto", &[], &["aws-lc-rs"]).len(), 1);
    }

    #[test]
    fn tests_of_a_crate_may_use_whom_they_like() {
        let crate_with = |dev| Package {
            name: "entra-transport".to_owned(),
            ours: true,
            dependencies: vec![Dependency {
                name: "entra-emulator".to_owned(),
                dev,
            }],
            ..Package::default()
        };
        let emulator = Package {
            name: "entra-emulator".to_owned(),
            ours: true,
            ..Package::default()
        };
        let workspace = |dev| Workspace {
            packages: vec![crate_with(dev), emulator.clone()],
            ..Workspace::default()
        };
        assert_eq!(check(&workspace(true)), [""; 0]);
        assert_eq!(check(&workspace(false)).len(), 1);
    }
}
