//! Tests of the report.

use super::*;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An error of another crate, with its cause.
#[derive(Debug)]
struct Foreign(&'static str, Option<Box<dyn StdError>>);

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Foreign {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.1.as_deref()
    }
}

/// An error that is its own cause.
#[derive(Debug)]
struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("again")
    }
}

impl StdError for Endless {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self)
    }
}

fn rejected() -> Error {
    Error::from(ServiceError {
        status: 401,
        error: "invalid_client".into(),
        codes: vec![7_000_215],
        description: "AADSTS7000215: Invalid client secret provided.".into(),
        trace_id: Some("t".into()),
        correlation_id: Some("c".into()),
        timestamp: Some("2026-01-01 00:00:00Z".into()),
        ..ServiceError::default()
    })
}

#[test]
fn each_part_is_shown_once() {
    let report = Report::from(rejected());
    let (problem, hint, ids) = (report.problem(), report.hint().unwrap(), report.ids().unwrap());
    assert_eq!(problem, "AADSTS7000215 invalid_client: Invalid client secret provided");
    assert_eq!(ids, "status 401, trace ID t, correlation ID c, at 2026-01-01 00:00:00Z");
    assert_eq!(report.to_string(), problem);
    assert_eq!(format!("{report:#}"), format!("{problem}; {hint} ({ids})"));
    assert_eq!(
        format!("{report:?}"),
        format!("{problem}\n  hint: {hint}\n  ids: {ids}")
    );
}

#[test]
fn hint_is_found_below_errors_of_other_crates() {
    let error = Foreign("no users", Some(Box::new(Foreign("a box", Some(Box::new(rejected()))))));
    let report = Report::from(error);
    assert_eq!(report.problem(), "no users");
    assert_eq!(report.causes()[0], "a box");
    assert_eq!(report.causes().len(), 2);
    assert_eq!((report.hint(), report.ids().is_some()), (rejected().hint(), true));
    assert!(format!("{report:?}").starts_with("no users\n  caused by: a box\n  caused by: AADSTS7000215"));
}

#[test]
fn hint_is_found_inside_containers() {
    let contained: Vec<Box<dyn StdError + Send + Sync>> = vec![
        Box::new(rejected()),
        Box::new(Arc::new(rejected())),
        Box::new(Box::new(rejected())),
        Box::new(Arc::new(Box::new(rejected()))),
        Box::new(Box::new(Arc::new(rejected()))),
        Box::new(Arc::new(Box::new(Arc::new(rejected())))),
        Box::new(io::Error::other(rejected())),
        Box::new(io::Error::other(Arc::new(rejected()))),
        Box::new(io::Error::other(io::Error::other(Box::new(rejected())))),
        Box::new(Arc::new(io::Error::other(Box::<dyn StdError + Send + Sync>::from(
            rejected(),
        )))),
        Box::new(Arc::<dyn StdError + Send + Sync>::from(
            Box::<dyn StdError + Send + Sync>::from(rejected()),
        )),
    ];
    let plain = Report::from(rejected());
    for error in contained {
        let shown = format!("{error:?}");
        let report = Report::of(&*error);
        assert_eq!(format!("{report:?}"), format!("{plain:?}"), "{shown}");
        let below = Report::from(Foreign("no users", Some(error)));
        assert_eq!((below.hint(), below.ids()), (plain.hint(), plain.ids()), "{shown}");
        assert_eq!(below.causes(), [plain.problem()], "{shown}");
    }
    let local = Report::from(Foreign(
        "no users",
        Some(Box::new(Arc::<dyn StdError>::from(Box::<dyn StdError>::from(
            rejected(),
        )))),
    ));
    assert_eq!(local.hint(), plain.hint());
    let other = Foreign("no users", Some(Box::new(Arc::new(io::Error::other("disk full")))));
    assert_eq!(Report::from(other).causes(), ["disk full"]);
}

#[test]
fn cause_that_is_already_shown_is_left_out() {
    let inner = || Some(Box::new(Foreign("connection reset", None)) as Box<dyn StdError>);
    let report = |text| Report::from(Foreign(text, inner()));
    assert!(report("sending failed: connection reset").causes().is_empty());
    assert!(report("connection reset").causes().is_empty());
    assert_eq!(report("connection resets happen").causes(), ["connection reset"]);
    assert_eq!(report("sending failed").to_string(), "sending failed: connection reset");
}

#[test]
fn endless_chain_is_cut() {
    assert_eq!(format!("{:?}", Report::from(Endless)), "again");
}

#[test]
fn hostile_text_is_escaped_cut_and_without_secrets() {
    let text = "a\u{1b}[2J\nhint: forged https://x.example/?access_token=eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2ln";
    let shown = format!("{:?}", Report::from(Foreign(text, None)));
    assert!(shown.starts_with("a\\u{1b}[2J\\nhint: forged "), "{shown}");
    assert!(!shown.contains('\n') && !shown.contains("eyJ"), "{shown}");
    let long: &'static str = Box::leak("a ".repeat(10_000).into_boxed_str());
    assert!(Report::from(Foreign(long, None)).problem().chars().count() <= MAX_TEXT + 1);
}

