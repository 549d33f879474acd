//! The collector under load: `soak` proves that nothing is lost and nothing comes twice, `figures`
//! compares it with a floor.
//!
//! `cargo xtask soak --collector` and `cargo xtask figures` run it. The collector is the program
//! that `ENTRA_COLLECTOR` names; `floor` is the same requests and writes without our client, in a
//! process of its own.

#![allow(clippy::print_stdout, reason = "what it finds out is printed")]

mod figures;
mod floor;
mod load;
mod run;
mod soak;

use std::process::ExitCode;

use crate::load::Load;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["floor"] => floor::run(),
        ["figures", options @ ..] => with(Load::FULL, options, figures::run),
        ["soak", options @ ..] => with(Load::FULL, options, soak::run),
        _ => {
            println!("one of soak, figures and floor is expected");
            ExitCode::from(2)
        }
    }
}

fn with(load: Load, options: &[&str], run: fn(&Load) -> ExitCode) -> ExitCode {
    match load.with(options) {
        Ok(load) => run(&load),
        Err(problem) => {
            println!("{problem}\n\n{}", load::USAGE);
            ExitCode::from(2)
        }
    }
}
