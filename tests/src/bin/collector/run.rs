//! Runs of the collector and of the floor, and what they wrote.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use entra_emulator::Emulator;

use crate::load::TYPES;

/// A folder below the target folder, removed at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let mut path = std::env::current_exe().expect("this program has a path");
        path.pop();
        let path = path.join(format!("collector-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the folder can be made");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The collector, which collects once into a folder.
pub(crate) fn collector(emulator: &Emulator, output: &Path) -> Command {
    let program = std::env::var_os("ENTRA_COLLECTOR").expect("ENTRA_COLLECTOR names the collector");
    let tenants: Vec<&str> = emulator.tenants().iter().map(|tenant| tenant.id.as_str()).collect();
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("AZURE_TENANTS", tenants.join(","))
        .env("AZURE_CLIENT_ID", emulator.client_id())
        .env("AZURE_CLIENT_SECRET", emulator.client_secret())
        .env("AZURE_AUTHORITY_HOST", emulator.base_url())
        .arg("--output")
        .arg(output)
        .args(["--once", "--quiet", "--since", "24h", "--back-off", "50ms"]);
    for content_type in TYPES {
        command.args(["--content-type", content_type.as_str()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The end of a process.
pub(crate) struct Ended {
    pub(crate) succeeded: bool,
    /// It ended by itself, and in time.
    pub(crate) finished: bool,
    pub(crate) seconds: f64,
    /// Its peak memory in bytes, where the system tells.
    pub(crate) memory: f64,
    /// Its processor time in seconds, where the system tells.
    pub(crate) processor: f64,
}

/// Waits for a process, and kills it as soon as `is_enough` or the time is over.
pub(crate) fn wait(mut child: Child, deadline: Instant, is_enough: impl Fn() -> bool) -> Ended {
    let start = Instant::now();
    let mut memory: f64 = 0.0;
    let mut processor = 0.0;
    loop {
        memory = memory.max(peak(&child));
        processor = processor_time(&child).unwrap_or(processor);
        let ended = child.try_wait().expect("the process can be waited for");
        if let Some(status) = ended {
            return Ended {
                succeeded: status.success(),
                finished: true,
                seconds: start.elapsed().as_secs_f64(),
                memory,
                processor,
            };
        }
        if is_enough() || Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Ended {
                succeeded: false,
                finished: false,
                seconds: start.elapsed().as_secs_f64(),
                memory,
                processor,
            };
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn peak(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kibibytes.unwrap_or(0.0) * 1_024.0
}

/// In the program and in the system; nothing once it has ended.
fn processor_time(child: &Child) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    let fields = status.rsplit_once(") ")?.1.split(' ').skip(11).take(2);
    let ticks: f64 = fields.map(|ticks| ticks.parse::<f64>().unwrap_or(0.0)).sum();
    (ticks > 0.0).then_some(ticks / TICKS)
}

/// The records of a tenant that are missing or written more than once.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) expected: usize,
    pub(crate) lost: usize,
    pub(crate) twice: usize,
    pub(crate) foreign: usize,
}

/// Compares the files of a tenant with the emulator's own list of record IDs.
pub(crate) fn compare(emulator: &Emulator, tenant: &str, output: &Path) -> Difference {
    let ids = TYPES
        .into_iter()
        .flat_map(|content_type| emulator.activity_record_ids(tenant, content_type));
    let expected: HashSet<String> = ids.collect();
    let mut found: HashSet<String> = HashSet::new();
    let mut difference = Difference {
        expected: expected.len(),
        ..Difference::default()
    };
    let files = fs::read_dir(output.join(tenant)).into_iter().flatten().flatten();
    for file in files.filter(|file| file.path().extension().is_some_and(|extension| extension == "jsonl")) {
        let lines = BufReader::new(File::open(file.path()).expect("the file can be read")).lines();
        for line in lines.map_while(Result::ok) {
            let id = line
                .split("\"Id\":\"")
                .nth(1)
                .and_then(|rest| rest.get(..36))
                .unwrap_or_default();
            difference.foreign += usize::from(!expected.contains(id));
            difference.twice += usize::from(!found.insert(id.to_owned()));
        }
    }
    difference.lost = expected.difference(&found).count();
    difference
}

/// A second of processor time, as Linux tells it.
const TICKS: f64 = 100.0;
