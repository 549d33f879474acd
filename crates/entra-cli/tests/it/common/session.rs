//! A user of the command who signs in, and the browser that the command opens.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use entra_emulator::Emulator;
use serde_json::Value;

use crate::common::waiting::get;
use crate::common::{self, Running, command, err, out, private_folder, set_mode};

pub(crate) const MEGAN: &str = "megan@contoso.onmicrosoft.com";
pub(crate) const ADELE: &str = "adele@contoso.onmicrosoft.com";
pub(crate) const ME: &[&str] = &["token", "--account", "--scope", "User.Read"];
pub(crate) const REFRESH: &[&str] = &["token", "--account", "--scope", "User.Read", "--refresh"];

/// A user's session: the variables of an emulator, and a folder with the store.
pub(crate) struct Session<'a> {
    pub(crate) emulator: &'a Emulator,
    pub(crate) folder: tempfile::TempDir,
}

impl<'a> Session<'a> {
    pub(crate) fn new(emulator: &'a Emulator) -> Self {
        Self {
            emulator,
            folder: private_folder(),
        }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.store().join(name)
    }

    pub(crate) fn variables(&self) -> Vec<(&str, String)> {
        let mut variables: Vec<_> = common::variables(self.emulator)
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        variables.push(("ENTRA_STORE", self.store().display().to_string()));
        variables
    }

    pub(crate) fn run_with(&self, words: &[&str], more: &[(&str, &str)]) -> Output {
        self.command(words, more).output().unwrap()
    }

    pub(crate) fn command(&self, words: &[&str], more: &[(&str, &str)]) -> std::process::Command {
        let variables = self.variables();
        let mut variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
        variables.extend_from_slice(more);
        command(words, &variables)
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.run_with(words, &[])
    }

    pub(crate) fn cli(&self) -> &str {
        &self.emulator.app("cli").unwrap().client_id
    }

    /// Runs `entra login` for the public application, with a browser that `BROWSER` starts.
    pub(crate) fn login(&self, user: &str) -> Output {
        self.login_with(&["login", "--client-id", self.cli()], user)
    }

    pub(crate) fn login_with(&self, words: &[&str], user: &str) -> Output {
        let browser = Browser::new(self.folder.path());
        let child = Running::start(
            self.command(
                &[words, &["--listen", "localhost:0"]].concat(),
                &[("BROWSER", browser.program.to_str().unwrap())],
            )
            .stdin(std::process::Stdio::null()),
        );
        let url = browser.address();
        let page = self.visit(&url, user);
        assert!(page.contains("You are signed in"), "{page}");
        child.output()
    }

    /// Follows the short address to the authority and back, and returns the final page.
    pub(crate) fn visit(&self, short: &str, user: &str) -> String {
        let page = get(short);
        let url = header(&page, "location").expect("the page redirects").to_owned();
        get(&self.emulator.approve(&url, user).unwrap().url)
    }

    /// Waits until the service has received another token request.
    pub(crate) fn wait_for_token_request(&self, before: usize) {
        let since = Instant::now();
        while self.token_requests() == before {
            assert!(since.elapsed() < Duration::from_secs(60), "no token was requested");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn token_requests(&self) -> usize {
        let all = self.emulator.requests();
        all.iter().filter(|request| request.path.ends_with("/token")).count()
    }
}

/// A program for `BROWSER` that records its arguments and environment.
pub(crate) struct Browser {
    pub(crate) program: PathBuf,
    pub(crate) called: PathBuf,
}

impl Browser {
    pub(crate) fn new(folder: &Path) -> Self {
        let (program, called) = (folder.join("browser"), folder.join("called"));
        let _ = fs::remove_file(&called);
        let script = format!(
            "#!/bin/sh\n{{ echo $#; echo \"$1\"; env; cat; }} > {0}.new; mv {0}.new {0}\n",
            called.display()
        );
        fs::write(&program, script).unwrap();
        set_mode(&program, 0o700);
        Self { program, called }
    }

    pub(crate) fn recorded(&self) -> String {
        let since = Instant::now();
        loop {
            match fs::read_to_string(&self.called) {
                Ok(recorded) => return recorded,
                Err(_) => assert!(since.elapsed() < Duration::from_secs(60), "no browser was opened"),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn address(&self) -> String {
        let recorded = self.recorded();
        assert!(recorded.starts_with("1\n"), "{recorded}");
        recorded.lines().nth(1).unwrap().to_owned()
    }
}

pub(crate) fn header<'a>(response: &'a str, name: &str) -> Option<&'a str> {
    let head = response.split("\r\n\r\n").next().unwrap();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

#[track_caller]
pub(crate) fn done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", err(output));
}

#[track_caller]
pub(crate) fn json(output: &Output) -> Value {
    done(output);
    serde_json::from_str(out(output)).unwrap()
}
