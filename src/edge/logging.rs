//! Log lines: to systemd's journal with fields, or as text on stderr. Patient data cannot be logged: it is `Redacted`.

use std::os::unix::fs::MetadataExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
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

/// Whether stderr leads to systemd's journal.
///
/// `JOURNAL_STREAM` alone says little: what is typed in a terminal may have inherited it from the desktop's service.
/// Source: systemd.exec(5), `$JOURNAL_STREAM`: device and inode of the stream.
#[expect(
    clippy::disallowed_methods,
    reason = "set by systemd for the process, not a setting of ours"
)]
pub fn started_by_systemd() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stderr = std::fs::metadata("/proc/self/fd/2");
    stderr.is_ok_and(|facts| stream == format!("{}:{}", facts.dev(), facts.ino()))
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
    // Of other crates only the complaints: the engine alone would write a thousand lines for each network it plans.
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target(env!("CARGO_PKG_NAME"), level);
    let registry = tracing_subscriber::registry().with(filter);
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
