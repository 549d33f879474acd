//! Metrics in the Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write};
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};

use crate::board::{Board, Figures, NOTIFICATIONS, Phase, Row};

/// Returns the route `/metrics`. `is_local` is true if only this machine can reach it.
pub(crate) fn router(board: &Arc<Board>, is_local: bool) -> Router {
    let board = Arc::clone(board);
    let metrics = move |headers: HeaderMap| async move {
        if is_local && !is_here(&headers) {
            return StatusCode::MISDIRECTED_REQUEST.into_response();
        }
        let text = render(&board.figures().clone());
        let kind = [
            (CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (kind, text).into_response()
    };
    Router::new().route("/metrics", get(metrics))
}

/// Returns true if a request is for `localhost` or an IP address. Under another name that resolves
/// to this machine, a site could make a browser read the metrics (DNS rebinding).
fn is_here(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
    })
}

/// Renders all metrics. The first tenants have their own series, and all others share the series of
/// `tenant="other"`, so that the number of series is bounded.
fn render(figures: &Figures) -> String {
    let mut tenants: Vec<(&str, Row)> = Vec::new();
    let mut other = Row::default();
    let mut oldest = None;
    for (tenant, row) in &figures.tenants {
        if row.number < MOST_TENANTS {
            tenants.push((tenant, row.clone()));
        } else {
            other.add(row);
            // The tenant that is furthest behind, or 0 if there was no success at all.
            let last = row.last_success.map_or(0, |at| at.as_secs());
            oldest = Some(oldest.map_or(last, |oldest: u64| oldest.min(last)));
        }
    }
    if oldest.is_some() {
        tenants.push(("other", other));
    }

    let mut text = Text(String::new());
    for (name, help, value) in COUNTERS {
        text.family(name, "counter", help);
        for (tenant, row) in &tenants {
            text.sample(name, &[("tenant", tenant)], value(row));
        }
    }
    let name = "office365_collector_back_off_seconds_total";
    text.family(name, "counter", "Pauses of a tenant's requests, as planned.");
    for (tenant, row) in &tenants {
        text.sample(name, &[("tenant", tenant)], row.back_off.as_secs_f64());
    }
    let name = "office365_collector_requests_total";
    text.family(
        name,
        "counter",
        "Requests to the API, by the class of the response's status.",
    );
    for (tenant, row) in &tenants {
        for (class, count) in CLASSES.iter().zip(row.responses) {
            text.sample(name, &[("tenant", tenant), ("class", class)], count);
        }
    }
    let name = "office365_collector_last_success_timestamp_seconds";
    text.family(
        name,
        "gauge",
        "Last time that everything of a tenant was collected, in seconds since 1970. For the other tenants: the oldest such time.",
    );
    for (tenant, row) in &tenants {
        let last = row.last_success.map(|at| at.as_secs());
        if let Some(at) = if *tenant == "other" { oldest } else { last } {
            text.sample(name, &[("tenant", tenant)], at);
        }
    }
    let name = "office365_collector_tenants";
    text.family(name, "gauge", "Tenants, by the state of their collection.");
    for phase in [
        Phase::Waiting,
        Phase::Collecting,
        Phase::Paused,
        Phase::Done,
        Phase::Stopped,
        Phase::Failed,
    ] {
        let count = figures.tenants.values().filter(|row| row.phase == phase).count();
        text.sample(name, &[("outcome", phase.as_str())], count);
    }
    let name = "office365_collector_tenants_without_consent";
    text.family(name, "gauge", "Tenants whose administrators must consent first.");
    let count = figures.tenants.values().filter(|row| row.is_consent_gone).count();
    text.sample(name, &[], count);
    let name = "office365_collector_rounds_total";
    text.family(name, "counter", "Rounds that were started.");
    text.sample(name, &[], figures.round.number);
    let name = "office365_collector_notifications_total";
    text.family(name, "counter", "Requests to the webhook, by result.");
    for result in NOTIFICATIONS {
        let count = figures.notifications.get(result).copied().unwrap_or_default();
        text.sample(name, &[("result", result)], count);
    }
    text.0
}

