//! `daemon_graph`: the behaviour and output of the quickstart's samples.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Output;
use std::thread;
use std::time::Duration;

use entra_emulator::{App, Emulator, Fault, Tenant, User};
use serde_json::Value;

use crate::stories::support::{folder, printed, run, run_in, text};

pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_daemon_graph");

/// The samples that read users.
const READERS: [&str; 3] = ["node", "python", "java"];

fn with_users() -> Emulator {
    Emulator::builder()
        .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .start()
}

/// Returns the pages that a sample printed, without the text around them.
pub(super) fn pages(sample: &str, output: &Output) -> Vec<Value> {
    let shown = text(&output.stdout);
    let pages: Vec<&str> = match sample {
        "node" => {
            let shown = shown.strip_prefix("You have selected: getUsers\n").unwrap();
            let pages = shown.split("request made to web API at: ").skip(1);
            pages
                .map(|page| page.split_once(" GMT+0000 (Coordinated Universal Time)\n").unwrap().1)
                .collect()
        }
        "python" => shown.split("Graph API call result: \n").skip(1).collect(),
        "java" => shown
            .lines()
            .map(|line| line.strip_prefix("Users in the Tenant = ").unwrap())
            .collect(),
        _ => vec![&shown],
    };
    pages
        .into_iter()
        .map(|page| serde_json::from_str(page).unwrap())
        .collect()
}

#[test]
fn each_sample_prints_the_users_in_its_form() {
    let emulator = with_users();
    for sample in READERS {
        let output = run(PROGRAM, &["--like", sample], &printed(&emulator));
        assert!(output.status.success(), "{}", text(&output.stderr));
        let pages = pages(sample, &output);
        assert_eq!(pages.len(), 1);
        assert!(
            pages[0]["@odata.context"]
                .as_str()
                .unwrap()
                .ends_with("/$metadata#users")
        );
        assert_eq!(pages[0]["value"].as_array().unwrap().len(), 3);
        assert_eq!(
            text(&output.stderr),
            "note: 3 users on 1 page; the sample reads the first page\n"
        );
    }
    assert!(emulator.token_requests().iter().all(|request| request.lints.is_empty()));
}

