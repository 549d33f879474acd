//! Records per second and peak memory of the collector, beside the floor.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use entra_emulator::Emulator;

use crate::floor;
use crate::load::Load;
use crate::run::{Ended, Folder, collector, compare, wait};

/// Prints each figure with its limit.
pub(crate) fn run(load: &Load) -> ExitCode {
    let emulator = load.emulator(load.feed()).start();
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        // In turns, so that a busy machine slows both alike, and each first as often: the first one
        // meets colder memory.
        let ours_first = (round % 2 == 0).then(|| measure(&emulator, round, true));
        let floor = measure(&emulator, round, false);
        let ours = ours_first.unwrap_or_else(|| measure(&emulator, round, true));
        for (name, ended) in [("collector", &ours), ("floor", &floor)] {
            println!(
                "{name}: {:.0} records a second, {:.1} MB, {:.2} s of processor time",
                load.all_records() / ended.seconds,
                ended.memory / 1e6,
                ended.processor
            );
        }
        ratios.push(ours.seconds / floor.seconds);
    }
    ratios.sort_by(f64::total_cmp);
    let mut missed = at_most("the collector's time beside its floor", ratios[ratios.len() / 2], 1.2);
    let few = Load {
        contents: 4,
        records: 20,
        ..*load
    };
    let many = Load { tenants: 500, ..few };
    let [few, many] = [few, many].map(|load| {
        let emulator = load.emulator(load.feed()).start();
        measure(&emulator, 0, true).memory
    });
    println!(
        "collector: {:.1} MB with 50 tenants, {:.1} MB with 500",
        few / 1e6,
        many / 1e6
    );
    missed |= at_most("the collector's memory with 500 tenants beside 50", many / few, 1.2);
    ExitCode::from(u8::from(missed))
}

fn at_most(name: &str, value: f64, limit: f64) -> bool {
    let is_missed = value.is_nan() || value > limit;
    let verdict = if is_missed { "MISSED" } else { "ok" };
    println!("{name}: {:.2} x (limit {limit}) {verdict}", value);
    is_missed
}

/// Runs the collector or the floor once, and checks what it wrote.
fn measure(emulator: &Emulator, round: u32, is_collector: bool) -> Ended {
    let folder = Folder::new(&format!("figures-{round}-{is_collector}"));
    let output = folder.0.join("audit");
    let mut command = match is_collector {
        true => collector(emulator, &output),
        false => {
            let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
            command.arg("floor").stdin(Stdio::piped()).stdout(Stdio::null());
            command
        }
    };
    let input = (!is_collector).then(|| floor::input(emulator, &output));
    let mut child = command.spawn().expect("the program starts");
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        use std::io::Write;
        pipe.write_all(&input).expect("the floor reads its input");
    }
    let ended = wait(child, Instant::now() + Duration::from_secs(120), || false);
    assert!(ended.succeeded, "it ended well");
    for tenant in [0, emulator.tenants().len() - 1] {
        let difference = compare(emulator, &emulator.tenants()[tenant].id, &output);
        let wrong = (difference.lost, difference.twice, difference.foreign);
        assert_eq!(wrong, (0, 0, 0), "what was measured wrote everything once");
    }
    ended
}

/// Comparisons with the floor, of which the median counts: the greater one of the two in the
/// middle.
const ROUNDS: u32 = 4;
