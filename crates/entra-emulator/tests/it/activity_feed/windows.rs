//! Windows, pages and gaps.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{ActivityFeed, ContentType, NextPageHeader};
use http::Request;
use serde_json::Value;

use crate::activity_feed::{NOW, World, id, world_ids};
use crate::support::{get_as, json_body};

#[test]
fn window_includes_start_and_excludes_end() {
    // Created at 22:13:20 minus 1 h 45 min, 1 h 15 min, 45 min and 15 min.
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
        let response = get_as(&world.emulator, &world.url(ContentType::General, window), &world.token);
        let body = json_body(&response);
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
        let response = get_as(&world.emulator, &world.url(ContentType::General, window), &world.token);
        assert_eq!(
            (
                response.status().as_u16(),
                json_body(&response)["error"]["code"].as_str()
            ),
            (400, Some(code)),
            "{window}"
        );
    }
    let floor = "&startTime=2023-11-07T22:13:20&endTime=2023-11-08";
    assert_eq!(world.pages(ContentType::General, floor).concat().len(), 0);
}

#[test]
fn page_links_carry_the_window_and_are_verified() {
    let feed = ActivityFeed::new()
        .contents(5)
        .page_size(2)
        .next_page_header(NextPageHeader::NextPageUrl);
    let world = World::new(feed);
    let publisher = "&PublisherIdentifier=46b472a7-c68e-4adf-8ade-3db49497518e";
    let url = world.url(ContentType::Exchange, publisher);
    let response = get_as(&world.emulator, &url, &world.token);
    assert!(!response.headers().contains_key("nextpageuri"));
    let next = response.headers()["NextPageUrl"].to_str().unwrap();
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
    // A page keeps its window when time passes.
    world.emulator.clock().advance(Duration::from_secs(60));
    assert_eq!(get_as(&world.emulator, next, &world.token).status(), 200);
    let name = next.split("nextPage=").nth(1).unwrap();
    for invented in [
        "x",
        "R",
        "R000000000002",
        "2023111400R99999999999999999999",
        &format!("{name}0"),
        &format!("{name}R1"),
    ] {
        let url = world.url(ContentType::Exchange, &format!("&nextPage={invented}"));
        let response = json_body(&get_as(&world.emulator, &url, &world.token));
        assert_eq!(response["error"]["code"], "AF20031", "{invented}");
    }
    // A page belongs to one list.
    let url = world.url(ContentType::General, &format!("&nextPage={name}"));
    let response = json_body(&get_as(&world.emulator, &url, &world.token));
    assert_eq!(response["error"]["code"], "AF20031");
    let elsewhere = format!("&startTime=2023-11-08&endTime=2023-11-09&nextPage={name}");
    let response = json_body(&get_as(
        &world.emulator,
        &world.url(ContentType::Exchange, &elsewhere),
        &world.token,
    ));
    assert_eq!(response["error"]["code"], "AF20031");
}

#[test]
fn published_content_is_new_and_belongs_to_its_tenant() {
    let world = World::new(ActivityFeed::new().contents(0).content_type(ContentType::Exchange));
    let [first, second] = [0, 1].map(|tenant| world.emulator.tenants()[tenant].id.clone());
    assert_eq!(world.pages(ContentType::General, "").concat().len(), 0);
    world.emulator.publish_activity(&first, ContentType::General, 2);
    world.emulator.clock().advance(Duration::from_secs(5));
    world.emulator.publish_activity(&first, ContentType::General, 1);
    // If the clock is set back, content is created at the time of the last one.
    world.emulator.clock().set(UNIX_EPOCH + Duration::from_secs(NOW));
    world.emulator.publish_activity(&first, ContentType::General, 1);
    world.emulator.publish_activity(&second, ContentType::General, 9);
    assert_eq!(
        world.pages(ContentType::General, "").concat().len(),
        2,
        "two are in the future"
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

/// Returns the indexes of the contents that all pages list.
fn listed(world: &World) -> Vec<u64> {
    let pages = world.pages(ContentType::General, "");
    let index = |item: &Value| {
        let number = item["contentId"].as_str().unwrap().split('$').next().unwrap();
        number.parse::<u64>().unwrap() - 301_299_000_000
    };
    pages.concat().iter().map(index).collect()
}

/// Publishes contents in steps, each with the subscription stopped if its flag is set.
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
fn content_in_gaps_is_not_listed() {
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
fn long_gap_is_skipped_in_one_step() {
    // Thirteen billion contents: a step for each would take minutes.
    let gap = [(true, u32::MAX); 3];
    let world = World::new(ActivityFeed::new().contents(2).page_size(1).duplicate_contents(1_000));
    publish(&world, &gap);
    publish(&world, &[(false, 2), (true, u32::MAX)]);
    let first = 2 + 3 * u64::from(u32::MAX);
    assert_eq!(listed(&world), [0, 1, 0, 1, first, first + 1, first, first + 1]);
}
