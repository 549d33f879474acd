//! README's program `users`, as it stands there: `tests/it/readme.rs` runs it.

#![expect(clippy::print_stdout, reason = "it is a program")]

include!("../../programs/users.rs");
