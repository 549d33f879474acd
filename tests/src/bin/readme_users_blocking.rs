//! README's program `users_blocking`, as it stands there: `tests/readme.rs` runs it.

#![expect(clippy::print_stdout, reason = "it is a program")]

include!("../../programs/users_blocking.rs");
