//! Problems in a JSON configuration: each names its place, and no value.

use entra_emulator::{Config, EmulatorBuilder};

/// Returns the error for the example after this change.
fn problem_with(from: &str, to: &str) -> String {
    assert!(Config::EXAMPLE.contains(from), "{from}");
    let text = Config::EXAMPLE.replacen(from, to, 1);
    let started = Config::from_json(&text).and_then(|config| EmulatorBuilder::from(config).try_build());
    let problem = started.expect_err(to).to_string();
    let problem = problem.strip_prefix("emulator configuration: ").unwrap();
    problem.to_owned()
}

#[test]
fn problems_name_the_member_and_the_line() {
    for (from, to, problem) in [
        (
            r#""redirect_uris": ["http://localhost/callback""#,
            r#""redirect_urls": ["http://localhost/callback""#,
            "apps[1]: unknown field `redirect_urls`, expected one of `name`, ",
        ),
        (
            "7",
            r#""7""#,
            "seed: invalid type: a string, expected a whole number from 0 at line ",
        ),
        (
            "7",
            "-7",
            "seed: invalid value: a number, expected a whole number from 0 at line ",
        ),
        (
            "7",
            "7.5",
            "seed: invalid type: a fraction or a number that is too large, expected a whole number from 0 at line ",
        ),
        (
            r#""public_client": true"#,
            r#""public_client": "true""#,
            "apps[3].public_client: invalid type: a string, expected a boolean at line ",
        ),
        (
            r#"[{ "value": "web-s3cret" }]"#,
            r#"["web-s3cret"]"#,
            "apps[1].secrets[0]: invalid type: a string, expected an object at line ",
        ),
        (
            r#"["Orders.Read.All"]"#,
            r#""Orders.Read.All""#,
            "apis[0].roles: invalid type: a string, expected a list at line ",
        ),
        (
            r#", "role": "User.Read.All""#,
            "",
            "apps[0].granted[0]: missing field `role` at line ",
        ),
        (
            "2026-01-01T00:00:00Z",
            "2026-01-01",
            "apps[0].secrets[1]: a time does not have the UTC format 2026-01-31T23:59:58Z at line ",
        ),
        (
            r#"{ "display_name": "Adele Vance", "admin": true }"#,
            r#"{ "display_name": "A\"]},{[,:", "admin": 1 }"#,
            "tenants[0].users[0].admin: invalid type: a number, expected a boolean at line ",
        ),
        (
            r#""entra""#,
            r#""orgin""#,
            "`issuers` is neither `entra` nor `origin`, ",
        ),
        ("3600", "0", "token_lifetime: must be between 1 and 31536000 seconds"),
        (
            r#""tenants": [
    {"#,
            r#""tenants": [[], {"#,
            "tenants[0]: expected an object, found a list",
        ),
        ("7,", "7,,", "this is not valid JSON: "),
        (
            "7,",
            "7, // a comment",
            "this is not valid JSON: key must be a string at line ",
        ),
        (
            "11111111-2222-3333-4444-555555555555",
            "1111",
            "apps[0].client_id is not a GUID",
        ),
        ("fabrikam.example", "fabrikam", "tenants[1].domain is not a domain name"),
        (
            "fabrikam.example",
            "contoso.onmicrosoft.com",
            "the domain \"contoso.onmicrosoft.com\" is given twice",
        ),
        (
            r#""role": "User.Read.All""#,
            r#""role": "User.Reed.All""#,
            "apps[0].granted[0] (\"daemon\"): the API \"https://graph.microsoft.com\" does not define this role; it defines ",
        ),
        (
            r#""api": "api://orders", "role""#,
            r#""api": "api://order", "role""#,
            "apps[0].granted[1] (\"daemon\"): no API has this identifier or app ID",
        ),
        (
            r#""scope": "Orders.Read""#,
            r#""scope": "Orders.Reed""#,
            "apps[1].requested_scopes[1] (\"web\"): the API \"api://orders\" does not define this scope; it defines Orders.Read, Orders.ReadWrite",
        ),
        (
            r#""home_tenant": "contoso.onmicrosoft.com""#,
            r#""home_tenant": "contoso""#,
            "apps[2].home_tenant (\"saas\"): no tenant has this ID or domain",
        ),
        (
            "https://web.example",
            "web.example",
            "apps[1].redirect_uris[1] (\"web\"): not a valid redirect URI",
        ),
    ] {
        let said = problem_with(from, to);
        assert!(said.starts_with(problem), "{to}: {said}");
        let before = Config::EXAMPLE.split(from).next().unwrap();
        let line = 1 + before.matches('\n').count();
        let stated = said.split(" at line ").nth(1).and_then(|rest| rest.split(' ').next());
        assert!(stated.is_none_or(|stated| stated == line.to_string()), "{to}: {said}");
    }
    let listed = Config::from_json("[{}]").unwrap_err().to_string();
    assert!(
        listed.ends_with("the configuration is not a JSON object: it must begin with {"),
        "{listed}"
    );
}

#[test]
fn problems_repeat_no_value() {
    const CANARY: &str = "canary-S3cret";
    let quoted = format!("\"{CANARY}\"");
    for (from, to) in [
        (r#"{ "value": "web-s3cret" }"#, &*quoted),
        (r#"[{ "value": "web-s3cret" }]"#, &quoted),
        (r#"{ "value": "web-s3cret" }"#, &format!("{{{quoted}: 1}}")),
        (
            r#"{ "value": "web-s3cret" }"#,
            &format!("{{{quoted}: {{\"a\": [[]]}}}}"),
        ),
        (
            r#"{ "value": "web-s3cret" }"#,
            &format!("{{\"x`, expected {CANARY}\": 1}}"),
        ),
        ("7", &quoted),
        ("7", "\"can\\\"ary\""),
        ("true", &quoted),
        ("2026-01-01T00:00:00Z", CANARY),
        (r#""entra""#, &quoted),
        ("11111111-2222-3333-4444-555555555555", CANARY),
        ("fabrikam.example", CANARY),
        ("User.Read.All", CANARY),
        (r#""api://orders", "role""#, &format!("{quoted}, \"role\"")),
        (
            r#""home_tenant": "contoso.onmicrosoft.com""#,
            &format!("\"home_tenant\": {quoted}"),
        ),
        (
            "https://web.example/callback",
            &format!("https://web.example/callback#{CANARY}"),
        ),
        ("Orders.ReadWrite", &format!("two {CANARY}")),
        (r#"["api://orders"]"#, &format!("[\"two {CANARY}\"]")),
        (r#""seed": 7"#, &format!("\"certificates\": [{quoted}]")),
        (r#""seed": 7"#, &format!("\"certificates\": [{{\"usage\": {quoted}}}]")),
        (r#""seed": 7"#, &format!("\"certificates\": [{{{quoted}: 1}}]")),
    ] {
        let said = problem_with(from, to);
        assert!(!said.contains("ary"), "{to}: {said}");
    }
    // An unquoted secret.
    let said = problem_with(r#""web-s3cret""#, "48151623");
    assert!(!said.contains("4815"), "{said}");
}
