//! Boxes, the server's own health, the audit list.

use super::aside;
use super::guard::SignedIn;
use super::trouble::{Trouble, bytes_of, json};
use crate::units::WallTime;
use crate::ward::desk::{Counts, Desk};
use crate::ward::users::Role;
use crate::ward::view::{self, BoxState};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Lines of the audit list that are read at a time.
const LINES_MAX: usize = 10_000;

#[derive(Serialize)]
struct Broker {
    connected: bool,
    since: String,
}

fn broker(desk: &Desk) -> Broker {
    let ear = desk.ear();
    Broker {
        connected: ear.connected,
        since: ear.since.to_string(),
    }
}

/// `GET /api/boxes`.
pub(super) async fn list(State(desk): State<Arc<Desk>>, _: SignedIn) -> Result<Response, Trouble> {
    aside(&desk, |desk| {
        #[derive(Serialize)]
        struct List<'a> {
            boxes: Vec<BoxState<'a>>,
            broker: Broker,
            messages: Counts,
        }
        let records = desk.read(|db| db.boxes())?;
        let (now, ear) = (desk.clock.wall(), desk.ear());
        let limits = &desk.settings.boxes;
        let list = List {
            boxes: records
                .iter()
                .map(|it| view::a_box(it, now, ear, limits))
                .collect(),
            broker: broker(desk),
            messages: desk.counts(),
        };
        Ok(json(StatusCode::OK, &list))
    })
    .await
}

/// `GET /healthz`: 200 while the store answers; whether the broker is there stands in the body.
pub(super) async fn healthz(State(desk): State<Arc<Desk>>) -> Result<Response, Trouble> {
    aside(&desk, |desk| {
        #[derive(Serialize)]
        struct Health {
            broker: Broker,
            version: &'static str,
        }
        desk.read(|db| db.sequence())?;
        let health = Health {
            broker: broker(desk),
            version: env!("CARGO_PKG_VERSION"),
        };
        Ok(json(StatusCode::OK, &health))
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct From {
    from: Option<String>,
}

/// `GET /api/audit?from=`, a line's number or a time: JSON Lines, as `scanward audit verify` reads them.
pub(super) async fn audit(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
    Query(asked): Query<From>,
) -> Result<Response, Trouble> {
    who.must_be(&[Role::It])?;
    let asked = asked.from.unwrap_or_else(|| "1".to_owned());
    let (number, time) = (asked.parse::<u64>().ok(), WallTime::parse(&asked));
    if number.is_none() && time.is_none() {
        let text = "`from` is the number of a line, or a time as 2026-11-23T08:00:12.000Z.";
        return Err(Trouble::malformed(text));
    }
    aside(&desk, move |desk| {
        let since = time.unwrap_or_default();
        let from = number.map_or_else(|| desk.read(|db| db.audit_number_at(since)), Ok)?;
        desk.audit(&who.entry("audit-exported", Some(&from.to_string())))?;
        let mut text = String::new();
        let mut next = from;
        loop {
            let lines = desk.read(|db| db.audit_lines(next, LINES_MAX))?;
            let Some((last, _)) = lines.last() else {
                break;
            };
            next = last.saturating_add(1);
            for (_, line) in &lines {
                text.push_str(line);
                text.push('\n');
            }
            if lines.len() < LINES_MAX || text.len() > EXPORT_BYTES_MAX {
                break;
            }
        }
        Ok(bytes_of(StatusCode::OK, "application/jsonl", text))
    })
    .await
}

/// An export is whole lines up to about this size; the next begins with the number after its last.
const EXPORT_BYTES_MAX: usize = 64 << 20;
