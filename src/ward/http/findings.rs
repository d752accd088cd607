//! Findings: what there is, and what is said of it.

use super::guard::SignedIn;
use super::trouble::{Trouble, bytes_of, json};
use super::{aside, parse};
use crate::ids::FindingId;
use crate::trust::{KeyId, PublicKey};
use crate::ward::audit::Entry;
use crate::ward::desk::Desk;
use crate::ward::record::FindingRecord;
use crate::ward::store::{History, LogLine, Waiting, Which};
use crate::ward::users::{Role, User};
use crate::ward::view::{self, FindingView, NotTriagedView};
use crate::wire::{AckPayload, Comment, KeyListPayload, RefusedCode, Seen, Topic, VerdictPayload};
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Findings of one answer, where the request does not say.
const LIMIT: usize = 200;
/// Findings of one answer.
const LIMIT_MAX: usize = 1000;
/// A verdict that was signed by a clock so far from ours is not taken: the later one counts.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(300);

/// Series without a finding that are listed, and from how far back.
const NOT_TRIAGED_MAX: i64 = 200;
const NOT_TRIAGED_AGE_MAX: Duration = Duration::from_secs(7 * 86_400);

const CLINICAL: &[Role] = &[Role::Nurse, Role::Physician];

#[derive(Deserialize)]
pub(super) struct Asked {
    state: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/findings?state=open|all&limit=`.
pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let which = match asked.state.as_deref() {
        Some("open") => Which::Open,
        Some("all") | None => Which::All,
        Some(_) => return Err(Trouble::malformed("`state` is `open` or `all`.")),
    };
    let limit = asked.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    aside(&desk, move |desk| {
        let (records, sequence) =
            desk.read(|db| Ok((db.findings(which, limit)?, db.sequence()?)))?;
        #[derive(Serialize)]
        struct List<'a> {
            findings: Vec<FindingView<'a>>,
            sequence: u64,
        }
        let names = desk.names();
        let views = records
            .iter()
            .map(|record| view::finding(record, &names, who.user.role));
        let findings = views.collect();
        Ok(json(StatusCode::OK, &List { findings, sequence }))
    })
    .await
}

/// `GET /api/not-triaged`: the series of the last week that have no finding, and why.
pub(super) async fn not_triaged(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
) -> Result<Response, Trouble> {
    aside(&desk, move |desk| {
        let now = desk.clock.wall();
        let records =
            desk.read(|db| db.not_triaged_since(now, NOT_TRIAGED_AGE_MAX, NOT_TRIAGED_MAX))?;
        #[derive(Serialize)]
        struct List<'a> {
            series: Vec<NotTriagedView<'a>>,
        }
        let names = desk.names();
        let views = records
            .iter()
            .map(|record| view::not_triaged(record, &names, who.user.role));
        let series = views.collect();
        Ok(json(StatusCode::OK, &List { series }))
    })
    .await
}

/// `GET /api/findings/{id}`.
pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let id = parse_id(&id)?;
    aside(&desk, move |desk| {
        let now = desk.clock.wall();
        let found = desk.read(|db| {
            let Some(record) = db.finding(&id)? else {
                return Ok(None);
            };
            let (history, log) = (db.history(&record)?, db.log_of(&id)?);
            Ok(Some((record, history, log)))
        })?;
        let (record, history, mut log) = found.ok_or_else(|| Trouble::unknown("finding"))?;
        if who.user.role.sees_patients() {
            let entry = who.entry("viewed", Some(id.as_str()));
            desk.write(|db, _| db.audit(now, &entry))?;
        } else {
            // What a physician wrote may be of a patient.
            log.iter_mut().for_each(|line| line.text = None);
        }
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            finding: FindingView<'a>,
            history: Vec<History>,
            log: Vec<LogLine>,
        }
        let names = desk.names();
        let finding = view::finding(&record, &names, who.user.role);
        Ok(json(
            StatusCode::OK,
            &Whole {
                finding,
                history,
                log,
            },
        ))
    })
    .await
}

/// `GET /api/findings/{id}/preview.png`.
pub(super) async fn preview(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    who.must_be(CLINICAL)?;
    let id = parse_id(&id)?;
    let png = aside(&desk, move |desk| Ok(desk.read(|db| db.preview(&id))?)).await?;
    let png = png.ok_or_else(|| Trouble::unknown("picture"))?;
    Ok(bytes_of(StatusCode::OK, "image/png", png))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledgement {
    station: String,
}

#[derive(Serialize)]
struct Sent {
    state: &'static str,
}

/// `POST /api/findings/{id}/ack`.
pub(super) async fn acknowledge(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Trouble> {
    who.must_be(CLINICAL)?;
    let id = parse_id(&id)?;
    let asked: Acknowledgement = parse(&body)?;
    aside(&desk, move |desk| {
        let record = known(desk, &id)?;
        let ack = AckPayload {
            finding_id: id.clone(),
            by: who.user.display.clone(),
            at: desk.clock.wall().to_string(),
            station: asked.station,
        };
        let payload = ack.to_bytes().map_err(|_| Trouble::internal())?;
        // By the rules of the box: what it would refuse is not sent.
        AckPayload::parse(&payload).map_err(|error| Trouble::malformed(error.to_string()))?;
        let line = LogLine {
            what: "ack-sent".to_owned(),
            by: Some(ack.by.clone()),
            station: Some(ack.station.clone()),
            ..LogLine::default()
        };
        let entry = Entry {
            station: Some(ack.station),
            ..who.entry("acknowledged", Some(id.as_str()))
        };
        say(desk, &record, &Topic::Ack, payload, &line, &entry)?;
        Ok(json(StatusCode::ACCEPTED, &Sent { state: "sent" }))
    })
    .await
}

/// `POST /api/findings/{id}/verdict`: the body is the signed verdict, word for word.
pub(super) async fn verdict(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Trouble> {
    who.must_be(&[Role::Physician])?;
    let id = parse_id(&id)?;
    aside(&desk, move |desk| {
        let record = known(desk, &id)?;
        let verdict = VerdictPayload::parse(&body)
            .map_err(|error| Trouble::refused("malformed", error.to_string()))?;
        if let Err(trouble) = check(desk, &record, &who.user, &verdict) {
            let refused = Entry {
                ended: Some(trouble.code().to_owned()),
                ..who.entry("verdict-refused", Some(id.as_str()))
            };
            desk.audit(&refused)?;
            return Err(trouble);
        }
        let payload = verdict.to_bytes().map_err(|_| Trouble::internal())?;
        let line = LogLine {
            what: "verdict-sent".to_owned(),
            by: Some(verdict.by.clone()),
            text: verdict
                .comment
                .as_ref()
                .map(Comment::as_str)
                .map(str::to_owned),
            ..LogLine::default()
        };
        let entry = Entry {
            ended: Some(verdict.decision.as_str().to_owned()),
            ..who.entry("verdict-signed", Some(id.as_str()))
        };
        say(desk, &record, &Topic::Verdict, payload, &line, &entry)?;
        Ok(json(StatusCode::ACCEPTED, &Sent { state: "sent" }))
    })
    .await
}

/// What the box will check, checked before anything is sent: who signs sees at once what is wrong.
fn check(
    desk: &Desk,
    record: &FindingRecord,
    user: &User,
    verdict: &VerdictPayload,
) -> Result<(), Trouble> {
    let by_box = |code: RefusedCode| Trouble::refused(code.code(), code.text());
    if verdict.finding_id != record.told.id {
        return Err(by_box(RefusedCode::Malformed));
    }
    if record.superseded_by.is_some() {
        return Err(by_box(RefusedCode::Superseded));
    }
    let (list, keys) = desk.read(|db| Ok((db.list()?, db.keys()?)))?;
    let key = listed(list.as_ref(), &verdict.key_id).map_err(by_box)?;
    let own = keys.iter().find(|key| key.key_id == verdict.key_id);
    if own.is_none_or(|key| key.user != user.name) || verdict.by != user.display {
        let text = "This key was enrolled by another user. Sign with your own.";
        return Err(Trouble::refused("foreign-key", text));
    }
    if own.is_some_and(|key| key.revoked_at.is_some()) {
        return Err(by_box(RefusedCode::RevokedKey));
    }
    verdict
        .verify(&key)
        .map_err(|_| by_box(RefusedCode::BadSignature))?;
    if !verdict.seen.is_same(&seen(record)) {
        return Err(by_box(RefusedCode::SeenDiffers));
    }
    let (now, at) = (desk.clock.wall(), verdict.decided_at());
    if now.since(at).max(at.since(now)) > CLOCKS_APART_MAX {
        let text = "This computer's clock and the server's are more than 5 minutes apart. Tell IT.";
        return Err(Trouble::refused("clock", text));
    }
    Ok(())
}

/// The key `id` of the list that IT signed. Errors: not on it, or revoked.
fn listed(list: Option<&KeyListPayload>, id: &KeyId) -> Result<PublicKey, RefusedCode> {
    let entry = list
        .and_then(|list| list.key(id))
        .ok_or(RefusedCode::UnknownKey)?;
    match entry.revoked_at {
        Some(_) => Err(RefusedCode::RevokedKey),
        None => entry.public_key().map_err(|_| RefusedCode::UnknownKey),
    }
}

/// What a page shows of the finding.
fn seen(record: &FindingRecord) -> Seen {
    let data = &record.told.data;
    Seen {
        priority: data.priority,
        score: data.score,
        burden_percent: data.lesion.as_ref().map(|lesion| lesion.burden_percent),
        model_digest: data.model.digest.clone(),
    }
}

/// Puts a message to the finding's box, with the log's and the audit's lines, on disk: then it will go out.
fn say(
    desk: &Desk,
    record: &FindingRecord,
    topic: &Topic,
    payload: Vec<u8>,
    line: &LogLine,
    entry: &Entry,
) -> Result<(), Trouble> {
    let now = desk.clock.wall();
    let message = Waiting {
        topic: record.from.root().topic(topic),
        payload,
        retain: false,
    };
    desk.write(|db, changes| {
        changes.outgoing.push(db.put_outgoing(&message, now)?);
        db.log(&record.told.id, now, line)?;
        db.audit(now, entry)
    })?;
    Ok(())
}

fn known(desk: &Desk, id: &FindingId) -> Result<FindingRecord, Trouble> {
    let found = desk.read(|db| db.finding(id))?;
    found.ok_or_else(|| Trouble::unknown("finding"))
}

fn parse_id(text: &str) -> Result<FindingId, Trouble> {
    FindingId::parse(text).map_err(|_| Trouble::unknown("finding"))
}
