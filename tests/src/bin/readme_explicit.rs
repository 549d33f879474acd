//! README's program `explicit`, as it stands there: `tests/readme.rs` runs it.

#![expect(clippy::print_stdout, reason = "it is a program")]

include!("../../programs/explicit.rs");
