//! The server: startup, shutdown, limits and network faults.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use entra_emulator::{Channel, Emulator, Fault};
use serde_json::Value;

use crate::support::form;

const GRAPH: (&str, &str) = ("scope", "https://graph.microsoft.com/.default");

fn connect(emulator: &Emulator) -> TcpStream {
    let stream = TcpStream::connect(emulator.address().unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn token_request(emulator: &Emulator) -> Vec<u8> {
    let body = form(emulator, &[GRAPH]);
    let path = format!("/{}/oauth2/v2.0/token", emulator.tenant_id());
    let host = emulator.address().unwrap();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends bytes and reads until the other side closes.
fn exchange(emulator: &Emulator, bytes: &[u8]) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = connect(emulator);
    let _ = stream.write_all(bytes);
    let mut response = Vec::new();
    let error = stream.read_to_end(&mut response).err().map(|error| error.kind());
    (response, error)
}

fn status(response: &[u8]) -> &str {
    std::str::from_utf8(response.get(9..12).unwrap_or_default()).unwrap()
}

#[test]
fn started_emulator_responds_over_the_network() {
    let emulator = Emulator::start();
    let (response, error) = exchange(&emulator, &token_request(&emulator));
    assert_eq!((status(&response), error), ("200", None));
    let event = &emulator.requests()[0];
    assert_eq!(
        (event.channel, event.host.as_str()),
        (Channel::Http, emulator.address().unwrap().to_string().as_str())
    );
}

#[test]
fn paused_emulator_responds_after_resume() {
    let builder = Emulator::builder().control(0).paused();
    drop(builder.clone().start());
    let mut emulator = builder.start();
    let control = emulator.control_url().unwrap().trim_start_matches("http://").to_owned();
    let mut clients = [connect(&emulator), TcpStream::connect(control).unwrap()];
    for client in &mut clients {
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        client.write_all(request).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert!(client.read(&mut [0]).is_err(), "there is no response yet");
    }
    emulator.resume();
    for (client, status) in clients.iter_mut().zip(["200", "401"]) {
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    }
}

#[test]
fn documents_name_the_host_of_the_request() {
    let emulator = Emulator::start();
    let host = emulator.address().unwrap();
    let request = format!(
        "GET /common/v2.0/.well-known/openid-configuration HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    );
    let (response, _) = exchange(&emulator, request.as_bytes());
    let body = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let document: Value = serde_json::from_slice(&response[body + 4..]).unwrap();
    assert_eq!(
        document["token_endpoint"],
        format!("http://{host}/common/oauth2/v2.0/token")
    );
    assert_eq!(emulator.base_url(), format!("http://{host}"));
}

#[test]
fn server_is_ready_after_start_and_stopped_after_drop() {
    // A connection that sends nothing must not delay the shutdown, although its idle timeout is an
    // hour.
    let builder = Emulator::builder().idle_timeout(Duration::from_secs(3_600));
    for _ in 0..5 {
        let emulator = builder.clone().start();
        let address = emulator.address().unwrap();
        let mut idle = TcpStream::connect(address).unwrap();
        drop(emulator);
        idle.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert!(matches!(idle.read(&mut [0]), Ok(0) | Err(_)));
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn hundred_emulators_run_in_one_process() {
    let emulators: Vec<Emulator> = (0..100).map(|seed| Emulator::builder().seed(seed).start()).collect();
    for emulator in &emulators {
        let (response, _) = exchange(emulator, &token_request(emulator));
        assert_eq!(status(&response), "200");
        assert_eq!(emulator.request_count(), 1);
    }
}

#[test]
fn server_survives_aborted_connections() {
    let emulator = Emulator::start();
    let request = token_request(&emulator);
    for cut in (0..request.len()).step_by(7) {
        let mut stream = connect(&emulator);
        stream.write_all(&request[..cut]).unwrap();
        if cut % 2 == 0 {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
    for _ in 0..20 {
        // Sends a request, then closes without reading.
        connect(&emulator).write_all(&request).unwrap();
    }
    for garbage in [
        &b"\0\xff\xfe\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ] {
        exchange(&emulator, garbage);
    }
    assert_eq!(status(&exchange(&emulator, &request).0), "200");
}

#[test]
fn oversized_requests_are_rejected() {
    let emulator = Emulator::start();
    let long = b"POST /common/oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n";
    let (response, _) = exchange(&emulator, &[&long[..], &vec![b'a'; 1_048_577]].concat());
    assert!(
        response.is_empty() || status(&response) == "413",
        "{}",
        String::from_utf8_lossy(&response)
    );
    let headers: String = (0..101).map(|number| format!("h{number}: v\r\n")).collect();
    let (response, _) = exchange(&emulator, format!("GET / HTTP/1.1\r\n{headers}\r\n").as_bytes());
    assert_eq!(status(&response), "431");
    let (response, _) = exchange(
        &emulator,
        format!("GET / HTTP/1.1\r\nh: {}\r\n\r\n", "v".repeat(300_000)).as_bytes(),
    );
    assert!(
        response.is_empty() || status(&response) == "431",
        "{}",
        String::from_utf8_lossy(&response)
    );
    assert_eq!(emulator.request_count(), 0);
    assert_eq!(status(&exchange(&emulator, &token_request(&emulator)).0), "200");
}

#[test]
fn idle_and_slow_connections_are_closed() {
    let emulator = Emulator::builder().idle_timeout(Duration::from_millis(100)).start();
    for part in [
        &b""[..],
        b"POST / HT",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
    ] {
        let (response, error) = exchange(&emulator, part);
        assert_ne!(
            error,
            Some(ErrorKind::WouldBlock),
            "not dropped: {}",
            String::from_utf8_lossy(part)
        );
        assert!(
            response.is_empty() || status(&response) == "408",
            "{}",
            String::from_utf8_lossy(&response)
        );
    }
}

#[test]
fn excess_connections_wait() {
    let emulator = Emulator::builder().idle_timeout(Duration::from_millis(300)).start();
    let idle: Vec<TcpStream> = (0..300).map(|_| connect(&emulator)).collect();
    assert_eq!(status(&exchange(&emulator, &token_request(&emulator)).0), "200");
    drop(idle);
}

#[test]
fn network_faults_have_their_effect() {
    let emulator = Emulator::start();
    let request = token_request(&emulator);

    emulator.fault(Fault::reset());
    let (response, error) = exchange(&emulator, &request);
    assert_eq!((response.len(), error), (0, Some(ErrorKind::ConnectionReset)));

    emulator.fault(Fault::truncated(10));
    let (response, _) = exchange(&emulator, &request);
    let head = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(&response[head..], b"{\"token_ty");
    let promised = String::from_utf8_lossy(&response[..head]).to_lowercase();
    let promised: usize = promised
        .split("content-length: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(promised > 1_000);

    emulator.fault(Fault::huge(3_000_000));
    let (response, error) = exchange(&emulator, &request);
    assert!(response.len() > 3_000_000 && error.is_none());

    emulator.fault(Fault::endless());
    let mut stream = connect(&emulator);
    stream.write_all(&request).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut read = 0;
    while read < 20 << 20 {
        read += stream.read(&mut buffer).unwrap();
    }
    drop(stream);

    // A lower bound also holds on a slow machine.
    let begin = Instant::now();
    emulator.fault(Fault::delayed(Duration::from_millis(200)));
    assert_eq!(status(&exchange(&emulator, &request).0), "200");
    assert!(begin.elapsed() >= Duration::from_millis(200));

    assert_eq!(status(&exchange(&emulator, &request).0), "200");
    let played: Vec<_> = emulator.requests().iter().map(|event| event.fault).collect();
    assert_eq!(
        played,
        [
            Some("reset"),
            Some("truncated"),
            Some("huge"),
            Some("endless"),
            Some("latency"),
            None
        ]
    );
}

#[test]
fn other_machines_need_explicit_permission() {
    let everywhere = "0.0.0.0".parse().unwrap();
    assert!(Emulator::builder().ip(everywhere).try_start().is_err());
    assert!(
        Emulator::builder()
            .ip(everywhere)
            .allow_other_machines()
            .try_start()
            .is_ok()
    );
    let taken = Emulator::start();
    assert!(
        Emulator::builder()
            .port(taken.address().unwrap().port())
            .try_start()
            .is_err()
    );
}

#[test]
fn listen_error_names_the_address() {
    let emulator = Emulator::start();
    let address = emulator.address().unwrap();
    let taken = Emulator::builder().port(address.port()).try_start().unwrap_err();
    assert!(
        taken
            .to_string()
            .contains(&format!("{address}: another program listens there")),
        "{taken}"
    );
    // No machine has an address of TEST-NET-1.
    let foreign = Emulator::builder().ip([192, 0, 2, 1].into()).allow_other_machines();
    let missing = foreign.try_start().unwrap_err();
    assert!(
        missing
            .to_string()
            .contains("192.0.2.1:0: this machine has no such address"),
        "{missing}"
    );
}

#[test]
fn base_url_is_reachable() {
    let everywhere = Emulator::builder()
        .ip([0, 0, 0, 0].into())
        .allow_other_machines()
        .start();
    let port = everywhere.address().unwrap().port();
    assert_eq!(everywhere.base_url(), format!("http://127.0.0.1:{port}"));
    for (name, host) in [
        ("emulator", "emulator"),
        ("192.168.1.5", "192.168.1.5"),
        ("fd00::1", "[fd00::1]"),
    ] {
        let named = Emulator::builder().reached_as(name).start();
        let port = named.address().unwrap().port();
        assert_eq!(named.base_url(), format!("http://{host}:{port}"));
    }
    for bad in ["", "a b", "emulator:8080", "http://emulator", "a..b", "a/b", "-a"] {
        assert!(Emulator::builder().reached_as(bad).try_start().is_err(), "{bad:?}");
    }
}
