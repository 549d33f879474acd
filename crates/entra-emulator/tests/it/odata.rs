//! Graph carries a query option out, or rejects the request. It ignores none.

use crate::support::{Answer, access_token, encode, get, get_as, json_body};
use entra_emulator::{App, Emulator, Tenant, User};
use http::Request;
use serde_json::{Value, json};

const GRAPH: &str = "https://graph.microsoft.com/.default";

/// Seven users and a token that may read them.
struct World {
    emulator: Emulator,
    token: String,
}

impl World {
    fn new() -> Self {
        let mut tenant = Tenant::new("contoso.example");
        for name in [
            "Ben O'Hara",
            "adele Vance",
            "Alex Wilber",
            "Megan Bowen",
            "Zoe",
            "Chris Green",
        ] {
            tenant = tenant.user(User::new(name));
        }
        let mut manager = User::new("Diego Siciliani").user_principal_name("Diego@Other.Example");
        manager.job_title = Some("Manager".to_owned());
        let app = App::new("daemon")
            .grant(Emulator::GRAPH, "User.Read.All")
            .grant(Emulator::GRAPH, "Application.Read.All");
        let emulator = Emulator::builder()
            .tenant(tenant.user(manager))
            .app(app)
            .app(App::new("other"))
            .build();
        let token = access_token(&emulator, GRAPH);
        Self { emulator, token }
    }

    fn get(&self, path: &str) -> Answer {
        get_as(&self.emulator, path, &self.token)
    }

