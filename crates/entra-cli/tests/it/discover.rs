//! `entra discover`: metadata of tenants, and hostile documents.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Output;
use std::thread;

use entra_emulator::Emulator;
use serde_json::{Value, json};

use crate::common::{err, fails, out, run};

const ID: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

/// Starts a server that sends this response to every request, and returns its address.
fn server(status: &'static str, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    address
}

fn document(more: &Value) -> Value {
    let host = "https://login.microsoftonline.com";
    let mut document = json!({
        "issuer": format!("{host}/{ID}/v2.0"),
        "token_endpoint": format!("{host}/{ID}/oauth2/v2.0/token"),
        "authorization_endpoint": format!("{host}/{ID}/oauth2/v2.0/authorize"),
        "jwks_uri": format!("{host}/{ID}/discovery/v2.0/keys"),
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "cloud_instance_name": "microsoftonline.com",
        "tenant_region_scope": "NA",
        "tenant_region_sub_scope": "GCC",
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

fn discovered(document: &Value) -> (Output, Value) {
    let host = server("200 OK", document.to_string().into_bytes());
    let output = run(&["discover", ID, "--authority-host", &host, "-o", "json"], &[]);
    assert!(output.status.success(), "{}", err(&output));
    let printed = serde_json::from_str(out(&output)).unwrap();
    (output, printed)
}

#[test]
fn tenant_is_described_without_a_credential() {
    let emulator = Emulator::start();
    let (host, tenant) = (emulator.base_url(), emulator.tenant_id());
    let output = run(
        &["discover", "contoso.onmicrosoft.com", "-o", "text"],
        &[("AZURE_AUTHORITY_HOST", host)],
    );
    assert!(output.status.success(), "{}", err(&output));
    for line in [
        format!("tenant          {tenant}"),
        "requested as    contoso.onmicrosoft.com".to_owned(),
        "kind            workforce".to_owned(),
        "cloud           microsoftonline.com".to_owned(),
        format!("authority host  {host}"),
        "region scope    EU".to_owned(),
        "sub-scope       unknown".to_owned(),
        format!("v2 token        {host}/{tenant}/oauth2/v2.0/token"),
        format!("v1 token        {host}/{tenant}/oauth2/token"),
    ] {
        assert!(
            out(&output).lines().any(|found| found == line),
            "{line}: {}",
            out(&output)
        );
    }
    assert_eq!(err(&output), "");
    let output = run(&["discover", tenant, "--authority-host", host, "-o", "json"], &[]);
    let printed: Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(printed["tenant_id"], tenant);
    assert_eq!(
        printed["v1"]["device_authorization_endpoint"],
        format!("{host}/{tenant}/oauth2/devicecode")
    );
    assert_eq!(printed["region_sub_scope"], Value::Null);
}

#[test]
fn unknown_tenant_is_searched_in_other_clouds() {
    let emulator = Emulator::start();
    let output = run(
        &["discover", "nowhere.example", "--authority-host", emulator.base_url()],
        &[],
    );
    fails(&output, 5, &["90002", "--authority-host usgovernment or china"]);
    let output = run(&["discover", "common", "--authority-host", emulator.base_url()], &[]);
    fails(&output, 3, &["common does not name a specific tenant"]);
    let output = run(&["discover", "https://login.microsoftonline.com/contoso.com"], &[]);
    fails(&output, 3, &["is a URL"]);
}

#[test]
fn kinds_and_regions_are_reported() {
    let (_, printed) = discovered(&document(&json!({})));
    assert_eq!(
        (&printed["region_scope"], &printed["region_sub_scope"]),
        (&json!("NA"), &json!("GCC"))
    );
    let (output, printed) = discovered(&document(
        &json!({"issuer": format!("https://{ID}.ciamlogin.com/{ID}/v2.0")}),
    ));
    assert_eq!(printed["kind"], "external", "{}", err(&output));
    assert!(!err(&output).contains("issuer"), "{}", err(&output));
    let token = format!("https://contoso.b2clogin.com/{ID}/b2c_1_x/oauth2/v2.0/token");
    assert_eq!(
        discovered(&document(&json!({"token_endpoint": token}))).1["kind"],
        "b2c"
    );
}

#[test]
fn foreign_addresses_are_shown_with_a_warning() {
    let (output, printed) = discovered(&document(&json!({
        "token_endpoint": "https://login.evil.test/token",
        "userinfo_endpoint": "https://graph.microsoft.com.evil.test/oidc",
        "jwks_uri": "javascript:\u{1b}[2J",
    })));
    let warnings = err(&output);
    for name in ["token_endpoint", "userinfo_endpoint", "jwks_uri"] {
        assert!(
            warnings.contains(&format!("v2: {name} is at an address that is not Microsoft's")),
            "{warnings}"
        );
    }
    assert!(!warnings.contains('\u{1b}') && !out(&output).contains('\u{1b}'));
    assert_eq!(printed["v2"]["token_endpoint"], "https://login.evil.test/token");
    assert_eq!(
        printed["authority_host"].as_str().unwrap().split(':').next(),
        Some("http")
    );
    // Not all of a thousand addresses are reported.
    let many: serde_json::Map<String, Value> = (0..1000)
        .map(|at| (format!("x{at}_endpoint"), json!("https://evil.test")))
        .collect();
    let (output, _) = discovered(&document(&many.into()));
    assert!(err(&output).lines().count() < 30, "{}", err(&output));
}

#[test]
fn document_of_another_tenant_is_noticed() {
    let other = "11111111-2222-3333-4444-555555555555";
    let (output, _) = discovered(&document(
        &json!({"issuer": format!("https://login.microsoftonline.com/{other}/v2.0")}),
    ));
    assert!(
        err(&output).contains("the authority described 11111111"),
        "{}",
        err(&output)
    );
}

#[test]
fn other_bodies_are_errors() {
    for body in [
        Vec::new(),
        b"<html>sign in</html>".to_vec(),
        b"[]".to_vec(),
        b"{\"issuer\":1}".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        b"[".repeat(100_000),
    ] {
        let host = server("200 OK", body);
        let output = run(&["discover", ID, "--authority-host", &host], &[]);
        fails(&output, 9, &["not a discovery document (status 200)"]);
    }
    let host = server("200 OK", vec![b' '; 32 * 1024 * 1024]);
    let output = run(&["discover", ID, "--authority-host", &host], &[]);
    assert!(!output.status.success() && out(&output).is_empty(), "{}", err(&output));
    // Too long, but valid JSON.
    let long = json!({"issuer": "x".repeat(3_000_000)}).to_string().into_bytes();
    let host = server("200 OK", long);
    let output = run(&["discover", ID, "--authority-host", &host], &[]);
    fails(&output, 7, &["longer than 1048576 bytes"]);
    for status in ["401 Unauthorized", "404 Not Found", "502 Bad Gateway"] {
        let host = server(status, b"nothing".to_vec());
        let output = run(&["discover", ID, "--authority-host", &host], &[]);
        let number = format!("(status {})", &status[..3]);
        fails(&output, 5, &[&number, "look for a proxy or a sign-in portal"]);
    }
}

#[test]
fn documents_of_all_readable_forms_are_read() {
    let plain = document(&json!({"jwks_uri": 5, "tenant_region_scope": null, "msgraph_host": ["x"]})).to_string();
    for body in [plain.clone(), format!("\u{feff}{plain}"), format!(" \r\n{plain}\n")] {
        let host = server("200 OK", body.into_bytes());
        let output = run(&["discover", ID, "--authority-host", &host, "-o", "json"], &[]);
        assert!(output.status.success() && out(&output).contains(ID), "{}", err(&output));
    }
}

#[test]
fn tenant_arguments_are_parsed_or_explained() {
    // A port without a server: valid arguments end in a connection error, invalid ones before it.
    let host = "http://127.0.0.1:9";
    let proxy = [("HTTPS_PROXY", "http://user:c4n4ry@127.0.0.1:9")];
    for tenant in [
        " contoso.com ",
        "CONTOSO.COM",
        "xn--bcher-kva.example",
        &format!("{{{ID}}}"),
        &format!("({ID})"),
        &ID.to_ascii_uppercase(),
    ] {
        let output = run(&["discover", tenant, "--authority-host", host], &[]);
        fails(&output, 7, &["127.0.0.1:9: no connection"]);
    }
    for (tenant, expected) in [
        ("", "tenant is empty"),
        ("Contoso Inc", "is a name with spaces"),
        ("bücher.example", "with xn-- before such a part"),
        ("aaaabbbb0000cccc1111dddd2222eeee", "without its hyphens"),
        ("common", "common does not name a specific tenant"),
        ("Organizations", "organizations does not name a specific tenant"),
        (
            "9188040d-6c67-4c5b-b112-36a304b66dad",
            "does not name a specific tenant",
        ),
        ("adfs", "an AD FS server"),
        ("https://login.microsoftonline.com/contoso.com", "tenant is a URL"),
        ("ada@contoso.com", "write only the domain"),
        ("../contoso.com", "neither a GUID nor a domain"),
        ("contoso.com/", "neither a GUID nor a domain"),
        ("con\ntoso.com", "neither a GUID nor a domain"),
        (&"a".repeat(10_000), "neither a GUID nor a domain"),
    ] {
        let output = run(&["discover", tenant], &proxy);
        fails(&output, 3, &[expected]);
        assert!(err(&output).len() < 300, "{}", err(&output));
    }
    // The error names the proxy, but not its password.
    let output = run(&["discover", "contoso.com"], &proxy);
    fails(&output, 7, &["the proxy 127.0.0.1:9: no connection"]);
    assert!(!err(&output).contains("c4n4ry"), "{}", err(&output));
    let output = run(
        &["discover", "contoso.com"],
        &[("HTTPS_PROXY", "socks5://user:c4n4ry@127.0.0.1:9")],
    );
    fails(&output, 3, &["HTTPS_PROXY cannot be used"]);
    assert!(!err(&output).contains("c4n4ry"), "{}", err(&output));
    let output = run(&["discover", "contoso.com"], &[("AZURE_AUTHORITY_HOST", "bogus")]);
    fails(&output, 3, &["name a cloud: public, usgovernment or china"]);
}
