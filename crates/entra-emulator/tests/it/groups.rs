//! Groups and service principals of Graph: permissions, properties and queries.

use entra_emulator::{Api, App, Config, Emulator, EmulatorBuilder, Group, Machine, Tenant, User};
use http::Request;
use serde_json::{Value, json};

use crate::support::{Response, access_token, get_as, json_body};

const GRAPH: &str = "https://graph.microsoft.com/.default";

/// Returns a tenant with two users, a security group, a Microsoft 365 group, and an application
/// that is a member.
fn builder(roles: &[&str]) -> EmulatorBuilder {
    let tenant = Tenant::new("contoso.example")
        .user(User::new("Adele Vance"))
        .user(User::new("Alex Wilber"))
        .group(Group::new("Sales Team").microsoft_365().member("alex@contoso.example"))
        .group(
            Group::new("Everyone")
                .member("adele@contoso.example")
                .member("sales team")
                .member("daemon"),
        )
        .group(Group::new("None"));
    let app = roles
        .iter()
        .fold(App::new("daemon"), |app, role| app.grant(Emulator::GRAPH, *role));
    Emulator::builder().tenant(tenant).app(app)
}

fn get(emulator: &Emulator, path: &str) -> Response {
    get_as(emulator, path, &access_token(emulator, GRAPH))
}

fn advanced(emulator: &Emulator, path: &str) -> Response {
    let token = access_token(emulator, GRAPH);
    let request = Request::get(path)
        .header("authorization", format!("Bearer {token}"))
        .header("consistencylevel", "eventual");
    emulator.handle(request.body(Vec::new()).unwrap())
}

/// Returns one property of each item on a page.
fn each<'a>(body: &'a Value, name: &str) -> Vec<&'a str> {
    let items = body["value"].as_array().unwrap_or_else(|| panic!("no list in {body}"));
    items.iter().map(|item| item[name].as_str().unwrap_or("null")).collect()
}

fn group_id(emulator: &Emulator, at: usize) -> String {
    emulator.tenants()[0].groups.as_ref().unwrap()[at].id.clone()
}

