//! The contents and the limits of the emulated activity feed.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::Error;

/// The feed of the emulated Office 365 Management Activity API: what every tenant finds in it, and its limits.
///
/// Each tenant has [`contents`](Self::contents) contents of each content type, each with [`records`](Self::records) audit
/// records. They are computed from the seed when they are requested, so that millions of records take no memory. Contents
/// are created at even distances over the [`span`](Self::span) before the first request to the feed: the clock may be set
/// before. A content can be retrieved until it is seven days old. Every record has an ID of its own, but for the duplicates
/// that are asked for.
///
/// Where neither number is given, there is one record of each content type for each user of the tenant.
///
/// ```
/// use entra_emulator::{ActivityFeed, App, ContentType, Emulator};
///
/// let office = Emulator::OFFICE_MANAGEMENT;
/// let app = App::new("collector").multi_tenant().consented_everywhere().grant(office, "ActivityFeed.Read");
/// let feed = ActivityFeed::new()
///     .content_type(ContentType::Exchange)
///     .contents(2_000)
///     .records(100)
///     .span(std::time::Duration::from_secs(6 * 86_400))
///     .page_size(1);
/// let emulator = Emulator::builder().tenant_count(50).app(app).activity(feed).build();
/// let ids = emulator.activity_record_ids(&emulator.tenants()[49].id, ContentType::Exchange);
/// assert_eq!(ids.count(), 200_000);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ActivityFeed {
    /// The content types that have contents; all of them when empty. A subscription to another one is possible, and finds
    /// nothing.
    pub content_types: Vec<ContentType>,
    /// The number of contents of each tenant and content type; 1 when left out beside `records`.
    #[serde(deserialize_with = "most_some")]
    pub contents: Option<u32>,
    /// The number of records of each content; 3 when left out beside `contents`, and 100 at most for each user without both.
    #[serde(deserialize_with = "most_some")]
    pub records: Option<u32>,
    /// The seconds over which the contents were created, from 1 to seven days; one day when left out.
    pub span: u64,
    /// How many of a thousand records are copies of a record of an earlier content, at most eight contents before; 500 at most.
    #[serde(deserialize_with = "most")]
    pub duplicate_records: u32,
    /// How many of a thousand contents are listed a second time, together with the next content. That may be on another page,
    /// or in another window.
    #[serde(deserialize_with = "most")]
    pub duplicate_contents: u32,
    /// The number of items of a page, from 1 to 1000; 200 when left out.
    #[serde(deserialize_with = "most")]
    pub page_size: u32,
    /// The name of the header with the address of the next page.
    pub next_page_header: NextPageHeader,
    /// The number of requests of a tenant in each minute, from 1; 2000 when left out. Requests without `PublisherIdentifier`
    /// have the same number for all tenants together. More are answered with status 403 and code AF429, as by the service.
    pub requests_per_minute: u32,
    /// Lets webhooks have addresses such as `http://127.0.0.1:8080/hook`: plain http, and on loopback only. The emulator calls
    /// these, with validation calls, notifications and retries. It never calls any other address.
    pub plain_webhooks: bool,
    /// The seconds after which a failed notification is sent again, from 1 to a day; 60 when left out. Each further failure
    /// doubles them, and the fifth in a row disables the webhook.
    pub webhook_retry: u64,
}

impl ActivityFeed {
    /// The feed that stands where none is configured.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a content type that has contents. The first call replaces all of them.
    pub fn content_type(mut self, content_type: ContentType) -> Self {
        self.content_types.push(content_type);
        self
    }

    /// Sets the number of contents of each tenant and content type.
    pub fn contents(self, contents: u32) -> Self {
        Self {
            contents: Some(contents),
            ..self
        }
    }

    /// Sets the number of records of each content.
    pub fn records(self, records: u32) -> Self {
        Self {
            records: Some(records),
            ..self
        }
    }

    /// Sets the time over which the contents were created, seven days at most. Leave room where the test takes long: a content
    /// is gone when it is seven days old.
    pub fn span(self, span: Duration) -> Self {
        Self {
            span: span.as_secs(),
            ..self
        }
    }

    /// Sets how many of a thousand records are copies of earlier ones.
    pub fn duplicate_records(self, per_mille: u32) -> Self {
        Self {
            duplicate_records: per_mille,
            ..self
        }
    }

    /// Sets how many of a thousand contents are listed twice.
    pub fn duplicate_contents(self, per_mille: u32) -> Self {
        Self {
            duplicate_contents: per_mille,
            ..self
        }
    }

    /// Sets the number of items of a page.
    pub fn page_size(self, page_size: u32) -> Self {
        Self { page_size, ..self }
    }

