//! Records and duplicates.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use entra_emulator::{ActivityFeed, App, ContentType, Emulator, Tenant, User};
use http::Request;
use serde_json::Value;

use crate::activity_feed::{DAY, MANAGE, World, id, world_ids};
use crate::support::{access_token_of, get_as, json_body};

#[test]
fn every_record_is_found_once_without_duplicates() {
    let feed = ActivityFeed::new()
        .contents(40)
        .records(10)
        .span(Duration::from_secs(7 * DAY));
    let world = World::new(feed.page_size(3));
    for content_type in ContentType::ALL {
        let days = world.week(content_type);
        assert!(
            days.iter().all(|day| (5..=6).contains(&day.len())),
            "{:?}",
            days.iter().map(Vec::len).collect::<Vec<_>>()
        );
        let records: Vec<String> = days
            .concat()
            .iter()
            .flat_map(|item| world.records(item))
            .map(|record| id(&record))
            .collect();
        let expected: Vec<String> = world
            .emulator
            .activity_record_ids(world.emulator.tenant_id(), content_type)
            .collect();
        assert_eq!((records.len(), &records), (400, &expected), "{content_type:?}");
        assert_eq!(BTreeSet::from_iter(records).len(), 400);
    }
    let mut all = Vec::new();
    for content_type in ContentType::ALL {
        for tenant in world.emulator.tenants() {
            all.extend(world_ids(&world.emulator, &tenant.id, content_type));
        }
    }
    assert_eq!(BTreeSet::from_iter(all.iter()).len(), all.len());
}

#[test]
fn duplicates_have_the_configured_rate() {
    let feed = ActivityFeed::new()
        .contents(100)
        .records(20)
        .span(Duration::from_secs(7 * DAY));
    let world = World::new(feed.duplicate_records(200).duplicate_contents(300).page_size(1));
    let days = world.week(ContentType::Exchange);
    let mut first_seen = BTreeMap::new();
    let (mut listed_twice, mut across_days) = (0, 0);
    for (day, item) in days
        .iter()
        .enumerate()
        .flat_map(|(day, items)| items.iter().map(move |item| (day, item)))
    {
        if let Some(before) = first_seen.insert(item["contentId"].as_str().unwrap().to_owned(), day) {
            listed_twice += 1;
            across_days += usize::from(before != day);
        }
    }
    assert_eq!(first_seen.len(), 100);
    assert!(
        (15..45).contains(&listed_twice) && across_days > 0,
        "{listed_twice} {across_days}"
    );
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    let mut copies = 0;
    let mut once = BTreeSet::new();
    for item in days.concat() {
        if !once.insert(item["contentId"].as_str().unwrap().to_owned()) {
            continue;
        }
        let records = world.records(&item);
        assert_eq!(
            BTreeSet::from_iter(records.iter().map(id)).len(),
            20,
            "no record is repeated within a content"
        );
        for record in records {
            if let Some(same) = seen.insert(id(&record), record.clone()) {
                assert_eq!(same, record);
                copies += 1;
            }
        }
    }
    let expected = world_ids(&world.emulator, world.emulator.tenant_id(), ContentType::Exchange);
    assert!((300..500).contains(&copies), "{copies} of 2000");
    assert_eq!(BTreeSet::from_iter(seen.into_keys()), BTreeSet::from_iter(expected));
}

#[test]
fn same_seed_yields_same_records() {
    let feed = || ActivityFeed::new().contents(3).records(5).duplicate_records(100);
    let (one, two) = (World::new(feed()), World::new(feed()));
    for content_type in ContentType::ALL {
        let all = |world: &World| -> Vec<Value> {
            let items = world.pages(content_type, "").concat();
            items.iter().flat_map(|item| world.records(item)).collect()
        };
        assert_eq!(all(&one), all(&two));
    }
}

