//! The nursing station's page: files within the program, each with its type and digest.

use super::trouble::{Trouble, bytes_of};
use crate::ids::hex;
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
const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($name:literal, $kind:expr) => {
        Asset {
            name: $name,
            kind: $kind,
            bytes: include_bytes!(concat!("../page/", $name)),
        }
    };
}

/// What `GET /` answers.
const INDEX: Asset = asset!("index.html", HTML);

/// What stands under `/assets/`.
const ASSETS: &[Asset] = &[
    asset!("announce.js", JS),
    asset!("api.js", JS),
    asset!("app.js", JS),
    asset!("audit.js", JS),
    asset!("boxes.js", JS),
    asset!("canonical.js", JS),
    asset!("dom.js", JS),
    asset!("en.js", JS),
    asset!("errors.js", JS),
    asset!("events.js", JS),
    asset!("finding.js", JS),
    asset!("format.js", JS),
    asset!("help.js", JS),
    asset!("history.js", JS),
    asset!("icon.svg", SVG),
    asset!("keyring.js", JS),
    asset!("keys.js", JS),
    asset!("list.js", JS),
    asset!("lungs.js", JS),
    asset!("my-key.js", JS),
    asset!("not-triaged.js", JS),
    asset!("signin.js", JS),
    asset!("sound.js", JS),
    asset!("store.js", JS),
    asset!("symbols.js", JS),
    asset!("text.js", JS),
    asset!("verdict.js", JS),
    asset!("ward.css", CSS),
    asset!("zh-hant-hk.js", JS),
];

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
    let tag = format!("\"{}\"", hex(digest.iter().take(16)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_of_the_page_is_served_under_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ward/page");
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let served: BTreeSet<String> = ASSETS
            .iter()
            .chain([&INDEX])
            .map(|asset| asset.name.to_owned())
            .collect();
        assert_eq!(there, served);
    }
}
