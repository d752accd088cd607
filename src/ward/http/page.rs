//! The nursing station's page: files within the program, each with its type and digest.

use super::trouble::{Trouble, bytes_of};
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// A file of the page.
struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";

/// What `GET /` answers.
const INDEX: Asset = Asset {
    name: "index.html",
    kind: HTML,
    bytes: include_bytes!("../page/index.html"),
};

/// What stands under `/assets/`.
const ASSETS: &[Asset] = &[];

/// `GET /`.
pub(super) async fn index(headers: HeaderMap) -> Response {
    answer(&INDEX, &headers)
}

/// `GET /assets/{name}`.
pub(super) async fn asset(
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(|| Trouble::unknown("file"))?;
    Ok(answer(asset, &headers))
}

/// Any other path.
pub(super) async fn nothing(_: Request) -> Trouble {
    Trouble::unknown("page")
}

fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let digest = Sha256::digest(asset.bytes);
    let hex: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("\"{hex}\"");
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value == tag.as_str());
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => bytes_of(StatusCode::OK, asset.kind, asset.bytes),
    };
    let headers = response.headers_mut();
    // Kept, but asked for each time: after an update a page never runs with old parts.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, value);
    }
    response
}
