//! The contents of the activity feed: generated records, windows, pages and duplicates.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use crate::support::{access_token_of, get_as, json_body};
use entra_emulator::{ActivityFeed, App, ContentType, Emulator, NextPageHeader, Tenant, User};
use http::Request;
use serde_json::Value;

const MANAGE: &str = "https://manage.office.com";
const DAY: u64 = 86_400;
/// 2023-11-14T22:13:20.
const NOW: u64 = 1_700_000_000;

/// An emulator with its clock at [`NOW`], and a token of its first tenant with all subscriptions started.
struct World {
    emulator: Emulator,
    token: String,
}

impl World {
    fn new(feed: ActivityFeed) -> Self {
        let app = App::new("collector")
            .secret("s3cret")
            .multi_tenant()
            .consented_everywhere()
            .grant(MANAGE, "ActivityFeed.Read")
            .grant(MANAGE, "ActivityFeed.ReadDlp");
        let emulator = Emulator::builder()
            .seed(7)
            .tenant_count(2)
            .app(app)
            .activity(feed.requests_per_minute(1_000_000))
            .frozen_at(UNIX_EPOCH + Duration::from_secs(NOW))
            .build();
        let token = access_token_of(&emulator, "s3cret", "https://manage.office.com/.default");
        for content_type in ContentType::ALL {
            let url = format!(
                "{}/subscriptions/start?contentType={}",
                emulator.activity_url(),
                content_type.as_str()
            );
            let request = Request::post(url).header("authorization", format!("Bearer {token}"));
            assert_eq!(emulator.handle(request.body(Vec::new()).unwrap()).status(), 200);
        }
        Self { emulator, token }
    }

    fn url(&self, content_type: ContentType, query: &str) -> String {
        let feed = self.emulator.activity_url();
        format!(
            "{feed}/subscriptions/content?contentType={}{query}",
            content_type.as_str()
        )
    }

    /// The items of each page, and the name of the header that led to the next one.
    fn pages(&self, content_type: ContentType, query: &str) -> Vec<Vec<Value>> {
        let mut next = Some(self.url(content_type, query));
        let mut pages = Vec::new();
        while let Some(url) = next {
            let answer = get_as(&self.emulator, &url, &self.token);
            assert_eq!(answer.status(), 200, "{}", String::from_utf8_lossy(answer.body()));
            let header = ["nextpageuri", "nextpageurl"]
                .into_iter()
                .find_map(|name| answer.headers().get(name));
            next = header.map(|uri| uri.to_str().unwrap().to_owned());
            pages.push(json_body(&answer).as_array().unwrap().clone());
        }
        pages
    }

    /// The items of all pages of seven windows of a day.
    fn week(&self, content_type: ContentType) -> Vec<Vec<Value>> {
        let windows = (0..7).map(|day| {
            let start = NOW - 7 * DAY + day * DAY;
            let time = |at: u64| httpdate_like(at);
            format!("&startTime={}&endTime={}", time(start), time(start + DAY))
        });
        windows
            .map(|window| self.pages(content_type, &window).concat())
            .collect()
    }

    fn records(&self, item: &Value) -> Vec<Value> {
        let answer = get_as(&self.emulator, item["contentUri"].as_str().unwrap(), &self.token);
        assert_eq!(answer.status(), 200);
        json_body(&answer).as_array().unwrap().clone()
    }
}

