//! Compares the time of a validated request with that of the verification of its signature alone:
//! `cargo run --release --example cost`.

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_validate::Validator;
use support::{Clock, Cloud, KEYS, api, daemon, daemon_v1, user};

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("the runtime starts");
    let validator = Validator::with_clock(api(), Cloud::new().transport(), Clock::new().reader());
    for (name, forge) in [("daemon", daemon()), ("daemon, v1", daemon_v1()), ("user", user())] {
        // Entra's tokens have about this length.
        let token = forge.with("rh", "x".repeat(700)).sign();
        let (signed, signature) = token.rsplit_once('.').expect("it has three parts");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("it is base64url");
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, KEYS[0].public_der()).expect("it is a key");
        let (mut bare, mut whole) = (Duration::MAX, Duration::MAX);
        // Both in turn, and the shortest time of each, to reduce the effect of other programs.
        for _ in 0..300 {
            bare = bare.min(time(|| {
                key.verify_sig(signed.as_bytes(), &signature).expect("it verifies")
            }));
            whole = whole.min(runtime.block_on(rounds(&validator, &token)));
        }
        let ratio = whole.as_secs_f64() / bare.as_secs_f64();
        eprintln!(
            "{name}: {} bytes; bare {bare:?}, validated {whole:?}, ratio {ratio:.3}",
            token.len()
        );
    }
}

const ROUNDS: u32 = 50;

/// Returns the average time of a validation, within a running runtime.
async fn rounds(validator: &Validator, token: &str) -> Duration {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        drop(black_box(validator.validate(token).await.expect("it is valid")));
    }
    start.elapsed() / ROUNDS
}

/// Returns the average time of a call.
fn time(mut run: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        run();
    }
    start.elapsed() / ROUNDS
}