/// The name, the help text and the value of a counter.
type Counter = (&'static str, &'static str, fn(&Row) -> u64);

const COUNTERS: [Counter; 9] = [
    (
        "office365_collector_gaps_total",
        "Time ranges whose content is lost, because it was not collected within the 7 days that the API keeps it.",
        |row| row.gaps,
    ),
    ("office365_collector_records_total", "New records.", |row| row.records),
    (
        "office365_collector_duplicates_total",
        "Repeated records that were dropped.",
        |row| row.duplicates,
    ),
    (
        "office365_collector_contents_total",
        "Contents that were fetched.",
        |row| row.contents,
    ),
    ("office365_collector_bytes_total", "Bytes of content.", |row| row.bytes),
    (
        "office365_collector_windows_total",
        "Windows with all content stored.",
        |row| row.windows,
    ),
    (
        "office365_collector_retries_total",
        "Requests that were repeated after a pause.",
        |row| row.retries,
    ),
    (
        "office365_collector_throttled_total",
        "Pauses because of too many requests.",
        |row| row.throttled,
    ),
    (
        "office365_collector_tokens_total",
        "Tokens that were acquired or renewed.",
        |row| row.tokens,
    ),
];
/// The classes of a row's responses.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// The most tenants with series of their own.
const MOST_TENANTS: usize = 100;

