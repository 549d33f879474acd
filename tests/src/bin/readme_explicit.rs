//! README's program `explicit`, exactly as it shows it. `tests/it/readme.rs` runs it.

#![expect(clippy::print_stdout, reason = "it is a program")]

include!("../../programs/explicit.rs");