#[test]
fn dotnet_prints_the_object_of_the_document() {
    let emulator = Emulator::builder().app(App::new("identity-dotnet-console-app")).start();
    let object_id = emulator.apps()[0].object_id.clone();
    let output = run(
        PROGRAM,
        &["--like", "dotnet", "--object-id", &object_id],
        &printed(&emulator),
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    // The members of the document, in its order.
    let mut rest = shown.as_str();
    for start in [
        "{\n  \"@odata.context\": \"https://graph.microsoft.com/v1.0/$metadata#applications/$entity\",\n",
        &format!("  \"id\": \"{object_id}\",\n"),
        "  \"deletedDateTime\": null,\n",
        &format!("  \"appId\": \"{}\",\n", emulator.client_id()),
        "  \"applicationTemplateId\": null,\n",
        "  \"disabledByMicrosoftStatus\": null,\n",
        "  \"createdDateTime\": \"",
    ] {
        rest = rest.strip_prefix(start).unwrap_or_else(|| panic!("{start} in {rest}"));
    }
    let object: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(object["displayName"], "identity-dotnet-console-app");
    for null in ["description", "groupMembershipClaims"] {
        assert_eq!(object.get(null), Some(&Value::Null), "{null}");
    }
}

#[test]
fn own_object_is_found_without_its_id() {
    let emulator = Emulator::builder().app(App::new("other")).app(App::new("own")).start();
    let own = emulator.app("own").unwrap();
    let mut variables = printed(&emulator);
    variables[2].1 = &own.client_id;
    variables[3].1 = &own.secrets.as_ref().unwrap()[0].value;
    let output = run(PROGRAM, &["--like", "dotnet"], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let object: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(object["id"], own.object_id.as_str());
    for (id, expected) in [
        ("daemon", "is not a GUID"),
        ("", "is not a GUID"),
        (own.client_id.as_str(), "is the Application (client) ID"),
    ] {
        emulator.clear_requests();
        let output = run(PROGRAM, &["--like", "dotnet", "--object-id", id], &variables);
        let expected = format!("error: --object-id: {expected}\nhint: copy the Object ID");
        assert!(text(&output.stderr).starts_with(&expected), "{}", text(&output.stderr));
        assert!(emulator.requests().is_empty());
    }
}

#[test]
fn busy_graph_is_called_again_after_its_delay() {
    let emulator = with_users();
    let object_id = emulator.apps()[0].object_id.clone();
    let all = READERS.map(|sample| vec!["--like", sample]);
    let all = all
        .into_iter()
        .chain([vec!["--like", "dotnet", "--object-id", &object_id]]);
    for arguments in all {
        let calls = || emulator.requests().len() - emulator.token_requests().len();
        let busy = |status| Fault::status(status).on("/v1.0/").retry_after(Duration::ZERO);
        emulator.clear_requests();
        emulator.fault(busy(429).times(2));
        emulator.fault(busy(503));
        let output = run(PROGRAM, &arguments, &printed(&emulator));
        let stderr = text(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        assert!(
            stderr.starts_with("note: the API returned 429; attempt 1 of 5, next in 0 s\n"),
            "{stderr}"
        );
        assert_eq!(calls(), 4, "{stderr}");

        // This happens a bounded number of times.
        emulator.clear_requests();
        emulator.fault(busy(429).always());
        let output = run(PROGRAM, &arguments, &printed(&emulator));
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), calls()), (Some(1), 5), "{stderr}");
        emulator.clear_faults();

        // Not before the time that Graph asks for, and not at all if that is an hour.
        emulator.clear_requests();
        emulator.fault(busy(429).retry_after(Duration::from_secs(3600)).always());
        let output = run(PROGRAM, &arguments, &printed(&emulator));
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), calls()), (Some(1), 1), "{stderr}");
        assert!(
            stderr.ends_with("hint: wait for 3600 seconds, then run it again\n"),
            "{stderr}"
        );
        emulator.clear_faults();
    }
}

#[test]
fn endpoint_of_one_resource_is_printed_as_it_is() {
    let emulator = with_users();
    let id = &emulator.tenants()[0].users.as_ref().unwrap()[0].id;
    let folder = folder("one-resource");
    let endpoint = format!("https://graph.microsoft.com/v1.0/users/{id}");
    let parameters = serde_json::json!({"endpoint": endpoint}).to_string();
    fs::write(folder.join("parameters.json"), parameters).unwrap();
    let output = run_in(&folder, PROGRAM, &["--like", "python"], &printed(&emulator));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(pages("python", &output)[0]["id"], id.as_str());
}

