//! `todolist_api`: its configuration, and requests that it must not serve.

use serde_json::{Value, json};

use super::todolist_api::{ADELE, PROGRAM, Server, assert_rejected, emulator, published, start, user, world};
use crate::stories::support::{folder, run_in, text};

/// Returns the published configuration with other permissions.
fn with(scopes: &Value, roles: &Value) -> String {
    let mut settings: Value = serde_json::from_str(&published("appsettings.json")).unwrap();
    for (section, value) in [("Scopes", scopes), ("AppPermissions", roles)] {
        let members = settings["AzureAd"].as_object_mut().unwrap();
        match value {
            Value::Null => drop(members.remove(section)),
            value => drop(members.insert(section.to_owned(), value.clone())),
        }
    }
    settings.to_string()
}

#[test]
fn arrays_and_texts_have_the_same_effect() {
    let emulator = emulator();
    let arrays = json!({"Read": ["ToDoList.Read.All", "ToDoList.ReadWrite.All"], "Write": ["ToDoList.ReadWrite.All"]});
    let texts = json!({"Read": "ToDoList.Read.All ToDoList.ReadWrite.All", "Write": "ToDoList.ReadWrite.All"});
    for (name, roles) in [("todolist-arrays", arrays), ("todolist-texts", texts)] {
        let server = Server::start(&emulator, &folder(name), &with(&Value::Null, &roles), &[]);
        let app = |role: &str| emulator.forge().roles([role]).token();
        let (reader, writer, other) = (
            app("ToDoList.Read.All"),
            app("ToDoList.ReadWrite.All"),
            app("Other.All"),
        );
        server.post(&writer, json!({"description": "x"}));
        assert_eq!(
            (server.list(&reader), server.list(&writer)),
            (vec!["x".to_owned()], vec!["x".to_owned()])
        );
        assert_eq!(server.call("DELETE", "/1", Some(&reader), None).status, 403, "{name}");
        // The sample accepts this token if its configuration has arrays.
        assert_rejected(&server, Some(&other), 403);
        // Without scopes, no user is accepted.
        assert_rejected(&server, Some(&user(&emulator, ADELE)), 403);
    }
}

#[test]
fn configuration_without_permissions_does_not_start() {
    let (emulator, folder) = (emulator(), folder("todolist-empty"));
    let names = json!({"Read": ["R.All"], "Write": ["W.All"]});
    let start = |settings: &str| start(&emulator, &folder, settings, &["--listen", "127.0.0.1:0"]);
    for (scopes, roles) in [
        (Value::Null, Value::Null),
        (Value::Null, json!({})),
        (json!({"Read": [], "Write": ["W"]}), names.clone()),
        (json!({"Read": "", "Write": ["W"]}), names.clone()),
        (json!({"Read": ["R"]}), names.clone()),
        (json!({"Read": ["R"], "Writes": ["W"]}), names.clone()),
        (json!(["R", "W"]), names.clone()),
        (json!("R"), names.clone()),
        (Value::Null, json!({"Read": null, "Write": ["W.All"]})),
        (Value::Null, json!({"Read": {"0": "R.All"}, "Write": ["W.All"]})),
        (Value::Null, json!({"Read": ["R.All W.All"], "Write": ["W.All"]})),
        (Value::Null, json!({"Read": ["R.All", ""], "Write": ["W.All"]})),
        (
            Value::Null,
            json!({"Read": ["Enter_the_Role_Here"], "Write": ["W.All"]}),
        ),
    ] {
        let output = start(&with(&scopes, &roles));
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{scopes} {roles}: {stderr}");
        assert!(
            stderr.contains("AzureAd:") && stderr.contains("\nhint: "),
            "{scopes} {roles}: {stderr}"
        );
        assert!(!stderr.contains("listening"), "{stderr}");
    }
    let good = with(&Value::Null, &names);
    for (from, to) in [
        ("22223333-cccc-4444-dddd-5555eeee6666", "Enter_the_Application_Id_Here"),
        ("22223333-cccc-4444-dddd-5555eeee6666", ""),
        ("aaaabbbb-0000-cccc-1111-dddd2222eeee", "contoso.onmicrosoft.com"),
        ("44351", "100000"),
        ("{", ""),
    ] {
        let output = start(&good.replacen(from, to, 1));
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{to}: {stderr}");
        assert!(
            stderr.contains("\nhint: ") && !stderr.contains("listening"),
            "{to}: {stderr}"
        );
    }
}

#[test]
fn tokens_are_not_sent_in_the_clear() {
    let (emulator, folder) = (emulator(), folder("todolist-clear"));
    let settings = published("appsettings.json");
    let output = start(&emulator, &folder, &settings, &["--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--tls-cert"), "{}", text(&output.stderr));
    let output = run_in(&folder, PROGRAM, &["--tls-cert", "c.pem"], &[]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn keys_are_fetched_once() {
    let (emulator, _, server) = world("todolist-keys");
    let token = emulator.forge().token();
    for kid in 0..5 {
        assert!(server.list(&token).is_empty());
        let forged = emulator
            .forge()
            .unpublished_key()
            .header("kid", format!("forged-{kid}"))
            .token();
        assert_eq!(server.call("GET", "", Some(&forged), None).status, 401);
    }
    let requests = emulator.requests();
    let fetches = requests.iter().filter(|request| request.path.contains("/discovery/"));
    assert_eq!(fetches.count(), 1);
}

/// The samples' framework ignores the letter case of paths.
#[test]
fn paths_are_case_insensitive() {
    let (emulator, folder) = (emulator(), folder("todolist-spellings"));
    let mut server = Server::start(&emulator, &folder, &published("appsettings.json"), &[]);
    let token = user(&emulator, ADELE);
    let added = server.post(&token, json!({"description": "Buy bread"}));
    let base = server.endpoint.strip_suffix("/api/todolist").unwrap().to_owned();
    for path in ["/api/ToDoList", "/API/TODOLIST", "/Api/TodoList"] {
        server.endpoint = format!("{base}{path}");
        assert_eq!(server.list(&token), ["Buy bread"], "{path}");
        let one = server.call("GET", &format!("/{}", added["id"]), Some(&token), None);
        assert_eq!(
            (one.status, &one.json["description"]),
            (200, &json!("Buy bread")),
            "{path}"
        );
        assert_eq!(server.call("GET", "", None, None).status, 401, "{path}");
    }
    server.endpoint = format!("{base}/API/other");
    assert_eq!(server.call("GET", "", Some(&token), None).status, 404);
}
