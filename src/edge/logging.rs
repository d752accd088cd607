//! Log lines: to systemd's journal with fields, or as text on stderr. Patient data cannot be logged: it is `Redacted`.

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTo {
    /// systemd's journal, each field a field of its own.
    Journal,
    /// stderr.
    Text,
}

/// Whether systemd gave this process a connection to the journal.
#[expect(
    clippy::disallowed_methods,
    reason = "set by systemd for the process, not a setting of ours"
)]
pub fn started_by_systemd() -> bool {
    std::env::var("JOURNAL_STREAM").is_ok()
}

/// Starts logging; the first call wins. Falls back to text where there is no journal.
pub fn start(to: LogTo, verbose: bool) {
    let level = if verbose {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    let journal = match to {
        LogTo::Journal => tracing_journald::layer().ok(),
        LogTo::Text => None,
    };
    let registry = tracing_subscriber::registry().with(level);
    // A second start, as in a test, keeps the first: that is no fault.
    let _first = match journal {
        Some(layer) => registry.with(layer).try_init(),
        None => registry
            .with(
                fmt::layer()
                    .with_target(false)
                    .with_ansi(false)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
    };
}
