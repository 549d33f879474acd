//! Configured user properties, in queries of Graph and at sign-ins.

use entra_emulator::{Config, Emulator, EmulatorBuilder};
use http::Request;
use serde_json::{Value, json};

use crate::support::{Response, access_token, encode, json_body};

const GRAPH: &str = "https://graph.microsoft.com/.default";

fn emulator() -> Emulator {
    let config = json!({
        "tenants": [{"domain": "contoso.example", "users": [
            {
                "display_name": "Adele Vance", "department": "Sales", "employee_id": "E1",
                "created_date_time": "2024-03-01T08:00:00Z", "office_location": "18/2111", "mobile_phone": "+1 555 0100",
                "usage_location": "DE", "company_name": "Contoso", "mail": "Adele.Vance@mail.example",
            },
            {"display_name": "Dr. Alex Wilber", "given_name": "Alex", "surname": "Wilber", "mail_nickname": "awilber"},
            {"display_name": "Gast", "user_type": "Guest", "account_enabled": false, "admin": true},
        ]}],
        "apps": [{
            "redirect_uris": ["http://localhost"],
            "requested_scopes": [{"api": Emulator::GRAPH, "scope": "User.Read"}],
            "granted": [{"api": Emulator::GRAPH, "role": "User.Read.All"}],
        }],
    });
    EmulatorBuilder::from(Config::from_json(&config.to_string()).unwrap()).build()
}

