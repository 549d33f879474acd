//! A command that waits for a browser, and the browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Output;

use entra_emulator::Emulator;
use serde_json::Value;

use crate::common::{self, Running, command, entra, err, out, private_folder};

/// What a run of the command knows: AZURE_TENANT_ID is the application's own tenant.
pub(crate) struct Setting<'a> {
    pub(crate) emulator: &'a Emulator,
    pub(crate) directory: PathBuf,
    /// Holds the directory, and is removed with this.
    _folder: tempfile::TempDir,
}

impl<'a> Setting<'a> {
    pub(crate) fn new(emulator: &'a Emulator) -> Self {
        let folder = private_folder();
        Self {
            emulator,
            directory: folder.path().join("tenants.redb"),
            _folder: folder,
        }
    }

    pub(crate) fn variables(&self) -> Vec<(&str, &str)> {
        let mut variables = common::variables(self.emulator).to_vec();
        variables.push(("ENTRA_DIRECTORY", self.directory.to_str().unwrap()));
        variables
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        entra(words, &self.variables(), "")
    }

    pub(crate) fn start(&self, words: &[&str]) -> Waiting {
        self.start_with(words, &[])
    }

    /// With these variables in the place of others.
    pub(crate) fn start_with(&self, words: &[&str], changed: &[(&str, &str)]) -> Waiting {
        let words = [words, &["--listen", "127.0.0.1:0"]].concat();
        let variables = [&self.variables(), changed].concat();
        let mut child = Running::start(&mut command(&words, &variables));
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut url = String::new();
        // Before it there may be the short address that leads there.
        while !url.starts_with("http") || !url.contains('?') {
            url.clear();
            assert_ne!(said.read_line(&mut url).unwrap(), 0, "it has ended");
        }
        Waiting {
            url: url.trim().to_owned(),
            child,
            said,
        }
    }
}

/// A command that waits for a browser.
pub(crate) struct Waiting {
    pub(crate) url: String,
    child: Running,
    said: BufReader<std::process::ChildStderr>,
}

impl Waiting {
    /// The browser comes back with this.
    pub(crate) fn come_back(&self, redirect: &str) -> String {
        get(redirect)
    }

    pub(crate) fn end(mut self) -> Output {
        let mut stderr = Vec::new();
        self.said.read_to_end(&mut stderr).unwrap();
        let mut output = self.child.output();
        output.stderr = stderr;
        output
    }

    /// Where the browser is to come back to.
    pub(crate) fn callback(&self) -> String {
        self.parameter("redirect_uri")
    }

    pub(crate) fn parameter(&self, wanted: &str) -> String {
        let query = self.url.split_once('?').unwrap().1;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == wanted).unwrap().1.into_owned()
    }
}

/// The JSON that it printed.
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_str(out(output)).unwrap_or_else(|_| panic!("{}", err(output)))
}

/// What a browser is shown at this URL of this machine.
pub(crate) fn get(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