#[test]
fn address_of_graph_with_a_version_is_rejected() {
    let emulator = with_users();
    for (graph, is_right) in [
        ("https://graph.microsoft.com", true),
        ("https://graph.microsoft.com//", true),
        ("https://graph.microsoft.com/v1.0/", false),
        ("https://graph.microsoft.com/?a=b", false),
        ("https://graph.microsoft.com/#", false),
    ] {
        let mut variables = printed(&emulator).to_vec();
        variables.push(("GRAPH_ENDPOINT", graph));
        let output = run(PROGRAM, &["--like", "node"], &variables);
        assert_eq!(output.status.success(), is_right, "{graph}: {}", text(&output.stderr));
        let expected = "error: the variable GRAPH_ENDPOINT: ";
        assert_eq!(
            text(&output.stderr).contains(expected),
            !is_right,
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn rejected_token_is_replaced_once() {
    let emulator = with_users();
    emulator.fault(Fault::status(401).on("/v1.0/users"));
    let output = run(PROGRAM, &["--like", "python"], &printed(&emulator));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(emulator.token_requests().len(), 2);
    emulator.clear_requests();
    emulator.fault(Fault::status(401).on("/v1.0/users").always());
    let output = run(PROGRAM, &["--like", "python"], &printed(&emulator));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((emulator.token_requests().len(), emulator.requests().len()), (2, 4));
}

#[test]
fn all_pages_are_read_and_counted() {
    let users = (0..250).map(|number| User::new(format!("Renée{number:03} Test")));
    let emulator = Emulator::builder()
        .tenant(users.fold(Tenant::new("contoso.example"), Tenant::user))
        .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .start();
    for sample in READERS {
        emulator.clear_requests();
        let output = run(PROGRAM, &["--like", sample], &printed(&emulator));
        let pages = pages(sample, &output);
        let users: usize = pages.iter().map(|page| page["value"].as_array().unwrap().len()).sum();
        assert_eq!((users, pages.len()), (250, 3), "{sample}");
        assert!(
            text(&output.stderr).contains("250 users on 3 pages"),
            "{}",
            text(&output.stderr)
        );
        assert_eq!(emulator.token_requests().len(), 1, "the cache serves the other pages");
        // `json.dumps` escapes them; the other samples print the characters.
        let is_ascii = text(&output.stdout).is_ascii();
        assert_eq!(is_ascii, sample == "python");
    }
}

#[test]
fn node_rejects_another_operation_as_the_sample_does() {
    let emulator = with_users();
    let output = run(PROGRAM, &["--like", "node", "--op", "getGroups"], &printed(&emulator));
    assert!(!output.status.success());
    assert_eq!(
        text(&output.stdout),
        "You have selected: getGroups\nSelect a Graph operation first\n"
    );
    assert!(emulator.requests().is_empty());
}

#[test]
fn api_error_is_printed_as_in_the_sample_and_fails() {
    let emulator = Emulator::builder()
        .app(App::new("daemon").request(Emulator::GRAPH, "User.Read.All"))
        .start();
    for (sample, expected) in [
        (
            "node",
            "\nAxiosError: Request failed with status code 403\n{\n  \"error\": {\n    \"code\": \"Authorization_RequestDenied\"",
        ),
        (
            "python",
            "Graph API call result: \n{\n  \"error\": {\n    \"code\": \"Authorization_RequestDenied\"",
        ),
        (
            "java",
            "Users in the Tenant = Connection returned HTTP code: 403 with message: Forbidden\n",
        ),
    ] {
        let output = run(PROGRAM, &["--like", sample], &printed(&emulator));
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stdout).contains(expected), "{}", text(&output.stdout));
        let problem = text(&output.stderr);
        assert!(
            problem.contains("Insufficient privileges to complete the operation."),
            "{problem}"
        );
        assert!(problem.contains("hint: add the application permission"), "{problem}");
        assert_no_secret(&output, emulator.client_secret());
    }
    let other = emulator.client_id().replace('a', "b");
    let output = run(
        PROGRAM,
        &["--like", "dotnet", "--object-id", &other],
        &printed(&emulator),
    );
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""));
    let expected = "error: Response status code does not indicate success: 403 (Forbidden).";
    assert!(text(&output.stderr).starts_with(expected), "{}", text(&output.stderr));
}

#[test]
fn token_error_is_printed_as_in_the_sample() {
    let emulator = with_users();
    let mut variables = printed(&emulator);
    variables[3].1 = "canary8Q~secret";
    for (sample, expected) in [
        (
            "node",
            "You have selected: getUsers\nServerError: invalid_client: AADSTS7000215: ",
        ),
        ("python", "invalid_client\nAADSTS7000215: "),
        (
            "java",
            "Oops! We have an exception of type - class java.util.concurrent.ExecutionException\n\
             Exception message - com.microsoft.aad.msal4j.MsalServiceException: AADSTS7000215: ",
        ),
    ] {
        let output = run(PROGRAM, &["--like", sample], &variables);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stdout).starts_with(expected), "{}", text(&output.stdout));
        assert!(text(&output.stderr).contains("hint: "), "{}", text(&output.stderr));
        assert_no_secret(&output, "canary8Q~secret");
    }
}

