//! Wrong clocks and missed time ranges: the API's clock decides, and lost content is reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use entra_emulator::Emulator;
use serde_json::Value;

use crate::collector::fake::{Fake, Reply, Seen};
use crate::collector::world::{Folder, Run, bare_command, collect_at, ids, tokens_for};

const DAY: i64 = 86_400;

/// An API whose clock differs from this machine's by some seconds. Each list request gets one new
/// content.
struct Api {
    fake: Fake,
    ahead: Arc<AtomicI64>,
}

impl Api {
    fn start() -> Self {
        Self::with(|_| None)
    }

    fn with(respond: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let ahead: Arc<AtomicI64> = Arc::default();
        let (clock, listed) = (Arc::clone(&ahead), AtomicU64::new(0));
        let fake = Fake::start(move |seen| {
            if let Some(reply) = respond(seen) {
                return Some(reply);
            }
            if seen.is("/subscriptions/list") {
                let date = httpdate::fmt_http_date(shifted(clock.load(Ordering::SeqCst)));
                return Some(Reply::ok(r#"[{"contentType":"Audit.General"}]"#).with("Date", date));
            }
            seen.is("/subscriptions/content").then(|| {
                let number = listed.fetch_add(1, Ordering::SeqCst);
                seen.page(&["first", &format!("later-{number}")])
            })
        });
        Self { fake, ahead }
    }

    /// Returns the start and end of each window that was listed after the first `before` windows,
    /// in seconds from this machine's clock.
    fn windows(&self, before: usize) -> Vec<(i64, i64)> {
        let now = shifted(0).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
        let seconds = |seen: &Seen, name| {
            let time = humantime::parse_rfc3339(&format!("{}Z", seen.option(name).unwrap())).unwrap();
            time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64 - now
        };
        let listed = self.fake.requests("/subscriptions/content");
        let window = |seen| (seconds(seen, "startTime"), seconds(seen, "endTime"));
        listed.iter().skip(before).map(window).collect()
    }
}

fn shifted(seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        SystemTime::now() - by
    } else {
        SystemTime::now() + by
    }
}

/// Collects once, into a folder of files or into a database.
fn run(emulator: &Emulator, api: &Api, folder: &Folder, sink: &str, ahead: i64) -> Run {
    api.ahead.store(ahead, Ordering::SeqCst);
    let output = bare_command(emulator, emulator.tenant_id())
        .args([
            "--once",
            "--summary",
            "json",
            "--since",
            "1h",
            "--content-type",
            "audit.general",
        ])
        .args(["--api", &api.fake.url, sink])
        .arg(folder.path().join("audit"))
        .output();
    Run::of(emulator, &output.unwrap())
}

fn is_close(found: i64, expected: i64) -> bool {
    (found - expected).abs() < 120
}

const SINKS: [&str; 2] = ["--output", "--sqlite"];

#[test]
fn windows_follow_the_clock_of_the_api() {
    let emulator = tokens_for(&["contoso.example"]);
    for (ahead, side) in [(-50 * 3600, "50 h ahead of"), (50 * 3600, "50 h behind")] {
        let (api, folder) = (Api::start(), Folder::new());
        let run = run(&emulator, &api, &folder, "--output", ahead);
        assert!(run.succeeded, "{}", run.stderr);
        let (start, end) = api.windows(0)[0];
        assert!(is_close(start, ahead - 3600) && is_close(end, ahead), "{start} {end}");
        let warning = format!("warning: this machine's clock is {side} the API's");
        assert_eq!(run.stderr.matches(&warning).count(), 1, "{}", run.stderr);
    }
}

#[test]
fn future_resume_point_is_moved_back() {
    let emulator = tokens_for(&["contoso.example"]);
    for sink in SINKS {
        let (api, folder) = (Api::start(), Folder::new());
        assert!(run(&emulator, &api, &folder, sink, 30 * DAY).succeeded);
        let second = run(&emulator, &api, &folder, sink, 0);
        assert!(second.succeeded, "{sink}: {}", second.stderr);
        assert!(
            second.stderr.contains("which is in the future"),
            "{sink}: {}",
            second.stderr
        );
        let windows = api.windows(1);
        assert!(
            windows.len() == 7 && is_close(windows[0].0, -7 * DAY + 300),
            "{sink}: {windows:?}"
        );
        assert!(is_close(windows[6].1, 0), "{sink}: {windows:?}");
        // The progress is correct from now on.
        let third = run(&emulator, &api, &folder, sink, 0);
        assert!(
            third.succeeded && !third.stderr.contains("future"),
            "{sink}: {}",
            third.stderr
        );
        let windows = api.windows(8);
        assert!(
            windows.len() == 1 && is_close(windows[0].0, -7200),
            "{sink}: {windows:?}"
        );
        // Finished content is not fetched again, and no record is repeated.
        assert_eq!(api.fake.requests("/audit/first").len(), 1, "{sink}");
        if sink == "--output" {
            assert_eq!(ids(&folder).len(), 10);
        }
    }
}

#[test]
fn lost_time_is_one_failure_and_collecting_continues() {
    let emulator = tokens_for(&["contoso.example"]);
    for sink in SINKS {
        let (api, folder) = (Api::start(), Folder::new());
        assert!(run(&emulator, &api, &folder, sink, -10 * DAY).succeeded);
        let second = run(&emulator, &api, &folder, sink, 0);
        let summary: Value = serde_json::from_str(&second.stdout).unwrap();
        let tenant = &summary["tenants"][0];
        let problem = tenant["failures"][0]["problem"].as_str().unwrap();
        assert!(
            !second.succeeded && tenant["outcome"] == "failed",
            "{sink}: {}",
            second.stdout
        );
        let time = |ago: i64| humantime::format_rfc3339_seconds(shifted(ago)).to_string()[..13].to_owned();
        let (start, end) = (time(-10 * DAY), time(-7 * DAY + 300));
        assert!(
            problem.contains("Audit.General") && problem.contains(" is lost: "),
            "{sink}: {problem}"
        );
        assert!(
            problem.contains(&start) && problem.contains(&format!(" to {end}")),
            "{sink}: {problem}"
        );
        assert_eq!(
            second.stderr.matches(" is lost: ").count(),
            1,
            "{sink}: {}",
            second.stderr
        );
        // The rest was collected, and the next run has nothing to report.
        assert_eq!(tenant["records"], 7, "{sink}: {}", second.stdout);
        let third = run(&emulator, &api, &folder, sink, 0);
        assert!(third.succeeded, "{sink}: {}", third.stderr);
    }
}

#[test]
fn lost_time_is_reported_once_if_the_rest_fails() {
    let emulator = tokens_for(&["contoso.example"]);
    let old = AtomicU64::new(1);
    let api = Api::with(move |seen| {
        let is_listing = seen.is("/subscriptions/content");
        (is_listing && old.swap(0, Ordering::SeqCst) == 0).then(|| Reply::error(400, "AF20050"))
    });
    let folder = Folder::new();
    assert!(run(&emulator, &api, &folder, "--output", -10 * DAY).succeeded);
    let second = run(&emulator, &api, &folder, "--output", 0);
    assert!(
        second.stderr.contains(" is lost: ") && second.stderr.contains("AF20050"),
        "{}",
        second.stderr
    );
    let third = run(&emulator, &api, &folder, "--output", 0);
    assert!(!third.succeeded && third.stderr.contains("AF20050"), "{}", third.stderr);
    // A few seconds of the seven days have passed since then, and no more is lost.
    let lost: Vec<&str> = third
        .stderr
        .lines()
        .filter(|line| line.contains(" is lost: "))
        .collect();
    let then = humantime::format_rfc3339_seconds(shifted(-10 * DAY)).to_string();
    assert!(lost.iter().all(|line| !line.contains(&then[..10])), "{lost:?}");
}

#[test]
fn response_without_a_date_is_rejected() {
    let emulator = tokens_for(&["contoso.example"]);
    let api = Fake::start(|seen| {
        seen.is("/subscriptions/list")
            .then(|| Reply::ok("[]").with("Date", "today"))
    });
    let run = collect_at(&emulator, &api.url, &Folder::new(), &[]);
    assert!(
        !run.succeeded && run.stderr.contains("has no usable Date header"),
        "{}",
        run.stderr
    );
    assert!(api.requests("/subscriptions/content").is_empty());
}

#[test]
fn absurd_times_of_the_api_lose_nothing() {
    let emulator = tokens_for(&["contoso.example"]);
    let now = shifted(0).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    for ahead in [1 - now, 1_000 * DAY - now, 253_402_300_000 - now] {
        for sink in SINKS {
            let (api, folder) = (Api::start(), Folder::new());
            run(&emulator, &api, &folder, sink, ahead);
            let before = api.windows(0).len();
            let second = run(&emulator, &api, &folder, sink, 0);
            let windows = api.windows(before);
            let is_whole = windows.len() == 7 && is_close(windows[0].0, -7 * DAY + 300) && is_close(windows[6].1, 0);
            assert!(is_whole, "{ahead} {sink}: {windows:?} {}", second.stderr);
            let third = run(&emulator, &api, &folder, sink, 0);
            assert!(third.succeeded, "{ahead} {sink}: {}", third.stderr);
        }
    }
}

#[test]
fn long_overlap_does_not_move_the_progress_back() {
    let emulator = tokens_for(&["contoso.example"]);
    // The second run fails in its second window: the first one ends before the existing progress.
    let api =
        Api::with(|seen| (seen.is("/subscriptions/content") && seen.before == 4).then(|| Reply::error(400, "AF20050")));
    let folder = Folder::new();
    let collect = |overlap| {
        let arguments = ["--since", "3d", "--overlap", overlap];
        collect_at(&emulator, &api.fake.url, &folder, &arguments)
    };
    assert!(collect("3d").succeeded);
    assert_eq!(api.windows(0).len(), 3);
    assert!(!collect("3d").succeeded);
    let before = api.windows(0).len();
    assert!(collect("0s").succeeded);
    let windows = api.windows(before);
    assert!(windows.len() <= 1, "{windows:?}");
}