#[test]
fn records_match_their_content_type() {
    let world = World::new(ActivityFeed::new().contents(5).records(40));
    for (content_type, types, member) in [
        (
            ContentType::AzureActiveDirectory,
            &[8, 15][..],
            "AzureActiveDirectoryEventType",
        ),
        (ContentType::Exchange, &[1, 2, 3, 50], "MailboxGuid"),
        (ContentType::SharePoint, &[6, 14], "SourceFileName"),
        (ContentType::General, &[20, 25], "TeamName"),
        (ContentType::Dlp, &[11, 13], "PolicyDetails"),
    ] {
        let mut found = BTreeSet::new();
        for item in world.pages(content_type, "").concat() {
            for record in world.records(&item) {
                found.insert(record["RecordType"].as_i64().unwrap());
                assert!(!record[member].is_null() && !record["UserId"].is_null(), "{record}");
                assert_eq!(record["OrganizationId"], world.emulator.tenant_id());
                assert!(record["CreationTime"].as_str().unwrap() < item["contentCreated"].as_str().unwrap());
            }
        }
        assert_eq!(found.into_iter().collect::<Vec<_>>(), types, "{content_type:?}");
    }
}

#[test]
fn special_characters_in_user_names_are_escaped() {
    let user = User::new("A \"quoted\" \\ name").user_principal_name("a\"b\\c\n@contoso.example");
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.example").user(user))
        .app(App::new("a").secret("s3cret").grant(MANAGE, "ActivityFeed.Read"))
        .build();
    let token = access_token_of(&emulator, "s3cret", "https://manage.office.com/.default");
    let url = |what: &str| {
        format!(
            "{}/subscriptions/{what}?contentType=Audit.SharePoint",
            emulator.activity_url()
        )
    };
    let request = Request::post(url("start")).header("authorization", format!("Bearer {token}"));
    emulator.handle(request.body(Vec::new()).unwrap());
    let list = json_body(&get_as(&emulator, &url("content"), &token));
    let records = json_body(&get_as(&emulator, list[0]["contentUri"].as_str().unwrap(), &token));
    assert_eq!(records[0]["UserId"], "a\"b\\c\n@contoso.example");
}

#[test]
fn default_record_count_equals_user_count() {
    let users = (0..250).map(|number| User::new(format!("User{number} Test")));
    let emulator = Emulator::builder()
        .tenant(users.fold(Tenant::new("contoso.example"), Tenant::user))
        .tenant(Tenant::new("fabrikam.example"))
        .activity(ActivityFeed::new().duplicate_records(500))
        .build();
    let counts = [0, 1].map(|tenant| {
        let tenant = emulator.tenants()[tenant].id.clone();
        let before = world_ids(&emulator, &tenant, ContentType::General).len();
        emulator.publish_activity(&tenant, ContentType::General, 1);
        (
            before,
            world_ids(&emulator, &tenant, ContentType::General).len() - before,
        )
    });
    assert!(
        (150..250).contains(&counts[0].0) && (30..80).contains(&counts[0].1),
        "{counts:?}"
    );
    assert_eq!(counts[1].0, 3);
}

#[test]
fn out_of_range_settings_are_rejected() {
    for feed in [
        ActivityFeed::new().page_size(0),
        ActivityFeed::new().page_size(1_001),
        ActivityFeed::new().span(Duration::from_secs(7 * DAY + 1)),
        ActivityFeed::new().span(Duration::ZERO),
        ActivityFeed::new().duplicate_records(501),
        ActivityFeed::new().duplicate_contents(1_001),
        ActivityFeed::new().requests_per_minute(0),
        ActivityFeed::new().contents(1_000_001),
        ActivityFeed::new().records(10_001),
        ActivityFeed::new().webhook_retry(Duration::ZERO),
    ] {
        let problem = Emulator::builder().activity(feed).try_build().unwrap_err().to_string();
        assert!(problem.contains("activity."), "{problem}");
    }
    assert!(Emulator::builder().tenant_count(0).try_build().is_err());
    assert!(Emulator::builder().tenant_count(10_001).try_build().is_err());
}
