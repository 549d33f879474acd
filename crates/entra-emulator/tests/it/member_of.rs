//! The groups of users and groups in Graph, and the basic profiles of users: permissions and
//! contents.

use entra_emulator::{App, Emulator, Group, Tenant, User};
use http::Request;
use serde_json::Value;

use crate::support::{REDIRECT, Response, access_token, get_as, json_body, sign_in};

const GRAPH: &str = "https://graph.microsoft.com/.default";

/// Adele is a member of Sales and All, Alex of All, and Sales is a member of All.
fn emulator(roles: &[&str], scopes: &[&str]) -> Emulator {
    let mut adele = User::new("Adele Vance");
    adele.job_title = Some("Buyer".to_owned());
    let tenant = Tenant::new("contoso.example")
        .user(adele)
        .user(User::new("Alex Wilber"))
        .user(User::new("Megan Bowen"))
        .group(Group::new("Sales").member("adele@contoso.example"))
        .group(
            Group::new("All")
                .member("adele@contoso.example")
                .member("alex@contoso.example")
                .member("Sales"),
        );
    let app = App::new("daemon").redirect_uri(REDIRECT);
    let app = roles.iter().fold(app, |app, role| app.grant(Emulator::GRAPH, *role));
    let app = scopes
        .iter()
        .fold(app, |app, scope| app.grant_scope(Emulator::GRAPH, *scope));
    Emulator::builder().tenant(tenant).app(app).build()
}

fn user_token(emulator: &Emulator, name: &str) -> String {
    let body = sign_in(emulator, "v2.0/", name, &[("scope", GRAPH)]);
    body["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{body}"))
        .to_owned()
}

fn advanced(emulator: &Emulator, path: &str, token: &str) -> Response {
    let request = Request::get(path)
        .header("authorization", format!("Bearer {token}"))
        .header("consistencylevel", "eventual");
    emulator.handle(request.body(Vec::new()).unwrap())
}

fn user_id(emulator: &Emulator, at: usize) -> String {
    emulator.tenants()[0].users.as_ref().unwrap()[at].id.clone()
}

fn group_id(emulator: &Emulator, at: usize) -> String {
    emulator.tenants()[0].groups.as_ref().unwrap()[at].id.clone()
}

fn each<'a>(body: &'a Value, name: &str) -> Vec<&'a str> {
    let items = body["value"].as_array().unwrap_or_else(|| panic!("no list in {body}"));
    items.iter().map(|item| item[name].as_str().unwrap_or("null")).collect()
}

/// Returns the status, and the code of an error.
fn seen(response: &Response) -> (u16, String) {
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let code = body["error"]["code"].as_str().unwrap_or_default().to_owned();
    (response.status().as_u16(), code)
}

fn denied() -> (u16, String) {
    (403, "Authorization_RequestDenied".to_owned())
}

#[test]
fn member_of_lists_direct_groups() {
    let emulator = emulator(&["GroupMember.Read.All"], &[]);
    let token = access_token(&emulator, GRAPH);
    let get = |path: &str| get_as(&emulator, path, &token);
    let adele = user_id(&emulator, 0);
    for (path, names) in [
        (format!("/v1.0/users/{adele}/memberOf"), vec!["Sales", "All"]),
        (format!("/v1.0/users('{adele}')/MemberOf"), vec!["Sales", "All"]),
        ("/v1.0/users/ALEX@contoso.example/memberOf".to_owned(), vec!["All"]),
        ("/v1.0/users/megan@contoso.example/memberOf".to_owned(), vec![]),
        (format!("/v1.0/groups/{}/memberOf", group_id(&emulator, 0)), vec!["All"]),
        (format!("/v1.0/groups/{}/memberOf", group_id(&emulator, 1)), vec![]),
    ] {
        let body = json_body(&get(&path));
        assert_eq!(each(&body, "displayName"), names, "{path}");
        assert_eq!(
            body["@odata.context"],
            "https://graph.microsoft.com/v1.0/$metadata#directoryObjects"
        );
    }
    let path = format!("/v1.0/users/{adele}/memberOf");
    let body = json_body(&get(&path));
    assert_eq!(each(&body, "@odata.type"), ["#microsoft.graph.group"; 2]);
    assert_eq!(each(&body, "id"), [group_id(&emulator, 0), group_id(&emulator, 1)]);
    let page = json_body(&get(&format!("{path}?$top=1&$select=displayName")));
    assert_eq!(each(&page, "displayName"), ["Sales"]);
    let next = json_body(&get(page["@odata.nextLink"].as_str().unwrap()));
    assert_eq!(each(&next, "displayName"), ["All"]);
    assert_eq!(next.get("@odata.nextLink"), None);
    // A link of another user is rejected.
    let link = page["@odata.nextLink"].as_str().unwrap();
    let forged = link.replace(&adele, &user_id(&emulator, 1));
    assert_eq!(get(&forged).status(), 400);
}

