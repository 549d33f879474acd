//! The other query options.

use entra_emulator::{Emulator, Tenant, User};
use serde_json::json;

use crate::odata::{GRAPH, World, error, message, names};
use crate::support::{access_token, encode, get_as, json_body};

#[test]
fn users_are_sorted() {
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
        let response = world.users(&[("$orderby", order)]);
        assert_eq!(response.status(), 200, "{order}: {}", json_body(&response));
        assert_eq!(names(&response).join(" "), expected, "{order}");
    }
    let mixed = [
        ("$orderBy", "displayName desc"),
        ("$filter", "startsWith(displayName,'a')"),
    ];
    let unsupported = (400, "Request_UnsupportedQuery".to_owned());
    assert_eq!(error(&world.users(&mixed)), unsupported);
    let response = world.advanced_users(&[mixed[0], mixed[1], ("$count", "true")]);
    assert_eq!(names(&response), ["Alex", "adele"]);
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
        let response = world.users(&[("$orderby", order)]);
        assert_eq!(error(&response), (400, "BadRequest".to_owned()), "{order}");
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
    let response = world.advanced_users(&[("$count", "true"), ("$top", "2")]);
    assert_eq!(json_body(&response)["@odata.count"], 7);
    let response = world.advanced_users(&[("$count", "false")]);
    assert_eq!(json_body(&response).get("@odata.count"), None);
    // Graph ignores the option without the header.
    let response = world.users(&[("$count", "true")]);
    assert_eq!(error(&response), (400, "Request_UnsupportedQuery".to_owned()));
    assert!(
        message(&response).contains("ConsistencyLevel: eventual"),
        "{}",
        message(&response)
    );
    assert_eq!(error(&world.users(&[("$count", "yes")])).0, 400);

    for (query, expected) in [
        ("", "7"),
        ("?$filter=startsWith(displayName,'a')", "2"),
        ("?$filter=displayName%20ne%20'Zoe'", "6"),
    ] {
        let response = world.advanced(&format!("/v1.0/users/$count{query}"));
        assert_eq!(
            (response.status().as_u16(), response.body().as_slice()),
            (200, expected.as_bytes()),
            "{query}"
        );
        assert!(
            response.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/plain")
        );
    }
    let response = world.get("/v1.0/users/$count");
    assert_eq!(error(&response), (400, "Request_BadRequest".to_owned()));
    assert_eq!(message(&response), "$count is not currently supported.");
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
            let response = world.get(&format!("{path}?{}", encode(&[("$select", select)])));
            assert_eq!(error(&response).0, code, "{path} {select}");
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
    let response = world.users(&[("$skip", "2")]);
    assert_eq!(error(&response), (400, "Request_BadRequest".to_owned()));
    assert_eq!(message(&response), "'$skip' is not supported by the service.");
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
            let response = world.advanced(&format!("{path}?{option}"));
            assert_eq!(error(&response), (501, "not_emulated".to_owned()), "{path}?{option}");
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
            let response = world.advanced(&format!("{path}?{}", option.replace(' ', "%20")));
            assert_eq!(error(&response), (400, "BadRequest".to_owned()), "{path}?{option}");
        }
    }
    for path in &collections {
        let response = world.get(&format!("{path}?$search=%22displayName:a%22"));
        assert_eq!(error(&response), (400, "Request_UnsupportedQuery".to_owned()), "{path}");
        let response = world.advanced(&format!("{path}?$search=%22displayName:a%22"));
        assert_eq!(error(&response), (501, "not_emulated".to_owned()), "{path}");
    }
    for format in ["json", "JSON", "application/json"] {
        assert_eq!(world.users(&[("$format", format)]).status(), 200);
    }
}

#[test]
fn options_accept_every_spelling() {
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
        let response = world.get(&format!("/v1.0/users?{twice}"));
        assert_eq!(error(&response), (400, "BadRequest".to_owned()), "{twice}");
        assert!(message(&response).contains("more than once"), "{}", message(&response));
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
    // A parameter that identifies the request is not an option.
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
    // The link does not contain the header.
    assert_eq!(error(&world.get(&link)), (400, "Request_UnsupportedQuery".to_owned()));
    // A skip token is bound to its query.
    for other in [
        link.replace("Zoe", "Ben"),
        link.replace("desc", "asc"),
        link.replace("RFN", "XYZ"),
    ] {
        assert_ne!(other, link);
        assert_eq!(error(&world.advanced(&other)).0, 400, "{other}");
    }
    // Without `$top`, the link has none.
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
    let response = world.get(&format!(
        "/v1.0/applications?{}",
        encode(&[("$filter", &filter), ("$select", "displayName")])
    ));
    assert_eq!(json_body(&response)["value"], json!([{"displayName": "other"}]));
    let first = json_body(&world.get("/v1.0/applications?$top=1"));
    assert_eq!(first["value"].as_array().unwrap().len(), 1);
    let second = json_body(&world.get(first["@odata.nextLink"].as_str().unwrap()));
    assert_eq!(second["value"][0]["displayName"], "other");
    let response = world.advanced("/v1.0/applications?$orderby=displayName%20desc&$count=true");
    assert_eq!(json_body(&response)["value"][0]["displayName"], "other");
    assert_eq!(
        error(&world.get("/v1.0/applications?$orderby=displayName")),
        (400, "Request_UnsupportedQuery".to_owned())
    );
    let one = json_body(&world.get(&format!("/v1.0/applications/{}?$select=appId", app.object_id)));
    assert_eq!(one["appId"], json!(app.client_id));
    assert_eq!(one.as_object().unwrap().len(), 2);
}