fn code(response: &Response) -> (u16, String) {
    let code = json_body(response)["error"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (response.status().as_u16(), code)
}

#[test]
fn groups_are_listed_with_their_properties() {
    let emulator = builder(&["Group.Read.All"]).build();
    let response = get(&emulator, "/v1.0/groups");
    let body = json_body(&response);
    assert_eq!(
        body["@odata.context"],
        "https://graph.microsoft.com/v1.0/$metadata#groups"
    );
    assert_eq!(each(&body, "displayName"), ["Sales Team", "Everyone", "None"]);
    let sales = &body["value"][0];
    for (name, value) in [
        ("groupTypes", json!(["Unified"])),
        ("mail", json!("SalesTeam@contoso.example")),
        ("mailEnabled", json!(true)),
        ("securityEnabled", json!(false)),
        ("proxyAddresses", json!(["SMTP:SalesTeam@contoso.example"])),
    ] {
        assert_eq!(sales[name], value, "{name}");
    }
    let everyone = json_body(&get(&emulator, &format!("/v1.0/groups/{}", group_id(&emulator, 1))));
    assert_eq!(
        everyone["@odata.context"],
        "https://graph.microsoft.com/v1.0/$metadata#groups/$entity"
    );
    assert_eq!(
        (&everyone["securityEnabled"], &everyone["mail"]),
        (&json!(true), &Value::Null)
    );
    let by_key = format!("/v1.0/Groups('{}')?$select=id", group_id(&emulator, 1));
    assert_eq!(json_body(&get(&emulator, &by_key))["id"], everyone["id"]);
    assert_eq!(
        code(&get(&emulator, "/v1.0/groups/unknown")),
        (404, "Request_ResourceNotFound".into())
    );
}

#[test]
fn properties_are_in_graphs_order() {
    let emulator = builder(&[]).build();
    let path = format!("/v1.0/applications/{}", emulator.object_id());
    let text = String::from_utf8(get(&emulator, &path).into_body()).unwrap();
    let names = [
        "@odata.context",
        "id",
        "deletedDateTime",
        "appId",
        "applicationTemplateId",
        "disabledByMicrosoftStatus",
        "createdDateTime",
        "displayName",
        "description",
        "groupMembershipClaims",
    ];
    let places = names.map(|name| text.find(&format!("\"{name}\":")).expect(name));
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn each_collection_needs_one_of_its_permissions() {
    let reads = |role: &str, path: &str| {
        let emulator = builder(&[role]).build();
        let response = get(&emulator, path);
        if response.status() != 200 {
            assert_eq!(
                code(&response),
                (403, "Authorization_RequestDenied".into()),
                "{role} {path}"
            );
            let inner = &json_body(&response)["error"]["innerError"];
            assert!(inner["request-id"].is_string() && inner["date"].is_string(), "{inner}");
        }
        response.status() == 200
    };
    for (path, roles) in [
        ("/v1.0/users", &["User.Read.All", "Directory.Read.All"][..]),
        (
            "/v1.0/groups",
            &[
                "GroupMember.Read.All",
                "Group.Read.All",
                "Group.ReadWrite.All",
                "Directory.Read.All",
            ],
        ),
        (
            "/v1.0/applications",
            &[
                "Application.Read.All",
                "Application.ReadWrite.OwnedBy",
                "Directory.Read.All",
            ],
        ),
        (
            "/v1.0/servicePrincipals",
            &[
                "Application.Read.All",
                "Application.ReadWrite.OwnedBy",
                "Directory.Read.All",
            ],
        ),
        ("/v1.0/organization", &["Organization.Read.All", "Directory.Read.All"]),
    ] {
        for role in [
            "User.Read.All",
            "GroupMember.Read.All",
            "Group.Read.All",
            "Group.ReadWrite.All",
            "Application.Read.All",
            "Application.ReadWrite.OwnedBy",
            "Organization.Read.All",
            "Directory.Read.All",
        ] {
            assert_eq!(reads(role, path), roles.contains(&role), "{role} {path}");
        }
    }
}

#[test]
fn group_members_have_mixed_types() {
    let emulator = builder(&["Directory.Read.All"]).build();
    let path = format!("/v1.0/groups/{}/members", group_id(&emulator, 1));
    let body = json_body(&get(&emulator, &path));
    assert_eq!(
        body["@odata.context"],
        "https://graph.microsoft.com/v1.0/$metadata#directoryObjects"
    );
    assert_eq!(
        each(&body, "@odata.type"),
        [
            "#microsoft.graph.user",
            "#microsoft.graph.group",
            "#microsoft.graph.servicePrincipal"
        ]
    );
    assert_eq!(each(&body, "displayName"), ["Adele Vance", "Sales Team", "daemon"]);
    assert_eq!(body["value"][0]["userPrincipalName"], "adele@contoso.example");
    assert_eq!(body["value"][0].get("groupTypes"), None, "a user has no group types");
    let body = json_body(&get(&emulator, &format!("{path}?$select=id,groupTypes,userType")));
    assert_eq!(body["value"][0].as_object().unwrap().len(), 3, "{body}");
    assert_eq!(body["value"][0]["userType"], "Member");
    assert_eq!(body["value"][1]["groupTypes"], json!(["Unified"]));
    let empty = format!("/v1.0/groups/{}/members", group_id(&emulator, 2));
    assert_eq!(json_body(&get(&emulator, &empty))["value"], json!([]));
    assert_eq!(get(&emulator, "/v1.0/groups/unknown/members").status(), 404);
}

#[test]
fn unreadable_members_show_only_their_id() {
    let emulator = builder(&["GroupMember.Read.All"]).build();
    let path = format!("/v1.0/groups/{}/members?$select=id,displayName", group_id(&emulator, 1));
    let body = json_body(&get(&emulator, &path));
    assert_eq!(each(&body, "displayName"), ["null", "Sales Team", "null"]);
    let users = emulator.tenants()[0].users.as_ref().unwrap();
    assert_eq!(body["value"][0]["id"], users[0].id.as_str());
    assert_eq!(body["value"][2]["id"], emulator.apps()[0].service_principal_id.as_str());
}

#[test]
fn members_are_paged_and_counted() {
    let tenant = (0..7).fold(Tenant::new("contoso.example"), |tenant, number| {
        tenant.user(User::new(format!("User{number} Test")))
    });
    let app = App::new("daemon").grant(Emulator::GRAPH, "Directory.Read.All");
    let emulator = Emulator::builder().tenant(tenant).app(app).build();
    let path = format!("/v1.0/groups/{}/members", group_id(&emulator, 0));
    let mut next = Some(format!("http://127.0.0.1{path}?$top=3&$select=displayName"));
    let (mut names, mut links) = (Vec::new(), Vec::new());
    while let Some(link) = next {
        let body = json_body(&get(&emulator, &link));
        names.extend(each(&body, "displayName").iter().map(|name| (*name).to_owned()));
        next = body["@odata.nextLink"].as_str().map(str::to_owned);
        links.push(link);
    }
    assert_eq!((names.len(), links.len()), (7, 3), "all users are members by default");
    // A link belongs to its group, even if the other group has such a page.
    let first = json_body(&get(&emulator, &format!("{path}?$top=1")));
    let link = first["@odata.nextLink"].as_str().unwrap();
    assert_eq!(get(&emulator, link).status(), 200);
    let other = link.replace(&group_id(&emulator, 0), &group_id(&emulator, 1));
    assert_eq!(code(&get(&emulator, &other)), (400, "Request_BadRequest".into()));
    assert_eq!(advanced(&emulator, &format!("{path}/$count")).body(), b"7");
    assert_eq!(get(&emulator, &format!("{path}/$count")).status(), 400);
    let path = format!("{path}?$count=true&$filter=startsWith(displayName,'user6')&$orderby=displayName");
    let body = json_body(&advanced(&emulator, &path));
    assert_eq!(
        (each(&body, "displayName"), &body["@odata.count"]),
        (vec!["User6 Test"], &json!(1))
    );
}

#[test]
fn group_filters_are_applied_or_rejected() {
    let emulator = builder(&["Group.Read.All"]).build();
    for (filter, expected) in [
        ("groupTypes/any(c:c eq 'Unified')", &["Sales Team"][..]),
        (
            "groupTypes/any(x: x eq 'unified') and mailEnabled eq true",
            &["Sales Team"],
        ),
        ("securityEnabled eq true", &["Everyone", "None"]),
        (
            "startsWith(displayName,'no') or displayName eq 'EVERYONE'",
            &["Everyone", "None"],
        ),
        ("mailNickname eq 'salesteam'", &["Sales Team"]),
        (
            "proxyAddresses/any(p:p eq 'smtp:SalesTeam@contoso.example')",
            &["Sales Team"],
        ),
    ] {
        let path = format!("/v1.0/groups?$filter={}", filter.replace(' ', "%20"));
        let response = get(&emulator, &path);
        assert_eq!(response.status(), 200, "{filter}: {}", json_body(&response));
        assert_eq!(each(&json_body(&response), "displayName"), expected, "{filter}");
    }
    let path = "/v1.0/groups?$count=true&$filter=not%20groupTypes/any(c:c%20eq%20'Unified')";
    assert_eq!(
        each(&json_body(&advanced(&emulator, path)), "displayName"),
        ["Everyone", "None"]
    );
    assert_eq!(code(&get(&emulator, path)), (400, "Request_UnsupportedQuery".into()));
    for (filter, expected) in [
        ("groupTypes/any(c:startsWith(c,'U'))", (501, "not_emulated")),
        ("groupTypes/any(c:d eq 'Unified')", (501, "not_emulated")),
        ("groupTypes/any(c:c ne 'Unified')", (501, "not_emulated")),
        ("groupTypes/all(c:c eq 'Unified')", (501, "not_emulated")),
        ("groupTypes/any(", (501, "not_emulated")),
        ("groupTypes eq 'Unified'", (400, "BadRequest")),
        ("members/any(m:m eq 'x')", (501, "not_emulated")),
        ("nothing eq 'x'", (400, "BadRequest")),
        ("visibility eq 'Private'", (501, "not_emulated")),
    ] {
        let path = format!("/v1.0/groups?$filter={}", filter.replace(' ', "%20"));
        assert_eq!(
            code(&get(&emulator, &path)),
            (expected.0, expected.1.to_owned()),
            "{filter}"
        );
    }
    let names = json_body(&get(&emulator, "/v1.0/groups?$orderby=displayName%20desc&$top=2"));
    assert_eq!(each(&names, "displayName"), ["Sales Team", "None"]);
    assert_eq!(advanced(&emulator, "/v1.0/groups/$count").body(), b"3");
}

#[test]
fn service_principals_are_found_by_both_ids() {
    let api = Api::new("api://orders").role("Orders.Read.All").scope("Orders.Read");
    let emulator = builder(&["Application.Read.All"])
        .api(api)
        .app(App::new("elsewhere").only_in("contoso.example").disabled())
        .build();
    let body = json_body(&get(&emulator, "/v1.0/servicePrincipals?$select=displayName"));
    let names = each(&body, "displayName");
    for name in ["daemon", "elsewhere", "Microsoft Graph", "api0"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    let app = &emulator.apps()[0];
    let path = format!("/v1.0/servicePrincipals(appId='{}')", app.client_id);
    let own = json_body(&get(&emulator, &path));
    assert_eq!(own["id"], app.service_principal_id.as_str());
    assert_eq!(own["servicePrincipalNames"], json!([app.client_id]));
    let by_id = json_body(&get(
        &emulator,
        &format!("/v1.0/servicePrincipals/{}", app.service_principal_id),
    ));
    assert_eq!(by_id, own);
    // The application object has another ID.
    for id in [&app.object_id, &app.client_id] {
        let path = format!("/v1.0/servicePrincipals/{id}");
        assert_eq!(code(&get(&emulator, &path)), (404, "Request_ResourceNotFound".into()));
    }
    let path = format!(
        "/v1.0/servicePrincipals(appId='{}')?$select=appRoles",
        emulator.api().app_id
    );
    assert_eq!(
        json_body(&get(&emulator, &path))["appRoles"][0]["value"],
        "Orders.Read.All"
    );
    let path = "/v1.0/servicePrincipals?$filter=servicePrincipalNames/any(n:n%20eq%20'https://graph.microsoft.com')";
    assert_eq!(
        each(&json_body(&get(&emulator, path)), "displayName"),
        ["Microsoft Graph"]
    );
    let path = "/v1.0/servicePrincipals?$filter=accountEnabled%20eq%20false";
    assert_eq!(each(&json_body(&get(&emulator, path)), "displayName"), ["elsewhere"]);
}

#[test]
fn app_reads_its_own_service_principal_without_a_permission() {
    let emulator = builder(&[]).app(App::new("other")).build();
    let path = |at: usize| format!("/v1.0/servicePrincipals/{}", emulator.apps()[at].service_principal_id);
    assert_eq!(get(&emulator, &path(0)).status(), 200);
    assert_eq!(get(&emulator, &path(1)).status(), 403);
    assert_eq!(
        get(&emulator, "/v1.0/servicePrincipals/unknown").status(),
        403,
        "unknown and forbidden IDs are indistinguishable"
    );
    assert_eq!(get(&emulator, &format!("{}/appRoleAssignments", path(0))).status(), 403);
}

#[test]
fn role_assignments_are_listed_from_both_sides() {
    let builder = builder(&["Application.Read.All", "Group.Read.All"]);
    let emulator = builder.machine(Machine::default().without_identities()).build();
    let app = &emulator.apps()[0];
    let path = format!(
        "/v1.0/servicePrincipals/{}/appRoleAssignments",
        app.service_principal_id
    );
    let held = json_body(&get(&emulator, &path));
    assert_eq!(
        each(&held, "resourceDisplayName"),
        ["Microsoft Graph", "Microsoft Graph"]
    );
    assert_eq!(each(&held, "principalId"), [app.service_principal_id.as_str(); 2]);
    let graph = "/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')";
    let roles = json_body(&get(&emulator, &format!("{graph}?$select=id,appRoles")));
    let role = |id: &str| {
        let roles = roles["appRoles"].as_array().unwrap();
        roles
            .iter()
            .find(|role| role["id"] == id)
            .map(|role| role["value"].as_str().unwrap())
    };
    let ids = each(&held, "appRoleId");
    assert_eq!(
        ids.into_iter().map(role).collect::<Vec<_>>(),
        [Some("Application.Read.All"), Some("Group.Read.All")]
    );
    assert_eq!(held["value"][0]["resourceId"], roles["id"]);
    let given = json_body(&get(&emulator, &format!("{graph}/appRoleAssignedTo")));
    assert_eq!(given["value"], held["value"]);
}

#[test]
fn registration_lists_requested_permissions() {
    let app = App::new("web")
        .multi_tenant()
        .redirect_uri("https://app.example/cb")
        .certificate_pem(include_str!("../certificates/app.crt"))
        .request(Emulator::GRAPH, "Group.Read.All")
        .request_scope(Emulator::GRAPH, "User.Read");
    let emulator = Emulator::builder().app(app).build();
    let path = format!("/v1.0/applications/{}", emulator.object_id());
    let body = json_body(&get(&emulator, &path));
    assert_eq!(body["signInAudience"], "AzureADMultipleOrgs");
    assert_eq!(body["web"]["redirectUris"], json!(["https://app.example/cb"]));
    assert_eq!(body["publicClient"]["redirectUris"], json!([]));
    assert_eq!(
        body["keyCredentials"][0]["keyId"],
        emulator.apps()[0].key_credentials[0].key_id.as_str()
    );
    let access = &body["requiredResourceAccess"][0];
    assert_eq!(access["resourceAppId"], "00000003-0000-0000-c000-000000000000");
    let kinds: Vec<&Value> = access["resourceAccess"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["type"])
        .collect();
    assert_eq!(kinds, ["Role", "Scope"]);
    assert!(!body.to_string().contains(emulator.client_secret()));
    // The client ID is not the object ID.
    let path = format!("/v1.0/applications/{}", emulator.client_id());
    assert_eq!(get(&emulator, &path).status(), 403);
}

#[test]
fn organization_names_the_tenant() {
    let emulator = builder(&["Organization.Read.All"]).build();
    let body = json_body(&get(
        &emulator,
        "/v1.0/organization?$select=id,verifiedDomains,tenantType",
    ));
    assert_eq!(body["value"][0]["id"], emulator.tenant_id());
    assert_eq!(body["value"][0]["verifiedDomains"][0]["name"], "contoso.example");
    let path = format!("/v1.0/organization/{}", emulator.tenant_id());
    assert_eq!(json_body(&get(&emulator, &path))["tenantType"], "AAD");
    assert_eq!(get(&emulator, "/v1.0/organization/unknown").status(), 404);
    assert_eq!(get(&emulator, "/v1.0/organization/$count").status(), 501);
}

#[test]
fn invalid_group_members_are_rejected() {
    let problem = |tenant: Value| {
        let config = json!({"tenants": [tenant], "apps": [{"name": "daemon"}]});
        let built = EmulatorBuilder::from(Config::from_json(&config.to_string()).unwrap()).try_build();
        built.expect_err("a problem").to_string()
    };
    let users = json!([{"display_name": "Adele Vance"}]);
    for (groups, expected) in [
        (
            json!([{"members": ["canary"]}]),
            "tenants[0].groups[0].members[0]: nothing in the tenant has this ID or name",
        ),
        (
            json!([{"display_name": "a", "members": ["A"]}]),
            "tenants[0].groups[0].members[0]: a group cannot be a member of itself",
        ),
        (
            json!([{"display_name": "a"}, {"display_name": "a"}, {"members": ["a"]}]),
            "tenants[0].groups[2].members[0]: several objects have this name: use an object ID",
        ),
        (json!([{"members": ["daemon", "daemon"]}]), "the member of a group"),
        (json!([{"id": "1"}]), "tenants[0].groups[0].id is not a GUID"),
    ] {
        let said = problem(json!({"domain": "contoso.example", "users": users, "groups": groups}));
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
    let devices = json!([{"user": "canary@contoso.example"}]);
    let said = problem(json!({"domain": "contoso.example", "users": users, "managed_devices": devices}));
    assert!(
        said.contains("tenants[0].managed_devices[0].user: nothing in the tenant"),
        "{said}"
    );
}
