//! The physicians' keys, as the hospital's IT listed and signed them.

use crate::trust::{KeyId, PublicKey, Signature};
use crate::wire::{IncomingError, KeyListPayload, RefusedCode};
use std::collections::BTreeMap;

/// Why a list of keys is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListRefused {
    /// It is no list.
    #[error(transparent)]
    Malformed(#[from] IncomingError),
    /// None of `[ward] it_keys` signed it.
    #[error("it is signed by none of [ward] it_keys")]
    BadSignature,
    /// One as new or newer stands.
    #[error("its counter is {offered}, a list with counter {standing} stands")]
    Stale {
        /// The counter of the list that was offered.
        offered: u64,
        /// The counter of the list that stands.
        standing: u64,
    },
}

/// One key.
#[derive(Clone, Debug)]
struct Key {
    public: PublicKey,
    by: String,
    revoked: bool,
}

/// The keys that may sign verdicts.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    counter: u64,
    signature: Option<Signature>,
    keys: BTreeMap<KeyId, Key>,
}

impl KeyRing {
    /// The counter of the list that stands; 0 when there never was one.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// What `payload` says, if it may stand: `None` for the very list that stands already.
    pub fn offered(
        &self,
        payload: &[u8],
        it_keys: &[PublicKey],
    ) -> Result<Option<KeyListPayload>, ListRefused> {
        let list = KeyListPayload::parse(payload)?;
        list.verify(it_keys)
            .map_err(|_| ListRefused::BadSignature)?;
        if list.counter == self.counter && self.signature == Some(list.signature) {
            return Ok(None);
        }
        if list.counter <= self.counter {
            return Err(ListRefused::Stale {
                offered: list.counter,
                standing: self.counter,
            });
        }
        Ok(Some(list))
    }

    /// The ring of a list that was checked.
    pub fn of(list: &KeyListPayload) -> KeyRing {
        let keys = list.keys.iter().filter_map(|key| {
            let one = Key {
                public: key.public_key().ok()?,
                by: key.by.clone(),
                revoked: key.revoked_at.is_some(),
            };
            Some((key.key_id.clone(), one))
        });
        KeyRing {
            counter: list.counter,
            signature: Some(list.signature),
            keys: keys.collect(),
        }
    }

    /// The ring of the list that the store kept. It is checked once more, for the settings may name other keys of IT
    /// since; one that does not hold any longer leaves no keys, but its counter stands.
    pub fn recalled(payload: &[u8], it_keys: &[PublicKey]) -> Result<KeyRing, ListRefused> {
        let list = KeyListPayload::parse(payload)?;
        Ok(match list.verify(it_keys) {
            Ok(()) => KeyRing::of(&list),
            Err(_) => KeyRing {
                counter: list.counter,
                ..KeyRing::default()
            },
        })
    }

    /// The key `id` and whose it is. A revoked key signs nothing, whatever time its verdict names: a thief would name
    /// an earlier one.
    pub fn find(&self, id: &KeyId) -> Result<(&PublicKey, &str), RefusedCode> {
        let key = self.keys.get(id).ok_or(RefusedCode::UnknownKey)?;
        match key.revoked {
            true => Err(RefusedCode::RevokedKey),
            false => Ok((&key.public, &key.by)),
        }
    }
}
