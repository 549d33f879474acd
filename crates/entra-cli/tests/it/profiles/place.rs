//! A home folder with a project.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use super::SHOW;
use crate::common::{command, err, out, set_mode};

/// A home folder with a repository.
pub(crate) struct Place {
    pub(crate) home: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("work/app/src/deep")).unwrap();
        fs::create_dir(home.path().join("work/app/.git")).unwrap();
        Self { home }
    }

    pub(crate) fn project(&self, text: &str) -> PathBuf {
        self.write("work/app/entra.toml", text)
    }

    pub(crate) fn user(&self, text: &str) -> PathBuf {
        fs::create_dir_all(self.home.path().join(".config/entra")).unwrap();
        self.write(".config/entra/entra.toml", text)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().canonicalize().unwrap().join(name);
        fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
        path
    }

    pub(crate) fn run_in(&self, folder: &str, words: &[&str], more: &[(&str, &str)]) -> Output {
        let home = self.home.path().canonicalize().unwrap();
        let mut command = command(words, more);
        command
            .env("HOME", &home)
            .envs(more.iter().copied())
            .current_dir(home.join(folder));
        command.output().unwrap()
    }

    pub(crate) fn run(&self, words: &[&str], more: &[(&str, &str)]) -> Output {
        self.run_in("work/app/src/deep", words, more)
    }

    pub(crate) fn shown(&self, words: &[&str], more: &[(&str, &str)]) -> Value {
        let output = self.run(&[SHOW, words].concat(), more);
        assert!(output.status.success(), "{}", err(&output));
        serde_json::from_str(out(&output)).unwrap()
    }
}