/// A text in the Prometheus format.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if place == 0 { '{' } else { ',' });
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    /// The values of all series, by name and labels.
    type Series = BTreeMap<(String, BTreeMap<String, String>), f64>;

    /// Parses the format strictly, and panics at anything that the format's description does
    /// not contain.
    fn parse(text: &str) -> Series {
        assert!(text.ends_with('\n') && !text.contains('\r'));
        let is_name = |name: &str| {
            let mut bytes = name.bytes();
            bytes
                .next()
                .is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':'))
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
        };
        let (mut series, mut families) = (Series::new(), HashSet::new());
        let (mut helped, mut family) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(is_name(name) && !help.is_empty(), "{line}");
                assert!(families.insert(name.to_owned()), "{name} is repeated");
                helped = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, helped, "HELP comes before TYPE");
                assert!(
                    kind == "gauge" || kind == "counter" && name.ends_with("_total"),
                    "{line}"
                );
                family = name.to_owned();
            } else {
                assert!(!line.starts_with('#') && !line.is_empty(), "{line:?}");
                let end = line.find(['{', ' ']).unwrap();
                let (name, mut rest) = line.split_at(end);
                assert_eq!(name, family, "a sample follows its family");
                let mut labels = BTreeMap::new();
                if let Some(inner) = rest.strip_prefix('{') {
                    rest = inner;
                    loop {
                        let (label, value) = rest.split_once("=\"").unwrap();
                        assert!(is_name(label) && !label.contains(':'), "{line}");
                        let (value, after) = unquote(value);
                        assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
                        match after.strip_prefix(',') {
                            Some(more) => rest = more,
                            None => {
                                rest = after.strip_prefix('}').unwrap();
                                break;
                            }
                        }
                    }
                }
                let value = rest.strip_prefix(' ').unwrap();
                assert!(!value.contains(' '), "{line}");
                let value: f64 = value.parse().unwrap();
                assert!(value.is_finite() && value >= 0.0, "{line}");
                assert!(
                    series.insert((name.to_owned(), labels), value).is_none(),
                    "{line} is repeated"
                );
            }
        }
        series
    }

    /// Returns the value of a label, and the text after its quotation mark.
    fn unquote(text: &str) -> (String, &str) {
        let (mut value, mut characters) = (String::new(), text.char_indices());
        loop {
            match characters.next().unwrap() {
                (at, '"') => return (value, &text[at + 1..]),
                (_, '\\') => value.push(match characters.next().unwrap().1 {
                    'n' => '\n',
                    same @ ('\\' | '"') => same,
                    other => panic!("\\{other} is not an escape"),
                }),
                (_, same) => value.push(same),
            }
        }
    }

    fn value(series: &Series, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
        series
            .get(&(format!("office365_collector_{name}"), labels.collect()))
            .copied()
    }

    #[test]
    fn text_follows_the_format() {
        let board = Board::default();
        board.notification("accepted");
        let mut figures = board.figures().clone();
        let hostile = "a\\b\"c\nd{}=, é";
        let row = Row {
            phase: Phase::Done,
            records: 7,
            back_off: std::time::Duration::from_millis(1_500),
            responses: [1, 0, 5, 0, 2, 0],
            last_success: Some(entra_proto::Timestamp::from(
                std::time::UNIX_EPOCH + std::time::Duration::from_secs(99),
            )),
            ..Row::default()
        };
        figures.tenants.insert(hostile.to_owned(), row);
        figures.tenants.insert("contoso.example".to_owned(), Row::default());
        let series = parse(&render(&figures));
        let tenant = ("tenant", hostile);
        assert_eq!(value(&series, "records_total", &[tenant]), Some(7.0));
        assert_eq!(value(&series, "back_off_seconds_total", &[tenant]), Some(1.5));
        assert_eq!(value(&series, "requests_total", &[tenant, ("class", "4xx")]), Some(2.0));
        assert_eq!(value(&series, "last_success_timestamp_seconds", &[tenant]), Some(99.0));
        assert_eq!(
            value(
                &series,
                "last_success_timestamp_seconds",
                &[("tenant", "contoso.example")]
            ),
            None
        );
        assert_eq!(value(&series, "tenants", &[("outcome", "done")]), Some(1.0));
        assert_eq!(
            value(&series, "notifications_total", &[("result", "accepted")]),
            Some(1.0)
        );
        assert_eq!(value(&series, "notifications_total", &[("result", "busy")]), Some(0.0));
        parse(&render(&Board::default().figures().clone()));
    }

    #[test]
    fn number_of_series_is_bounded() {
        let board = Board::default();
        let mut figures = board.figures().clone();
        let count = |figures: &Figures| parse(&render(figures)).len();
        for number in 0..MOST_TENANTS + 50 {
            let last = (number % 2 == 0).then(|| std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000));
            let row = Row {
                number,
                records: 1,
                last_success: last.map(Into::into),
                ..Row::default()
            };
            // The alphabetical order of the names differs from the order of their arrival.
            figures.tenants.insert(format!("tenant{:03}", 999 - number), row);
        }
        let most = count(&figures);
        for number in 0..50 {
            let row = Row {
                number: MOST_TENANTS + 50 + number,
                ..Row::default()
            };
            figures.tenants.insert(format!("more{number}"), row);
        }
        assert_eq!(count(&figures), most);
        let series = parse(&render(&figures));
        assert_eq!(value(&series, "records_total", &[("tenant", "other")]), Some(50.0));
        assert_eq!(value(&series, "records_total", &[("tenant", "tenant999")]), Some(1.0));
        assert_eq!(value(&series, "records_total", &[("tenant", "more1")]), None);
        assert_eq!(
            value(&series, "last_success_timestamp_seconds", &[("tenant", "other")]),
            Some(0.0),
            "one of them had no success"
        );
    }

    #[test]
    fn only_local_host_names_are_accepted() {
        for (host, expected) in [
            ("localhost:9464", true),
            ("LOCALHOST", true),
            ("127.0.0.1:9464", true),
            ("[::1]:9464", true),
            ("192.0.2.1", true),
            ("collector.example:9464", false),
            ("localhost.collector.example", false),
            ("127.0.0.1.collector.example", false),
            ("collector.example@localhost", true),
            ("localhost@collector.example", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            assert_eq!(is_here(&headers), expected, "{host}");
        }
        assert!(!is_here(&HeaderMap::new()));
    }
}
