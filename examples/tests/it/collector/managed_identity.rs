//! The collector with a managed identity as the application's credential: the process has no
//! secret.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::{App, Emulator, FederatedCredential, ManagedIdentity, ManagedIdentitySource, RequestEvent};
use serde_json::Value;

use crate::collector::world::{
    Folder, HOME, IDENTITY, PRINCIPAL, Run, bare_command, identity, reader, records, tenant, trust,
};

const AUDIENCE: &str = "api://AzureADTokenExchange";

/// Returns an application that is registered in one tenant, and to which both have consented.
fn app() -> App {
    reader().home("contoso.example").multi_tenant().consented_everywhere()
}

/// Starts an emulator whose machine has a system-assigned and a user-assigned identity.
fn emulator(app: App) -> Emulator {
    Emulator::builder()
        .tenant(tenant("contoso.example", 5).id(HOME))
        .tenant(tenant("fabrikam.example", 3))
        .managed_identity(ManagedIdentity::system_assigned())
        .managed_identity(identity())
        .app(app)
        .start()
}

/// Returns the command of the collector with this identity: its variables are those of the
/// platform, and the names of the application and of both tenants.
fn command(emulator: &Emulator, source: ManagedIdentitySource, identity: &str, folder: &Folder) -> Command {
    let tenants: Vec<&str> = emulator.tenants().iter().map(|tenant| tenant.id.as_str()).collect();
    let mut command = bare_command(emulator, &tenants.join(","));
    command
        .env_remove("AZURE_CLIENT_SECRET")
        .envs(emulator.managed_identity_environment(source))
        .args(["--managed-identity", identity, "--output"])
        .arg(folder.path().join("audit"));
    command
}

