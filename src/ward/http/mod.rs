//! The routes. Every answer but the page's own files is JSON, a picture, or a stream of events.

mod boxes;
mod events;
mod findings;
mod guard;
mod keys;
mod oidc;
mod page;
mod session;
mod trouble;

pub(super) use guard::Peer;
#[cfg(feature = "demo")]
pub(super) use keys::fresh_code;

use super::desk::Desk;
use super::oidc::CALLBACK;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use trouble::Trouble;

/// The largest body: a verdict with a long comment.
const BODY_BYTES_MAX: usize = 32 << 10;
/// The largest list of keys.
const LIST_BYTES_MAX: usize = 512 << 10;

/// All routes.
pub(super) fn routes(desk: &Arc<Desk>) -> Router {
    let list = post(keys::publish).layer(DefaultBodyLimit::max(LIST_BYTES_MAX));
    Router::new()
        .route("/", get(page::index))
        .route("/assets/{name}", get(page::asset))
        .route("/healthz", get(boxes::healthz))
        .route(
            "/api/session",
            get(session::show).post(session::begin).delete(session::end),
        )
        .route("/api/sign-in", get(oidc::ways))
        .route("/api/oidc/login", get(oidc::login))
        .route(CALLBACK, get(oidc::callback))
        .route("/api/findings", get(findings::list))
        .route("/api/findings/{id}", get(findings::show))
        .route("/api/findings/{id}/preview.png", get(findings::preview))
        .route("/api/findings/{id}/ack", post(findings::acknowledge))
        .route("/api/findings/{id}/verdict", post(findings::verdict))
        .route("/api/not-triaged", get(findings::not_triaged))
        .route("/api/boxes", get(boxes::list))
        .route("/api/events", get(events::stream))
        .route("/api/keys", get(keys::show))
        .route("/api/keys/codes", post(keys::code))
        .route("/api/keys/enrol", post(keys::enrol))
        .route("/api/keys/draft", get(keys::draft))
        .route("/api/keys/list", list)
        .route("/api/keys/revoke", post(keys::revoke))
        .route("/api/audit", get(boxes::audit))
        .fallback(page::nothing)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(desk), guard::guard))
        .with_state(Arc::clone(desk))
}

/// Does what waits for disks or processors where it holds up nobody.
async fn aside<T: Send + 'static>(
    desk: &Arc<Desk>,
    work: impl FnOnce(&Desk) -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let desk = Arc::clone(desk);
    let done = tokio::task::spawn_blocking(move || work(&desk)).await;
    // A panic of ours, or the server is ending.
    done.unwrap_or_else(|_| Err(Trouble::internal()))
}

/// The JSON of a request. Errors tell the place, not the content.
fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Trouble> {
    serde_json::from_slice(body).map_err(|error| {
        Trouble::malformed(format!(
            "The request does not parse at line {} column {}.",
            error.line(),
            error.column()
        ))
    })
}
