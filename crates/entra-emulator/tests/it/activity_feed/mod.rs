//! The contents of the activity feed: generated records, windows, pages and duplicates.

mod records;
mod windows;

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{ActivityFeed, App, ContentType, Emulator};
use http::Request;
use serde_json::Value;

use crate::support::{access_token_of, get_as, json_body};

pub(super) const MANAGE: &str = "https://manage.office.com";
pub(super) const DAY: u64 = 86_400;

/// 2023-11-14T22:13:20.
pub(super) const NOW: u64 = 1_700_000_000;

/// An emulator with its clock at [`NOW`], and a token for its first tenant with all subscriptions
/// started.
pub(super) struct World {
    pub(super) emulator: Emulator,
    pub(super) token: String,
}

impl World {
    pub(super) fn new(feed: ActivityFeed) -> Self {
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

    pub(super) fn url(&self, content_type: ContentType, query: &str) -> String {
        let feed = self.emulator.activity_url();
        format!(
            "{feed}/subscriptions/content?contentType={}{query}",
            content_type.as_str()
        )
    }

    /// Returns the items of each page.
    pub(super) fn pages(&self, content_type: ContentType, query: &str) -> Vec<Vec<Value>> {
        let mut next = Some(self.url(content_type, query));
        let mut pages = Vec::new();
        while let Some(url) = next {
            let response = get_as(&self.emulator, &url, &self.token);
            assert_eq!(response.status(), 200, "{}", String::from_utf8_lossy(response.body()));
            let header = ["nextpageuri", "nextpageurl"]
                .into_iter()
                .find_map(|name| response.headers().get(name));
            next = header.map(|uri| uri.to_str().unwrap().to_owned());
            pages.push(json_body(&response).as_array().unwrap().clone());
        }
        pages
    }

    /// Returns the items of seven windows of one day each.
    pub(super) fn week(&self, content_type: ContentType) -> Vec<Vec<Value>> {
        let windows = (0..7).map(|day| {
            let start = NOW - 7 * DAY + day * DAY;
            let time = |at: u64| httpdate_like(at);
            format!("&startTime={}&endTime={}", time(start), time(start + DAY))
        });
        windows
            .map(|window| self.pages(content_type, &window).concat())
            .collect()
    }

    pub(super) fn records(&self, item: &Value) -> Vec<Value> {
        let response = get_as(&self.emulator, item["contentUri"].as_str().unwrap(), &self.token);
        assert_eq!(response.status(), 200);
        json_body(&response).as_array().unwrap().clone()
    }
}

/// Formats a time as `2023-11-14T22:13:20`, for the days around [`NOW`].
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

pub(super) fn id(value: &Value) -> String {
    value["Id"].as_str().unwrap().to_owned()
}

pub(super) fn world_ids(emulator: &Emulator, tenant: &str, content_type: ContentType) -> Vec<String> {
    emulator.activity_record_ids(tenant, content_type).collect()
}
