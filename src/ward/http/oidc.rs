//! Signing in by the hospital's service: what the page may offer, the way there, the way back.
//!
//! All three are plain navigations or reads; whatever goes wrong leads back to this server's own page with a word from a fixed
//! list behind `#`, never to an address that a request named.

use super::aside;
use super::guard::{Peer, cookie, ticket_in};
use super::session::open;
use super::trouble::{Trouble, json};
use crate::ward::audit::Entry;
use crate::ward::desk::{Desk, locked};
use crate::ward::oidc::{LIFE, Oidc, Person, Refusal, Returned, told_apart};
use crate::ward::store::{Known, StoreError};
use crate::ward::users::User;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Arc;
use tracing::{info, warn};

/// The cookie that binds a sign-in to its browser.
const COOKIE: &str = "scanward_oidc";

#[derive(Serialize)]
struct Ways<'a> {
    oidc: Option<Way<'a>>,
}

#[derive(Serialize)]
struct Way<'a> {
    label: Option<&'a str>,
}

/// `GET /api/sign-in`: what the page offers besides a password.
pub(super) async fn ways(State(desk): State<Arc<Desk>>) -> Response {
    let oidc = desk.oidc.as_ref().map(|oidc| Way {
        label: oidc.settings.label.as_deref(),
    });
    json(StatusCode::OK, &Ways { oidc })
}

/// `GET /api/oidc/login`: to the service.
pub(super) async fn login(
    State(desk): State<Arc<Desk>>,
    Peer(from): Peer,
) -> Result<Response, Trouble> {
    let oidc = offered(&desk)?;
    if waits(&desk, oidc, from) {
        return Ok(back(&Refusal::Limited));
    }
    match oidc.begin(&desk.clock, from).await {
        Ok(begun) => {
            let mut response = to(&begun.location).ok_or_else(Trouble::internal)?;
            let value = binding(oidc, &begun.cookie, LIFE.as_secs());
            let value = value.ok_or_else(Trouble::internal)?;
            response.headers_mut().insert(header::SET_COOKIE, value);
            Ok(response)
        }
        Err(refusal) => {
            // Nobody has shown who they are: the log has it, the audit list is not filled by whoever presses a button.
            warn!(why = %refusal, %from, "no sign-in by the hospital's service");
            Ok(back(&refusal))
        }
    }
}

