//! Signing in and out.

use super::guard::{Peer, SignedIn, cookie};
use super::trouble::{Trouble, json};
use super::{aside, parse};
use crate::edge::random;
use crate::ids::hex;
use crate::ward::audit::Entry;
use crate::ward::desk::{Desk, locked};
use crate::ward::limiter::Gate;
use crate::ward::session::{Session, Ticket};
use crate::ward::store::{Db, StoreError};
use crate::ward::users::{PASSWORD_BYTES_MAX, User, is_name, verify};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing::{info, warn};

/// Passwords that are checked at a time; each takes 19 MiB.
static CHECKS: Semaphore = Semaphore::const_new(2);
/// How long a sign-in waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct Shown<'a> {
    user: &'a str,
    name: &'a str,
    role: &'a str,
    station_default: &'a str,
    site: &'a str,
    expires_at: String,
    server_time: String,
}

fn shown(desk: &Desk, user: &User, session: &Session) -> Response {
    let station = user.station.as_deref().unwrap_or(&desk.settings.station);
    let value = Shown {
        user: &user.name,
        name: &user.display,
        role: user.role.as_str(),
        station_default: station,
        site: desk.settings.site.as_str(),
        expires_at: locked(&desk.sessions).ends_at(session).to_string(),
        server_time: desk.clock.wall().to_string(),
    };
    json(StatusCode::OK, &value)
}

/// `GET /api/session`.
pub(super) async fn show(State(desk): State<Arc<Desk>>, who: SignedIn) -> Response {
    shown(&desk, &who.user, &who.session)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    user: String,
    password: String,
}

/// `POST /api/session`.
pub(super) async fn begin(
    State(desk): State<Arc<Desk>>,
    Peer(from): Peer,
    body: Bytes,
) -> Result<Response, Trouble> {
    let asked: Asked = parse(&body)?;
    if asked.password.len() > PASSWORD_BYTES_MAX {
        return Err(wrong());
    }
    // What no user can be called is nobody, and is not written down.
    let name = if is_name(&asked.user) {
        asked.user
    } else {
        "?".to_owned()
    };
    let turn = tokio::time::timeout(TURN_MAX, CHECKS.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        return Err(Trouble::busy());
    };
    let (user, secret, session) = aside(&desk, move |desk| {
        sign_in(desk, &name, &asked.password, from)
    })
    .await?;
    let mut response = shown(&desk, &user, &session);
    let seconds = desk.settings.session.length.as_secs();
    let value = cookie(&desk, &secret, seconds).ok_or_else(Trouble::internal)?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(response)
}

fn sign_in(
    desk: &Desk,
    name: &str,
    password: &str,
    from: IpAddr,
) -> Result<(User, String, Session), Trouble> {
    let now = desk.clock.wall();
    let entry = |what, ended: Option<&str>| Entry {
        who: name.to_owned(),
        what,
        from: Some(from.to_string()),
        ended: ended.map(str::to_owned),
        ..Entry::default()
    };
    match locked(&desk.limiter).gate(name, from, now) {
        Gate::Open => {}
        Gate::Wait { left } => {
            let text = "Too many wrong passwords from this machine. Wait, then try again.";
            return Err(Trouble::new(StatusCode::TOO_MANY_REQUESTS, "limited", text).after(left));
        }
        Gate::Locked { until } => {
            let text = format!("Too many wrong passwords. {name} is locked until {until}.");
            return Err(Trouble::new(StatusCode::FORBIDDEN, "locked", text).after(until.since(now)));
        }
    }
    let users = desk.users();
    let user = users.find(name);
    if !verify(user, password) {
        let (failures, locks) = locked(&desk.limiter).failed(name, from, now);
        let what = if locks { "locked" } else { "sign-in-failed" };
        desk.write(|db, _| {
            db.put_failures(name, Some(failures))?;
            db.audit(now, &entry(what, None))
        })?;
        warn!(user = name, %from, locks, "a wrong password");
        return Err(wrong());
    }
    let user = user.cloned().ok_or_else(wrong)?;
    locked(&desk.limiter).succeeded(name);
    let entry = entry("signed-in", Some(user.role.as_str()));
    let (secret, session) = open(desk, &user, &entry, |db| db.put_failures(name, None))?;
    info!(user = name, role = user.role.as_str(), %from, "signed in");
    Ok((user, secret, session))
}

/// A fresh session of `user`, kept together with `entry` and what `also` keeps; with the cookie's secret.
pub(super) fn open(
    desk: &Desk,
    user: &User,
    entry: &Entry,
    also: impl FnOnce(&Db<'_>) -> Result<(), StoreError>,
) -> Result<(String, Session), Trouble> {
    let now = desk.clock.wall();
    let secret = fresh_secret()?;
    let ticket = Ticket::of(&secret);
    let session = Session {
        user: user.name.clone(),
        proof: user.proof(),
        since: now,
        seen: now,
    };
    desk.write(|db, _| {
        also(db)?;
        db.put_session(&ticket, &session)?;
        db.audit(now, entry)
    })?;
    let ended = locked(&desk.sessions).begin(ticket, session.clone());
    desk.write(|db, _| db.drop_sessions(&ended))?;
    Ok((secret, session))
}

fn wrong() -> Trouble {
    let text = "User name or password is wrong.";
    Trouble::new(StatusCode::UNAUTHORIZED, "wrong", text)
}

/// 256 random bits in hexadecimal digits.
fn fresh_secret() -> Result<String, Trouble> {
    let bytes = random::<32>().map_err(|_| Trouble::internal())?;
    Ok(hex(&bytes))
}

/// `DELETE /api/session`.
pub(super) async fn end(State(desk): State<Arc<Desk>>, who: SignedIn) -> Result<Response, Trouble> {
    aside(&desk, move |desk| {
        locked(&desk.sessions).end(&who.ticket);
        desk.events.tell(crate::ward::events::Change::Sessions);
        let now = desk.clock.wall();
        let entry = who.entry("signed-out", None);
        desk.write(|db, _| {
            db.drop_sessions(&[who.ticket])?;
            db.audit(now, &entry)
        })?;
        Ok(())
    })
    .await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(value) = cookie(&desk, "", 0) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    Ok(response)
}
