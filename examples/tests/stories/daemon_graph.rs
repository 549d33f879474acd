//! `daemon_graph`: what the samples of the quickstart do and print.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::thread;

use entra_emulator::{App, Emulator, Fault, Tenant, User};
use serde_json::Value;

use crate::support::{certificate, certified, folder, printed, run, run_in, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_daemon_graph");

/// The samples that read users, and what each prints in front of a page.
const READERS: [&str; 3] = ["node", "python", "java"];

fn with_users() -> Emulator {
    Emulator::builder()
        .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .start()
}

/// The pages that a sample printed, without the words around them.
fn pages(sample: &str, output: &Output) -> Vec<Value> {
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
fn object_id_of_the_readme_is_that_of_the_default_emulator() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let object_id = Emulator::start().apps()[0].object_id.clone();
    assert!(readme.contains(&format!("--object-id {object_id}")), "{object_id}");
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
        // As `json.dumps` has it; the others print what is there.
        let is_ascii = text(&output.stdout).is_ascii();
        assert_eq!(is_ascii, sample == "python");
    }
}

#[test]
fn node_refuses_another_operation_as_the_sample_does() {
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
fn error_of_the_api_is_printed_as_the_sample_does_and_fails() {
    let emulator = Emulator::builder()
        .app(App::new("daemon").request(Emulator::GRAPH, "User.Read.All"))
        .start();
    for (sample, told) in [
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
        assert!(text(&output.stdout).contains(told), "{}", text(&output.stdout));
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
    let told = "error: Response status code does not indicate success: 403 (Forbidden).";
    assert!(text(&output.stderr).starts_with(told), "{}", text(&output.stderr));
}

#[test]
fn error_of_the_token_service_is_printed_as_the_sample_does() {
    let emulator = with_users();
    let mut variables = printed(&emulator);
    variables[3].1 = "canary8Q~secret";
    for (sample, told) in [
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
        assert!(text(&output.stdout).starts_with(told), "{}", text(&output.stdout));
        assert!(text(&output.stderr).contains("hint: "), "{}", text(&output.stderr));
        assert_no_secret(&output, "canary8Q~secret");
    }
}

#[test]
fn strange_responses_of_the_api_end_in_an_error() {
    let emulator = with_users();
    let many = format!("{{\"value\": [\"{}\"]}}", "a".repeat(2 * 1024 * 1024));
    for (fault, told) in [
        (Fault::status(500), "the web API returned 500 Internal Server Error"),
        (Fault::status(503), "the web API returned 503 Service Unavailable"),
        (Fault::status(429), "wait"),
        (Fault::body("<html>Sign in</html>"), "is not JSON"),
        (Fault::body(""), "is not JSON"),
        (Fault::body("[]"), "is no list"),
        (Fault::body("{\"value\": {}}"), "is no list"),
        (Fault::body(many), "bytes"),
        (
            Fault::status(500).with_body("\u{1b}[31m<html>"),
            "the web API returned 500",
        ),
    ] {
        for sample in READERS {
            emulator.fault(fault.clone().on("/v1.0/users"));
            let output = run(PROGRAM, &["--like", sample], &printed(&emulator));
            assert_eq!(output.status.code(), Some(1), "{sample} {told}");
            assert!(
                text(&output.stderr).contains(told),
                "{sample} {told}: {}",
                text(&output.stderr)
            );
            let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
            assert!(!both.contains(&0x1b), "{sample} {told}");
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
fn certificate_works_in_each_form_that_the_samples_have() {
    let emulator = Emulator::builder().app(certified()).start();
    let folder = folder("certificates");
    let made = certificate();
    fs::write(folder.join("server.pem"), &made.key_pem).unwrap();
    fs::write(folder.join("both.pem"), format!("{}{}", made.key_pem, made.pem)).unwrap();
    fs::write(folder.join("key.der"), &made.key_der).unwrap();
    fs::write(folder.join("cert.pem"), &made.pem).unwrap();
    fs::write(folder.join("cert.der"), &made.der).unwrap();
    let thumbprint = entra_credential::Thumbprints::of(&made.der).sha1_hex();
    let authority = format!("{}/{}", emulator.base_url(), emulator.tenant_id());
    let id = emulator.client_id();

    for (key, thumbprint) in [("server.pem", &thumbprint), ("both.pem", &thumbprint.to_lowercase())] {
        let parameters = serde_json::json!({
            "authority": authority, "client_id": id, "scope": ["https://graph.microsoft.com/.default"],
            "thumbprint": thumbprint, "private_key_file": key, "endpoint": "https://graph.microsoft.com/v1.0/users",
        });
        fs::write(folder.join("parameters.json"), parameters.to_string()).unwrap();
        let output = run_in(&folder, PROGRAM, &["--like", "python"], &[]);
        assert!(output.status.success(), "{key}: {}", text(&output.stderr));
        assert_eq!(pages("python", &output)[0]["value"].as_array().unwrap().len(), 3);
    }
    for certificate in ["cert.pem", "cert.der"] {
        let properties = format!(
            "AUTHORITY={authority}/\nCLIENT_ID={id}\nKEY_PATH=key.der\nCERT_PATH={certificate}\nSCOPE=https://graph.microsoft.com/.default\n"
        );
        fs::write(folder.join("application.properties"), properties).unwrap();
        let output = run_in(&folder, PROGRAM, &["--like", "java"], &[]);
        assert!(output.status.success(), "{certificate}: {}", text(&output.stderr));
        assert_eq!(pages("java", &output).len(), 1);
    }
    let path = folder.join("both.pem");
    let variables = [
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", id),
        ("AZURE_CLIENT_CERTIFICATE_PATH", path.to_str().unwrap()),
    ];
    let output = run(PROGRAM, &["--like", "node"], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        emulator.token_requests().iter().all(|request| request.lints.is_empty()),
        "{:?}",
        emulator.token_requests()
    );
}

#[test]
fn api_that_repeats_the_token_does_not_show_it() {
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

#[cfg(unix)]
#[test]
fn reader_that_goes_away_causes_no_panic() {
    let emulator = with_users();
    for sample in READERS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let program = std::process::Command::new(PROGRAM)
            .args(["--like", sample])
            .env_clear()
            .envs(printed(&emulator))
            .stdout(writer)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let output = program.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), text(&output.stderr).as_str()),
            (Some(1), ""),
            "{sample}"
        );
    }
}

pub(crate) fn assert_no_secret(output: &Output, secret: &str) {
    let both = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!both.contains(secret) && !both.contains("eyJ"), "{both}");
}
