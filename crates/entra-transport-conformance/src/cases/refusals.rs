use entra_transport::TransportErrorKind::{Connect, Dns, Refused, Timeout};

use crate::bench::{Bench, LOOK_UP, Outcome};
use crate::case::Case;
use crate::certificate::Authority;
use crate::exchange::{check, fails, ok, post};
use crate::server::Server;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "plain_http_is_refused_unless_allowed",
        run: plain,
    },
    Case {
        name: "plain_http_to_another_machine_is_refused_even_where_allowed",
        run: other_machine,
    },
    Case {
        name: "a_user_name_in_the_uri_is_refused",
        run: user_name,
    },
    Case {
        name: "a_uri_that_is_not_absolute_is_refused",
        run: relative,
    },
    Case {
        name: "a_port_nobody_listens_on_is_a_connect_error",
        run: nobody,
    },
    Case {
        name: "a_name_that_does_not_exist_is_a_dns_error",
        run: no_such_name,
    },
];

fn plain(bench: &Bench) -> Outcome {
    let server = Server::answering(ok("{}"));
    let transport = bench.with(|setup| setup.policy.allow_plain_loopback = false);
    fails(transport.send(post(&server.http("/"))), Refused, false)?;
    fails(
        transport.send(post(&format!("http://localhost:{}/", server.port()))),
        Refused,
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
        fails(transport.send(post(uri)), Refused, false).map_err(|seen| format!("{uri}: {seen}"))?;
    }
    Ok(())
}

fn user_name(bench: &Bench) -> Outcome {
    let server = Server::answering(ok("{}"));
    let transport = bench.plain();
    for scheme in ["http", "https"] {
        for user in ["c4n4ry@", "user:c4n4ry@", "login.microsoftonline.com@"] {
            let uri = format!("{scheme}://{user}127.0.0.1:{}/", server.port());
            fails(transport.send(post(&uri)), Refused, false).map_err(|seen| format!("{uri}: {seen}"))?;
        }
    }
    check(server.connections() == 0, || {
        format!("{} connections", server.connections())
    })
}

fn relative(bench: &Bench) -> Outcome {
    fails(bench.plain().send(post("/tenant/oauth2/v2.0/token")), Refused, false)
}

fn nobody(bench: &Bench) -> Outcome {
    let authority = Authority::new("nobody listens");
    let transport = bench.with(|setup| setup.roots = vec![authority.root()]);
    let port = Server::nobody();
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
    let answer = transport.send(post("https://no-such-host.invalid/"));
    let kind = if answer.as_ref().is_err_and(|error| error.kind() == Timeout) {
        Timeout
    } else {
        Dns
    };
    fails(answer, kind, true)
}