#[test]
fn member_of_applies_or_rejects_query_options() {
    let emulator = emulator(&["Directory.Read.All"], &[]);
    let token = access_token(&emulator, GRAPH);
    let path = format!("/v1.0/users/{}/memberOf", user_id(&emulator, 0));
    let count = advanced(&emulator, &format!("{path}/$count"), &token);
    assert_eq!((count.status().as_u16(), &count.body()[..]), (200, &b"2"[..]));
    let filtered = advanced(
        &emulator,
        &format!("{path}?$count=true&$filter=startswith(displayName,'A')&$orderby=displayName"),
        &token,
    );
    let body = json_body(&filtered);
    assert_eq!(
        (each(&body, "displayName"), &body["@odata.count"]),
        (vec!["All"], &1.into())
    );
    for (query, status) in [
        ("/$count", 400),
        ("?$filter=startswith(displayName,'A')", 400),
        ("?$count=true", 400),
        ("?$skip=1", 400),
        ("?$top=0", 400),
        ("?$top=1000", 400),
        ("?$expand=members", 501),
        ("?$select=nonsense", 400),
        ("/microsoft.graph.group", 501),
        ("/$ref", 501),
    ] {
        assert_eq!(
            get_as(&emulator, &format!("{path}{query}"), &token).status(),
            status,
            "{query}"
        );
    }
    for (path, status) in [
        ("/v1.0/users/none@contoso.example/memberOf", 404),
        ("/v1.0/groups/none/memberOf", 404),
        ("/v1.0/me/memberOf", 400),
        ("/v1.0/users/adele@contoso.example/transitiveMemberOf", 501),
        ("/v1.0/me/manager", 501),
    ] {
        assert_eq!(get_as(&emulator, path, &token).status(), status, "{path}");
    }
}

#[test]
fn member_of_and_group_names_need_permissions() {
    for (roles, of_user, of_group, names) in [
        (&["GroupMember.Read.All"][..], 200, 200, &["Sales", "All"][..]),
        (&["Directory.Read.All"], 200, 200, &["Sales", "All"]),
        (&["User.Read.All"], 200, 403, &["null", "null"]),
        (&["User.ReadBasic.All"], 403, 403, &[]),
        (&["Application.Read.All"], 403, 403, &[]),
        (&[], 403, 403, &[]),
    ] {
        let emulator = emulator(roles, &[]);
        let token = access_token(&emulator, GRAPH);
        let response = get_as(&emulator, "/v1.0/users/adele@contoso.example/memberOf", &token);
        assert_eq!(response.status(), of_user, "{roles:?}");
        if of_user == 200 {
            assert_eq!(each(&json_body(&response), "displayName"), names, "{roles:?}");
        } else {
            assert_eq!(seen(&response), denied());
            let unknown = get_as(&emulator, "/v1.0/users/none@contoso.example/memberOf", &token);
            assert_eq!(
                seen(&unknown),
                denied(),
                "the response does not reveal which users exist"
            );
        }
        let path = format!("/v1.0/groups/{}/memberOf", group_id(&emulator, 0));
        assert_eq!(get_as(&emulator, &path, &token).status(), of_group, "{roles:?}");
    }
}

