//! Findings and boxes as pages get them, JSON. Pure.

use super::hear::{BoxName, Identity, Lesion, Reason};
use super::names::Names;
use super::record::{BoxRecord, Ear, FindingRecord, Light, NotTriagedRecord};
use super::settings::BoxLimits;
use super::users::Role;
use crate::units::WallTime;
use crate::wire::{FindingState, RefusedPayload};
use serde::Serialize;
use serde_json::Value;

/// A finding.
#[derive(Debug, Serialize)]
pub(super) struct FindingView<'a> {
    id: &'a str,
    #[serde(rename = "box")]
    from: &'a BoxName,
    priority: &'a str,
    score: f64,
    intended_use: &'a str,
    time: &'a str,
    received_at: String,
    identity: IdentityView<'a>,
    #[serde(flatten)]
    lesion: Option<&'a Lesion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'a Value>,
    quality: &'a [String],
    late: bool,
    model: &'a super::hear::Model,
    series: &'a Value,
    notice: &'a str,
    state: FindingState,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    station: Option<&'a str>,
    state_at: &'a str,
    escalated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_burden_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a RefusedPayload>,
    has_preview: bool,
    sequence: u64,
}

#[derive(Serialize)]
struct IdentityView<'a> {
    pseudonym: &'a str,
    accession: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    birth_date: Option<&'a str>,
}

impl std::fmt::Debug for IdentityView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The finding as those of `role` see it. IT sees no names, numbers of patients, or pictures.
pub(super) fn finding<'a>(
    record: &'a FindingRecord,
    names: &'a Names,
    role: Role,
) -> FindingView<'a> {
    let data = &record.told.data;
    let receipt = record.receipt.as_ref();
    FindingView {
        id: record.told.id.as_str(),
        from: &record.from,
        priority: data.priority.as_str(),
        score: data.score,
        intended_use: &data.intended_use,
        time: &record.told.time,
        received_at: record.received_at.to_string(),
        identity: identity(&data.identity, names, role),
        lesion: data.lesion.as_ref(),
        comparison: data.comparison.as_ref(),
        quality: &data.quality,
        late: data.late,
        model: &data.model,
        series: &data.series,
        notice: &data.notice,
        state: record.state(),
        by: receipt.and_then(|receipt| receipt.by.as_deref()),
        station: receipt.and_then(|receipt| receipt.station.as_deref()),
        state_at: receipt.map_or(&record.told.time, |receipt| &receipt.at),
        escalated: record.escalated,
        superseded_by: record.superseded_by.as_ref().map(|id| id.as_str()),
        supersedes: data.supersedes.as_ref().map(|id| id.as_str()),
        signed_burden_percent: receipt.and_then(|receipt| receipt.burden_percent),
        refused: receipt.and_then(|receipt| receipt.refused.as_ref()),
        has_preview: record.has_preview && role.sees_patients(),
        sequence: record.sequence,
    }
}

/// A series without a finding.
#[derive(Debug, Serialize)]
pub(super) struct NotTriagedView<'a> {
    id: &'a str,
    #[serde(rename = "box")]
    from: &'a BoxName,
    time: &'a str,
    received_at: String,
    identity: IdentityView<'a>,
    reason: &'a Reason,
    series: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<&'a str>,
    sequence: u64,
}

/// The series as those of `role` see it.
pub(super) fn not_triaged<'a>(
    record: &'a NotTriagedRecord,
    names: &'a Names,
    role: Role,
) -> NotTriagedView<'a> {
    let data = &record.told.data;
    NotTriagedView {
        id: record.told.id.as_str(),
        from: &record.from,
        time: &record.told.time,
        received_at: record.received_at.to_string(),
        identity: identity(&data.identity, names, role),
        reason: &data.reason,
        series: &data.series,
        superseded_by: record.superseded_by.as_ref().map(|id| id.as_str()),
        sequence: record.sequence,
    }
}

fn identity<'a>(identity: &'a Identity, names: &'a Names, role: Role) -> IdentityView<'a> {
    let shown = |text: &'a str| Some(text).filter(|text| !text.is_empty());
    let person = names.find(identity).filter(|_| role.sees_patients());
    IdentityView {
        pseudonym: identity.pseudonym.as_str(),
        accession: identity
            .accession
            .as_deref()
            .filter(|_| role.sees_patients()),
        name: person.and_then(|person| shown(&person.name)),
        patient_id: person.and_then(|person| shown(&person.id)),
        birth_date: person.and_then(|person| shown(&person.birth_date)),
    }
}

/// A box.
#[derive(Debug, Serialize)]
pub(super) struct BoxState<'a> {
    site: &'a str,
    device: &'a str,
    state: super::hear::BoxState,
    light: Light,
    last_seen: String,
    version: &'a str,
    model: Option<&'a Value>,
    backend: Option<&'a str>,
    outbox: &'a Value,
    series: &'a Value,
    degraded: &'a [String],
    reasons: Vec<String>,
    sequence: u64,
}

/// The box as it is at `now`.
pub(super) fn a_box<'a>(
    record: &'a BoxRecord,
    now: WallTime,
    ear: Ear,
    limits: &BoxLimits,
) -> BoxState<'a> {
    BoxState {
        site: record.name.site.as_str(),
        device: record.name.device.as_str(),
        state: record.said.state,
        light: record.light_at(now, ear, limits),
        last_seen: record.last_seen.to_string(),
        version: &record.said.version,
        model: record.said.model.as_ref(),
        backend: record.said.backend.as_deref(),
        outbox: &record.said.outbox,
        series: &record.said.series,
        degraded: &record.said.degraded,
        reasons: record.reasons(now, ear, limits),
        sequence: record.sequence,
    }
}
