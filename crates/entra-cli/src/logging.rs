//! The log on standard error, controlled by `--verbose`, `--quiet` and RUST_LOG.

use std::fmt::{self, Write};
use std::time::Instant;

use clap::{ArgAction, Args};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{Directive, EnvFilter, filter_fn};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::environment;
use crate::exit::{Exit, Failure};
use crate::files::{harmless, tell};
use crate::message::warn_only;
use crate::sanitize::{excerpt, without_suspected_secrets};
use crate::verbosity::{VERBOSITY, Verbosity};

/// The options for the amount of text on standard error.
#[derive(Args)]
pub(crate) struct LogSettings {
    /// Log requests and the sources of tokens to standard error; -vv logs more
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 990)]
    verbose: u8,

    /// Write only the result, errors and required actions, but no notes or warnings
    #[arg(short, long, global = true, overrides_with = "quiet", display_order = 991)]
    quiet: bool,
}

impl LogSettings {
    /// Starts logging. Called before anything else. With `logs_requests`, the requests to a server
    /// are logged by default.
    ///
    /// Other programs read RUST_LOG too, so an invalid filter in it is only a warning.
    ///
    /// # Errors
    /// Returns an error if --quiet and --verbose are both given.
    pub(crate) fn start(&self, logs_requests: bool) -> Result<(), Failure> {
        let usual = if logs_requests { USUAL_OF_SERVERS } else { USUAL };
        let (filter, amount) = match (self.quiet, self.verbose) {
            (true, 0) => (EnvFilter::new("off"), Verbosity::Quiet),
            (true, _) => {
                return Err(
                    Failure::text(Exit::Usage, "--quiet and --verbose exclude each other").hint("remove one of them")
                );
            }
            (false, 0) => match filter_of_variable() {
                Ok(Some(filter)) => (filter, Verbosity::Logs),
                Ok(None) => (EnvFilter::new(usual), Verbosity::Usual),
                Err(failure) => {
                    failure.warn("nothing is logged");
                    (EnvFilter::new(usual), Verbosity::Usual)
                }
            },
            (false, 1) => (EnvFilter::new("debug"), Verbosity::Requests),
            (false, _) => (EnvFilter::new("trace"), Verbosity::Logs),
        };
        let amount = *VERBOSITY.get_or_init(|| amount);
        let lines = Lines {
            start: Instant::now(),
            amount,
        };
        let subscriber = Registry::default()
            .with(filter)
            .with(lines.with_filter(filter_fn(is_ours)));
        // A second call has no effect.
        let _ = tracing::subscriber::set_global_default(subscriber);
        Ok(())
    }
}

/// Returns true for events of this workspace. Other libraries are not logged, because they log the
/// headers and bodies of requests, which contain secrets and tokens.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    let name = metadata.target().split("::").next().unwrap_or_default();
    name == "entra" || name.starts_with("entra_")
}

/// Returns the filter in RUST_LOG, or `None` if it is unset.
fn filter_of_variable() -> Result<Option<EnvFilter>, Failure> {
    let text = environment::text("RUST_LOG", Exit::Configuration)?;
    text.map(|text| filter(&text)).transpose()
}

/// Parses a filter in the syntax of RUST_LOG.
fn filter(text: &str) -> Result<EnvFilter, Failure> {
    let invalid = |part: &str| {
        let part = excerpt(part.trim(), 60);
        Failure::text(Exit::Configuration, format!("RUST_LOG: {part} is not a filter")).hint(
            "write a level (error, warn, info, debug, trace, off), or targets such as entra=debug,entra_client=trace",
        )
    };
    // A single word is a target, but one that resembles a level is more likely a misspelt level.
    let is_misspelt = |part: &&str| {
        let part = part.trim();
        part.parse::<LevelFilter>().is_err() && LEVELS.iter().any(|level| environment::is_near(part, level))
    };
    if let Some(part) = text.split(',').find(is_misspelt) {
        return Err(invalid(part));
    }
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    // Field values are compared as text: a regular expression may take minutes and gigabytes to
    // compile.
    let builder = EnvFilter::builder().with_regex(false);
    builder.parse(parts.join(",")).map_err(|_| {
        let part = text.split(',').find(|part| part.trim().parse::<Directive>().is_err());
        invalid(part.unwrap_or(text))
    })
}

/// A layer that writes one line for each event.
struct Lines {
    start: Instant,
    amount: Verbosity,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields { message, others } = fields;
        let mut line = message + &others;
        let time = self.start.elapsed().as_secs_f64();
        match self.amount {
            Verbosity::Usual if *event.metadata().level() == Level::INFO => {
                return tell(harmless(&without_suspected_secrets(&line)));
            }
            Verbosity::Quiet | Verbosity::Usual => return warn_only(line),
            Verbosity::Requests => {
                let line = harmless(&without_suspected_secrets(&line));
                return tell(format_args!("{time:8.3} s  {line}"));
            }
            Verbosity::Logs => {}
        }
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line += &fields.others;
            }
        }
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let line = harmless(&without_suspected_secrets(&line));
        tell(format_args!("{time:8.3} s  {level:<5}  {target}: {line}"));
    }
}

/// The fields of an event or of a span, as text.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string never fails.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.others, "; {name}: {value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// The default filter: warnings about the user's files. Commands report all else themselves.
const USUAL: &str = "off,entra_tenants=warn";

/// The default filter of a server, which also logs each request.
const USUAL_OF_SERVERS: &str = "off,entra_tenants=warn,entra_serve=info";

const LEVELS: [&str; 6] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE", "OFF"];

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing_subscriber::util::SubscriberInitExt;

    use super::*;

    /// A layer that counts events.
    struct Counter(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Counter {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn other_libraries_are_not_logged() {
        let count = Arc::new(AtomicUsize::new(0));
        let layer = Counter(Arc::clone(&count)).with_filter(filter_fn(is_ours));
        let _guard = Registry::default().with(layer).set_default();
        tracing::error!(target: "hyper::proto", "authorization: Bearer canary");
        tracing::error!(target: "ureq", "canary");
        tracing::error!(target: "entranceway", "canary");
        tracing::trace!(target: "entra_client::core", "ours");
        tracing::trace!(target: "entra::requests", "ours");
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn valid_filters_are_parsed() {
        for text in [
            "debug",
            "entra=debug",
            "entra=debug,entra_client=trace",
            "hyper=trace",
            "warn, entra_client[entra.token]=trace",
            "my_app",
            "5",
            "OFF",
            "entra_client[{tenant=contoso.com}]=debug",
        ] {
            assert!(filter(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn field_value_in_a_filter_is_not_a_regular_expression() {
        let text = format!("entra[s{{x=.*a{}}}]=debug", ".".repeat(40));
        assert!(filter(&text).is_ok());
    }

    #[test]
    fn invalid_filters_are_reported() {
        for (text, named) in [
            ("entra=loud", "entra=loud"),
            ("debug, entra=very", "entra=very"),
            ("debgu", "debgu"),
            ("info,wran", "wran"),
            ("a=b=c", "a=b=c"),
            ("[", "["),
        ] {
            let Err(failure) = filter(text) else { panic!("{text}") };
            assert!(failure.to_string().contains(&format!(" {named} ")), "{failure}");
            assert_eq!(failure.exit, Exit::Configuration);
        }
    }
}