#[test]
fn users_read_their_own_groups() {
    let emulator = emulator(&[], &["User.Read"]);
    let token = user_token(&emulator, "Adele Vance");
    for path in ["/v1.0/me/memberOf", "/v1.0/users/adele@contoso.example/memberOf"] {
        let body = json_body(&get_as(&emulator, path, &token));
        assert_eq!(each(&body, "id"), [group_id(&emulator, 0), group_id(&emulator, 1)]);
        // Their names require a permission for groups.
        assert_eq!(each(&body, "displayName"), ["null", "null"]);
    }
    let other = get_as(&emulator, "/v1.0/users/alex@contoso.example/memberOf", &token);
    assert_eq!(seen(&other), denied());
    assert_eq!(
        json_body(&get_as(&emulator, "/v1.0/users/adele@contoso.example", &token))["jobTitle"],
        "Buyer"
    );
    assert_eq!(
        seen(&get_as(&emulator, "/v1.0/users/alex@contoso.example", &token)),
        denied()
    );
    assert_eq!(seen(&get_as(&emulator, "/v1.0/users", &token)), denied());
}

#[test]
fn basic_profiles_have_only_names_and_addresses() {
    for is_user in [false, true] {
        let (roles, scopes) = (&["User.ReadBasic.All"], &["User.ReadBasic.All"]);
        let emulator = emulator(roles, if is_user { scopes } else { &[] });
        let token = match is_user {
            true => user_token(&emulator, "Alex Wilber"),
            false => access_token(&emulator, GRAPH),
        };
        let get = |path: &str| get_as(&emulator, path, &token);
        let body = json_body(&get("/v1.0/users"));
        let adele = &body["value"][0];
        for (name, value) in [
            ("displayName", "Adele Vance"),
            ("givenName", "Adele"),
            ("surname", "Vance"),
            ("mail", "adele@contoso.example"),
            ("userPrincipalName", "adele@contoso.example"),
            ("id", &user_id(&emulator, 0)),
        ] {
            assert_eq!(adele[name], value, "{name}");
        }
        assert_eq!(adele["jobTitle"], Value::Null);
        assert_eq!(
            json_body(&get("/v1.0/users/adele@contoso.example"))["jobTitle"],
            Value::Null
        );
        for query in [
            "?$select=displayName,mail,id",
            "?$filter=startswith(displayName,'A')&$top=1",
            "?$orderby=displayName",
        ] {
            assert_eq!(get(&format!("/v1.0/users{query}")).status(), 200, "{query}");
        }
        for query in [
            "?$select=jobTitle",
            "?$select=displayName,JOBTITLE",
            "?$select=department",
            "?$filter=jobTitle eq 'Buyer'",
            "?$filter=accountEnabled eq true",
            "?$filter=displayName eq 'a' or department eq 'b'",
        ] {
            let query = query.replace(' ', "%20");
            assert_eq!(seen(&get(&format!("/v1.0/users{query}"))), denied(), "{query}");
        }
        let order = advanced(&emulator, "/v1.0/users?$count=true&$orderby=createdDateTime", &token);
        assert_eq!(seen(&order), denied());
        assert_eq!(
            seen(&get("/v1.0/users/adele@contoso.example?$select=department")),
            denied()
        );
        assert_eq!(seen(&get("/v1.0/groups")), denied());
        if is_user {
            // The signed-in user has a complete profile.
            for path in ["/v1.0/me", "/v1.0/users/alex@contoso.example"] {
                let path = format!("{path}?$select=department,accountEnabled");
                assert_eq!(json_body(&get(&path))["accountEnabled"], true, "{path}");
            }
        }
    }
}

#[test]
fn members_are_shown_with_their_basic_profile() {
    let emulator = emulator(&["GroupMember.Read.All", "User.ReadBasic.All"], &[]);
    let token = access_token(&emulator, GRAPH);
    let path = format!("/v1.0/groups/{}/members", group_id(&emulator, 0));
    let adele = &json_body(&get_as(&emulator, &path, &token))["value"][0];
    assert_eq!(
        (&adele["displayName"], &adele["jobTitle"]),
        (&"Adele Vance".into(), &Value::Null)
    );
}

#[test]
fn users_need_a_permission_for_their_own_profile() {
    let emulator = emulator(&[], &["Mail.Read"]);
    let token = user_token(&emulator, "Adele Vance");
    for path in [
        "/v1.0/me",
        "/v1.0/me/memberOf",
        "/v1.0/users/adele@contoso.example",
        "/v1.0/users/adele@contoso.example/memberOf",
    ] {
        assert_eq!(seen(&get_as(&emulator, path, &token)), denied(), "{path}");
    }
}
