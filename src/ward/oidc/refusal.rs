//! Why somebody did not get in by the hospital's sign-in service.

use super::client::ClientError;
use super::pending::Unknown;
use super::person::Nobody;
use super::token::TokenError;

/// Why. `Display` is for the log: it holds no code, token or secret, and nothing of what the service wrote but its error codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::ward) enum Refusal {
    /// The browser came back with something that this server did not begin, or not for it.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// The service sent the browser back without a code.
    #[error("the service said `{error}`")]
    Denied {
        /// Its error code. Source: OpenID Connect Core, section 3.1.2.6.
        error: String,
    },
    /// The answer is not from the service that was asked (RFC 9207).
    #[error("the answer came from another service than the one that was asked")]
    Mixed,
    /// The service does not answer.
    #[error(transparent)]
    Away(#[from] ClientError),
    /// The service answers, but not what the standards say.
    #[error("the service's answer cannot be used: {what}")]
    Answer {
        /// What is wrong with it.
        what: String,
    },
    /// It did not change the code into tokens.
    #[error(
        "the service gave no tokens: status {status}, `{error}`; for invalid_client check client_id and secret"
    )]
    Exchange {
        /// Status of HTTP.
        status: u16,
        /// Its error code. Source: RFC 6749, section 5.2.
        error: String,
    },
    /// The ID token is not believed.
    #[error("the ID token is not believed: {0}")]
    Token(#[from] TokenError),
    /// Nobody of this ward.
    #[error(transparent)]
    Nobody(#[from] Nobody),
    /// The file of users has the name: it comes by password only.
    #[error("{name} is a user of the users' file, who comes by password only")]
    Local {
        /// Who.
        name: String,
    },
    /// Another person had the name before.
    #[error(
        "{name} is the name of another person, who came before: docs/ward.md tells how to give it to this one"
    )]
    Taken {
        /// Who.
        name: String,
    },
    /// Too many came in vain from one address.
    #[error("too many came in vain from this address")]
    Limited,
    /// This server failed.
    #[error("this server failed")]
    Ours,
}

impl Refusal {
    /// What the page is told: it has words for each, in both languages.
    pub(in crate::ward) fn page_code(&self) -> &'static str {
        match self {
            Refusal::Unknown(_) => "oidc-stale",
            Refusal::Denied { error } if error == "access_denied" => "oidc-denied",
            Refusal::Away(
                ClientError::Away { .. } | ClientError::Late { .. } | ClientError::Failing { .. },
            ) => "oidc-away",
            Refusal::Away(ClientError::Broken { .. })
            | Refusal::Denied { .. }
            | Refusal::Mixed
            | Refusal::Answer { .. }
            | Refusal::Exchange { .. }
            | Refusal::Token(_) => "oidc-answer",
            Refusal::Nobody(Nobody::Role { .. }) => "oidc-no-role",
            Refusal::Nobody(Nobody::Name) | Refusal::Taken { .. } => "oidc-name",
            Refusal::Local { .. } => "oidc-local",
            Refusal::Limited => "oidc-limited",
            Refusal::Ours => "oidc-failed",
        }
    }

    /// The stable word of the audit list.
    pub(in crate::ward) fn audit_code(&self) -> &'static str {
        match self {
            Refusal::Unknown(Unknown::State) => "unknown-state",
            Refusal::Unknown(Unknown::Browser) => "other-browser",
            Refusal::Denied { .. } => "denied",
            Refusal::Mixed => "other-issuer",
            Refusal::Away(_) => "away",
            Refusal::Answer { .. } => "answer",
            Refusal::Exchange { .. } => "exchange",
            Refusal::Token(error) => error.code(),
            Refusal::Nobody(Nobody::Role { .. }) => "no-role",
            Refusal::Nobody(Nobody::Name) => "no-name",
            Refusal::Local { .. } => "local-user",
            Refusal::Taken { .. } => "name-taken",
            Refusal::Limited => "limited",
            Refusal::Ours => "internal",
        }
    }

    /// Who was refused, where the service has said so.
    pub(in crate::ward) fn who(&self) -> &str {
        match self {
            Refusal::Nobody(Nobody::Role { name, .. })
            | Refusal::Local { name }
            | Refusal::Taken { name } => name,
            Refusal::Unknown(_)
            | Refusal::Denied { .. }
            | Refusal::Mixed
            | Refusal::Away(_)
            | Refusal::Answer { .. }
            | Refusal::Exchange { .. }
            | Refusal::Token(_)
            | Refusal::Nobody(Nobody::Name)
            | Refusal::Limited
            | Refusal::Ours => "?",
        }
    }
}

/// An error code as the standards spell them; anything else is not repeated.
pub(super) fn spelled(code: &str) -> String {
    let right = (1..=40).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if right { code } else { "?" }.to_owned()
}
