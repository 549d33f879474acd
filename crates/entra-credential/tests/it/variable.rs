//! The assertion that a CI system keeps in a variable.

use std::ffi::OsString;

use entra_credential::{AssertionVariable, Error};
use entra_proto::ClientCredential;

fn read(name: &str, value: Option<&str>) -> Result<String, Error> {
    let lookup = |asked: &str| -> Option<OsString> {
        assert_eq!(asked, name);
        value.map(Into::into)
    };
    let assertion = AssertionVariable::new(name).assertion_from(lookup)?;
    Ok(assertion.expose().to_owned())
}

#[test]
fn variable_is_read_for_each_request() {
    let variable = AssertionVariable::new("CI_TOKEN");
    for value in ["aaaa.bbbb.1111", "aaaa.bbbb.2222"] {
        let assertion = variable.assertion_from(|_| Some(value.into())).unwrap();
        assert_eq!(assertion.expose(), value);
    }
    assert_eq!(
        read("CI_TOKEN", Some(" \"aaaa.bbbb.cccc\"\n")).unwrap(),
        "aaaa.bbbb.cccc"
    );
    assert_eq!(variable.name(), "CI_TOKEN");
}

#[test]
fn variable_without_an_assertion_is_named() {
    let long = "c".repeat(64 * 1024 + 1);
    for (value, problem) in [
        (None, "the variable CI_TOKEN is not set"),
        (Some(""), "the variable CI_TOKEN is empty"),
        (Some("/canary/token"), "the variable CI_TOKEN does not hold a JWT"),
        (Some("{\"value\":\"canary\"}"), "the variable CI_TOKEN holds JSON"),
        (Some("-----BEGIN canary-----"), "the variable CI_TOKEN holds a key"),
        (Some(&*long), "the variable CI_TOKEN is longer than 64 KiB"),
    ] {
        let error = read("CI_TOKEN", value).unwrap_err();
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(shown.starts_with(problem) && error.hint().is_some(), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn token_in_place_of_the_name_is_not_shown() {
    for name in [
        "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJjYW5hcnkifQ.c2ln",
        "canary\u{1b}[31m",
        "canary=x",
        "canaryQ0dGhpc0lzQVNlY3JldFZhbHVl8Xq7Zt31pLw",
    ] {
        let error = read(name, None).unwrap_err();
        let credential: ClientCredential = AssertionVariable::new(name).into();
        let shown = format!("{error} {error:?} {:?} {credential:?}", AssertionVariable::new(name));
        assert!(!shown.contains("canary") && !shown.contains("eyJ"), "{shown}");
    }
    // The real environment.
    let unset = AssertionVariable::new("ENTRA_TEST_THAT_IS_NOT_SET")
        .assertion()
        .unwrap_err();
    assert!(unset.to_string().ends_with("is not set"), "{unset}");
}