#[test]
fn unexpected_responses_of_the_api_are_errors() {
    let emulator = with_users();
    let many = format!("{{\"value\": [\"{}\"]}}", "a".repeat(2 * 1024 * 1024));
    for (fault, expected) in [
        (Fault::status(500), "the web API returned 500 Internal Server Error"),
        (Fault::status(503), "the web API returned 503 Service Unavailable"),
        (Fault::status(429), "wait"),
        (Fault::body("<html>Sign in</html>"), "is not JSON"),
        (Fault::body(""), "is not JSON"),
        (Fault::body("[]"), "is not a list"),
        (Fault::body("{\"value\": {}}"), "is not a list"),
        (Fault::body(many), "bytes"),
        (
            Fault::status(500).with_body("\u{1b}[31m<html>"),
            "the web API returned 500",
        ),
    ] {
        for sample in READERS {
            emulator.fault(fault.clone().on("/v1.0/users").retry_after(Duration::ZERO).always());
            let output = run(PROGRAM, &["--like", sample], &printed(&emulator));
            emulator.clear_faults();
            assert_eq!(output.status.code(), Some(1), "{sample} {expected}");
            assert!(
                text(&output.stderr).contains(expected),
                "{sample} {expected}: {}",
                text(&output.stderr)
            );
            let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
            assert!(!both.contains(&0x1b), "{sample} {expected}");
        }
    }
}

#[test]
fn token_does_not_follow_a_link_to_another_origin() {
    let (emulator, other) = (with_users(), Emulator::start());
    let link = format!("{}/v1.0/users?$skiptoken=x", other.base_url());
    let page = serde_json::json!({"value": [], "@odata.nextLink": link}).to_string();
    for sample in READERS {
        emulator.fault(Fault::body(page.clone()).on("/v1.0/users"));
        let output = run(PROGRAM, &["--like", sample], &printed(&emulator));
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output.stderr).contains("the token must not go there"),
            "{}",
            text(&output.stderr)
        );
    }
    assert!(other.requests().is_empty());
}

#[test]
fn token_echoed_by_the_api_is_not_shown() {
    let emulator = with_users();
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1.0/users", api.local_addr().unwrap());
    let echo = thread::spawn(move || {
        for _ in 0..2 {
            let mut stream = BufReader::new(api.accept().unwrap().0);
            let mut header = String::new();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("authorization: ") {
                    header = line[line.len() - value.len()..].trim().to_owned();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            assert!(header.contains("eyJ"));
            let body = format!("{{\"error\": {{\"code\": \"x\", \"message\": \"no {header}\"}}}}");
            let head = format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.get_mut().write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    let folder = folder("echo");
    let parameters = serde_json::json!({"endpoint": address});
    fs::write(folder.join("parameters.json"), parameters.to_string()).unwrap();
    let output = run_in(&folder, PROGRAM, &["--like", "python"], &printed(&emulator));
    assert!(
        text(&output.stdout).contains("no Bearer [token]"),
        "{}",
        text(&output.stdout)
    );
    assert_no_secret(&output, emulator.client_secret());
    let mut variables = printed(&emulator).to_vec();
    let graph = address.strip_suffix("/v1.0/users").unwrap();
    variables.push(("GRAPH_ENDPOINT", graph));
    let output = run(PROGRAM, &["--like", "node"], &variables);
    assert!(
        text(&output.stdout).contains("no Bearer [token]"),
        "{}",
        text(&output.stdout)
    );
    assert_no_secret(&output, emulator.client_secret());
    echo.join().unwrap();
}

pub(crate) fn assert_no_secret(output: &Output, secret: &str) {
    let both = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!both.contains(secret) && !both.contains("eyJ"), "{both}");
}
