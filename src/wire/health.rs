//! The health document, and the shorter one of the last will.
#![expect(
    missing_docs,
    reason = "the keys of the payloads are the contract's, docs/contract.md explains them"
)]

use super::WireError;
use super::finding::ModelPayload;
use serde::{Deserialize, Serialize};

/// How the box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// All well.
    Online,
    /// Working, with the reasons in `degraded`.
    Degraded,
    /// Gone; said by the last will or at a clean stop.
    Offline,
}

/// The contract's health document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthPayload {
    pub state: HealthState,
    pub boot: u64,
    pub sequence: u64,
    pub since: String,
    pub version: String,
    pub model: Option<ModelPayload>,
    pub backend: Option<String>,
    pub outbox: OutboxPayload,
    pub series: SeriesCountPayload,
    pub folder: FolderPayload,
    pub clock: ClockPayload,
    pub temperature_c: Option<f64>,
    pub degraded: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ward: Option<WardPayload>,
}

/// What came from the ward since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WardPayload {
    pub refused: u64,
    pub keys_counter: u64,
}

/// What waits to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboxPayload {
    pub count: u64,
    pub oldest_s: u64,
}

/// The series of this UTC day, and those open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesCountPayload {
    pub today: u64,
    pub triaged: u64,
    pub not_triaged: u64,
    pub in_flight: u64,
}

/// The export folder and its disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderPayload {
    pub reachable: bool,
    pub free_percent: Option<f64>,
}

/// The wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockPayload {
    pub synchronised: bool,
}

/// The last will: `boot` tells a will that arrives late, after a newer birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfflinePayload {
    pub state: HealthState,
    pub boot: u64,
}

impl HealthPayload {
    /// The document's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        serde_json::to_vec(self).map_err(|_| WireError::Malformed { what: "health" })
    }
}

impl OfflinePayload {
    /// The will of this boot.
    pub fn new(boot: u64) -> OfflinePayload {
        OfflinePayload {
            state: HealthState::Offline,
            boot,
        }
    }

    /// The document's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        serde_json::to_vec(self).map_err(|_| WireError::Malformed { what: "will" })
    }
}
