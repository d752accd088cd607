//! Signals to messages: SIGTERM and SIGINT end the service, SIGHUP has it read its settings again.

use super::failure::Failure;
use super::service::Message;
use std::sync::mpsc::SyncSender;
use tokio::signal::unix::{SignalKind, signal};

/// Starts the thread that waits for signals.
pub fn watch(sender: SyncSender<Message>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            format!("signals cannot be watched: {error}"),
            "free memory, then start again",
        )
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(failed)?;
    let (terminate, interrupt, reload) = {
        let _inside = runtime.enter();
        let open = |kind| signal(kind).map_err(failed);
        (
            open(SignalKind::terminate())?,
            open(SignalKind::interrupt())?,
            open(SignalKind::hangup())?,
        )
    };
    let work = move || runtime.block_on(pass_on(terminate, interrupt, reload, &sender));
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(work)
        .map(drop)
        .map_err(failed)
}

async fn pass_on(
    mut terminate: tokio::signal::unix::Signal,
    mut interrupt: tokio::signal::unix::Signal,
    mut reload: tokio::signal::unix::Signal,
    sender: &SyncSender<Message>,
) {
    loop {
        let message = tokio::select! {
            _ = terminate.recv() => Message::Stop,
            _ = interrupt.recv() => Message::Stop,
            _ = reload.recv() => Message::Reload,
        };
        if sender.send(message).is_err() {
            return;
        }
    }
}
