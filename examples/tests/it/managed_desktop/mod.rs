//! The example `managed_desktop`, run as a user runs it, with its whole output.

use std::process::{Command, Output};
use std::time::Duration;

use entra_emulator::{App, Emulator, EmulatorBuilder, Fault, ManagedDevice, Tenant, User};

/// Returns three devices of two users, one of them with an open elevation request.
fn builder() -> EmulatorBuilder {
    let tenant = Tenant::new("contoso.example")
        .id("11111111-2222-3333-4444-555555555555")
        .user(User::new("Adele Vance"))
        .user(User::new("Alex Wilber"))
        .managed_device(device(1, "adele@contoso.example"))
        .managed_device(device(2, "alex@contoso.example").elevated())
        .managed_device(device(3, "adele@contoso.example"));
    Emulator::builder().tenant(tenant)
}

fn device(number: u32, user: &str) -> ManagedDevice {
    let mut device = ManagedDevice::new(format!("MMD-{number}")).user(user);
    device.serial_number = format!("S{number}");
    device
}

fn granted() -> Emulator {
    let app = App::new("daemon").client_id("aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb");
    builder()
        .app(app.grant(Emulator::MANAGED_DESKTOP, "MmdSupport.ReadWrite"))
        .start()
}

fn run(emulator: &Emulator, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_managed_desktop"))
        .args(arguments)
        .env_clear()
        .env("AZURE_AUTHORITY_HOST", emulator.base_url())
        .env("AZURE_TENANT_ID", emulator.tenant_id())
        .env("AZURE_CLIENT_ID", emulator.client_id())
        .env("AZURE_CLIENT_SECRET", emulator.client_secret())
        .output()
        .unwrap()
}

/// Returns the output of a run, with names instead of the values that differ between runs.
fn printed(emulator: &Emulator, stream: &[u8]) -> String {
    let text = String::from_utf8(stream.to_vec()).unwrap();
    assert!(!text.contains(emulator.client_secret()), "a secret in {text}");
    assert!(!text.contains("eyJ"), "a token in {text}");
    text.replace(emulator.base_url(), "http://emulator")
        .replace(emulator.tenant_id(), "TENANT")
        .replace(emulator.client_id(), "CLIENT")
}

