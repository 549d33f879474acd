//! The one entry point of CI and of every chore: `cargo xtask ci`, each of its stages alone, and
//! `cargo xtask figures`.
//!
//! ```text
//!  main ─┬─► stage ─┬─► purity      code without I/O (source), layers (imports)
//!        │          ├─► shape       circles and floors of imports, long files
//!        │          ├─► prose       the language of comments and documents
//!        │          ├─► msrv        the oldest Rust of the dependencies
//!        │          ├─► package     the archives to publish
//!        │          ├─► wasm        the crates without I/O, for WebAssembly
//!        │          ├─► api         the lists of public names
//!        │          ├─► readme      README and guides (markdown, command)
//!        │          ├─► fuzz        the fuzz targets
//!        │          └─► acceptance  clients of other vendors
//!        └─► figures              measurements, and the collector's soak
//!
//!  cargo, workspace   the commands of cargo, the packages
//!  skips, verdict     skipped tests, the result of a stage
//! ```
//!
//! It depends on `std`, `serde_json` and cargo only, so that it builds in seconds.

#![expect(clippy::print_stdout, reason = "a chore prints its findings")]

mod acceptance;
mod api;
mod cargo;
mod error;
mod figures;
mod fuzz;
mod imports;
mod modules;
mod msrv;
mod package;
mod prose;
mod purity;
mod readme;
mod shape;
mod skips;
mod source;
mod stage;
mod verdict;
mod wasm;
mod workspace;

use std::env;
use std::process::ExitCode;

use crate::error::Result;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] | ["help" | "--help" | "-h"] => {
            print!("{}", usage());
            ExitCode::SUCCESS
        }
        ["ci"] => stage::run_all(),
        ["figures"] => figures::run(),
        ["archives"] => package::run(),
        ["api", "--write"] => stage::run(&[&stage::Stage {
            name: "api",
            about: "writes the lists of public names to xtask/api",
            run: api::write,
        }]),
        ["soak", "--collector", ref options @ ..] => figures::soak(options),
        [name] => match stage::named(name) {
            Some(stage) => stage::run(&[stage]),
            None => {
                eprint!("there is no chore {name:?}\n\n{}", usage());
                ExitCode::from(2)
            }
        },
        _ => {
            eprint!("one chore at a time, and only api and soak take options\n\n{}", usage());
            ExitCode::from(2)
        }
    }
}

/// Returns every word that may follow `cargo xtask`.
fn chores() -> Vec<&'static str> {
    stage::STAGES
        .iter()
        .map(|stage| stage.name)
        .chain(["archives", "ci", "figures", "help", "soak"])
        .collect()
}

fn usage() -> String {
    let mut text = "cargo xtask <chore>\n\n  ci          every stage below, then a summary\n".to_owned();
    for stage in stage::STAGES {
        text += &format!("  {:<11} {}\n", stage.name, stage.about);
    }
    text + "  archives    unpacks the archive of each crate and runs its tests there\n  api --write writes the lists of public names\n  figures     measures what has a limit\n  soak        --collector: the full load of the collector, with faults and kills; --tenants, --contents,\n              --records, --kills and --minutes N shrink it\n"
}