    /// Sets the name of the header with the address of the next page.
    pub fn next_page_header(self, next_page_header: NextPageHeader) -> Self {
        Self {
            next_page_header,
            ..self
        }
    }

    /// Sets the number of requests of a tenant in each minute.
    pub fn requests_per_minute(self, requests_per_minute: u32) -> Self {
        Self {
            requests_per_minute,
            ..self
        }
    }

    /// Lets webhooks have addresses of plain http on loopback, which the emulator then calls.
    pub fn plain_webhooks(self) -> Self {
        Self {
            plain_webhooks: true,
            ..self
        }
    }

    /// Sets the time after which a failed notification is sent again.
    pub fn webhook_retry(self, delay: Duration) -> Self {
        Self {
            webhook_retry: delay.as_secs(),
            ..self
        }
    }

    /// Whether the content type has contents.
    pub(crate) fn has(&self, content_type: ContentType) -> bool {
        self.content_types.is_empty() || self.content_types.contains(&content_type)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        for (name, given, least, most) in [
            ("contents", u64::from(self.contents.unwrap_or(0)), 0, MOST),
            ("records", u64::from(self.records.unwrap_or(0)), 0, MOST_RECORDS),
            ("span", self.span, 1, 7 * DAY),
            ("duplicate_records", u64::from(self.duplicate_records), 0, 500),
            ("duplicate_contents", u64::from(self.duplicate_contents), 0, 1_000),
            ("page_size", u64::from(self.page_size), 1, 1_000),
            (
                "requests_per_minute",
                u64::from(self.requests_per_minute),
                1,
                u64::from(u32::MAX),
            ),
            ("webhook_retry", self.webhook_retry, 1, DAY),
        ] {
            if !(least..=most).contains(&given) {
                return Err(Error::Config(format!(
                    "activity.{name}: it is not between {least} and {most}"
                )));
            }
        }
        Ok(())
    }
}

impl Default for ActivityFeed {
    fn default() -> Self {
        Self {
            content_types: Vec::new(),
            contents: None,
            records: None,
            span: DAY,
            duplicate_records: 0,
            duplicate_contents: 0,
            page_size: 200,
            next_page_header: NextPageHeader::default(),
            requests_per_minute: 2_000,
            plain_webhooks: false,
            webhook_retry: 60,
        }
    }
}

/// A content type of the Office 365 Management Activity API.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ContentType {
    /// `Audit.AzureActiveDirectory`: sign-ins and changes of the directory.
    #[serde(rename = "Audit.AzureActiveDirectory")]
    AzureActiveDirectory,
    /// `Audit.Exchange`: mail and its administration.
    #[serde(rename = "Audit.Exchange")]
    Exchange,
    /// `Audit.SharePoint`: operations on files, and sharing.
    #[serde(rename = "Audit.SharePoint")]
    SharePoint,
    /// `Audit.General`: all others, such as Teams.
    #[serde(rename = "Audit.General")]
    General,
    /// `DLP.All`: data loss prevention. It needs the permission `ActivityFeed.ReadDlp` as well.
    #[serde(rename = "DLP.All")]
    Dlp,
}

impl ContentType {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AzureActiveDirectory,
        Self::Exchange,
        Self::SharePoint,
        Self::General,
        Self::Dlp,
    ];

    /// The name in requests and responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AzureActiveDirectory => "Audit.AzureActiveDirectory",
            Self::Exchange => "Audit.Exchange",
            Self::SharePoint => "Audit.SharePoint",
            Self::General => "Audit.General",
            Self::Dlp => "DLP.All",
        }
    }

    /// The content type of that name, in upper or lower case.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(name))
    }
}

/// The name of the header with the address of the next page. Microsoft's documents have both.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextPageHeader {
    /// `NextPageUri`, as in the reference.
    #[default]
    NextPageUri,
    /// `NextPageUrl`, as in the troubleshooting guide.
    NextPageUrl,
}

impl NextPageHeader {
    /// The name in lower case.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NextPageUri => "nextpageuri",
            Self::NextPageUrl => "nextpageurl",
        }
    }
}

/// Reads a number that [`ActivityFeed::check`] compares with its own limit, also one that is far too large.
fn most<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    u64::deserialize(deserializer).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

fn most_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let number = Option::<u64>::deserialize(deserializer)?;
    Ok(number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
}

const DAY: u64 = 86_400;
/// The most contents of a tenant and content type.
const MOST: u64 = 1_000_000;
/// The most records of a content: one is made in memory at a time.
const MOST_RECORDS: u64 = 10_000;