#[track_caller]
fn succeeds(emulator: &Emulator, arguments: &[&str], expected: &str) {
    let output = run(emulator, arguments);
    let (out, err) = (printed(emulator, &output.stdout), printed(emulator, &output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!((out.as_str(), err.as_str()), (expected, ""));
}

#[track_caller]
fn fails(emulator: &Emulator, arguments: &[&str], expected: &str) {
    let output = run(emulator, arguments);
    assert_eq!(printed(emulator, &output.stderr), expected);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn devices_and_users_are_listed_with_a_v2_token() {
    succeeds(&granted(), &[], include_str!("v2.txt"));
}

#[test]
fn all_pages_are_read_with_a_v1_token() {
    let emulator = granted();
    succeeds(
        &emulator,
        &["--endpoint", "v1", "--page-size", "2"],
        include_str!("v1_pages.txt"),
    );
    let tokens = emulator.token_requests();
    let [token] = &tokens[..] else {
        panic!("one token for all pages, not {}", tokens.len())
    };
    assert_eq!(
        (token.form_value("resource"), token.form_value("scope")),
        (Some(Emulator::MANAGED_DESKTOP), None)
    );
    assert!(token.lints.is_empty(), "{:?}", token.lints);
    let pages = emulator
        .requests()
        .into_iter()
        .filter(|request| request.path.ends_with("/devices"));
    assert_eq!(pages.count(), 2);
}

#[test]
fn documents_request_is_rejected_and_corrected() {
    let emulator = granted();
    succeeds(&emulator, &["--as-documented"], include_str!("as_documented.txt"));
    let codes: Vec<_> = emulator.token_requests().iter().map(|request| request.aadsts).collect();
    assert_eq!(codes, [Some(70_003), Some(900_144), Some(900_144), None, None, None]);
}

#[test]
fn search_and_elevation_are_passed_on() {
    let emulator = granted();
    succeeds(
        &emulator,
        &["--search", "alex@contoso.example"],
        include_str!("search.txt"),
    );
    let output = run(&emulator, &["--elevation", "MMD-2"]);
    let shown = printed(&emulator, &output.stdout);
    assert!(
        shown.contains("device    MMD-2\n") && shown.contains("status    PasswordSucceeded\n"),
        "{shown}"
    );
    assert!(shown.contains("account   alex@contoso.example\n"), "{shown}");
    assert!(shown.ends_with("password  [not shown: --show-password]\n"), "{shown}");
    let output = run(&emulator, &["--elevation", "MMD-2", "--show-password"]);
    assert!(printed(&emulator, &output.stdout).contains("password  emulator~"));
    for (device, problem) in [
        ("MMD-1", "This device has no open elevation request."),
        ("../MMD-2?x#", "This device does not exist."),
    ] {
        let hint = "check the name of the device in the list: it needs an open elevation request";
        let expected = format!("error: the web API returned 404 Not Found: 404: {problem}\nhint: {hint}\n");
        fails(&emulator, &["--elevation", device], &expected);
    }
}

#[test]
fn forgotten_consent_is_explained() {
    let app = App::new("daemon").request(Emulator::MANAGED_DESKTOP, "MmdSupport.ReadWrite");
    fails(
        &builder().app(app).start(),
        &[],
        "error: the web API returned 403 Forbidden: 403: The access token does not have the permission MmdSupport.ReadWrite.\n\
         hint: add the application permission MmdSupport.ReadWrite of Modern Workplace Customer APIs to the app registration, \
         have an administrator of the tenant consent to it, then run this again: tokens issued before do not contain it\n",
    );
}

#[test]
fn token_for_another_audience_is_explained() {
    let emulator = granted();
    fails(
        &emulator,
        &["--audience", "https://graph.microsoft.com"],
        "error: the web API returned 401 Unauthorized: 401: The audience 'https://graph.microsoft.com' is invalid\n\
         hint: request the token for https://mwaas-services-customerapi-prod.azurewebsites.net, which is not the host of the \
         API\n",
    );
    // The host of the API is not the identifier of any API.
    let output = run(&emulator, &["--audience", "https://mmdls.microsoft.com"]);
    let shown = printed(&emulator, &output.stderr);
    assert!(shown.starts_with("error: AADSTS500011 invalid_resource: "), "{shown}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn throttled_requests_are_repeated() {
    let emulator = granted();
    let busy = |status| Fault::status(status).on("/support/odata").retry_after(Duration::ZERO);
    emulator.fault(busy(429).times(2));
    emulator.fault(busy(503));
    let output = run(&emulator, &[]);
    assert_eq!(printed(&emulator, &output.stdout), include_str!("v2.txt"));
    assert_eq!(
        printed(&emulator, &output.stderr),
        "note: the API returned 429; attempt 1 of 5, next in 0 s\n\
         note: the API returned 429; attempt 2 of 5, next in 0 s\n\
         note: the API returned 503; attempt 3 of 5, next in 0 s\n"
    );
    emulator.fault(busy(429).always());
    let output = run(&emulator, &[]);
    let shown = printed(&emulator, &output.stderr);
    assert!(
        shown.ends_with("error: the web API returned 429 Too Many Requests\nhint: wait a minute, then run it again\n"),
        "{shown}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn revoked_token_is_replaced() {
    let emulator = granted();
    emulator.fault(Fault::status(401).on("/support/odata"));
    succeeds(&emulator, &[], include_str!("v2.txt"));
    assert_eq!(emulator.token_requests().len(), 2);
}

#[test]
fn wrong_secret_is_not_reported_as_the_documents_error() {
    let emulator = granted();
    let output = Command::new(env!("CARGO_BIN_EXE_managed_desktop"))
        .arg("--as-documented")
        .env_clear()
        .env("AZURE_AUTHORITY_HOST", emulator.base_url())
        .env("AZURE_TENANT_ID", emulator.tenant_id())
        .env("AZURE_CLIENT_ID", emulator.client_id())
        .env("AZURE_CLIENT_SECRET", "canary-of-another-application")
        .output()
        .unwrap();
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(shown.contains("AADSTS7000215") && !shown.contains("canary"), "{shown}");
    assert!(shown.contains("\nhint: "), "{shown}");
    // The first correct form ends it.
    assert!(shown.contains("\n4. ") && !shown.contains("\n5. "), "{shown}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn missing_settings_are_named() {
    let emulator = granted();
    for (name, value, expected) in [
        (
            "AZURE_TENANT_ID",
            "",
            "error: AZURE_TENANT_ID is not set\nhint: NOT SET\n",
        ),
        (
            "AZURE_TENANT_ID",
            "contoso.example",
            "error: AZURE_TENANT_ID is not the ID of a tenant\nhint: set the GUID: the API has it in its addresses\n",
        ),
        (
            "AZURE_CLIENT_ID",
            "",
            "error: AZURE_CLIENT_ID is not set\nhint: NOT SET\n",
        ),
        (
            "AZURE_CLIENT_SECRET",
            "",
            "error: AZURE_CLIENT_SECRET, or AZURE_CLIENT_CERTIFICATE_PATH, is not set\nhint: NOT SET\n",
        ),
        (
            "AZURE_AUTHORITY_HOST",
            "https://login.microsoftonline.us",
            "error: Managed Desktop exists in the public cloud only\nhint: unset AZURE_AUTHORITY_HOST\n",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_managed_desktop"))
            .env_clear()
            .env("AZURE_AUTHORITY_HOST", emulator.base_url())
            .env("AZURE_TENANT_ID", emulator.tenant_id())
            .env("AZURE_CLIENT_ID", emulator.client_id())
            .env("AZURE_CLIENT_SECRET", emulator.client_secret())
            .env(name, value)
            .output()
            .unwrap();
        let hint = "set it, or run the program against an emulator: entra emulator -- COMMAND";
        let expected = expected.replace("NOT SET", hint);
        assert_eq!(String::from_utf8(output.stderr).unwrap(), expected, "{name}={value}");
    }
}

#[test]
fn default_application_runs_it() {
    let emulator = Emulator::start();
    let output = run(&emulator, &["--as-documented"]);
    let shown = printed(&emulator, &output.stdout);
    assert!(output.status.success(), "{shown}");
    assert!(
        shown.contains("\n3 devices on 1 page\n") && shown.contains("\n3 users on 1 page\n"),
        "{shown}"
    );
    let device = &emulator.tenants()[0].managed_devices.as_ref().unwrap()[0].name;
    assert!(run(&emulator, &["--elevation", device]).status.success());
}
