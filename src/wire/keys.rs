//! The list of keys that may sign a verdict, signed by the hospital's IT.
#![expect(
    missing_docs,
    reason = "the keys of the payloads are the contract's, docs/contract.md explains them"
)]

use super::WireError;
use super::canonical::NotCanonical;
use super::incoming::{IncomingError, Rules, SignatureError, read, required, signed_bytes};
use crate::trust::{KeyId, PublicKey, Signature, SigningKey, TrustError};
use crate::units::WallTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The largest list: 1,000 keys with names of 64 letters.
const LIST_BYTES_MAX: usize = 400 << 10;
/// The most keys of a list.
const KEYS_MAX: usize = 1000;
/// The largest number that JSON's readers all read alike.
const COUNTER_MAX: u64 = (1 << 53) - 1;

/// Who may sign verdicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyListPayload {
    pub counter: u64,
    pub issued_at: String,
    pub keys: Vec<KeyPayload>,
    pub signature: Signature,
}

/// One physician's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPayload {
    pub key_id: KeyId,
    pub by: String,
    pub public_key: String,
    pub enrolled_at: String,
    #[serde(deserialize_with = "required")]
    pub revoked_at: Option<String>,
}

impl KeyPayload {
    /// The key. Errors: not base64 of 32 bytes.
    pub fn public_key(&self) -> Result<PublicKey, TrustError> {
        PublicKey::from_base64(&self.public_key)
    }

    /// From when on its signatures count no more; `None` for a key that stands.
    pub fn revoked_at(&self) -> Option<WallTime> {
        self.revoked_at.as_deref().and_then(WallTime::parse)
    }

    fn check(&self, rules: Rules) -> Result<(), IncomingError> {
        rules.name("keys.by", &self.by)?;
        rules.time("keys.enrolled_at", &self.enrolled_at)?;
        if let Some(revoked) = &self.revoked_at {
            rules.time("keys.revoked_at", revoked)?;
        }
        let id = self.public_key().map(|key| key.id());
        rules.holds("keys.public_key", id.is_ok(), "is no base64 of 32 bytes")?;
        let fits = id.as_ref() == Ok(&self.key_id);
        rules.holds("keys.key_id", fits, "is not that of its `public_key`")
    }
}

impl KeyListPayload {
    /// Reads and checks a message; its signature is not checked yet.
    pub fn parse(payload: &[u8]) -> Result<KeyListPayload, IncomingError> {
        let list: KeyListPayload = read("key list", payload, LIST_BYTES_MAX)?;
        let rules = Rules("key list");
        let counts = (1..=COUNTER_MAX).contains(&list.counter);
        rules.holds("counter", counts, "must be from 1 to 2^53 - 1")?;
        rules.time("issued_at", &list.issued_at)?;
        rules.holds(
            "keys",
            list.keys.len() <= KEYS_MAX,
            "has more than 1,000 entries",
        )?;
        list.keys.iter().try_for_each(|key| key.check(rules))?;
        let ids: BTreeSet<&KeyId> = list.keys.iter().map(|key| &key.key_id).collect();
        let once = ids.len() == list.keys.len();
        rules.holds("keys", once, "names one key twice")?;
        Ok(list)
    }

    /// What is signed: the canonical JSON (RFC 8785) of all but `signature`.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, NotCanonical> {
        signed_bytes(self)
    }

    /// Errors: the signature is none of `keys` over this list.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<(), SignatureError> {
        let bytes = self.signed_bytes()?;
        let holds = |key: &PublicKey| key.verify(&bytes, &self.signature).is_ok();
        match keys.iter().any(holds) {
            true => Ok(()),
            false => Err(SignatureError::Trust(TrustError::Signature)),
        }
    }

    /// This list signed with `key`.
    pub fn signed(mut self, key: &SigningKey) -> Result<KeyListPayload, SignatureError> {
        let signature = key.sign(&self.signed_bytes()?);
        self.signature = signature.ok_or(TrustError::SignatureForm)?;
        Ok(self)
    }

    /// The entry of `id`.
    pub fn key(&self, id: &KeyId) -> Option<&KeyPayload> {
        self.keys.iter().find(|key| key.key_id == *id)
    }

    /// The message's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        serde_json::to_vec(self).map_err(|_| WireError::Malformed { what: "key list" })
    }
}
