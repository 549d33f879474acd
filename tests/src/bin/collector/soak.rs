//! The full load, with faults and kills.

use std::cell::Cell;
use std::fs::{self, File};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use entra_emulator::{Emulator, Fault};

use crate::load::Load;
use crate::run::{Folder, collector, compare, wait};

/// Collects everything during faults and repeated kills, and compares the written records with the
/// feed.
pub(crate) fn run(load: &Load) -> ExitCode {
    println!(
        "{} tenants x {} contents x {} records, {} kills, {} minutes at most",
        load.tenants, load.contents, load.records, load.kills, load.minutes
    );
    let feed = load.feed().duplicate_records(50).duplicate_contents(50);
    let emulator = load.emulator(feed).start();
    bad_day(&emulator);
    let folder = Folder::new("soak");
    let (output, log) = (folder.0.join("audit"), folder.0.join("log"));
    let deadline = Instant::now() + Duration::from_secs(u64::from(load.minutes) * 60);
    let all = u64::from(load.tenants) * u64::from(load.contents);
    let revoked = &emulator.tenants()[load.tenants as usize / 3].id;
    let (mut random, mut is_revoked) = (12_u64, false);
    let (mut seconds, mut memory) = (0.0, 0.0_f64);
    let mut finished = false;
    for kill in 0..load.kills + ROUNDS {
        if !is_revoked && kill * 3 >= load.kills {
            // In the middle, before the run that is the last one where none is killed.
            is_revoked = true;
            if load.kills > 0 {
                emulator.revoke_consent("collector", revoked);
            }
        }
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let target = all * u64::from(kill) / u64::from(load.kills + 1)
            + (random >> 33) % (all / u64::from(load.kills + 1)).max(1);
        let is_last = kill >= load.kills;
        let log = File::create(&log).expect("the log can be made");
        let child = collector(&emulator, &output).stderr(log).spawn();
        let child = child.expect("the collector starts");
        let (begin, is_expired) = (emulator.request_count(), Cell::new(false));
        let ended = wait(child, deadline, || {
            let count = emulator.request_count();
            // The tokens of the run end before their time, in its middle.
            if !is_expired.get() && count > begin + (target.saturating_sub(begin) / 2).max(100) {
                is_expired.set(true);
                emulator.revoke_tokens();
            }
            !is_last && count >= target
        });
        seconds += ended.seconds;
        memory = memory.max(ended.memory);
        finished = ended.finished;
        println!(
            "run {}: {} after {:.1} s, {} requests so far",
            kill + 1,
            if ended.finished { "ended" } else { "killed" },
            ended.seconds,
            emulator.request_count()
        );
        if Instant::now() > deadline || (is_last && ended.succeeded) {
            break;
        }
    }
    let mut wrong = u32::from(!finished);
    let mut records = 0;
    for tenant in emulator.tenants() {
        let difference = compare(&emulator, &tenant.id, &output);
        let may_miss = is_revoked && load.kills > 0 && tenant.id == *revoked;
        records += difference.expected - difference.lost;
        let is_wrong = difference.twice > 0 || difference.foreign > 0 || (difference.lost > 0 && !may_miss);
        wrong += u32::from(is_wrong);
        if is_wrong || may_miss {
            println!(
                "tenant {}: {} expected, {} lost, {} twice, {} foreign{}",
                tenant.id,
                difference.expected,
                difference.lost,
                difference.twice,
                difference.foreign,
                if may_miss { " (consent revoked)" } else { "" }
            );
            // What the collector itself said in its last run.
            let said = fs::read_to_string(&log).unwrap_or_default();
            let said = said
                .lines()
                .filter(|line| line.contains(&tenant.id) && !line.contains(" waits "));
            said.take(3).for_each(|line| println!("    {line}"));
        }
    }
    println!(
        "{records} records in {seconds:.0} s, {:.0} a second, {:.0} MB at most, {wrong} problems",
        records as f64 / seconds,
        memory / 1e6
    );
    ExitCode::from(u8::from(wrong > 0))
}

/// The number of complete runs of the collector: each collects the failures of the one before.
const ROUNDS: u32 = 3;

fn bad_day(emulator: &Emulator) {
    for fault in [
        Fault::activity("AF429").on("/activity/feed/"),
        Fault::status(429).retry_after(Duration::ZERO).on("/activity/feed/"),
        Fault::status(503).on("/activity/feed/"),
        Fault::reset().on("/activity/feed/"),
        Fault::truncated(2_000).on("/activity/feed/audit/"),
    ] {
        emulator.fault(fault.always().one_in(500));
    }
}
