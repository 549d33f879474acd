//! A server as a service of systemd: its messages, and sockets that it inherits.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use entra_emulator::Emulator;

use super::{Served, is_token};
use crate::common::{GRAPH, private_folder, variables};

#[test]
fn service_manager_learns_each_state() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let message = || {
        let mut buffer = [0; 500];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let notify = ("NOTIFY_SOCKET", path.to_str().unwrap());
    let known = [&variables(&emulator)[..], &[notify]].concat();
    let served = Served::begin(&["--resource", GRAPH], &known);
    assert_eq!(message(), "READY=1");
    is_token(&served.client().ask(), GRAPH);
    served.signal("HUP");
    assert!(message().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(message(), "READY=1");
    served.signal("TERM");
    assert_eq!(message(), "STOPPING=1");
}

#[test]
fn sockets_of_the_service_manager_replace_the_default_ones() {
    let emulator = Emulator::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // The socket becomes descriptor 3 of the process with this ID.
    let script = r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@""#;
    let mut command = Command::new("/bin/sh");
    command
        .args([
            "-c",
            script,
            "sh",
            env!("CARGO_BIN_EXE_entra"),
            "serve",
            "--resource",
            GRAPH,
        ])
        .env_clear()
        .envs(variables(&emulator))
        .stdin(OwnedFd::from(listener))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let served = Served::of(&mut command);
    let client = served.client();
    assert_eq!(client.host, address);
    is_token(&client.ask(), GRAPH);
    assert!(
        served.err().contains(&format!("ready: tokens at {address}\n")),
        "{}",
        served.err()
    );
}
