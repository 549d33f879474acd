//! The option `$filter`.

use crate::odata::{World, error, message, names};
use crate::support::{encode, json_body};

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
        // `and` binds tighter than `or`.
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
        let response = world.users(&[("$filter", filter)]);
        assert_eq!(response.status(), 200, "{filter}: {}", json_body(&response));
        assert_eq!(names(&response).join(" "), expected, "{filter}");
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
        // A null title starts with nothing, and its negation is null, too.
        ("not startsWith(jobTitle,'x')", "Diego"),
        (
            "not(startsWith(jobTitle,'x') and displayName eq 'Zoe')",
            "Ben adele Alex Megan Chris Diego",
        ),
        ("officeLocation eq null and displayName eq 'Zoe'", "Zoe"),
    ] {
        let with_count = [("$filter", filter), ("$count", "true")];
        let response = world.advanced_users(&with_count);
        assert_eq!(response.status(), 200, "{filter}: {}", json_body(&response));
        assert_eq!(names(&response).join(" "), expected, "{filter}");
        assert_eq!(json_body(&response)["@odata.count"], names(&response).len(), "{filter}");
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
    let response = world.users(&[("$filter", "endsWith(mail,'x')")]);
    assert!(message(&response).contains("'endsWith'") && message(&response).contains("ConsistencyLevel:eventual"));
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
        for response in [
            world.users(&[("$filter", filter)]),
            world.advanced_users(&[("$filter", filter), ("$count", "true")]),
            world.advanced(&format!("/v1.0/users/$count?{}", encode(&[("$filter", filter)]))),
        ] {
            assert_eq!(error(&response), (400, "BadRequest".to_owned()), "{filter:.80}");
            assert!(message(&response).len() < 400, "{}", message(&response));
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
        let response = world.users(&[("$filter", filter)]);
        assert_eq!(
            error(&response),
            (400, "Request_UnsupportedQuery".to_owned()),
            "{filter}"
        );
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
fn unimplemented_filters_get_501() {
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
        let response = world.users(&[("$filter", filter)]);
        assert_eq!(error(&response), (501, "not_emulated".to_owned()), "{filter}");
        assert!(message(&response).contains(named), "{filter}: {}", message(&response));
    }
}
