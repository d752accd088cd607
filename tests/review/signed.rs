//! Keys, and what is signed with them.

use crate::scene::{MINUTE, START};
use scanward::ids::FindingId;
use scanward::outcome::Priority;
use scanward::trust::{KeyId, PublicKey, Signature, SigningKey};
use scanward::units::WallTime;
use scanward::wire::{Comment, Decision, KeyListPayload, KeyPayload, Seen, VerdictPayload};

pub const PHYSICIAN: u8 = 1;
pub const IT: u8 = 2;
pub const REVOKED: u8 = 3;
pub const STRANGER: u8 = 4;

pub fn key_of(which: u8) -> SigningKey {
    SigningKey::from_seed(&[which; 32]).unwrap()
}

pub fn public(which: u8) -> PublicKey {
    key_of(which).public().unwrap()
}

pub fn list(counter: u64, signer: u8) -> KeyListPayload {
    let entry = |which: u8, by: &str, revoked: bool| KeyPayload {
        key_id: public(which).id(),
        by: by.to_owned(),
        public_key: public(which).to_base64(),
        enrolled_at: "2026-11-01T08:00:00.000Z".to_owned(),
        revoked_at: revoked.then(|| "2026-11-02T08:00:00.000Z".to_owned()),
    };
    let list = KeyListPayload {
        counter,
        issued_at: "2026-11-20T08:00:00.000Z".to_owned(),
        keys: vec![
            entry(PHYSICIAN, "Dr Lee 李", false),
            entry(REVOKED, "Dr Wu", true),
        ],
        signature: Signature::NONE,
    };
    list.signed(&key_of(signer)).unwrap()
}

/// A verdict of the physician so many minutes after the start.
pub fn verdict(id: &FindingId, decision: Decision, minutes: i64) -> VerdictPayload {
    let corrects = decision == Decision::Correct;
    let verdict = VerdictPayload {
        finding_id: id.clone(),
        decision,
        burden_percent: corrects.then_some(17.0),
        comment: corrects.then(|| Comment::new("as I see it")),
        by: "somebody".to_owned(),
        at: WallTime::from_unix_millis(START + minutes * MINUTE).to_string(),
        key_id: KeyId::parse("0000000000000000").unwrap(),
        seen: Seen {
            priority: Priority::Urgent,
            score: 0.93,
            burden_percent: Some(12.3),
            model_digest: format!("sha256:{}", "7a".repeat(32)),
        },
        signature: Signature::NONE,
    };
    verdict.signed(&key_of(PHYSICIAN)).unwrap()
}
