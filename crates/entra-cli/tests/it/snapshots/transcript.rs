//! A transcript of commands and their output, with varying parts replaced.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;
use std::sync::LazyLock;

use crate::common::terminal;
use crate::common::{command, entra, err, out};

/// Commands and their output.
pub(crate) struct Transcript {
    variables: Vec<(String, String)>,
    folder: tempfile::TempDir,
    text: String,
    /// True if a part cannot run on this machine.
    is_incomplete: bool,
    /// Texts that vary between runs, and their replacements.
    replaced: Vec<(String, String)>,
}

impl Transcript {
    pub(crate) fn new(variables: &[(&str, &str)]) -> Self {
        let folder = crate::common::private_folder();
        let mut replaced = vec![(folder.path().display().to_string(), "FOLDER".to_owned())];
        if let Some((_, host)) = variables.iter().find(|(name, _)| *name == "AZURE_AUTHORITY_HOST") {
            replaced.push(((*host).to_owned(), "http://127.0.0.1:PORT".to_owned()));
        }
        let mut variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        for (name, file) in [
            ("ENTRA_STORE", "store"),
            ("ENTRA_TENANT_STORE", "tenants.redb"),
            ("HOME", "home"),
        ] {
            if !variables.iter().any(|(known, _)| known == name) {
                variables.push((name.to_owned(), folder.path().join(file).display().to_string()));
            }
        }
        Self {
            variables,
            folder,
            text: String::new(),
            is_incomplete: false,
            replaced,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn replace(&mut self, text: &str, word: &str) {
        self.replaced.insert(0, (text.to_owned(), word.to_owned()));
    }

    /// Runs `entra` with its output piped.
    pub(crate) fn run(&mut self, words: &[&str]) -> Output {
        self.run_with(words, &[], "")
    }

    /// Runs `entra` with these variables replaced, and this standard input.
    pub(crate) fn run_with(&mut self, words: &[&str], changed: &[(&str, &str)], input: &str) -> Output {
        let mut variables: Vec<(&str, &str)> = self.variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        variables.extend_from_slice(changed);
        let output = if input.is_empty() {
            command(words, &variables)
                .current_dir(self.folder.path())
                .output()
                .unwrap()
        } else {
            entra(words, &variables, input)
        };
        let shown = shown(words, changed);
        let _ = writeln!(self.text, "$ {shown}");
        self.text += out(&output);
        if !self.text.ends_with('\n') {
            self.text += "(no line end)\n";
        }
        if !err(&output).is_empty() {
            let _ = writeln!(self.text, "--- standard error");
            self.text += err(&output);
        }
        match output.status.code() {
            Some(0) => {}
            code => {
                let _ = writeln!(self.text, "--- exit code {}", code.unwrap_or(-1));
            }
        }
        self.text.push('\n');
        output
    }

    /// Runs `entra` on a terminal with this many columns. Without Python, the snapshot is not
    /// compared.
    pub(crate) fn at_terminal(&mut self, columns: usize, words: &[&str]) {
        let mut variables: Vec<(&str, &str)> = self.variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        variables.extend([("TERM", "xterm"), ("NO_COLOR", "1")]);
        let Some(recording) = terminal::record(columns, words, &variables, &[]) else {
            self.is_incomplete = true;
            return;
        };
        let lines = recording.screen().lines().join("\n");
        let _ = writeln!(
            self.text,
            "$ {}    # at a terminal with {columns} columns",
            shown(words, &[])
        );
        let _ = writeln!(self.text, "{}\n", lines.trim_end());
    }

    /// Compares the transcript with the snapshot of this name.
    pub(crate) fn check(self, name: &str) {
        if self.is_incomplete {
            return;
        }
        let mut text = self.text;
        for (from, to) in &self.replaced {
            text = text.replace(from, to);
        }
        assert_snapshot(name, &text);
    }
}

/// Returns the command as typed, with its changed variables.
fn shown(words: &[&str], changed: &[(&str, &str)]) -> String {
    let quoted = |word: &str| {
        if word.is_empty() || word.contains([' ', '$', '{', '&', '<', '?']) {
            format!("'{word}'")
        } else {
            word.to_owned()
        }
    };
    let variables = changed.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    let words = std::iter::once("entra".to_owned()).chain(words.iter().map(|word| quoted(word)));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

#[track_caller]
pub(crate) fn assert_snapshot(name: &str, text: &str) {
    SETTINGS.bind(|| insta::assert_snapshot!(name, text));
}

/// The settings of all snapshots. To compile the filters takes longer than most commands.
static SETTINGS: LazyLock<insta::Settings> = LazyLock::new(|| {
    let mut settings = insta::Settings::new();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"));
    settings.set_filters(FILTERS);
    settings
});

/// Returns the names of all snapshots.
pub(crate) fn snapshots() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| name.strip_suffix(".snap").map(str::to_owned))
        .collect()
}

/// The parts that vary between runs: times, random IDs, ports and signatures.
const FILTERS: [(&str, &str); 21] = [
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]*", "TOKEN"),
    (r"\d{4}-\d\d-\d\d[T\s]\s*\d\d:\d\d(:\d\d)?(\.\d+)?( UTC|Z)?", "TIME"),
    (
        r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d UTC",
        "DAY, DD MON YEAR HH:MM:SS UTC",
    ),
    (r"\b(1[789]|2\d)\d{8}\b", "SECONDS"),
    (
        r"(trace ID|correlation ID|request ID|Trace ID:|Correlation ID:)(\s+)[0-9a-f-]{36}",
        "${1}${2}ID",
    ),
    (
        r#"("(?:trace_id|correlation_id|request-id|request_id|keyId|key_id|jti|custom_?[kK]ey_?[iI]dentifier|uti)": ?")[\w+/=-]+"#,
        "${1}ID",
    ),
    (r"(jti\s+)[0-9a-f-]{36}", "${1}ID"),
    (r"(state|nonce|code_challenge)=[\w-]{43}", "${1}=RANDOM"),
    (r"%3A\d{5}%2F", "%3APORT%2F"),
    // The ID of activity feed content contains the hour.
    (r"([a-z]{3})20\d{8}\$", "${1}HOUR$$"),
    (r"ssh -L \d+:", "ssh -L PORT:"),
    (r":\d{5}/[0-9a-f]{4,8}-[0-9a-f]{4}\b", ":PORT/RANDOM"),
    (r"\b\d+ (ms|µs)\b", "N ms"),
    (r"\bin \d+ (s|days)\b", "in N $1"),
    (r"\b(9|10) min\b", "10 min"),
    (r"\b(59|60) min\b", "60 min"),
    (r"\b35[89]\d\b", "3600"),
    (r"\b\d+ (min|h|s|days?) (ago|from now)", "N $1 $2"),
    (r"(127\.0\.0\.1|localhost):\d{5}", "$1:PORT"),
    (
        r#"("(?:x5t|x5t#S256|kid|aio|rh|sig|key|id)": ?")[\w+/=-]{20,}"#,
        "${1}VALUE",
    ),
    (r"\b[0-9A-F]{40}\b", "SHA1"),
];
