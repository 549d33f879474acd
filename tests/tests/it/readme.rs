//! README's programs, exactly as it shows them, against the emulator.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use entra_emulator::{App, Emulator, Tenant};

const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
const SECRET: &str = "qWgdYAmab0YSkuL1qKv5bPX";

#[test]
fn readme_shows_the_tested_programs() {
    let readme = include_str!("../../../README.md");
    for (name, program) in [
        ("users", include_str!("../../programs/users.rs")),
        ("users_blocking", include_str!("../../programs/users_blocking.rs")),
        ("explicit", include_str!("../../programs/explicit.rs")),
        ("token", include_str!("../../programs/token.rs")),
    ] {
        assert!(
            readme.contains(program),
            "README.md does not hold tests/programs/{name}.rs"
        );
    }
}

#[test]
fn web_api_guide_shows_the_tested_program() {
    let guide = include_str!("../../../crates/entra/docs/web_api.md");
    let program = include_str!("../../programs/web_api.rs");
    let (program, tests) = program.split_once("\n#[cfg(test)]").expect("it ends with its tests");
    assert!(guide.contains(program), "web_api.md does not hold the program");
    assert!(
        guide.contains(&format!("#[cfg(test)]{tests}")),
        "web_api.md does not hold the tests"
    );
}

#[test]
fn programs_are_as_short_as_promised() {
    for (program, limit) in [
        (include_str!("../../programs/users.rs"), 12),
        (include_str!("../../programs/users_blocking.rs"), 8),
        (include_str!("../../programs/explicit.rs"), 13),
    ] {
        assert!(program.lines().count() <= limit, "{program}");
    }
}

#[test]
fn async_program_lists_users() {
    let stage = Stage::new();
    let output = stage.run(env!("CARGO_BIN_EXE_readme_users"));
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{errors}");
    assert!(out.contains("\"value\"") && out.contains("userPrincipalName"), "{out}");
    assert_eq!(stage.emulator.token_requests().len(), 1);
    assert_eq!(stage.proxy.hosts(), ["graph.microsoft.com:443"]);
}

#[test]
fn blocking_program_gets_a_token_and_calls_the_api() {
    let stage = Stage::new();
    // ureq trusts Mozilla's list alone, so its call to the emulator fails at the certificate.
    stage.run(env!("CARGO_BIN_EXE_readme_users_blocking"));
    let statuses: Vec<u16> = stage
        .emulator
        .token_requests()
        .iter()
        .map(|request| request.status.as_u16())
        .collect();
    assert_eq!(statuses, [200]);
    assert_eq!(stage.proxy.hosts(), ["graph.microsoft.com:443"]);
}

#[test]
fn explicit_program_gets_a_token() {
    let stage = Stage::new();
    let output = stage.run(env!("CARGO_BIN_EXE_readme_explicit"));
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success() && out.starts_with("the token expires at "),
        "{out} {errors}"
    );
    assert_eq!(stage.proxy.hosts(), ["login.microsoftonline.com:443"]);
}

#[test]
fn errors_of_the_environment_reach_the_user() {
    let stage = Stage::new();
    let mut command = stage.command(env!("CARGO_BIN_EXE_readme_users"));
    command.env("AZURE_CLIENT_CERTIFICATE_PATH", "daemon.pem");
    let output = command.output().expect("the program starts");
    let errors = text(&output.stderr);
    assert!(!output.status.success());
    for word in ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH"] {
        assert!(errors.contains(word), "{errors}");
    }
    assert!(!errors.contains(SECRET), "{errors}");
    assert!(stage.emulator.token_requests().is_empty());
}

/// An emulator under Microsoft's host names, behind a proxy that connects to it.
struct Stage {
    emulator: Emulator,
    proxy: Proxy,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let app = App::new("daemon").client_id(CLIENT_ID).secret(SECRET);
        let emulator = Emulator::builder()
            .tenant(Tenant::new("contoso.com"))
            .app(app.grant(Emulator::GRAPH, "User.Read.All"))
            .tls()
            .reached_as("graph.microsoft.com")
            .reached_as("login.microsoftonline.com")
            .start();
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("ca.pem"), emulator.ca_pem().expect("it has a CA")).expect("the file is written");
        fs::write(folder.path().join("client-secret"), SECRET).expect("the file is written");
        let proxy = Proxy::to(port(emulator.tls_url().expect("TLS is on")));
        Self {
            emulator,
            proxy,
            folder,
        }
    }

    fn run(&self, program: &str) -> Output {
        self.command(program).output().expect("the program starts")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .current_dir(self.folder.path())
            .env("AZURE_TENANT_ID", "contoso.com")
            .env("AZURE_CLIENT_ID", CLIENT_ID)
            .env("AZURE_CLIENT_SECRET", SECRET)
            .env(
                "AZURE_AUTHORITY_HOST",
                format!("http://127.0.0.1:{}", port(self.emulator.base_url())),
            )
            .env("HTTPS_PROXY", format!("http://127.0.0.1:{}", self.proxy.port))
            .env("SSL_CERT_FILE", self.folder.path().join("ca.pem"));
        command
    }
}

/// A proxy that connects every tunnel to one port of this machine.
struct Proxy {
    port: u16,
    hosts: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let hosts = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&hosts);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                // A client that disconnects ends its own tunnel only.
                thread::spawn(move || tunnel(client, target, &seen).ok());
            }
        });
        Self { port, hosts }
    }

    fn hosts(&self) -> Vec<String> {
        self.hosts.lock().expect("no tunnel panicked").clone()
    }
}

fn tunnel(mut client: TcpStream, target: u16, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = text(&head);
    let host = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    seen.lock()
        .expect("no tunnel panicked")
        .push(host.unwrap_or(&head).to_owned());
    let mut server = TcpStream::connect(("127.0.0.1", target))?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let upstream = thread::spawn(move || {
        let copied = io::copy(&mut from_client, &mut to_server);
        to_server.shutdown(Shutdown::Write)?;
        copied.map(drop)
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)?;
    upstream.join().expect("copying does not panic")
}

fn port(url: &str) -> u16 {
    let digits = url.rsplit(':').next().unwrap_or_default();
    digits.trim_end_matches('/').parse().expect("the URL has a port")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
