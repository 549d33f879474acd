//! Runs of the collector in a terminal, recorded in `target/artifacts` for inspection.

use std::fs;
use std::path::Path;
use std::time::Duration;

use entra_emulator::{Emulator, Fault};

use crate::collector::world::{Folder, command, reader, tenant};
use crate::terminal::{Action, Recording, record_program};

const WIDTHS: [usize; 2] = [60, 120];

fn run(columns: usize, emulator: &Emulator, folder: &Folder, actions: &[Action<'_>]) -> Option<Recording> {
    let ids: Vec<&str> = emulator.tenants().iter().map(|tenant| tenant.id.as_str()).collect();
    let mut program = command(emulator, &ids.join(","), folder);
    program.args(["--once", "--back-off", "200ms"]).env("TERM", "xterm");
    let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
    let words: Vec<String> = std::iter::once(program.get_program())
        .chain(program.get_args())
        .map(text)
        .collect();
    let variables = program
        .get_envs()
        .filter_map(|(name, value)| Some((text(name), text(value?))));
    let variables: Vec<(String, String)> = variables.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    record_program(columns, &words, &variables, actions)
}

/// Starts an emulator with three tenants: a slow and throttled one, one without the permission, and
/// one without failures.
fn emulator() -> Emulator {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 120))
        .tenant(tenant("fabrikam.example", 80))
        .tenant(tenant("adatum.example", 3))
        .app(reader().only_in("contoso.example").only_in("fabrikam.example"))
        .start();
    emulator.fault(
        Fault::status(429)
            .retry_after(Duration::from_secs(1))
            .on("/subscriptions/content"),
    );
    emulator.fault(Fault::delayed(Duration::from_millis(700)).on("/audit/"));
    emulator
}

#[test]
fn progress_and_summary_fit_the_terminal() {
    for columns in WIDTHS {
        let (emulator, folder) = (emulator(), Folder::new());
        let Some(recording) = run(columns, &emulator, &folder, &[]) else {
            return;
        };
        let sent = recording.sent();
        assert_eq!(recording.exit, 1, "{sent}");
        assert!(recording.restored);
        // The bars were shown, and are gone at the end.
        assert!(
            sent.contains("/3 tenants") && sent.contains(" records  Audit."),
            "{sent}"
        );
        let screen = recording.screen();
        let lines = screen.lines();
        let text = lines.join("\n");
        assert!(!text.contains("/3 tenants"), "{text}");
        // Log lines are complete: each begins with its time.
        let summary = lines.iter().rposition(|line| line.contains("round finished")).unwrap();
        let is_whole = |line: &&String| line.starts_with("20") || line.starts_with("  ");
        assert_eq!(lines[..=summary].iter().filter(is_whole).count(), summary + 1, "{text}");
        // Bars were shown in some of the rows above: the terminal wraps the lines that indicatif
        // fills.
        let wrapped = screen.wrapped.iter().find(|row| **row > summary + 2);
        assert_eq!(wrapped, None, "wider than {columns} columns: {text}");
        let words = lines[summary..].join(" ");
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in [
            "windows",
            "duplicates",
            "failed",
            "to do: let an administrator",
            "total",
        ] {
            assert!(words.contains(expected), "{expected}: {text}");
        }
        // The terminal's contents while the bars were shown, frame by frame.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("artifacts");
        fs::create_dir_all(&folder).unwrap();
        let frames = recording.frames("/3 tenants");
        let last = frames
            .iter()
            .rev()
            .find(|frame| frame.contains(" records  "))
            .expect("a tenant had a line");
        for line in last.lines() {
            let is_bar = line.contains("/3 tenants") || line.contains(" records  ");
            assert!(!is_bar || line.chars().count() < columns, "{line}");
        }
        let shown = format!(
            "$ office365_collector --once\n{last}\n\n...and at the end:\n\n{}\n",
            text.trim_end()
        );
        fs::write(folder.join(format!("collector-{columns}.txt")), shown).unwrap();
    }
}

#[test]
fn progress_survives_any_width_and_resizes() {
    for columns in [200, 40, 12, 3] {
        let (emulator, folder) = (emulator(), Folder::new());
        let Some(recording) = run(
            columns,
            &emulator,
            &folder,
            &[Action::Pause(0.5), Action::Resize(columns / 2 + 1)],
        ) else {
            return;
        };
        assert_eq!(recording.exit, 1, "{}", recording.sent());
    }
}
