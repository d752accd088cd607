//! What a request is answered with when it is not done: a status, a stable code, a sentence.

use crate::ward::store::StoreError;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use tracing::error;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ward) struct Trouble {
    status: StatusCode,
    code: &'static str,
    text: String,
    retry_after: Option<Duration>,
}

impl Trouble {
    pub(super) fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Trouble {
        Trouble {
            status,
            code,
            text: text.into(),
            retry_after: None,
        }
    }

    pub(super) fn after(self, wait: Duration) -> Trouble {
        Trouble {
            retry_after: Some(wait),
            ..self
        }
    }

    /// The stable code.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn signed_out() -> Trouble {
        Trouble::new(StatusCode::UNAUTHORIZED, "signed-out", "Sign in first.")
    }

    pub(super) fn role() -> Trouble {
        let text = "Your role does not allow this.";
        Trouble::new(StatusCode::FORBIDDEN, "role", text)
    }

    pub(super) fn malformed(text: impl Into<String>) -> Trouble {
        Trouble::new(StatusCode::BAD_REQUEST, "malformed", text)
    }

    pub(super) fn refused(code: &'static str, text: impl Into<String>) -> Trouble {
        Trouble::new(StatusCode::UNPROCESSABLE_ENTITY, code, text)
    }

    pub(super) fn unknown(what: &str) -> Trouble {
        Trouble::new(
            StatusCode::NOT_FOUND,
            "unknown",
            format!("There is no such {what}."),
        )
    }

    pub(super) fn busy() -> Trouble {
        let text = "The server has too much to do. Try again.";
        Trouble::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text).after(Duration::from_secs(5))
    }

    pub(super) fn internal() -> Trouble {
        let text = "The server failed. Tell IT: its log says why.";
        Trouble::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        error!(%error, advice = error.advice(), "a request failed");
        match error {
            StoreError::Full { .. } => Trouble::busy(),
            StoreError::Database(_) | StoreError::Damaged { .. } | StoreError::Newer { .. } => {
                Trouble::internal()
            }
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Inner<'a> {
            code: &'a str,
            text: &'a str,
        }
        #[derive(Serialize)]
        struct Outer<'a> {
            error: Inner<'a>,
        }
        let body = Outer {
            error: Inner {
                code: self.code,
                text: &self.text,
            },
        };
        let mut response = json(self.status, &body);
        if let Some(wait) = self.retry_after {
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

/// A JSON answer.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => bytes_of(status, "application/json", bytes),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// An answer of a type.
pub(super) fn bytes_of(
    status: StatusCode,
    content_type: &'static str,
    bytes: impl Into<Body>,
) -> Response {
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}
