//! Requests that are not allowed, and hosts that cannot be reached.

use entra_transport::TransportErrorKind::{Connect, Dns, NotAllowed, Timeout};

use crate::bench::{Bench, LOOK_UP, Outcome};
use crate::case::Case;
use crate::certificate::Authority;
use crate::exchange::{check, fails, ok, post};
use crate::server::Server;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "plain_http_is_rejected_unless_allowed",
        run: plain,
    },
    Case {
        name: "plain_http_to_another_machine_is_always_rejected",
        run: other_machine,
    },
    Case {
        name: "user_name_in_uri_is_rejected",
        run: user_name,
    },
    Case {
        name: "relative_uri_is_rejected",
        run: relative,
    },
    Case {
        name: "closed_port_is_a_connect_error",
        run: closed_port,
    },
    Case {
        name: "unknown_host_is_a_dns_error",
        run: no_such_name,
    },
];

fn plain(bench: &Bench) -> Outcome {
    let server = Server::responding(ok("{}"));
    let transport = bench.with(|setup| setup.policy.allow_plain_loopback = false);
    fails(transport.send(post(&server.http("/"))), NotAllowed, false)?;
    fails(
        transport.send(post(&format!("http://localhost:{}/", server.port()))),
        NotAllowed,
        false,
    )?;
    check(server.connections() == 0, || {
        format!("{} connections", server.connections())
    })
}

fn other_machine(bench: &Bench) -> Outcome {
    let transport = bench.plain();
    for uri in [
        "http://login.example/",
        "http://192.0.2.1/",
        "http://localhost.example/",
        "http://0.0.0.0/",
        "http://[::2]/",
    ] {
        fails(transport.send(post(uri)), NotAllowed, false).map_err(|seen| format!("{uri}: {seen}"))?;
    }
    Ok(())
}

fn user_name(bench: &Bench) -> Outcome {
    let server = Server::responding(ok("{}"));
    let transport = bench.plain();
    for scheme in ["http", "https"] {
        for user in ["c4n4ry@", "user:c4n4ry@", "login.microsoftonline.com@"] {
            let uri = format!("{scheme}://{user}127.0.0.1:{}/", server.port());
            fails(transport.send(post(&uri)), NotAllowed, false).map_err(|seen| format!("{uri}: {seen}"))?;
        }
    }
    check(server.connections() == 0, || {
        format!("{} connections", server.connections())
    })
}

fn relative(bench: &Bench) -> Outcome {
    fails(bench.plain().send(post("/tenant/oauth2/v2.0/token")), NotAllowed, false)
}

fn closed_port(bench: &Bench) -> Outcome {
    let authority = Authority::new("unused");
    let transport = bench.with(|setup| setup.roots = vec![authority.root()]);
    let port = Server::closed_port();
    fails(
        transport.send(post(&format!("http://127.0.0.1:{port}/"))),
        Connect,
        true,
    )?;
    fails(
        transport.send(post(&format!("https://127.0.0.1:{port}/"))),
        Connect,
        true,
    )
}

fn no_such_name(bench: &Bench) -> Outcome {
    let transport = bench.with(|setup| setup.policy.timeout = LOOK_UP);
    let outcome = transport.send(post("https://no-such-host.invalid/"));
    let kind = if outcome.as_ref().is_err_and(|error| error.kind() == Timeout) {
        Timeout
    } else {
        Dns
    };
    fails(outcome, kind, true)
}