#[test]
fn set_of_sets_finds_only_its_types() {
    type Few = (InputError, (SignerError, ServiceError));
    let service = Arc::unwrap_or_clone(match rejected() {
        Error::Service(service) => service,
        other => panic!("{other}"),
    });
    assert!(Few::find(&service).is_some());
    assert!(Few::find(&SignerError::new("no")).is_some());
    assert!(Few::find(&rejected()).is_none());
    assert!(ReportFor::<Few>::from(rejected()).hint().is_none());
}

#[test]
fn containers_are_not_counted_as_causes() {
    for depth in [1, 16, 20, MAX_CONTAINERS] {
        let nested = (0..depth).fold(io::Error::other(rejected()), |error, _| io::Error::other(error));
        let report = Report::from(nested);
        let plain = Report::from(rejected());
        // One container more than the limit hides the hint, but not the text.
        let is_seen = depth < MAX_CONTAINERS;
        assert_eq!(report.to_string(), plain.to_string(), "{depth}");
        assert_eq!(report.hint(), plain.hint().filter(|_| is_seen), "{depth}");
    }
}

#[test]
fn containers_and_causes_take_turns() {
    let chain = (0..12).fold(Foreign("the last", None), |cause, _| {
        let cause: Box<dyn StdError> = Box::new(cause);
        Foreign("an error", Some(Box::new(Arc::<dyn StdError>::from(cause))))
    });
    let report = Report::from(Foreign("the first", Some(Box::new(chain))));
    assert_eq!(report.to_string(), "the first: an error: the last");
}

#[test]
fn hint_is_found_behind_static_references() {
    let plain = Report::from(rejected());
    let borrowed: &'static Error = Box::leak(Box::new(rejected()));
    let shared: &'static Arc<Error> = Box::leak(Box::new(Arc::new(rejected())));
    let io: &'static io::Error = Box::leak(Box::new(io::Error::other(rejected())));
    let any: &'static (dyn StdError + Send + Sync) = borrowed;
    let local: &'static dyn StdError = borrowed;
    for report in [
        Report::from(borrowed),
        Report::from(shared),
        Report::from(io),
        Report::from(any),
        Report::from(local),
        Report::from(Arc::new(borrowed)),
    ] {
        assert_eq!(format!("{report:?}"), format!("{plain:?}"));
    }
    fn run() -> Result<(), Report> {
        static RESULT: LazyLock<Result<(), Error>> = LazyLock::new(|| Err(rejected()));
        RESULT.as_ref()?;
        Ok(())
    }
    assert_eq!(run().unwrap_err().hint(), plain.hint());
}

#[test]
fn empty_text_is_left_out() {
    let error = |outer, inner| Report::from(Foreign(outer, Some(Box::new(Foreign(inner, None)))));
    for empty in ["", " ", "\r\n"] {
        let report = error("sending failed", empty);
        assert_eq!(
            format!("{report} | {report:#} | {report:?}"),
            "sending failed | sending failed | sending failed"
        );
        let report = error(empty, "connection reset");
        assert_eq!((report.problem(), report.causes().len()), ("connection reset", 0));
        let report = error(empty, empty);
        assert_eq!(format!("{report} | {report:#} | {report:?}"), [NO_TEXT; 3].join(" | "));
    }
}

/// An error with a text of many parts. It counts the parts that are read.
#[derive(Debug)]
struct Long(&'static str, usize, AtomicUsize);

impl fmt::Display for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.1).try_for_each(|_| {
            self.2.fetch_add(self.0.len(), Ordering::Relaxed);
            f.write_str(self.0)
        })
    }
}

impl StdError for Long {}

#[test]
fn only_the_beginning_of_a_text_is_read() {
    for part in ["no such file ", "é ", "password=hunter2 ", "a", "eyJhbGciOiJub25lIn0."] {
        let report = |length: usize| {
            let error = Long(part, length.div_ceil(part.len()), AtomicUsize::new(0));
            let report = Report::of(&error);
            let read = error.2.into_inner();
            assert!(
                read >= length.min(MAX_READ) && read <= MAX_READ + part.len(),
                "{part}: {read}"
            );
            format!("{report:?}")
        };
        let long = report(1024 * 1024);
        assert_eq!(report(MAX_READ + part.len()), long, "{part}");
        assert!(
            long.chars().count() <= MAX_TEXT + 1 && !long.contains("hunter2"),
            "{long}"
        );
    }
}

#[test]
fn cut_text_ends_before_a_secret() {
    // The secret in front is replaced by a short word, so that the end of the text is shown.
    const SECRET: &str = "abc8Q~dEfGhIjKlMnOpQrStUvWxYz0123456789";
    for shown in [0, 1, 4, 12, 20, 38, SECRET.len()] {
        let before = "a".repeat(MAX_READ - shown - 10);
        for separator in [" ", "\"", ","] {
            let text = format!("password={before}{separator}{SECRET}");
            let text: &'static str = Box::leak(text.into_boxed_str());
            let report = Report::from(Foreign(text, None)).to_string();
            assert!(report.contains("[secret]") && !report.contains("abc"), "{report}");
        }
    }
}

#[test]
fn failed_text_is_shown_as_far_as_it_goes() {
    #[derive(Debug)]
    struct Failing;
    impl fmt::Display for Failing {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("sending failed")?;
            Err(fmt::Error)
        }
    }
    impl StdError for Failing {}
    assert_eq!(Report::from(Failing).to_string(), "sending failed…");
}