fn users(emulator: &Emulator, options: &[(&str, &str)], headers: &[(&str, &str)]) -> Response {
    let token = access_token(emulator, GRAPH);
    let mut request =
        Request::get(format!("/v1.0/users?{}", encode(options))).header("authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    emulator.handle(request.body(Vec::new()).unwrap())
}

/// Returns the user principal names on a page, without the domain.
fn names(response: &Response) -> String {
    let body = json_body(response);
    let users = body["value"].as_array().unwrap_or_else(|| panic!("no list in {body}"));
    let name = |user: &Value| {
        user["userPrincipalName"]
            .as_str()
            .unwrap()
            .replace("@contoso.example", "")
    };
    users.iter().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn common_properties_can_be_filtered() {
    let emulator = emulator();
    for (filter, expected) in [
        ("accountEnabled eq true", "adele dr."),
        ("accountEnabled eq FALSE", "gast"),
        ("accountEnabled in (true, false)", "adele dr. gast"),
        ("userType eq 'guest'", "gast"),
        ("userType eq 'Member' and accountEnabled eq true", "adele dr."),
        ("department eq 'sales'", "adele"),
        ("startsWith(department,'S')", "adele"),
        ("employeeId eq 'E1'", "adele"),
        ("usageLocation eq 'DE'", "adele"),
        ("mailNickname eq 'AWilber' or mailNickname eq 'adele'", "adele dr."),
        ("mail eq 'adele.vance@mail.example'", "adele"),
        ("givenName eq 'Alex' and surname eq 'Wilber'", "dr."),
        ("createdDateTime ge 2024-03-01T09:00:00+01:00", "adele"),
        ("createdDateTime ge 2024-03-01", "adele"),
        ("createdDateTime le 2024-03-01T07:59:59.9Z", "dr. gast"),
        ("createdDateTime eq 2024-03-01T08:00:00Z", "adele"),
    ] {
        let response = users(&emulator, &[("$filter", filter)], &[]);
        assert_eq!(response.status(), 200, "{filter}: {}", json_body(&response));
        assert_eq!(names(&response), expected, "{filter}");
    }
    for (filter, expected) in [
        ("accountEnabled ne true", "gast"),
        ("not(accountEnabled eq true)", "gast"),
        ("userType ne 'Member'", "gast"),
        ("department ne null", "adele"),
        ("department eq null", "dr. gast"),
        ("companyName eq 'Contoso'", "adele"),
        ("mobilePhone eq '+1 555 0100' and officeLocation eq '18/2111'", "adele"),
    ] {
        let options = [("$filter", filter), ("$count", "true"), ("$orderby", "displayName")];
        let response = users(&emulator, &options, &[("consistencylevel", "eventual")]);
        assert_eq!(response.status(), 200, "{filter}: {}", json_body(&response));
        assert_eq!(names(&response), expected, "{filter}");
    }
}

#[test]
fn literals_have_the_type_of_the_property() {
    let emulator = emulator();
    for (filter, hint) in [
        ("accountEnabled eq 'true'", "true or false"),
        ("accountEnabled eq 1", "true or false"),
        ("accountEnabled in (true, 'false')", "true or false"),
        ("createdDateTime ge '2024-03-01T08:00:00Z'", "a time like"),
        ("createdDateTime ge 2024-02-30", "a time like"),
        ("createdDateTime ge true", "a time like"),
        ("userType eq Guest", "single quotation marks"),
    ] {
        let response = users(&emulator, &[("$filter", filter)], &[]);
        let message = json_body(&response)["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert_eq!(response.status(), 400, "{filter}");
        assert!(message.contains(hint), "{filter}: {message}");
    }
    for filter in [
        "startsWith(accountEnabled,'t')",
        "accountEnabled eq null",
        "accountEnabled ne true",
    ] {
        let response = users(&emulator, &[("$filter", filter)], &[]);
        assert_eq!(response.status(), 400, "{filter}");
    }
}

#[test]
fn some_properties_must_be_selected() {
    let emulator = emulator();
    let first = |options: &[(&str, &str)]| json_body(&users(&emulator, options, &[]))["value"][0].clone();
    let default = first(&[]);
    assert_eq!(default["officeLocation"], "18/2111");
    assert_eq!(default["mobilePhone"], "+1 555 0100");
    for name in [
        "accountEnabled",
        "createdDateTime",
        "department",
        "mailNickname",
        "userType",
    ] {
        assert!(default.get(name).is_none(), "{name}");
    }
    let names = "accountEnabled,companyName,createdDateTime,department,employeeId,mailNickname,usageLocation,userType";
    let selected = json!({
        "accountEnabled": true, "companyName": "Contoso", "createdDateTime": "2024-03-01T08:00:00Z", "department": "Sales",
        "employeeId": "E1", "mailNickname": "adele", "usageLocation": "DE", "userType": "Member",
    });
    assert_eq!(first(&[("$select", names)]), selected);
}

#[test]
fn users_are_sorted_by_creation() {
    let emulator = emulator();
    let options = [("$orderby", "createdDateTime desc,displayName"), ("$count", "true")];
    let response = users(&emulator, &options, &[("consistencylevel", "eventual")]);
    assert_eq!(names(&response), "adele dr. gast");
    assert_eq!(users(&emulator, &options[..1], &[]).status(), 400);
}

#[test]
fn disabled_user_gets_no_token() {
    let emulator = emulator();
    let url = format!(
        "https://login.microsoftonline.com/{}/oauth2/v2.0/authorize?{}",
        emulator.tenant_id(),
        encode(&[
            ("client_id", emulator.client_id()),
            ("response_type", "code"),
            ("redirect_uri", "http://localhost"),
            ("scope", "User.Read"),
            ("state", "s"),
        ])
    );
    let page = emulator.approve(&url, "gast@contoso.example").unwrap_err();
    assert_eq!(page.aadsts, Some(50057));
    assert!(emulator.approve(&url, "adele@contoso.example").is_ok());
}

#[test]
fn unsupported_headers_are_rejected() {
    let emulator = emulator();
    for (name, value) in [
        ("accept", "application/xml"),
        ("accept", "text/html"),
        ("accept", "application/json;odata.metadata=full"),
        ("accept", "application/json; odata.metadata=none"),
        ("accept", "application/json;q=0"),
        ("if-match", "W/\"1\""),
        ("if-none-match", "*"),
    ] {
        let response = users(&emulator, &[], &[(name, value)]);
        assert_eq!(response.status(), 501, "{name}: {value}");
        assert_eq!(json_body(&response)["error"]["code"], "not_emulated");
    }
    for accept in [
        "*/*",
        "application/json",
        "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "application/xml, Application/JSON;q=0.5",
        "",
    ] {
        assert_eq!(users(&emulator, &[], &[("accept", accept)]).status(), 200, "{accept}");
    }
}
