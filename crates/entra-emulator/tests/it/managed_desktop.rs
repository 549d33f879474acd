//! Managed Desktop: its audience is not its host, and each query option is applied or rejected.

use std::time::Duration;

use entra_emulator::{App, Config, Emulator, EmulatorBuilder, Fault, ManagedDevice, Tenant, User};
use http::Request;
use serde_json::{Value, json};

use crate::support::{Response, access_token, authorize_url, form, get_as, json_body, post, token};

const SCOPE: &str = "https://mwaas-services-customerapi-prod.azurewebsites.net/.default";

/// Returns an emulator with five devices of two users, and one without a user.
fn emulator() -> Emulator {
    let mut tenant = Tenant::new("contoso.example")
        .user(User::new("Adele Vance"))
        .user(User::new("Alex Wilber"))
        .user(User::new("Megan Bowen"));
    for number in 1..=5 {
        let user = if number % 2 == 1 {
            "adele@contoso.example"
        } else {
            "alex@contoso.example"
        };
        tenant = tenant.managed_device(ManagedDevice::new(format!("MMD-{number}")).user(user));
    }
    Emulator::builder()
        .tenant(tenant.managed_device(ManagedDevice::new("MMD-6").elevated()))
        .build()
}

fn get(emulator: &Emulator, path: &str) -> Response {
    let url = if path.starts_with("http") {
        path.to_owned()
    } else {
        format!("{}{path}", emulator.managed_desktop_url())
    };
    get_as(emulator, &url, &access_token(emulator, SCOPE))
}

fn each(body: &Value, name: &str) -> Vec<String> {
    let items = body["value"].as_array().unwrap_or_else(|| panic!("no list in {body}"));
    items
        .iter()
        .map(|item| item[name].as_str().unwrap().to_owned())
        .collect()
}

