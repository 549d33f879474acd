//! What a full run logs at trace level, over every transport: no secret and no token.

use std::sync::Mutex;

use entra_emulator::{App, Emulator, Fault};
use entra_proto::{ClientCredential, ClientSecret, EndpointVersion, Target};
use entra_tests::{application, call, carriers};

static RECORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Recorder;

impl log::Log for Recorder {
    /// Everything but the one target under which ureq writes every byte it sends: ureq's transport refuses to work where that is
    /// recorded, and tells how to leave it out.
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() != "ureq_proto::util"
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        RECORDS
            .lock()
            .unwrap()
            .push(format!("{} {}", record.target(), record.args()));
    }

    fn flush(&self) {}
}

#[test]
fn no_secret_and_no_token_is_logged() {
    log::set_logger(&Recorder).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let secret = "canary/se+cret~1";
    let emulator = Emulator::builder()
        .app(
            App::new("daemon")
                .secret(secret)
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .tls()
        .start();
    let mut tokens = Vec::new();
    for carrier in carriers(emulator.ca_pem()) {
        for version in [EndpointVersion::V1, EndpointVersion::V2] {
            let app = application(&emulator, "daemon").on(version);
            let target = Target::resource("https://graph.microsoft.com").unwrap();
            let token = carrier
                .acquire(app.client_credentials(target.clone()).unwrap())
                .unwrap()
                .access_token;
            let (status, _) = call(
                &*carrier,
                &format!("{}/v1.0/users", emulator.tls_url().unwrap()),
                &token,
            );
            assert_eq!(status, 200);
            tokens.push(token.expose().to_owned());

            // The same by Basic authentication, and with an answer that is cut.
            let basic = ClientCredential::BasicSecret(ClientSecret::new(secret).unwrap());
            let app = entra_proto::Application::new(app.authority().clone(), app.client_id(), basic).on(version);
            emulator.fault(Fault::truncated(30));
            let token = carrier
                .acquire(app.client_credentials(target).unwrap())
                .unwrap()
                .access_token;
            tokens.push(token.expose().to_owned());
        }
    }

    let records = RECORDS.lock().unwrap();
    // The libraries below do log: else this test would see nothing.
    for library in ["ureq", "hyper"] {
        assert!(
            records.iter().any(|record| record.starts_with(library)),
            "nothing from {library} in {} records",
            records.len()
        );
    }
    // As it stands in memory, in a form, and as the hexadecimal dump of some of its bytes.
    let traces = [
        "canary",
        "se+cret",
        "se%2Bcret",
        "se%252Bcret",
        "63616e617279",
        "63 61 6e 61 72 79",
    ];
    for record in records.iter() {
        assert!(!traces.iter().any(|trace| record.contains(trace)), "{record}");
        assert!(!tokens.iter().any(|token| record.contains(token.as_str())), "{record}");
        // Base64 shifts with what stands before: the encoded pair holds the client id first, so look for the scheme.
        assert!(!record.contains("Basic ") && !record.contains("Bearer ey"), "{record}");
    }
}