/// Collects once, and checks the output for tokens.
fn collect(emulator: &Emulator, identity: &str, secret: Option<&str>) -> (Run, Folder) {
    let folder = Folder::new();
    let mut command = command(emulator, ManagedIdentitySource::Imds, identity, &folder);
    command.envs(secret.map(|secret| ("AZURE_CLIENT_SECRET", secret)));
    let output = command.arg("--once").output().unwrap();
    let shown = [&output.stdout[..], &output.stderr].concat();
    let shown = String::from_utf8(shown).unwrap();
    assert!(!shown.contains("eyJ"), "{shown}");
    let run = Run {
        succeeded: output.status.success(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    (run, folder)
}

#[cfg(target_os = "linux")]
#[test]
fn two_tenants_are_collected_without_any_secret() {
    for source in [ManagedIdentitySource::Imds, ManagedIdentitySource::AppService] {
        let emulator = emulator(app().without_secrets().federated_credential(trust()));
        let folder = Folder::new();
        let process = Process::run(&mut command(&emulator, source, IDENTITY, &folder));

        let counts: Vec<usize> = emulator
            .tenants()
            .iter()
            .map(|tenant| records(&folder).get(&tenant.id).map_or(0, BTreeMap::len))
            .collect();
        // There are four content types.
        assert_eq!(counts, [20, 12], "{}", process.stderr);

        let requests = emulator.requests();
        let assertions = authenticated_by_assertions_only(&requests);
        assert_eq!(assertions.len(), 2, "one for each tenant");
        let mut paths: Vec<&str> = requests
            .iter()
            .filter(|event| event.is_token_request())
            .map(|event| event.path.as_str())
            .collect();
        paths.sort_unstable();
        let mut expected: Vec<String> = emulator
            .tenants()
            .iter()
            .map(|tenant| format!("/{}/oauth2/token", tenant.id))
            .collect();
        expected.sort_unstable();
        assert_eq!(paths, expected);

        let header = emulator
            .managed_identity_environment(source)
            .into_iter()
            .find_map(|(name, value)| (name == "IDENTITY_HEADER").then_some(value));
        let mut secrets = assertions;
        secrets.extend(bearer_tokens(&requests));
        assert!(secrets.len() >= 4, "{}", secrets.len());
        process.holds_none_of(&secrets, header.as_deref(), &folder);
    }
}

/// Checks that each token request was authenticated by the token of the identity, and returns these
/// tokens.
fn authenticated_by_assertions_only(requests: &[RequestEvent]) -> Vec<String> {
    let token_requests = requests.iter().filter(|event| event.is_token_request());
    let assertions = token_requests.map(|event| {
        let names: Vec<&str> = event.form.iter().map(|parameter| parameter.name.as_str()).collect();
        assert!(
            !names.contains(&"client_secret") && !event.headers.contains_key("authorization"),
            "{names:?}"
        );
        assert!(event.status == 200 && event.lints.is_empty(), "{event:?}");
        assert_eq!(
            event.form_value("client_assertion_type"),
            Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        );
        let assertion = event.form_value("client_assertion").unwrap();
        let payload = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!((&claims["sub"], &claims["tid"]), (&PRINCIPAL.into(), &HOME.into()));
        let resource_id = claims["xms_mirid"].as_str().unwrap();
        assert!(
            resource_id.ends_with("/userAssignedIdentities/collector"),
            "{resource_id}"
        );
        assertion.to_owned()
    });
    let assertions = assertions.collect();
    let of_identity = |event: &&RequestEvent| event.query.iter().any(|parameter| parameter.value == IDENTITY);
    let of_identity: Vec<&RequestEvent> = requests.iter().filter(of_identity).collect();
    for event in &of_identity {
        assert_eq!((event.status.as_u16(), event.target.as_deref()), (200, Some(AUDIENCE)));
        assert!(event.lints.is_empty(), "{event:?}");
    }
    assert!(!of_identity.is_empty());
    assertions
}

/// Returns the tokens that were sent to the API.
fn bearer_tokens(requests: &[RequestEvent]) -> Vec<String> {
    let headers = requests.iter().filter_map(|event| event.headers.get("authorization"));
    let tokens = headers.filter_map(|header| header.to_str().unwrap().strip_prefix("Bearer "));
    let mut tokens: Vec<String> = tokens.map(str::to_owned).collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// What a process showed to others on its machine, and what it wrote.
struct Process {
    /// As the system has it: `NAME=VALUE`.
    environment: Vec<String>,
    arguments: String,
    stdout: String,
    stderr: String,
}

impl Process {
    /// Runs the collector until its first round is over, and stops it.
    fn run(command: &mut Command) -> Self {
        struct Guard(Child);
        impl Drop for Guard {
            fn drop(&mut self) {
                let _ = self.0.kill();
                let _ = self.0.wait();
            }
        }
        // No library of the collector may log more on request.
        command.env("RUST_LOG", "trace").args(["--interval", "1h"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut guard = Guard(child);
        let mut lines = BufReader::new(guard.0.stderr.take().unwrap());
        let mut stderr = String::new();
        while !stderr.contains("round finished") {
            assert_ne!(lines.read_line(&mut stderr).unwrap(), 0, "{stderr}");
        }
        let id = guard.0.id();
        let of_system = |name: &str| fs::read_to_string(format!("/proc/{id}/{name}")).unwrap();
        let (environment, arguments) = (of_system("environ"), of_system("cmdline"));
        let stopped = Command::new("kill").args(["-TERM", &id.to_string()]).status();
        assert!(stopped.unwrap().success());
        lines.read_to_string(&mut stderr).unwrap();
        let mut stdout = String::new();
        guard.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        assert!(guard.0.wait().unwrap().success(), "{stderr}");
        Self {
            environment: environment.split_terminator('\0').map(str::to_owned).collect(),
            arguments,
            stdout,
            stderr,
        }
    }

    /// Checks that the process was configured without a secret, and wrote none. `header` is the
    /// value that a platform passes to its programs by `IDENTITY_HEADER`.
    fn holds_none_of(&self, secrets: &[String], header: Option<&str>, folder: &Folder) {
        let mut names: Vec<&str> = self
            .environment
            .iter()
            .map(|line| line.split('=').next().unwrap())
            .collect();
        names.sort_unstable();
        let mut expected = vec!["AZURE_AUTHORITY_HOST", "AZURE_CLIENT_ID", "AZURE_TENANTS"];
        match header {
            Some(_) => expected.extend(["IDENTITY_ENDPOINT", "IDENTITY_HEADER"]),
            None => expected.push("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
        }
        expected.push("RUST_LOG");
        expected.sort_unstable();
        assert_eq!(names, expected);
        let without_header = self
            .environment
            .iter()
            .filter(|line| !line.starts_with("IDENTITY_HEADER="));
        let environment: String = without_header.map(String::as_str).collect();

        let mut shown = vec![
            ("the environment".to_owned(), environment.into_bytes()),
            ("the arguments".to_owned(), self.arguments.clone().into_bytes()),
            ("the output".to_owned(), self.stdout.clone().into_bytes()),
            ("the log".to_owned(), self.stderr.clone().into_bytes()),
        ];
        let before = shown.len();
        files(folder.path(), &mut shown);
        assert!(shown.len() > before, "the collector wrote files");
        let traces = ["eyJ", "client_assertion", "PRIVATE KEY"];
        let traces = traces
            .into_iter()
            .chain(header)
            .chain(secrets.iter().map(String::as_str));
        for trace in traces {
            for (place, content) in &shown {
                let holds = content.windows(trace.len()).any(|part| part == trace.as_bytes());
                assert!(!holds, "{place} holds {:.12}", trace);
            }
        }
    }
}

/// Adds the content of all files below a folder.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn application_that_does_not_trust_the_identity_gets_no_token() {
    let of_machine = FederatedCredential::new(trust().issuer, "eeeeeeee-1111-2222-3333-ffffffffffff");
    for app in [app(), app().federated_credential(of_machine)] {
        let emulator = emulator(app.without_secrets());
        let (run, folder) = collect(&emulator, IDENTITY, None);
        assert!(
            !run.succeeded && run.stderr.contains("no token: AADSTS7002"),
            "{}",
            run.stderr
        );
        assert!(records(&folder).is_empty());
    }
}

#[test]
fn secret_is_not_used_instead_of_the_identity() {
    let emulator = emulator(app().federated_credential(trust()));
    let secret = emulator.client_secret().to_owned();
    let (run, _) = collect(&emulator, IDENTITY, Some(&secret));
    assert!(run.succeeded, "{}", run.stderr);
    authenticated_by_assertions_only(&emulator.requests());

    // An identity that the machine does not have.
    emulator.clear_requests();
    let (run, folder) = collect(&emulator, "99999999-1111-2222-3333-444444444444", Some(&secret));
    assert!(!run.succeeded && records(&folder).is_empty(), "{}", run.stderr);
    assert!(run.stderr.contains("no token: "), "{}", run.stderr);
    assert!(!run.stderr.contains(&secret), "{}", run.stderr);
    assert_eq!(emulator.token_requests().len(), 0);
}

#[test]
fn other_texts_than_an_id_do_not_name_an_identity() {
    let emulator = emulator(app());
    let (run, _) = collect(&emulator, "collector", None);
    assert!(
        !run.succeeded && run.stderr.contains("--managed-identity"),
        "{}",
        run.stderr
    );
    assert_eq!(emulator.request_count(), 0);
}
