//! What holds for every request: headers of answers, the header that other sites cannot send, time, who asks.

use super::trouble::Trouble;
use crate::ward::audit::Entry;
use crate::ward::desk::{Desk, locked};
use crate::ward::session::Ticket;
use crate::ward::users::{Role, User};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The longest time until an answer begins. Event streams begin at once.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The header of every request that changes something: no form and no image of another site can send it.
const OWN: &str = "x-scanward";
/// The session's cookie.
const COOKIE: &str = "scanward_session";
/// How long a cookie's value is: 32 bytes in hexadecimal digits.
const SECRET_DIGITS: usize = 64;

/// Nothing from elsewhere, nothing inline, no frame around us.
const POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'";

/// The address that a connection came from.
#[derive(Clone, Copy, Debug)]
pub(in crate::ward) struct Peer(pub(in crate::ward) IpAddr);

/// Around every request.
pub(super) async fn guard(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let own = request.headers().get(OWN).is_some_and(|value| value == "1");
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = if reads || own {
        match timeout(ANSWER_MAX, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Trouble::busy().into_response(),
        }
    } else {
        let text =
            "The header X-Scanward is missing: this request did not come from scanward's page.";
        Trouble::new(StatusCode::FORBIDDEN, "foreign", text).into_response()
    };
    let is_ours = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    let failed = response.status().is_client_error() || response.status().is_server_error();
    if is_api && failed && !is_ours {
        response = framed(response.status());
    }
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    put(header::CONTENT_SECURITY_POLICY, POLICY);
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::X_FRAME_OPTIONS, "DENY");
    put(header::REFERRER_POLICY, "no-referrer");
    put(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    put(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    // Nothing of a patient stays in a browser's cache on a shared machine.
    put(header::CACHE_CONTROL, "no-store");
    if desk.settings.http.tls.is_some() {
        put(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}

/// What the framework refused by itself, in plain text: in our form, and without what was sent.
fn framed(status: StatusCode) -> Response {
    let (code, text) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("method", "This is not done so."),
        StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "The request is too large."),
        StatusCode::NOT_FOUND => ("unknown", "There is no such thing."),
        _ => ("malformed", "The request is not as it should be."),
    };
    Trouble::new(status, code, text).into_response()
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(super) struct SignedIn {
    pub(super) ticket: Ticket,
    pub(super) user: User,
    pub(super) session: crate::ward::session::Session,
    pub(super) from: IpAddr,
}

impl SignedIn {
    /// Errors: another role.
    pub(super) fn must_be(&self, allowed: &[Role]) -> Result<(), Trouble> {
        match allowed.contains(&self.user.role) {
            true => Ok(()),
            false => Err(Trouble::role()),
        }
    }

    /// A line of the audit list: what they do, and what to.
    pub(super) fn entry(&self, what: &'static str, to: Option<&str>) -> Entry {
        Entry {
            who: self.user.name.clone(),
            what,
            to: to.map(str::to_owned),
            from: Some(self.from.to_string()),
            ..Entry::default()
        }
    }
}

impl FromRequestParts<Arc<Desk>> for SignedIn {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<SignedIn, Trouble> {
        let from = peer(parts)?;
        let ticket = ticket(&parts.headers).ok_or_else(Trouble::signed_out)?;
        let (user, session) = who(desk, &ticket).ok_or_else(Trouble::signed_out)?;
        Ok(SignedIn {
            ticket,
            user,
            session,
            from,
        })
    }
}

impl FromRequestParts<Arc<Desk>> for Peer {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Desk>) -> Result<Peer, Trouble> {
        peer(parts).map(Peer)
    }
}

fn peer(parts: &Parts) -> Result<IpAddr, Trouble> {
    let peer = parts.extensions.get::<Peer>();
    peer.map(|peer| peer.0).ok_or_else(Trouble::internal)
}

/// Who holds `ticket`; it counts as used.
pub(super) fn who(desk: &Desk, ticket: &Ticket) -> Option<(User, crate::ward::session::Session)> {
    let session = locked(&desk.sessions).find(ticket, desk.clock.wall())?;
    let user = desk.user(&session.user)?;
    (user.proof() == session.proof).then_some((user, session))
}

fn ticket(headers: &HeaderMap) -> Option<Ticket> {
    ticket_in(headers, COOKIE)
}

/// The ticket of the cookie `cookie`.
pub(super) fn ticket_in(headers: &HeaderMap, cookie: &str) -> Option<Ticket> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'));
    pairs.find_map(|pair| {
        let (name, secret) = pair.trim().split_once('=')?;
        let right = name == cookie
            && secret.len() == SECRET_DIGITS
            && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
        right.then(|| Ticket::of(secret))
    })
}

/// The `Set-Cookie` of a session, or of its end.
pub(super) fn cookie(desk: &Desk, secret: &str, seconds: u64) -> Option<HeaderValue> {
    // On loopback without TLS, not every browser takes a cookie that asks for TLS.
    let secure = if desk.settings.http.tls.is_some() {
        "; Secure"
    } else {
        ""
    };
    let text =
        format!("{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).ok()
}
