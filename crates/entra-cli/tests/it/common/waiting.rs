//! A command that waits for a browser, and the requests of that browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Output;

use entra_emulator::Emulator;
use serde_json::Value;

use crate::common::{self, Running, command, entra, err, out, private_folder};

/// The environment of a run: AZURE_TENANT_ID is the application's home tenant.
pub(crate) struct Fixture<'a> {
    pub(crate) emulator: &'a Emulator,
    pub(crate) tenant_store: PathBuf,
    /// The folder of the tenant store, removed with this value.
    _folder: tempfile::TempDir,
}

impl<'a> Fixture<'a> {
    pub(crate) fn new(emulator: &'a Emulator) -> Self {
        let folder = private_folder();
        Self {
            emulator,
            tenant_store: folder.path().join("tenants.redb"),
            _folder: folder,
        }
    }

    pub(crate) fn variables(&self) -> Vec<(&str, &str)> {
        let mut variables = common::variables(self.emulator).to_vec();
        variables.push(("ENTRA_TENANT_STORE", self.tenant_store.to_str().unwrap()));
        variables
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        entra(words, &self.variables(), "")
    }

    pub(crate) fn start(&self, words: &[&str]) -> Waiting {
        self.start_with(words, &[])
    }

    /// Starts the command with these variables replaced.
    pub(crate) fn start_with(&self, words: &[&str], changed: &[(&str, &str)]) -> Waiting {
        let words = [words, &["--listen", "127.0.0.1:0"]].concat();
        let variables = [&self.variables(), changed].concat();
        let mut child = Running::start(&mut command(&words, &variables));
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut url = String::new();
        // The short address may be printed before the URL.
        while !url.starts_with("http") || !url.contains('?') {
            url.clear();
            assert_ne!(stderr.read_line(&mut url).unwrap(), 0, "the command has ended");
        }
        Waiting {
            url: url.trim().to_owned(),
            child,
            stderr,
        }
    }
}

/// A command that waits for a browser.
pub(crate) struct Waiting {
    pub(crate) url: String,
    child: Running,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Waiting {
    /// Returns with the browser to this redirect, and returns the page.
    pub(crate) fn come_back(&self, redirect: &str) -> String {
        get(redirect)
    }

    pub(crate) fn end(mut self) -> Output {
        let mut stderr = Vec::new();
        self.stderr.read_to_end(&mut stderr).unwrap();
        let mut output = self.child.output();
        output.stderr = stderr;
        output
    }

    /// Returns the redirect URI in the URL.
    pub(crate) fn callback(&self) -> String {
        self.parameter("redirect_uri")
    }

    pub(crate) fn parameter(&self, parameter: &str) -> String {
        let query = self.url.split_once('?').unwrap().1;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == parameter).unwrap().1.into_owned()
    }
}

/// Returns the printed JSON.
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_str(out(output)).unwrap_or_else(|_| panic!("{}", err(output)))
}

/// Sends a GET request to a loopback URL, and returns the whole response.
pub(crate) fn get(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}
