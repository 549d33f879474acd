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
