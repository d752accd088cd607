//! `GET /api/events`: changes as they happen, and what was missed before.
//!
//! ```text
//!   store (findings and boxes by the number of their last change) --catch up--> page
//!   ring of the last changes ------------------------------------live---------> page, without those it has
//! ```

use super::guard::{SignedIn, who};
use super::trouble::{Trouble, bytes_of};
use crate::units::WallTime;
use crate::ward::desk::{Desk, locked, not_triaged_told, told};
use crate::ward::events::{Change, Told, written};
use crate::ward::session::Ticket;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use hyper::body::Frame;
use serde::Deserialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

/// Pages that may be open at a time.
const PAGES_MAX: usize = 1000;
/// Changes that are sent again; a page that missed more loads all anew.
const MISSED_MAX: usize = 1000;
/// Without news, a sign of life.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
/// A page that takes nothing for so long is given up; it comes again and catches up.
const STUCK_MAX: Duration = Duration::from_secs(30);
/// Writings that may wait for a page.
const WAITING_MAX: usize = 32;

#[derive(Deserialize)]
pub(super) struct Asked {
    after: Option<u64>,
}

/// The stream.
pub(super) async fn stream(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    if desk.events.count() >= PAGES_MAX {
        return Err(Trouble::busy());
    }
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    let after = last.and_then(|text| text.parse().ok()).or(asked.after);
    let (sender, receiver) = channel(WAITING_MAX);
    let until = locked(&desk.sessions).ends_at(&who.session);
    let page = Page {
        sees_patients: who.user.role.sees_patients(),
        until,
        ticket: who.ticket,
        at: 0,
        sender,
        desk,
    };
    tokio::spawn(page.serve(after));
    let mut response = bytes_of(
        StatusCode::OK,
        "text/event-stream",
        Body::new(Stream(receiver)),
    );
    // A proxy in between must not collect events.
    let name = HeaderName::from_static("x-accel-buffering");
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static("no"));
    Ok(response)
}

/// An answer that goes on for as long as something is written.
struct Stream(Receiver<Bytes>);

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// One open page.
struct Page {
    desk: Arc<Desk>,
    ticket: Ticket,
    sees_patients: bool,
    until: WallTime,
    /// The last change that it has.
    at: u64,
    sender: Sender<Bytes>,
}

/// The page has gone, or what it asks for cannot be had: the stream ends, and the page comes again.
struct Gone;

impl Page {
    async fn serve(mut self, after: Option<u64>) {
        // It fails when nobody reads any longer: nothing is left to be told.
        let _gone = self.run(after).await;
    }

    async fn run(&mut self, after: Option<u64>) -> Result<(), Gone> {
        // The place in the ring first: nothing can fall between the store and it.
        let mut changes = self.desk.events.listen();
        let newest = self.newest().await?;
        self.at = after.unwrap_or(newest).min(newest);
        let hello = format!(
            "{{\"sequence\":{newest},\"server_time\":\"{}\"}}",
            self.desk.clock.wall()
        );
        self.say(&written("hello", Some(self.at), &hello)).await?;
        if after.is_some_and(|after| after > newest) {
            // The page is ahead of the store: a backup was put back.
            self.say(&written("reload", Some(newest), "{}")).await?;
        }
        self.catch_up().await?;
        loop {
            let left = self.until.since(self.desk.clock.wall());
            if left.is_zero() || !self.is_signed_in() {
                return self.say(&written("expired", None, "{}")).await;
            }
            match timeout(ALIVE_EVERY.min(left), changes.recv()).await {
                Err(_) => self.say(": alive\n\n").await?,
                Ok(Ok(Change::Told(told))) => self.tell(&told).await?,
                Ok(Ok(Change::Reload)) => {
                    self.say(&written("reload", Some(self.at), "{}")).await?;
                }
                Ok(Ok(Change::Sessions)) => {}
                Ok(Err(RecvError::Lagged(_))) => self.catch_up().await?,
                Ok(Err(RecvError::Closed)) => return Ok(()),
            }
        }
    }

    fn is_signed_in(&self) -> bool {
        who(&self.desk, &self.ticket).is_some()
    }

    async fn newest(&self) -> Result<u64, Gone> {
        self.look_up(|desk| desk.read(|db| db.sequence()).ok())
            .await
    }

    async fn look_up<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Desk) -> Option<T> + Send + 'static,
    ) -> Result<T, Gone> {
        let desk = Arc::clone(&self.desk);
        let found = tokio::task::spawn_blocking(move || work(&desk)).await;
        found.ok().flatten().ok_or(Gone)
    }

    /// Sends what changed after the last change that the page has.
    async fn catch_up(&mut self) -> Result<(), Gone> {
        let after = self.at;
        let (mut missed, newest) = self
            .look_up(move |desk| {
                let found = desk.read(|db| {
                    let findings = db.findings_after(after, MISSED_MAX + 1)?;
                    let without = db.not_triaged_after(after, MISSED_MAX + 1)?;
                    Ok((findings, without, db.boxes_after(after)?, db.sequence()?))
                });
                let (findings, without, boxes, newest) = found.ok()?;
                let names = desk.names();
                let findings = findings.iter().map(|record| told(record, &names));
                let without = without.iter().map(|it| not_triaged_told(it, &names));
                let boxes = boxes.iter().map(|record| desk.box_told(record));
                let missed = findings.chain(without).chain(boxes);
                Some((missed.collect::<Vec<Told>>(), newest))
            })
            .await?;
        if missed.len() > MISSED_MAX {
            self.at = newest;
            return self.say(&written("reload", Some(newest), "{}")).await;
        }
        missed.sort_by_key(|told| told.sequence);
        for told in &missed {
            self.tell(told).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, told: &Told) -> Result<(), Gone> {
        if told.sequence <= self.at {
            return Ok(());
        }
        self.at = told.sequence;
        let text = if self.sees_patients {
            &told.clinical
        } else {
            &told.technical
        };
        self.say(&written(told.what, Some(told.sequence), text))
            .await
    }

    async fn say(&self, text: &str) -> Result<(), Gone> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        match timeout(STUCK_MAX, self.sender.send(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}
