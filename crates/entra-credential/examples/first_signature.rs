//! The time from the start of a process to its first signature, which a command that asks for one
//! token pays in full.
//!
//! ```sh
//! cargo run --release -p entra-credential \\
//!     --example first_signature -- daemon.pem
//! cargo run --release -p entra-credential --no-default-features \\
//!     --features ring,pfx --example first_signature -- daemon.pem
//! ```

#![expect(clippy::print_stdout, reason = "it prints its result")]

use std::time::Instant;

use entra_credential::ClientCertificate;
use entra_proto::assertion::{Signer, SigningAlgorithm};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: first_signature FILE")?;
    let start = Instant::now();
    let certificate = ClientCertificate::read(&std::fs::read(path)?, None)?;
    let read = start.elapsed();
    let sign = |algorithm| certificate.sign(&certificate.certificate(), algorithm, b"header.claims");
    sign(SigningAlgorithm::Ps256)?;
    let first = start.elapsed() - read;
    sign(SigningAlgorithm::Ps256)?;
    let second = start.elapsed() - read - first;
    println!("read {read:.2?}, first PS256 signature {first:.2?}, second {second:.2?}");
    Ok(())
}
