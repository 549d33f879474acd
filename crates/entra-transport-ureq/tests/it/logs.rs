//! A logger that records all bytes: nothing is sent while it does.

use std::net::TcpListener;

use entra_transport::{BlockingTransport, Body, Proxies, TransportErrorKind};
use entra_transport_conformance::run_with;
use entra_transport_ureq::UreqTransport;
use log::{LevelFilter, Log, Metadata, Record};

struct Everything;

impl Log for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        assert!(!record.args().to_string().contains("canary"));
    }

    fn flush(&self) {}
}

#[test]
fn nothing_is_sent_while_bytes_are_logged() {
    run_with(&[], "logs::child_logs_the_wire");
}

#[test]
#[ignore = "the test above runs it in a separate process, because a process has one logger"]
fn child_logs_the_wire() {
    log::set_logger(&Everything).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let uri = format!("http://{}/", server.local_addr().unwrap());
    let transport = UreqTransport::builder()
        .allow_plain_loopback(true)
        .proxies(Proxies::none())
        .build()
        .unwrap();
    let send = || {
        transport.send(
            http::Request::post(&uri)
                .body(Body::from("secret=canary".to_owned()))
                .unwrap(),
        )
    };

    let error = send().unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Configuration);
    assert!(
        error.hint().is_some_and(|hint| hint.contains("ureq_proto=debug")),
        "{error}"
    );
    assert_eq!(server.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);

    log::set_max_level(LevelFilter::Debug);
    drop(server);
    assert_eq!(send().unwrap_err().kind(), TransportErrorKind::Connect);
}