/// `GET /api/oidc/callback`: from the service.
pub(super) async fn callback(
    State(desk): State<Arc<Desk>>,
    Peer(from): Peer,
    headers: HeaderMap,
    returned: Result<Query<Returned>, QueryRejection>,
) -> Result<Response, Trouble> {
    let oidc = offered(&desk)?;
    if waits(&desk, oidc, from) {
        return Ok(back(&Refusal::Limited));
    }
    let browser = ticket_in(&headers, COOKIE);
    let returned = returned.map(|Query(returned)| returned).unwrap_or_default();
    let came = match oidc.finish(&desk.clock, returned, browser).await {
        Ok(person) => aside(&desk, move |desk| Ok(enter(desk, person, from))).await?,
        Err(refusal) => Err(refusal),
    };
    let mut response = match came {
        Ok(secret) => {
            let seconds = desk.settings.session.length.as_secs();
            let mut response = to("/").ok_or_else(Trouble::internal)?;
            let value = cookie(&desk, &secret, seconds).ok_or_else(Trouble::internal)?;
            response.headers_mut().append(header::SET_COOKIE, value);
            response
        }
        Err(refusal) => {
            let response = back(&refusal);
            aside(&desk, move |desk| refuse(desk, &refusal, from)).await?;
            response
        }
    };
    if let Some(value) = binding(oidc, "", 0) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

fn offered(desk: &Desk) -> Result<&Oidc, Trouble> {
    desk.oidc
        .as_ref()
        .ok_or_else(|| Trouble::unknown("way to sign in"))
}

fn waits(desk: &Desk, oidc: &Oidc, from: IpAddr) -> bool {
    let now = desk.clock.wall();
    locked(&oidc.refused).wait_of(from, now).is_some()
}

/// Gives `person` a name here and a session; returns the cookie's secret.
fn enter(desk: &Desk, person: Person, from: IpAddr) -> Result<String, Refusal> {
    let oidc = desk.oidc.as_ref().ok_or(Refusal::Ours)?;
    // From the name's choice to the end: two who come at once do not get one name, or one display.
    let _naming = locked(&oidc.naming);
    let known = named(desk, oidc, person)?;
    let user = oidc.user(&known);
    let entry = Entry {
        ended: Some(user.role.as_str().to_owned()),
        ..entry("oidc-signed-in", &user.name, from)
    };
    let now = desk.clock.wall();
    // Before its session is known: a session without its user would not hold.
    desk.welcome(user.clone());
    let opened = open(desk, &user, &entry, |db| db.put_person(now, &known));
    let (secret, _) = opened.map_err(|_| Refusal::Ours)?;
    let User { name, role, .. } = &user;
    info!(user = %name, role = role.as_str(), %from, "signed in by the hospital's service");
    Ok(secret)
}

/// Who `person` is here. Somebody who came before keeps the name of then, whatever the service calls them today: the audit list
/// and keys go by it.
fn named(desk: &Desk, oidc: &Oidc, person: Person) -> Result<Known, Refusal> {
    let issuer = oidc.settings.issuer_text();
    let users = desk.users();
    let found = desk.read(|db| {
        let before = db.person_of(issuer, &person.subject)?;
        let mut known = Known {
            name: before.map_or_else(|| person.name.clone(), |before| before.name),
            issuer: issuer.to_owned(),
            subject: person.subject.clone(),
            display: person.display.clone(),
            role: person.role,
        };
        let taken = db.is_taken(&known)?;
        let is_shown = |display: &str| -> Result<bool, StoreError> {
            Ok(users.shows(display) || db.shows(display, &known.name)?)
        };
        if is_shown(&known.display)? {
            let apart = told_apart(&Person {
                name: known.name.clone(),
                ..person.clone()
            });
            let free = !is_shown(&apart)?;
            known.display = if free { apart } else { known.name.clone() };
        }
        Ok((known, taken))
    });
    let (known, taken) = found.map_err(|error| {
        warn!(%error, "a sign-in by the hospital's service failed");
        Refusal::Ours
    })?;
    match (users.find(&known.name).is_some(), taken) {
        (true, _) => Err(Refusal::Local { name: known.name }),
        (false, true) => Err(Refusal::Taken { name: known.name }),
        (false, false) => Ok(known),
    }
}

/// Writes down that somebody was refused; how often from one address is bounded, and so is the list.
fn refuse(desk: &Desk, refusal: &Refusal, from: IpAddr) -> Result<(), Trouble> {
    if let Some(oidc) = &desk.oidc {
        locked(&oidc.refused).failed_from(from, desk.clock.wall());
    }
    warn!(why = %refusal, %from, "refused at sign-in by the hospital's service");
    let entry = Entry {
        ended: Some(refusal.audit_code().to_owned()),
        ..entry("oidc-refused", refusal.who(), from)
    };
    Ok(desk.audit(&entry)?)
}

fn entry(what: &'static str, who: &str, from: IpAddr) -> Entry {
    Entry {
        who: who.to_owned(),
        what,
        from: Some(from.to_string()),
        ..Entry::default()
    }
}

/// To `location`, by GET.
fn to(location: &str) -> Option<Response> {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let value = HeaderValue::from_str(location).ok()?;
    response.headers_mut().insert(header::LOCATION, value);
    Some(response)
}

/// Back to the page, which has words for the reason.
fn back(refusal: &Refusal) -> Response {
    let location = format!("/#sign-in/{}", refusal.page_code());
    to(&location).unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// The `Set-Cookie` that binds a sign-in. `Lax`: the service's page is another site, and leads here by a plain navigation.
fn binding(oidc: &Oidc, secret: &str, seconds: u64) -> Option<HeaderValue> {
    let secure = if oidc.settings.public_url.is_secure() {
        "; Secure"
    } else {
        ""
    };
    let text = format!(
        "{COOKIE}={secret}; Path=/api/oidc; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
    );
    HeaderValue::from_str(&text).ok()
}