fn error(response: &Response) -> (u16, String) {
    let message = json_body(response)["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (response.status().as_u16(), message)
}

#[test]
fn default_application_lists_generated_devices() {
    let emulator = Emulator::builder().seed(7).build();
    let body = json_body(&get(&emulator, "/devices"));
    assert_eq!(
        body["@odata.context"],
        "https://mmd-support-prod-nam.trafficmanager.net/odata/v1/$metadata#Devices"
    );
    let users = emulator.tenants()[0].users.as_ref().unwrap();
    assert_eq!(body["value"].as_array().unwrap().len(), users.len());
    let device = &body["value"][0];
    assert_eq!(device["userUpn"], "adele@contoso.onmicrosoft.com");
    assert_eq!(device["tenantId"], emulator.tenant_id());
    assert!(device["name"].as_str().unwrap().starts_with("MMD-"), "{device}");
    let again = Emulator::builder().seed(7).build();
    assert_eq!(
        json_body(&get(&again, "/devices")),
        body,
        "a seed yields the same devices"
    );
    assert_ne!(json_body(&get(&Emulator::builder().build(), "/devices")), body);
}

#[test]
fn configured_devices_are_listed() {
    let config = json!({"tenants": [{
        "domain": "contoso.example",
        "users": [{"display_name": "Adele Vance"}],
        "managed_devices": [{
            "name": "MMD-1", "serial_number": "S1", "model": "Surface Pro", "user": "adele@contoso.example",
            "update_ring": "First", "compliance_state": "NonCompliant", "enrolled": "2021-02-25T07:42:07Z",
        }],
    }]});
    let emulator = EmulatorBuilder::from(Config::from_json(&config.to_string()).unwrap()).build();
    let body = json_body(&get(&emulator, "/devices/mmd-1"));
    for (name, value) in [
        ("serialNumber", "S1"),
        ("model", "Surface Pro"),
        ("primaryUpdateRing", "First"),
        ("complianceState", "NonCompliant"),
        ("enrolledIntoIntuneDateTimeUtc", "2021-02-25T07:42:07Z"),
        ("assignedUser", "Adele Vance"),
    ] {
        assert_eq!(body[name], value, "{name}");
    }
    assert!(body["@odata.context"].as_str().unwrap().ends_with("#Devices/$entity"));
}

#[test]
fn pages_are_cut_by_skip_and_top() {
    let emulator = emulator();
    for (options, expected, has_more) in [
        ("", "1 2 3 4 5 6", false),
        ("?$top=2", "1 2", true),
        ("?$skip=4", "5 6", false),
        ("?$skip=1&$top=2", "2 3", true),
        ("?skip=1&top=2", "2 3", true),
        ("?%24SKIP=4&$Top=2", "5 6", false),
        ("?$skip=6", "", false),
        ("?$skip=99999999999999999999999", "", false),
        ("?$top=0", "", false),
        ("?$top=99999999999999999999999&$skip=5", "6", false),
    ] {
        let body = json_body(&get(&emulator, &format!("/devices{options}")));
        let names = each(&body, "name").join(" ").replace("MMD-", "");
        assert_eq!(
            (names.as_str(), body.get("@odata.nextLink").is_some()),
            (expected, has_more),
            "{options}"
        );
    }
    let mut next = Some("/devices?searchText=mmd&$top=4&$skip=1".to_owned());
    let mut names = Vec::new();
    while let Some(link) = next {
        let body = json_body(&get(&emulator, &link));
        names.extend(each(&body, "name"));
        next = body["@odata.nextLink"].as_str().map(str::to_owned);
        if let Some(link) = &next {
            assert!(link.ends_with("/devices?searchText=mmd&$top=4&$skip=5"), "{link}");
        }
    }
    assert_eq!(names, ["MMD-2", "MMD-3", "MMD-4", "MMD-5", "MMD-6"]);
}

#[test]
fn search_uses_the_documented_properties() {
    let emulator = emulator();
    let serial = emulator.tenants()[0].managed_devices.as_ref().unwrap()[2]
        .serial_number
        .clone();
    let global = json_body(&get(&emulator, "/devices/MMD-4"))["globalDeviceId"]
        .as_str()
        .unwrap()
        .to_owned();
    for (text, expected) in [
        ("mmd-3", "3"),
        (&serial, "3"),
        (&global, "4"),
        ("ALEX@contoso.example", "2 4"),
        ("Surface", ""),
        ("", "1 2 3 4 5 6"),
    ] {
        let body = json_body(&get(&emulator, &format!("/devices?searchText={text}")));
        assert_eq!(each(&body, "name").join(" ").replace("MMD-", ""), expected, "{text}");
    }
    for (text, expected) in [
        ("", "Adele Vance, Alex Wilber"),
        ("alex", "Alex Wilber"),
        ("mmd-5", "Adele Vance"),
        (&serial, "Adele Vance"),
        ("megan", ""),
    ] {
        let body = json_body(&get(&emulator, &format!("/users?searchText={text}")));
        assert_eq!(each(&body, "name").join(", "), expected, "{text}");
    }
}

#[test]
fn users_have_their_devices() {
    let emulator = emulator();
    let body = json_body(&get(&emulator, "/users?$top=1"));
    assert_eq!(each(&body, "upn"), ["adele@contoso.example"]);
    let devices = body["value"][0]["devices"].as_array().unwrap();
    assert_eq!(
        devices.iter().map(|device| &device["name"]).collect::<Vec<_>>(),
        ["MMD-1", "MMD-3", "MMD-5"]
    );
    assert!(body["@odata.nextLink"].is_string());
    let one = json_body(&get(&emulator, "/users/adele@contoso.example"));
    assert_eq!(one["value"], body["value"]);
    for path in ["/users/megan@contoso.example", "/users/unknown"] {
        assert_eq!(
            error(&get(&emulator, path)),
            (404, "This user does not exist.".to_owned()),
            "{path}"
        );
    }
}

#[test]
fn elevation_details_need_an_open_request() {
    let emulator = emulator();
    let body = json_body(&get(&emulator, "/devices/MMD-6/elevationDetails"));
    assert!(
        body["@odata.context"]
            .as_str()
            .unwrap()
            .ends_with("#Microsoft.ManagedDesktop.DeviceElevationDetail")
    );
    assert_eq!(
        (&body["deviceName"], &body["status"]),
        (&json!("MMD-6"), &json!("PasswordSucceeded"))
    );
    for (path, expected) in [
        (
            "/devices/MMD-1/elevationDetails",
            "This device has no open elevation request.",
        ),
        ("/devices/MMD-7/elevationDetails", "This device does not exist."),
        ("/devices/MMD-7", "This device does not exist."),
    ] {
        assert_eq!(error(&get(&emulator, path)), (404, expected.to_owned()), "{path}");
    }
}

#[test]
fn options_are_applied_or_rejected() {
    let emulator = emulator();
    for (path, status) in [
        ("/devices?$filter=name%20eq%20'MMD-1'", 501),
        ("/devices?$count=true", 501),
        ("/devices?$orderby=name", 501),
        ("/devices?$select=name", 501),
        ("/devices?$search=x", 501),
        ("/devices?$searchText=x", 501),
        ("/devices?x=1", 501),
        ("/devices/MMD-1?$select=name", 501),
        ("/devices/MMD-6/elevationDetails?$top=1", 501),
        ("/devices/$count", 404),
        ("/devices/MMD-1/x", 501),
        ("/tickets", 501),
        ("", 501),
        ("/devices?$top=-1", 400),
        ("/devices?$top=", 400),
        ("/devices?$skip=1.5", 400),
        ("/devices?$skip=1&skip=1", 400),
        ("/devices?searchText=a&SearchText=a", 400),
    ] {
        let response = get(&emulator, path);
        let body = json_body(&response);
        assert_eq!(response.status(), status, "{path}: {body}");
        let code = if status == 501 {
            "not_emulated".to_owned()
        } else {
            status.to_string()
        };
        assert_eq!(body["error"]["code"], code, "{path}");
        assert!(body["error"]["message"].is_string());
    }
    let request = |method: &str, accept: &str| {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/devices", emulator.managed_desktop_url()))
            .header("accept", accept)
            .header("authorization", format!("Bearer {}", access_token(&emulator, SCOPE)));
        emulator.handle(request.body(Vec::new()).unwrap()).status().as_u16()
    };
    assert_eq!(request("GET", "text/html, application/json;q=0.5"), 200);
    assert_eq!(request("GET", "text/html"), 501);
    assert_eq!(request("POST", "application/json"), 501);
}

#[test]
fn tokens_for_its_host_or_for_graph_are_rejected() {
    let host = "https://mmdls.microsoft.com";
    let emulator = Emulator::builder()
        .api(entra_emulator::Api::new(host))
        .app(App::new("daemon").grant(Emulator::MANAGED_DESKTOP, "MmdSupport.ReadWrite"))
        .build();
    let url = format!("{}/devices", emulator.managed_desktop_url());
    for audience in [host, Emulator::GRAPH] {
        let response = get_as(
            &emulator,
            &url,
            &access_token(&emulator, &format!("{audience}/.default")),
        );
        assert_eq!(error(&response), (401, format!("The audience '{audience}' is invalid")));
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{challenge}");
    }
    // The application ID and a doubled slash name the same API.
    for scope in [SCOPE.replace("/.default", "//.default"), SCOPE.to_owned()] {
        assert_eq!(
            get_as(&emulator, &url, &access_token(&emulator, &scope)).status(),
            200,
            "{scope}"
        );
    }
    let v1 = form(&emulator, &[("resource", Emulator::MANAGED_DESKTOP)]);
    let v1 = json_body(&token(&emulator, "token", &v1));
    assert_eq!(
        get_as(&emulator, &url, v1["access_token"].as_str().unwrap()).status(),
        200
    );
    // The same rules apply if the request names the real host.
    let url = format!("{host}/support/odata/v1/tenants/{}/devices", emulator.tenant_id());
    assert_eq!(get(&emulator, &url).status(), 200);
}

#[test]
fn invalid_tokens_are_rejected() {
    let emulator = Emulator::builder().build();
    emulator.clock().freeze();
    let url = format!("{}/devices", emulator.managed_desktop_url());
    let good = access_token(&emulator, SCOPE);
    for (token, expected) in [
        ("", "The request has no access token."),
        ("a.b", "The access token is malformed"),
        (&format!("{}AAAA", &good[..good.len() - 4]), "The signature is invalid"),
    ] {
        assert_eq!(error(&get_as(&emulator, &url, token)), (401, expected.to_owned()));
    }
    emulator.clock().advance(Duration::from_secs(3_600));
    assert_eq!(
        error(&get_as(&emulator, &url, &good)),
        (401, "The token expired".to_owned())
    );
    emulator.reset();
    emulator.revoke_tokens();
    assert_eq!(get_as(&emulator, &url, &good).status(), 401);
}

#[test]
fn missing_consent_and_foreign_tenants_are_forbidden() {
    let app = App::new("daemon").request(Emulator::MANAGED_DESKTOP, "MmdSupport.ReadWrite");
    let emulator = Emulator::builder().app(app).build();
    let expected = "The access token does not have the permission MmdSupport.ReadWrite.";
    for path in [
        "/devices",
        "/users",
        "/devices/x/elevationDetails",
        "/devices/x",
        "/users/x",
    ] {
        assert_eq!(error(&get(&emulator, path)), (403, expected.to_owned()), "{path}");
    }
    let two = Emulator::builder()
        .tenant(Tenant::new("a.example"))
        .tenant(Tenant::new("b.example"))
        .app(App::new("daemon").grant(Emulator::MANAGED_DESKTOP, "MmdSupport.ReadWrite"))
        .build();
    let path = |tenant: &str| format!("http://127.0.0.1/support/odata/v1/tenants/{tenant}/devices");
    let (status, message) = error(&get(&two, &path(&two.tenants()[1].id)));
    assert_eq!(status, 403);
    assert!(message.contains(two.tenant_id()), "{message}");
    assert_eq!(get(&two, &path(two.tenant_id())).status(), 200);
}

#[test]
fn users_read_devices_but_no_passwords() {
    let app = App::new("web")
        .secret("s3cret")
        .redirect_uri("http://localhost")
        .grant(Emulator::MANAGED_DESKTOP, "MmdSupport.ReadWrite")
        .grant_scope(Emulator::MANAGED_DESKTOP, "MWaaSDevice.Read");
    let emulator = Emulator::builder().app(app).build();
    let scope = "https://mwaas-services-customerapi-prod.azurewebsites.net/MWaaSDevice.Read";
    let url = authorize_url(
        &emulator,
        "v2.0/authorize",
        &[("redirect_uri", "http://localhost"), ("scope", scope), ("state", "x")],
    );
    let redirect = emulator.approve(&url, "Adele Vance").unwrap();
    let code = redirect.parameter("code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", emulator.client_id()),
        ("client_secret", "s3cret"),
        ("redirect_uri", "http://localhost"),
        ("code", code.as_str()),
    ];
    let body = json_body(&post(&emulator, &emulator.token_url_v2(), &fields));
    let token = body["access_token"].as_str().unwrap_or_else(|| panic!("{body}"));
    let status = |path: &str| {
        let url = format!("{}{path}", emulator.managed_desktop_url());
        get_as(&emulator, &url, token).status().as_u16()
    };
    let device = emulator.tenants()[0].managed_devices.as_ref().unwrap()[0].name.clone();
    assert_eq!((status("/devices"), status("/users")), (200, 200));
    assert_eq!(status(&format!("/devices/{device}/elevationDetails")), 403);
}

#[test]
fn faults_apply_to_managed_desktop() {
    let emulator = emulator();
    let fault = Fault::status(429).retry_after(Duration::from_secs(2)).on("/devices");
    emulator.fault(fault);
    let response = get(&emulator, "/devices");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"2".parse().unwrap())
    );
    assert_eq!(get(&emulator, "/devices").status(), 200);
}