/// `2023-11-14T22:13:20`, for the days around [`NOW`].
fn httpdate_like(at: u64) -> String {
    let day = 14 - (NOW / DAY) as i64 + (at / DAY) as i64;
    let rest = at % DAY;
    format!(
        "2023-11-{day:02}T{:02}:{:02}:{:02}",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

fn id(value: &Value) -> String {
    value["Id"].as_str().unwrap().to_owned()
}

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

fn world_ids(emulator: &Emulator, tenant: &str, content_type: ContentType) -> Vec<String> {
    emulator.activity_record_ids(tenant, content_type).collect()
}

#[test]
fn duplicates_come_in_their_share() {
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
            "none is twice in one content"
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
fn the_same_seed_gives_the_same_records() {
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
fn records_look_like_those_of_their_type() {
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
fn users_with_marks_in_their_names_are_escaped() {
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
fn windows_begin_with_their_start_and_end_before_their_end() {
    // Created at 22:13:20 - 1 h 45 min, - 1 h 15 min, - 45 min and - 15 min.
    let world = World::new(ActivityFeed::new().contents(4).span(Duration::from_secs(7_200)));
    for (window, found) in [
        ("&startTime=2023-11-14&endTime=2023-11-15", 4),
        ("&startTime=2023-11-14T20:28:20&endTime=2023-11-14T20:58:20", 1),
        ("&starttime=2023-11-14T20:28:20&ENDTIME=2023-11-14T20:58:21Z", 2),
        ("&startTime=2023-11-14T20:28:21&endTime=2023-11-14T20:58:20", 0),
        ("&startTime=2023-11-14T20:29&endTime=2023-11-14T21:30", 2),
        ("&startTime=2023-11-14T20:28:20.0000001&endTime=2023-11-14T20:58:20", 0),
        ("&startTime=2023-11-14T20:28:20&endTime=2023-11-14T20:58:20.5", 2),
        ("&startTime=2023-11-08&endTime=2023-11-09", 0),
        ("&startTime=2023-11-14T22&endTime=", 9),
        ("&startTime=&endTime=", 4),
        ("", 4),
    ] {
        let answer = get_as(&world.emulator, &world.url(ContentType::General, window), &world.token);
        let body = json_body(&answer);
        match found {
            9 => assert_eq!(body["error"]["code"], "AF20030"),
            found => assert_eq!(body.as_array().unwrap().len(), found, "{window}"),
        }
    }
    for (window, code) in [
        ("&startTime=2023-11-14", "AF20030"),
        ("&endTime=2023-11-14", "AF20030"),
        ("&startTime=2023-11-14&endTime=2023-11-14", "AF20055"),
        ("&startTime=2023-11-15&endTime=2023-11-14", "AF20055"),
        ("&startTime=2023-11-14&endTime=2023-11-15T00:00:01", "AF20055"),
        ("&startTime=2023-11-14&endTime=2023-11-15T00:00:00.9", "AF20055"),
        ("&startTime=2023-11-07&endTime=2023-11-08", "AF20055"),
        ("&startTime=2023-11-07T22:13:19&endTime=2023-11-08", "AF20055"),
        ("&startTime=yesterday&endTime=today", "AF20002"),
        ("&startTime=2023-11-14T&endTime=2023-11-15", "AF20002"),
        ("&startTime=2023-13-41&endTime=2023-13-42", "AF20002"),
        (
            "&startTime=%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9&endTime=2023-11-15",
            "AF20002",
        ),
    ] {
        let answer = get_as(&world.emulator, &world.url(ContentType::General, window), &world.token);
        assert_eq!(
            (answer.status().as_u16(), json_body(&answer)["error"]["code"].as_str()),
            (400, Some(code)),
            "{window}"
        );
    }
    let floor = "&startTime=2023-11-07T22:13:20&endTime=2023-11-08";
    assert_eq!(world.pages(ContentType::General, floor).concat().len(), 0);
}

#[test]
fn pages_name_the_window_and_cannot_be_made_up() {
    let feed = ActivityFeed::new()
        .contents(5)
        .page_size(2)
        .next_page_header(NextPageHeader::NextPageUrl);
    let world = World::new(feed);
    let publisher = "&PublisherIdentifier=46b472a7-c68e-4adf-8ade-3db49497518e";
    let url = world.url(ContentType::Exchange, publisher);
    let answer = get_as(&world.emulator, &url, &world.token);
    assert!(!answer.headers().contains_key("nextpageuri"));
    let next = answer.headers()["NextPageUrl"].to_str().unwrap();
    for part in [
        publisher,
        "startTime=2023-11-13T22%3A13%3A21",
        "endTime=2023-11-14T22%3A13%3A21",
        "nextPage=",
    ] {
        assert!(next.contains(part), "{next}");
    }
    let sizes: Vec<usize> = world
        .pages(ContentType::Exchange, publisher)
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(sizes, [2, 2, 1]);
    // Pages are of their window, also a while later.
    world.emulator.clock().advance(Duration::from_secs(60));
    assert_eq!(get_as(&world.emulator, next, &world.token).status(), 200);
    let name = next.split("nextPage=").nth(1).unwrap();
    for made_up in [
        "x",
        "R",
        "R000000000002",
        "2023111400R99999999999999999999",
        &format!("{name}0"),
        &format!("{name}R1"),
    ] {
        let url = world.url(ContentType::Exchange, &format!("&nextPage={made_up}"));
        let answer = json_body(&get_as(&world.emulator, &url, &world.token));
        assert_eq!(answer["error"]["code"], "AF20031", "{made_up}");
    }
    // A page is of one list.
    let url = world.url(ContentType::General, &format!("&nextPage={name}"));
    let answer = json_body(&get_as(&world.emulator, &url, &world.token));
    assert_eq!(answer["error"]["code"], "AF20031");
    let elsewhere = format!("&startTime=2023-11-08&endTime=2023-11-09&nextPage={name}");
    let answer = json_body(&get_as(
        &world.emulator,
        &world.url(ContentType::Exchange, &elsewhere),
        &world.token,
    ));
    assert_eq!(answer["error"]["code"], "AF20031");
}

#[test]
fn published_content_is_new_and_belongs_to_its_tenant() {
    let world = World::new(ActivityFeed::new().contents(0).content_type(ContentType::Exchange));
    let [first, second] = [0, 1].map(|tenant| world.emulator.tenants()[tenant].id.clone());
    assert_eq!(world.pages(ContentType::General, "").concat().len(), 0);
    world.emulator.publish_activity(&first, ContentType::General, 2);
    world.emulator.clock().advance(Duration::from_secs(5));
    world.emulator.publish_activity(&first, ContentType::General, 1);
    // Set back, it is created when the last one was.
    world.emulator.clock().set(UNIX_EPOCH + Duration::from_secs(NOW));
    world.emulator.publish_activity(&first, ContentType::General, 1);
    world.emulator.publish_activity(&second, ContentType::General, 9);
    assert_eq!(
        world.pages(ContentType::General, "").concat().len(),
        2,
        "two are of the future"
    );
    world.emulator.clock().advance(Duration::from_secs(5));
    let items = world.pages(ContentType::General, "").concat();
    let created: Vec<&str> = items
        .iter()
        .map(|item| item["contentCreated"].as_str().unwrap())
        .collect();
    let (early, late) = ("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:25.000Z");
    assert_eq!(created, [early, early, late, late]);
    let records: BTreeSet<String> = items
        .iter()
        .flat_map(|item| world.records(item))
        .map(|record| id(&record))
        .collect();
    assert_eq!(
        records,
        BTreeSet::from_iter(world_ids(&world.emulator, &first, ContentType::General))
    );
    assert_eq!(records.len(), 12, "three of each content");
    world.emulator.reset();
    assert_eq!(world_ids(&world.emulator, &first, ContentType::General).len(), 0);
}

#[test]
fn without_numbers_there_is_a_record_for_each_user() {
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
fn numbers_out_of_bounds_are_rejected() {
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

/// The indexes of the contents that all pages list.
fn listed(world: &World) -> Vec<u64> {
    let pages = world.pages(ContentType::General, "");
    let index = |item: &Value| {
        let number = item["contentId"].as_str().unwrap().split('$').next().unwrap();
        number.parse::<u64>().unwrap() - 301_299_000_000
    };
    pages.concat().iter().map(index).collect()
}

/// Publishes contents, each number of them while the subscription is stopped if the flag says so.
fn publish(world: &World, steps: &[(bool, u32)]) {
    let change = |operation: &str| {
        let feed = world.emulator.activity_url();
        let url = format!("{feed}/subscriptions/{operation}?contentType=Audit.General");
        let request = Request::post(url).header("authorization", format!("Bearer {}", world.token));
        assert_eq!(world.emulator.handle(request.body(Vec::new()).unwrap()).status(), 200);
    };
    for (is_stopped, count) in steps {
        if *is_stopped {
            change("stop");
        }
        world
            .emulator
            .publish_activity(world.emulator.tenant_id(), ContentType::General, *count);
        if *is_stopped {
            change("start");
        }
    }
}

#[test]
fn contents_of_gaps_are_on_no_page() {
    for size in [1, 2, 3, 100] {
        let steps = [
            (true, 1),
            (false, 2),
            (true, 3),
            (true, 2),
            (true, 0),
            (false, 1),
            (true, 1),
        ];
        let feed = ActivityFeed::new().contents(2).page_size(size);
        let world = World::new(feed.clone());
        publish(&world, &steps);
        assert_eq!(listed(&world), [0, 1, 3, 4, 10], "pages of {size}");
        let world = World::new(feed.duplicate_contents(1_000));
        publish(&world, &steps);
        let twice = [0, 1, 0, 1, 3, 4, 3, 4, 10, 10];
        assert_eq!(listed(&world), twice, "pages of {size}, listed twice");
    }
}

#[test]
fn long_gap_costs_no_step_for_each_content() {
    // Thirteen billion contents: one step for each would take minutes.
    let gap = [(true, u32::MAX); 3];
    let world = World::new(ActivityFeed::new().contents(2).page_size(1).duplicate_contents(1_000));
    publish(&world, &gap);
    publish(&world, &[(false, 2), (true, u32::MAX)]);
    let first = 2 + 3 * u64::from(u32::MAX);
    assert_eq!(listed(&world), [0, 1, 0, 1, first, first + 1, first, first + 1]);
}
