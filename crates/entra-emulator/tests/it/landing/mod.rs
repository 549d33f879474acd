//! The landing page and the response to probes.

mod contents;
mod health;
mod secrecy;

use entra_emulator::{Api, App, Emulator, Secret, Tenant, User};

use crate::support::get;

pub(super) const EVIL: &str = "\"><script>alert('x')</script><b a=\"&";
pub(super) const CANARY: &str = "canary-S3cret~1";

/// Returns an emulator with hostile names and with canaries as secrets.
pub(super) fn hostile() -> Emulator {
    let secret = Secret::new(CANARY);
    let app = App::new(format!("app {EVIL}")).secret(secret).secret("canary2");
    Emulator::builder()
        .tenant(
            Tenant::new("evil.example").user(User::new(format!("Zoe {EVIL}")).user_principal_name("zoe@evil.example")),
        )
        .api(
            Api::new(format!("api://{}", EVIL.replace(' ', "-")))
                .role("all<i>")
                .scope("read<i>"),
        )
        .app(
            app.certificate_pem(include_str!("../../certificates/app.crt"))
                .redirect_uri("https://app.example/cb"),
        )
        .build()
}

pub(super) fn page(emulator: &Emulator) -> String {
    let response = get(emulator, "http://localhost/");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    String::from_utf8(response.into_body()).unwrap()
}
