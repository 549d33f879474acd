//! Responses whose body is read in pieces.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use entra_transport::{BlockingTransport, MAX_BODY, Proxies, Request, TransportErrorKind};
use entra_transport_ureq::{OpenBody, UreqTransport};

/// Serves `body` to each request and declares `length` bytes.
fn serve(body: Vec<u8>, length: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map_while(Result::ok);
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            // Some of the tests close the connection early.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    url
}

fn transport() -> UreqTransport {
    UreqTransport::builder()
        .proxies(Proxies::none())
        .allow_plain_loopback(true)
        .build()
        .unwrap()
}

fn get(url: &str) -> Request {
    let mut request = Request::default();
    *request.uri_mut() = url.parse().unwrap();
    request
}

fn length_of(mut body: OpenBody) -> Result<usize, TransportErrorKind> {
    let mut chunk = [0; 10_000];
    let mut total = 0;
    loop {
        match body.read(&mut chunk).map_err(|error| error.kind())? {
            0 => return Ok(total),
            length => total += length,
        }
    }
}

#[test]
fn body_in_pieces_may_have_any_length() {
    let length = MAX_BODY * 3;
    let url = serve(vec![7; length], length);
    let response = transport().open(get(&url)).unwrap();
    assert_eq!(length_of(response.into_body()), Ok(length));
    let error = transport().send(get(&url)).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::TooLarge);
}

#[test]
fn cut_body_is_an_error() {
    let url = serve(vec![7; 100], 1000);
    let response = transport().open(get(&url)).unwrap();
    assert_eq!(length_of(response.into_body()), Err(TransportErrorKind::Interrupted));
}

#[test]
fn plain_http_to_another_machine_is_rejected() {
    let error = transport().open(get("http://192.0.2.1/")).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::NotAllowed);
}