    /// With the header that advanced queries need.
    fn advanced(&self, path: &str) -> Answer {
        let request = Request::get(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("consistencylevel", "Eventual");
        self.emulator.handle(request.body(Vec::new()).unwrap())
    }

    fn users(&self, options: &[(&str, &str)]) -> Answer {
        self.get(&format!("/v1.0/users?{}", encode(options)))
    }

    fn advanced_users(&self, options: &[(&str, &str)]) -> Answer {
        self.advanced(&format!("/v1.0/users?{}", encode(options)))
    }
}

/// The first names on a page.
fn names(answer: &Answer) -> Vec<String> {
    let body = json_body(answer);
    let users = body["value"].as_array().unwrap_or_else(|| panic!("no list in {body}"));
    let first = |user: &Value| {
        user["displayName"]
            .as_str()
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    users.iter().map(first).collect()
}

/// Status and code of an error.
fn error(answer: &Answer) -> (u16, String) {
    let body = json_body(answer);
    let error = &body["error"];
    assert!(
        error["message"].is_string() && error["innerError"]["request-id"].is_string(),
        "{body}"
    );
    (answer.status().as_u16(), error["code"].as_str().unwrap().to_owned())
}

fn message(answer: &Answer) -> String {
    json_body(answer)["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn filters_select_users() {
    let world = World::new();
    for (filter, expected) in [
        ("displayName eq 'zoe'", "Zoe"),
        ("displayName EQ 'ADELE VANCE'", "adele"),
        ("DisplayName eq 'Ben O''Hara'", "Ben"),
        ("startsWith(displayName,'a')", "adele Alex"),
        ("startswith( displayName , 'A' ) eq true", "adele Alex"),
        ("STARTSWITH(userPrincipalName,'diego@other')", "Diego"),
        ("startsWith(displayName,'a') and surname eq 'wilber'", "Alex"),
        (
            "displayName eq 'Zoe' or startsWith(givenName,'al') or surname eq 'Bowen'",
            "Alex Megan Zoe",
        ),
        // `and` binds before `or`.
        (
            "displayName eq 'Zoe' or startsWith(displayName,'a') and surname eq 'Vance'",
            "adele Zoe",
        ),
        (
            "(displayName eq 'Zoe' or startsWith(displayName,'a')) and surname eq 'Vance'",
            "adele",
        ),
        ("((((displayName eq 'Zoe'))))", "Zoe"),
        ("displayName in ('zoe', 'Megan Bowen')", "Megan Zoe"),
        ("jobTitle eq 'manager'", "Diego"),
        ("givenName ge 'M' and givenName le 'Megan'", "Megan"),
        ("displayName eq ''", ""),
        ("startsWith(displayName,'')", "Ben adele Alex Megan Zoe Chris Diego"),
    ] {
        let answer = world.users(&[("$filter", filter)]);
        assert_eq!(answer.status(), 200, "{filter}: {}", json_body(&answer));
        assert_eq!(names(&answer).join(" "), expected, "{filter}");
    }
}

#[test]
fn advanced_filters_need_header_and_count() {
    let world = World::new();
    for (filter, expected) in [
        ("displayName ne 'Zoe'", "Ben adele Alex Megan Chris Diego"),
        ("not startsWith(displayName,'a')", "Ben Megan Zoe Chris Diego"),
        (
            "NOT(displayName in ('Zoe') or startsWith(displayName,'a'))",
            "Ben Megan Chris Diego",
        ),
        ("not not(displayName eq 'Zoe')", "Zoe"),
        ("endsWith(userPrincipalName,'OTHER.example')", "Diego"),
        ("endsWith(mail,'@contoso.example') and surname eq 'Green'", "Chris"),
        ("jobTitle eq null", "Ben adele Alex Megan Zoe Chris"),
        ("jobTitle ne null", "Diego"),
        // No title is neither the beginning of anything nor the opposite of that.
        ("not startsWith(jobTitle,'x')", "Diego"),
        (
            "not(startsWith(jobTitle,'x') and displayName eq 'Zoe')",
            "Ben adele Alex Megan Chris Diego",
        ),
        ("officeLocation eq null and displayName eq 'Zoe'", "Zoe"),
    ] {
        let with_count = [("$filter", filter), ("$count", "true")];
        let answer = world.advanced_users(&with_count);
        assert_eq!(answer.status(), 200, "{filter}: {}", json_body(&answer));
        assert_eq!(names(&answer).join(" "), expected, "{filter}");
        assert_eq!(json_body(&answer)["@odata.count"], names(&answer).len(), "{filter}");
        for missing in [
            world.advanced_users(&[("$filter", filter)]),
            world.users(&[("$filter", filter)]),
            world.users(&with_count),
        ] {
            assert_eq!(
                error(&missing),
                (400, "Request_UnsupportedQuery".to_owned()),
                "{filter}"
            );
        }
    }
    let answer = world.users(&[("$filter", "endsWith(mail,'x')")]);
    assert!(message(&answer).contains("'endsWith'") && message(&answer).contains("ConsistencyLevel:eventual"));
}

#[test]
fn malformed_filters_are_bad_requests() {
    let world = World::new();
    let deep = format!("{}displayName eq 'x'{}", "(".repeat(10_000), ")".repeat(10_000));
    let nots = format!("{}(displayName eq 'x')", "not ".repeat(10_000));
    for filter in [
        "((bad",
        "(",
        ")",
        "'",
        "displayName",
        "displayName eq",
        "displayName eq 'x",
        "displayName eq 'x' and",
        "displayName eq 'x' 'y'",
        "displayName eq 'x')",
        "displayName eq \"x\"",
        "displayName is 'x'",
        "displayName eq 5",
        "displayName eq x",
        "displayName in 'x'",
        "displayName in ()",
        "displayName in ('x',)",
        "startsWith(displayName)",
        "startsWith(displayName,'x'",
        "startsWith(displayName,'x','y')",
        "not displayName eq 'x'",
        "and",
        "eq eq eq",
        "nonsense eq 'x'",
        "nonsense(displayName,'x')",
        "displayName eq 'x' xor displayName eq 'y'",
        "displayName eq %27x%27",
        "\u{0}",
        "é eq 'x'",
        &deep,
        &nots,
    ] {
        for answer in [
            world.users(&[("$filter", filter)]),
            world.advanced_users(&[("$filter", filter), ("$count", "true")]),
            world.advanced(&format!("/v1.0/users/$count?{}", encode(&[("$filter", filter)]))),
        ] {
            assert_eq!(error(&answer), (400, "BadRequest".to_owned()), "{filter:.80}");
            assert!(message(&answer).len() < 400, "{}", message(&answer));
        }
    }
}

#[test]
fn filters_that_graph_does_not_support_are_rejected() {
    let world = World::new();
    let or = |count: usize| vec!["displayName eq 'x'"; count].join(" or ");
    let values = |count: usize| format!("displayName in ({})", vec!["'x'"; count].join(","));
    assert_eq!(world.users(&[("$filter", &or(15))]).status(), 200);
    assert_eq!(world.users(&[("$filter", &values(15))]).status(), 200);
    for filter in [
        "contains(displayName,'a')",
        "displayName gt 'a'",
        "displayName ge 'a'",
        "id ge 'a'",
        "endsWith(displayName,'a')",
        "startsWith(id,'a')",
        &or(16),
        &values(16),
    ] {
        let answer = world.users(&[("$filter", filter)]);
        assert_eq!(error(&answer), (400, "Request_UnsupportedQuery".to_owned()), "{filter}");
    }
    for filter in [or(16), values(16)] {
        assert_eq!(
            world
                .advanced_users(&[("$filter", &filter), ("$count", "true")])
                .status(),
            200
        );
    }
}

#[test]
fn filters_that_are_not_emulated_say_so() {
    let world = World::new();
    for (filter, named) in [
        ("city eq 'Berlin'", "city"),
        ("onPremisesSyncEnabled eq true", "onPremisesSyncEnabled"),
        ("isof('microsoft.graph.user')", "isof"),
        ("businessPhones/any(p:p eq '1')", "businessPhones/any"),
        ("assignedLicenses/$count eq 0", "assignedLicenses/$count"),
        ("manager/displayName eq 'x'", "manager/displayName"),
        ("tolower(displayName) eq 'x'", "tolower"),
        ("displayName eq surname", "displayName eq surname"),
        ("'x' eq displayName", "'x' eq displayName"),
        ("startsWith(displayName,'x') eq false", "eq"),
    ] {
        let answer = world.users(&[("$filter", filter)]);
        assert_eq!(error(&answer), (501, "not_emulated".to_owned()), "{filter}");
        assert!(message(&answer).contains(named), "{filter}: {}", message(&answer));
    }
}

#[test]
fn users_are_put_in_order() {
    let world = World::new();
    let ascending = "adele Alex Ben Chris Diego Megan Zoe";
    let descending = "Zoe Megan Diego Chris Ben Alex adele";
    for (order, expected) in [
        ("displayName", ascending),
        ("DISPLAYNAME asc", ascending),
        ("displayName desc", descending),
        (" displayName  DESC ", descending),
        ("displayName desc,userPrincipalName", descending),
        ("displayName,displayName desc", ascending),
        ("userPrincipalName", ascending),
    ] {
        let answer = world.users(&[("$orderby", order)]);
        assert_eq!(answer.status(), 200, "{order}: {}", json_body(&answer));
        assert_eq!(names(&answer).join(" "), expected, "{order}");
    }
    let mixed = [
        ("$orderBy", "displayName desc"),
        ("$filter", "startsWith(displayName,'a')"),
    ];
    let unsupported = (400, "Request_UnsupportedQuery".to_owned());
    assert_eq!(error(&world.users(&mixed)), unsupported);
    let answer = world.advanced_users(&[mixed[0], mixed[1], ("$count", "true")]);
    assert_eq!(names(&answer), ["Alex", "adele"]);
    for order in ["mail", "jobTitle desc", "id"] {
        assert_eq!(error(&world.users(&[("$orderby", order)])), unsupported, "{order}");
    }
    for order in [
        "displayName up",
        "displayName asc desc",
        "displayName,",
        ",",
        "nonsense",
        "display Name",
    ] {
        let answer = world.users(&[("$orderby", order)]);
        assert_eq!(error(&answer), (400, "BadRequest".to_owned()), "{order}");
    }
    for order in ["employeeHireDate", "manager/displayName"] {
        assert_eq!(
            error(&world.users(&[("$orderby", order)])),
            (501, "not_emulated".to_owned()),
            "{order}"
        );
    }
}

#[test]
fn counts_need_the_header() {
    let world = World::new();
    let answer = world.advanced_users(&[("$count", "true"), ("$top", "2")]);
    assert_eq!(json_body(&answer)["@odata.count"], 7);
    let answer = world.advanced_users(&[("$count", "false")]);
    assert_eq!(json_body(&answer).get("@odata.count"), None);
    // Graph ignores the option without the header.
    let answer = world.users(&[("$count", "true")]);
    assert_eq!(error(&answer), (400, "Request_UnsupportedQuery".to_owned()));
    assert!(
        message(&answer).contains("ConsistencyLevel: eventual"),
        "{}",
        message(&answer)
    );
    assert_eq!(error(&world.users(&[("$count", "yes")])).0, 400);

    for (query, expected) in [
        ("", "7"),
        ("?$filter=startsWith(displayName,'a')", "2"),
        ("?$filter=displayName%20ne%20'Zoe'", "6"),
    ] {
        let answer = world.advanced(&format!("/v1.0/users/$count{query}"));
        assert_eq!(
            (answer.status().as_u16(), answer.body().as_slice()),
            (200, expected.as_bytes()),
            "{query}"
        );
        assert!(
            answer.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/plain")
        );
    }
    let answer = world.get("/v1.0/users/$count");
    assert_eq!(error(&answer), (400, "Request_BadRequest".to_owned()));
    assert_eq!(message(&answer), "$count is not currently supported.");
    assert_eq!(error(&world.advanced("/v1.0/users/$count?$top=1")).0, 501);
}

#[test]
fn select_takes_known_properties() {
    let world = World::new();
    let body = json_body(&world.users(&[("$select", "id, DISPLAYNAME"), ("$top", "1")]));
    assert_eq!(
        body["@odata.context"],
        "https://graph.microsoft.com/v1.0/$metadata#users(id,displayName)"
    );
    assert_eq!(body["value"][0].as_object().unwrap().len(), 2);
    let id = body["value"][0]["id"].as_str().unwrap();
    assert_eq!(
        json_body(&world.users(&[("$select", "*")]))["value"][0]
            .as_object()
            .unwrap()
            .len(),
        11
    );
    let one = json_body(&world.get(&format!("/v1.0/users/{id}?$select=displayName")));
    assert_eq!(
        one,
        json!({"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users(displayName)/$entity", "displayName": "Ben O'Hara"})
    );
    for path in ["/v1.0/users".to_owned(), format!("/v1.0/users/{id}")] {
        for (select, code) in [
            ("nonsense", 400),
            ("id,,mail", 400),
            ("id mail", 400),
            ("assignedLicenses", 501),
            ("manager/id", 501),
        ] {
            let answer = world.get(&format!("{path}?{}", encode(&[("$select", select)])));
            assert_eq!(error(&answer).0, code, "{path} {select}");
        }
    }
}

#[test]
fn page_sizes_are_checked() {
    let world = World::new();
    for (top, code) in [
        ("0", "Request_UnsupportedQuery"),
        ("1000", "Request_UnsupportedQuery"),
        ("99999999999999999999999", "Request_UnsupportedQuery"),
        ("-1", "BadRequest"),
        ("+1", "BadRequest"),
        ("1.5", "BadRequest"),
        ("x", "BadRequest"),
        (" 1", "BadRequest"),
        ("", "BadRequest"),
        ("٣", "BadRequest"),
    ] {
        assert_eq!(error(&world.users(&[("$top", top)])), (400, code.to_owned()), "{top}");
    }
    assert_eq!(names(&world.users(&[("$top", "999")])).len(), 7);
    let answer = world.users(&[("$skip", "2")]);
    assert_eq!(error(&answer), (400, "Request_BadRequest".to_owned()));
    assert_eq!(message(&answer), "'$skip' is not supported by the service.");
}

#[test]
fn no_option_is_ignored() {
    let world = World::new();
    let id = world.emulator.tenants()[0].users.as_ref().unwrap()[0].id.clone();
    let app = world.emulator.apps()[0].object_id.clone();
    let collections = [
        "/v1.0/users".to_owned(),
        "/v1.0/applications".to_owned(),
        "/v1.0/users/$count".to_owned(),
    ];
    let entities = [format!("/v1.0/users/{id}"), format!("/v1.0/applications/{app}")];
    for path in collections.iter().chain(&entities) {
        for option in [
            "$expand=manager",
            "$format=xml",
            "$format=atom",
            "$apply=aggregate($count%20as%20x)",
            "$deltatoken=latest",
            "$compute=1",
            "$nonsense=1",
            "nonsense=1",
            "%24expand=manager",
            "expand=manager",
            "$",
            "=",
        ] {
            let answer = world.advanced(&format!("{path}?{option}"));
            assert_eq!(error(&answer), (501, "not_emulated".to_owned()), "{path}?{option}");
        }
    }
    for path in &entities {
        for option in [
            "$filter=id eq 'x'",
            "$orderby=displayName",
            "$top=1",
            "$skip=1",
            "$count=true",
            "$skiptoken=x",
        ] {
            let answer = world.advanced(&format!("{path}?{}", option.replace(' ', "%20")));
            assert_eq!(error(&answer), (400, "BadRequest".to_owned()), "{path}?{option}");
        }
    }
    for path in &collections {
        let answer = world.get(&format!("{path}?$search=%22displayName:a%22"));
        assert_eq!(error(&answer), (400, "Request_UnsupportedQuery".to_owned()), "{path}");
        let answer = world.advanced(&format!("{path}?$search=%22displayName:a%22"));
        assert_eq!(error(&answer), (501, "not_emulated".to_owned()), "{path}");
    }
    for format in ["json", "JSON", "application/json"] {
        assert_eq!(world.users(&[("$format", format)]).status(), 200);
    }
}

#[test]
fn options_are_known_by_every_spelling() {
    let world = World::new();
    for option in ["$top=2", "top=2", "%24top=2", "$TOP=2", "%24%74op=2"] {
        assert_eq!(names(&world.get(&format!("/v1.0/users?{option}"))).len(), 2, "{option}");
    }
    for twice in [
        "$top=2&$top=3",
        "$top=2&top=2",
        "$filter=id%20eq%20'x'&%24Filter=id%20eq%20'x'",
        "$select=id&$select=mail",
    ] {
        let answer = world.get(&format!("/v1.0/users?{twice}"));
        assert_eq!(error(&answer), (400, "BadRequest".to_owned()), "{twice}");
        assert!(message(&answer).contains("more than once"), "{}", message(&answer));
    }
    for option in [
        "$filter",
        "$filter=",
        "$orderby=",
        "$select=",
        "$skiptoken=",
        "$count=",
        "$format=",
    ] {
        assert_eq!(error(&world.get(&format!("/v1.0/users?{option}"))).0, 400, "{option}");
    }
    // What identifies the request is no option.
    let id = "?client-request-id=9a1f5f6c-6f5b-4c61-9b1a-1f6a7f6c1d11";
    assert_eq!(names(&world.get(&format!("/v1.0/users{id}"))).len(), 7);
}

#[test]
fn next_links_keep_every_option() {
    let world = World::new();
    let options = [
        ("$filter", "displayName ne 'Zoe'"),
        ("orderby", "displayName desc"),
        ("$select", "displayName,id"),
        ("$top", "4"),
        ("$count", "true"),
        ("$format", "json"),
    ];
    let first = world.advanced_users(&options);
    assert_eq!(names(&first), ["Megan", "Diego", "Chris", "Ben"]);
    assert_eq!(json_body(&first)["@odata.count"], 6);
    let link = json_body(&first)["@odata.nextLink"].as_str().unwrap().to_owned();
    for (name, value) in options {
        let name = name.trim_start_matches('$');
        assert!(
            link.contains(&format!("${name}={}", encode(&[("", value)]).trim_start_matches('='))),
            "{name}: {link}"
        );
    }
    let second = world.advanced(&link);
    assert_eq!(names(&second), ["Alex", "adele"]);
    let body = json_body(&second);
    assert_eq!((body.get("@odata.nextLink"), body.get("@odata.count")), (None, None));
    assert_eq!(body["value"][0].as_object().unwrap().len(), 2);
    // The header does not come with the link.
    assert_eq!(error(&world.get(&link)), (400, "Request_UnsupportedQuery".to_owned()));
    // A token is for its own query.
    for other in [
        link.replace("Zoe", "Ben"),
        link.replace("desc", "asc"),
        link.replace("RFN", "XYZ"),
    ] {
        assert_ne!(other, link);
        assert_eq!(error(&world.advanced(&other)).0, 400, "{other}");
    }
    // Without a size there is none in the link.
    let mut tenant = Tenant::new("contoso.example");
    for number in 0..101 {
        tenant = tenant.user(User::new(format!("User{number} Test")));
    }
    let emulator = Emulator::builder().tenant(tenant).build();
    let token = access_token(&emulator, GRAPH);
    let body = json_body(&get_as(&emulator, "/v1.0/users", &token));
    let link = body["@odata.nextLink"].as_str().unwrap();
    assert!(!link.contains("top"), "{link}");
    assert_eq!(names(&get_as(&emulator, link, &token)).len(), 1);
}

#[test]
fn applications_take_the_same_options() {
    let world = World::new();
    let app = &world.emulator.apps()[1];
    let filter = format!("appId eq '{}'", app.client_id);
    let answer = world.get(&format!(
        "/v1.0/applications?{}",
        encode(&[("$filter", &filter), ("$select", "displayName")])
    ));
    assert_eq!(json_body(&answer)["value"], json!([{"displayName": "other"}]));
    let first = json_body(&world.get("/v1.0/applications?$top=1"));
    assert_eq!(first["value"].as_array().unwrap().len(), 1);
    let second = json_body(&world.get(first["@odata.nextLink"].as_str().unwrap()));
    assert_eq!(second["value"][0]["displayName"], "other");
    let answer = world.advanced("/v1.0/applications?$orderby=displayName%20desc&$count=true");
    assert_eq!(json_body(&answer)["value"][0]["displayName"], "other");
    assert_eq!(
        error(&world.get("/v1.0/applications?$orderby=displayName")),
        (400, "Request_UnsupportedQuery".to_owned())
    );
    let one = json_body(&world.get(&format!("/v1.0/applications/{}?$select=appId", app.object_id)));
    assert_eq!(one["appId"], json!(app.client_id));
    assert_eq!(one.as_object().unwrap().len(), 2);
}

#[test]
fn resources_are_found_by_their_key_as_well() {
    let world = World::new();
    let user = &world.emulator.tenants()[0].users.as_ref().unwrap()[2];
    let app = &world.emulator.apps()[1];
    for (path, name) in [
        (format!("v1.0/users('{}')", user.id), "Alex Wilber"),
        (format!("V1.0/Users/{}", user.user_principal_name), "Alex Wilber"),
        (format!("v1.0/users('{}')", user.user_principal_name), "Alex Wilber"),
        (format!("v1.0/applications('{}')", app.object_id), "other"),
        (format!("v1.0/applications(appId='{}')", app.client_id), "other"),
    ] {
        let answer = world.get(&format!("/{path}"));
        assert_eq!(json_body(&answer)["displayName"], name, "{path}");
    }
}

#[test]
fn segments_that_are_not_emulated_say_so() {
    let world = World::new();
    let id = world.emulator.tenants()[0].users.as_ref().unwrap()[0].id.clone();
    for (path, named) in [
        ("/v1.0/devices", "'devices'"),
        ("/v1.0/planets", "'planets'"),
        ("/v1.0/me/messages", "'messages'"),
        ("/v1.0/users/delta", "'delta'"),
        ("/v1.0/users/delta()", "'delta()'"),
        ("/v1.0/users/$ref", "'$ref'"),
        (&format!("/v1.0/users/{id}/transitiveMemberOf"), "'transitiveMemberOf'"),
        (&format!("/v1.0/users('{id}')/manager"), "'manager'"),
        ("/v1.0/users(", "'users('"),
        ("/v1.0/applications/$count/x", "'x'"),
        ("/v1.0/groups/x/owners", "'owners'"),
        ("/v1.0/groups/x/members/$ref", "'$ref'"),
        ("/v1.0/groups(appId='x')", "'groups(appId='"),
        (
            "/v1.0/servicePrincipals/x/oauth2PermissionGrants",
            "'oauth2PermissionGrants'",
        ),
        ("/v1.0/$batch", "'$batch'"),
        ("/v1.0/", "service document"),
        ("/beta/users", "beta"),
        ("/Beta", "beta"),
        ("/v1.0/%00%1b[31m", "[31m"),
    ] {
        // It does not take a token to learn it.
        for answer in [world.get(path), get(&world.emulator, path)] {
            assert_eq!(error(&answer), (501, "not_emulated".to_owned()), "{path}");
            assert!(message(&answer).contains(named), "{path}: {}", message(&answer));
            assert!(!message(&answer).contains('\u{1b}'));
        }
    }
    assert_eq!(world.get("/v1.0/$metadata").status(), 200);
    assert_eq!(error(&world.get("/v1.0/$metadata?$format=json")).0, 501);
}

#[test]
fn methods_that_are_not_emulated_say_so() {
    let world = World::new();
    let id = world.emulator.tenants()[0].users.as_ref().unwrap()[0].id.clone();
    for (method, path) in [
        ("POST", "/v1.0/users".to_owned()),
        ("PATCH", format!("/v1.0/users/{id}")),
        ("DELETE", format!("/v1.0/users/{id}")),
        ("PUT", "/v1.0/applications".to_owned()),
        ("POST", "/v1.0/$batch".to_owned()),
        ("HEAD", "/v1.0/me".to_owned()),
        ("POST", "/v1.0/$metadata".to_owned()),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path.as_str())
            .header("authorization", format!("Bearer {}", world.token));
        let answer = world.emulator.handle(request.body(Vec::new()).unwrap());
        assert_eq!(error(&answer), (501, "not_emulated".to_owned()), "{method} {path}");
        assert!(
            path.contains('$') || message(&answer).contains(method),
            "{}",
            message(&answer)
        );
    }
}
