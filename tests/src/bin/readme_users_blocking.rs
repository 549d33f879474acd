//! README's program `users_blocking`, exactly as it shows it. `tests/it/readme.rs` runs it.

#![expect(clippy::print_stdout, reason = "it is a program")]

include!("../../programs/users_blocking.rs");
