//! The command's pages in a real browser.

use std::io::{BufRead, BufReader};
use std::process::ChildStderr;

use entra_emulator::{Emulator, Fault};

use crate::common::webdriver::Browser;
use crate::common::{Running, command, private_folder, variables};

/// The selector of a user's button.
const MEGAN: &str = "[data-user^=megan]";

/// Starts `entra login`, and returns the short address that it prints.
fn login(emulator: &Emulator, store: &str) -> (Running, BufReader<ChildStderr>, String) {
    let client_id = &emulator.app("cli").unwrap().client_id;
    let mut variables = variables(emulator).to_vec();
    variables.push(("ENTRA_STORE", store));
    let words = ["login", "--client-id", client_id, "--listen", "localhost:0"];
    let mut child = Running::start(&mut command(&words, &variables));
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("http://localhost") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "the command has ended");
    }
    (child, stderr, line.trim().to_owned())
}

#[test]
fn sign_in_pages_are_readable_and_hide_the_code() {
    let Some(browser) = Browser::start() else { return };
    let emulator = Emulator::start();
    let folder = private_folder();
    let store = folder.path().join("state");
    // The outcome, the user's action in the browser, and the text of the page.
    let trouble = Fault::aadsts(50_105).on("/token").times(1);
    for (name, fault, pressed, heading, code) in [
        ("declined", None, &[MEGAN, "#cancel"][..], "The sign-in was canceled", 6),
        ("failed", Some(trouble), &[MEGAN, "#accept"], "You are not signed in", 6),
        // The user has consented in an earlier case.
        ("signed-in", None, &[MEGAN], "You are signed in", 0),
    ] {
        let (child, _stderr, short) = login(&emulator, store.to_str().unwrap());
        browser.open(&short);
        if let Some(fault) = fault {
            emulator.fault(fault);
        }
        for button in pressed {
            browser.press(button);
        }
        assert_eq!(browser.text("h1"), heading);
        let home = short.rsplit_once('/').unwrap().0;
        assert_eq!(browser.url(), format!("{home}/"), "the address bar keeps a code");
        assert_eq!(
            browser.value("getComputedStyle(document.querySelector('main')).borderStyle"),
            "solid"
        );
        for (width, dark) in [(400, false), (1200, false), (400, true)] {
            let content = browser.picture(&format!("entra-login-{name}"), width, dark);
            assert!(content <= u64::from(width), "{name} is {content} px wide at {width}");
        }
        let output = child.output();
        assert_eq!(output.status.code(), Some(code), "{name}");
    }
}
