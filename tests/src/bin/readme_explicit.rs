//! README's program `explicit`, as it stands there: `tests/it/readme.rs` runs it.

#![expect(clippy::print_stdout, reason = "it is a program")]

include!("../../programs/explicit.rs");
