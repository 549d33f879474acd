//! The contents and the limits of the emulated activity feed.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::Error;

/// The feed of the emulated Office 365 Management Activity API: the contents of every tenant, and
/// its limits.
///
/// Each tenant has [`contents`](Self::contents) contents of each content type, each with
/// [`records`](Self::records) audit records. They are computed from the seed when they are
/// requested, so that millions of records take no memory. Contents are created at equal intervals
/// over the [`span`](Self::span) before the first request to the feed; set the clock before that
/// request. A content can be retrieved until it is seven days old. Every record has a unique ID,
/// except for the configured duplicates.
///
/// If neither number is given, each user of the tenant has one record of each content type.
///
/// ```
/// use entra_emulator::{ActivityFeed, App, ContentType, Emulator};
///
/// let office = Emulator::OFFICE_MANAGEMENT;
/// let app = App::new("collector")
///     .multi_tenant()
///     .consented_everywhere()
///     .grant(office, "ActivityFeed.Read");
/// let feed = ActivityFeed::new()
///     .content_type(ContentType::Exchange)
///     .contents(2_000)
///     .records(100)
///     .span(std::time::Duration::from_secs(6 * 86_400))
///     .page_size(1);
/// let emulator = Emulator::builder()
///     .tenant_count(50)
///     .app(app)
///     .activity(feed)
///     .build();
/// let tenant = &emulator.tenants()[49].id;
/// let ids = emulator.activity_record_ids(tenant, ContentType::Exchange);
/// assert_eq!(ids.count(), 200_000);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ActivityFeed {
    /// The content types that have contents; all of them when empty. A subscription to another
    /// content type is possible, but finds no content.
    pub content_types: Vec<ContentType>,
    /// The number of contents of each tenant and content type; 1 when left out and `records` is
    /// given.
    #[serde(deserialize_with = "most_some")]
    pub contents: Option<u32>,
    /// The number of records of each content; 3 when left out and `contents` is given. Without
    /// both, there is one record for each user, at most 100 in a content.
    #[serde(deserialize_with = "most_some")]
    pub records: Option<u32>,
    /// The number of seconds over which the contents were created, from 1 to seven days; one day
    /// when left out.
    pub span: u64,
    /// The number of records per thousand that are copies of a record of an earlier content; at
    /// most 500. The original is at most eight contents before, or further if it is itself a copy.
    #[serde(deserialize_with = "most")]
    pub duplicate_records: u32,
    /// The number of contents per thousand that are listed a second time, together with the next
    /// content. The second entry may be on another page or in another window.
    #[serde(deserialize_with = "most")]
    pub duplicate_contents: u32,
    /// The number of items on a page, from 1 to 1000; 200 when left out.
    #[serde(deserialize_with = "most")]
    pub page_size: u32,
    /// The name of the header with the URL of the next page.
    pub next_page_header: NextPageHeader,
    /// The number of requests of a tenant per minute, from 1; 2000 when left out. Requests without
    /// `PublisherIdentifier` of all tenants share one quota of this size. Further requests get
    /// status 403 and code AF429, as from the real API.
    pub requests_per_minute: u32,
    /// True if webhooks may have addresses such as `http://127.0.0.1:8080/hook`: plain http, and
    /// only on loopback. The emulator sends validation requests, notifications and retries to them.
    /// It never calls any other address.
    pub plain_webhooks: bool,
    /// The number of seconds after which a failed notification is sent again, from 1 to one day; 60
    /// when left out. Each further failure doubles it, and the fifth consecutive failure disables
    /// the webhook.
    pub webhook_retry: u64,
}

impl ActivityFeed {
    /// Returns the default feed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a content type that has contents. The first call replaces the default of all content
    /// types.
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

    /// Sets the time over which the contents were created, at most seven days. A content disappears
    /// when it is seven days old, so choose a shorter time for a long test.
    pub fn span(self, span: Duration) -> Self {
        Self {
            span: span.as_secs(),
            ..self
        }
    }

    /// Sets the number of records per thousand that are copies of earlier ones.
    pub fn duplicate_records(self, per_mille: u32) -> Self {
        Self {
            duplicate_records: per_mille,
            ..self
        }
    }

    /// Sets the number of contents per thousand that are listed twice.
    pub fn duplicate_contents(self, per_mille: u32) -> Self {
        Self {
            duplicate_contents: per_mille,
            ..self
        }
    }

    /// Sets the number of items on a page.
    pub fn page_size(self, page_size: u32) -> Self {
        Self { page_size, ..self }
    }

    /// Sets the name of the header with the URL of the next page.
    pub fn next_page_header(self, next_page_header: NextPageHeader) -> Self {
        Self {
            next_page_header,
            ..self
        }
    }

    /// Sets the number of requests of a tenant per minute.
    pub fn requests_per_minute(self, requests_per_minute: u32) -> Self {
        Self {
            requests_per_minute,
            ..self
        }
    }

    /// Allows webhooks with plain http addresses on loopback, which the emulator then calls.
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

    /// Returns whether the content type has contents.
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
                    "activity.{name}: must be between {least} and {most}"
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
    /// `Audit.AzureActiveDirectory`: sign-ins and changes to the directory.
    #[serde(rename = "Audit.AzureActiveDirectory")]
    AzureActiveDirectory,
    /// `Audit.Exchange`: mail and its administration.
    #[serde(rename = "Audit.Exchange")]
    Exchange,
    /// `Audit.SharePoint`: file operations and sharing.
    #[serde(rename = "Audit.SharePoint")]
    SharePoint,
    /// `Audit.General`: all other workloads, such as Teams.
    #[serde(rename = "Audit.General")]
    General,
    /// `DLP.All`: data loss prevention. It also requires the permission `ActivityFeed.ReadDlp`.
    #[serde(rename = "DLP.All")]
    Dlp,
}

impl ContentType {
    /// All content types.
    pub const ALL: [Self; 5] = [
        Self::AzureActiveDirectory,
        Self::Exchange,
        Self::SharePoint,
        Self::General,
        Self::Dlp,
    ];

    /// Returns the name in requests and responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AzureActiveDirectory => "Audit.AzureActiveDirectory",
            Self::Exchange => "Audit.Exchange",
            Self::SharePoint => "Audit.SharePoint",
            Self::General => "Audit.General",
            Self::Dlp => "DLP.All",
        }
    }

    /// Returns the content type with this name, ignoring case.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(name))
    }
}

/// The name of the header with the URL of the next page. Microsoft's documents use both.
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
    /// Returns the name in lower case.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NextPageUri => "nextpageuri",
            Self::NextPageUrl => "nextpageurl",
        }
    }
}

/// Reads a number. Numbers above the range become `u32::MAX`, so that [`ActivityFeed::check`]
/// reports them with the actual limit.
fn most<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    u64::deserialize(deserializer).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

fn most_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let number = Option::<u64>::deserialize(deserializer)?;
    Ok(number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
}

const DAY: u64 = 86_400;
/// The maximum number of contents of a tenant and content type.
const MOST: u64 = 1_000_000;
/// The maximum number of records of a content, which is built in memory as a whole.
const MOST_RECORDS: u64 = 10_000;
