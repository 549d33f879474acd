//! The emulator with audit records, the collector, and its output.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use entra_emulator::{App, Emulator, FederatedCredential, ManagedIdentity, Tenant, User};
use serde_json::Value;

/// Returns a tenant with this many users, and as many records of each content type.
pub(crate) fn tenant(domain: &str, users: usize) -> Tenant {
    let users = (0..users).map(|number| User::new(format!("User{number:04} Test")));
    users.fold(Tenant::new(domain), Tenant::user)
}

/// Returns an application that may read the activity feed.
pub(crate) fn reader() -> App {
    App::new("collector").grant(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read")
}

/// The tenant of the identity, in which the application that trusts it is registered.
pub(crate) const HOME: &str = "77777777-2222-3333-4444-555555555555";
pub(crate) const IDENTITY: &str = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb";
pub(crate) const PRINCIPAL: &str = "cccccccc-1111-2222-3333-dddddddddddd";

/// Returns a user-assigned managed identity of the machine.
pub(crate) fn identity() -> ManagedIdentity {
    ManagedIdentity::user_assigned("collector")
        .client_id(IDENTITY)
        .object_id(PRINCIPAL)
}

/// Returns the federated credential of an application that trusts the identity.
pub(crate) fn trust() -> FederatedCredential {
    FederatedCredential::new(format!("https://login.microsoftonline.com/{HOME}/v2.0"), PRINCIPAL)
}

/// A folder that is removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("collector-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A completed run of the collector.
pub(crate) struct Run {
    pub(crate) succeeded: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Collects once from all tenants of the emulator, into the folder.
pub(crate) fn collect(emulator: &Emulator, folder: &Folder, arguments: &[&str]) -> Run {
    let tenants: Vec<&str> = emulator.tenants().iter().map(|tenant| tenant.id.as_str()).collect();
    collect_from(emulator, &tenants.join(","), folder, arguments)
}

/// Collects once from these tenants.
pub(crate) fn collect_from(emulator: &Emulator, tenants: &str, folder: &Folder, arguments: &[&str]) -> Run {
    let output = command(emulator, tenants, folder)
        .arg("--once")
        .args(arguments)
        .output()
        .unwrap();
    Run::of(emulator, &output)
}

/// Returns the collector's command with its variables and its folder.
pub(crate) fn command(emulator: &Emulator, tenants: &str, folder: &Folder) -> Command {
    let mut command = bare_command(emulator, tenants);
    command.arg("--output").arg(folder.path().join("audit"));
    command
}

/// Returns the collector's command with its variables.
pub(crate) fn bare_command(emulator: &Emulator, tenants: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_office365_collector"));
    command.env_clear().envs([
        ("AZURE_TENANTS", tenants),
        ("AZURE_CLIENT_ID", emulator.client_id()),
        ("AZURE_CLIENT_SECRET", emulator.client_secret()),
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
    ]);
    command
}

/// Starts an emulator for the tokens of these tenants; the API is another server.
pub(crate) fn tokens_for(domains: &[&str]) -> Emulator {
    let builder = domains
        .iter()
        .fold(Emulator::builder(), |builder, domain| builder.tenant(tenant(domain, 1)));
    builder.app(reader()).start()
}

/// Collects once, with one content type, from the API at this address.
pub(crate) fn collect_at(emulator: &Emulator, api: &str, folder: &Folder, arguments: &[&str]) -> Run {
    let mut all = vec!["--api", api, "--content-type", "audit.general"];
    all.extend(arguments);
    collect(emulator, folder, &all)
}

/// Returns the IDs of all records of all tenants, each of which must occur once.
pub(crate) fn ids(folder: &Folder) -> Vec<String> {
    let mut ids = Vec::new();
    for (id, times) in records(folder).into_values().flatten() {
        assert_eq!(times, 1, "{id}");
        ids.push(id);
    }
    ids
}

impl Run {
    /// Checks that the output contains no secret.
    pub(crate) fn of(emulator: &Emulator, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        for shown in [&stdout, &stderr] {
            assert!(
                !shown.contains("eyJ") && !shown.contains(emulator.client_secret()),
                "{shown}"
            );
        }
        Self {
            succeeded: output.status.success(),
            stdout,
            stderr,
        }
    }
}

/// Returns all written records: by tenant, the number of occurrences of each ID.
pub(crate) fn records(folder: &Folder) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut tenants = BTreeMap::new();
    let Ok(folders) = std::fs::read_dir(folder.path().join("audit")) else {
        return tenants;
    };
    for tenant in folders.map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        let ids: &mut BTreeMap<String, usize> = tenants.entry(tenant.file_name().into_string().unwrap()).or_default();
        for file in std::fs::read_dir(tenant.path()).unwrap().map(Result::unwrap) {
            if file.path().extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            for line in std::fs::read_to_string(file.path()).unwrap().lines() {
                let record: Value = serde_json::from_str(line).unwrap();
                *ids.entry(record["Id"].as_str().unwrap_or_default().to_owned())
                    .or_default() += 1;
            }
        }
    }
    tenants
}
