//! The list of physicians' keys: what the next one says, and whether one that IT signed is taken. Pure.

use super::store::EnrolledKey;
use crate::trust::{PublicKey, Signature};
use crate::units::WallTime;
use crate::wire::{KeyListPayload, KeyPayload};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// There is none.
    None,
    /// IT has not signed a list with it yet.
    Pending,
    /// Boxes take its signatures.
    Listed,
    /// It was revoked, here or on a list.
    Revoked,
}

/// Where `key` stands, `list` being the newest that IT signed.
pub(super) fn state_of(key: &EnrolledKey, list: Option<&KeyListPayload>) -> State {
    let on_list = list.and_then(|list| list.key(&key.key_id));
    match on_list {
        _ if key.revoked_at.is_some() => State::Revoked,
        Some(entry) if entry.revoked_at.is_some() => State::Revoked,
        Some(_) => State::Listed,
        None => State::Pending,
    }
}

/// The key as a list has it.
pub(super) fn entry(key: &EnrolledKey) -> KeyPayload {
    KeyPayload {
        key_id: key.key_id.clone(),
        by: key.by.clone(),
        public_key: key.public_key.clone(),
        enrolled_at: key.enrolled_at.to_string(),
        revoked_at: key.revoked_at.map(|at| at.to_string()),
    }
}

/// The list after `known`, with all `keys`. What was revoked before it stood on a list is left out.
pub(super) fn draft(
    keys: &[EnrolledKey],
    known: Option<&KeyListPayload>,
    now: WallTime,
    signature: Signature,
) -> KeyListPayload {
    let was_listed = |key: &&EnrolledKey| {
        key.revoked_at.is_none() || known.is_some_and(|list| list.key(&key.key_id).is_some())
    };
    KeyListPayload {
        counter: known.map_or(0, |list| list.counter).saturating_add(1),
        issued_at: now.to_string(),
        keys: keys.iter().filter(was_listed).map(entry).collect(),
        signature,
    }
}

/// Whether the signed `list` is taken. Errors: a code and what to do.
pub(super) fn check(
    list: &KeyListPayload,
    keys: &[EnrolledKey],
    known: Option<&KeyListPayload>,
    it_keys: &[PublicKey],
) -> Result<(), (&'static str, &'static str)> {
    if it_keys.is_empty() {
        return Err((
            "no-it-key",
            "ward.toml names no key of IT: put it under [it] keys, then restart the server.",
        ));
    }
    if list.verify(it_keys).is_err() {
        return Err((
            "bad-signature",
            "The list is not signed by a key that ward.toml names under [it] keys.",
        ));
    }
    if known.is_some_and(|known| list.counter <= known.counter) {
        return Err((
            "old-counter",
            "A list with this counter or a higher one was published. Load the draft again.",
        ));
    }
    // What the page showed to sign is what is there: a list made elsewhere could name anybody.
    let as_drafted = draft(keys, known, WallTime::default(), list.signature);
    if list.keys != as_drafted.keys {
        return Err((
            "other-keys",
            "The keys have changed since the draft was loaded. Load it again.",
        ));
    }
    Ok(())
}

/// A code as it is read aloud: `1a2b-3c4d-…`.
pub(super) fn code_in_fours(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    let groups: Vec<String> = letters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join("-")
}

/// The hash of a code, however it was typed.
pub(super) fn code_hash(code: &str) -> [u8; 32] {
    let typed: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    Sha256::digest(typed.to_ascii_lowercase()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SigningKey;

    fn signer(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).unwrap()
    }

    fn key(seed: u8) -> EnrolledKey {
        let public = signer(seed).public().unwrap();
        EnrolledKey {
            key_id: public.id(),
            user: "lee".to_owned(),
            by: "Dr Lee 李".to_owned(),
            public_key: public.to_base64(),
            enrolled_at: WallTime::from_unix_millis(1000),
            revoked_at: None,
        }
    }

    fn signed(keys: &[EnrolledKey], known: Option<&KeyListPayload>) -> KeyListPayload {
        let list = draft(keys, known, WallTime::default(), Signature::NONE);
        list.signed(&signer(9)).unwrap()
    }

    #[test]
    fn a_key_is_pending_until_a_signed_list_has_it() {
        let keys = [key(1)];
        assert_eq!(state_of(&keys[0], None), State::Pending);
        let list = signed(&keys, None);
        let it = [signer(9).public().unwrap()];
        assert_eq!(check(&list, &keys, None, &it), Ok(()));
        assert_eq!(state_of(&keys[0], Some(&list)), State::Listed);
        let revoked = EnrolledKey {
            revoked_at: Some(WallTime::default()),
            ..key(1)
        };
        assert_eq!(state_of(&revoked, Some(&list)), State::Revoked);
        let next = draft(
            std::slice::from_ref(&revoked),
            Some(&list),
            WallTime::default(),
            Signature::NONE,
        );
        assert_eq!((next.counter, next.keys[0].revoked_at.is_some()), (2, true));
        // Revoked before anybody heard of it.
        assert!(
            draft(&[revoked], None, WallTime::default(), Signature::NONE)
                .keys
                .is_empty()
        );
    }

    #[test]
    fn a_list_of_others_hands_or_of_another_draft_is_refused() {
        let keys = [key(1)];
        let list = signed(&keys, None);
        let it = [signer(9).public().unwrap()];
        let code = |list: &KeyListPayload, keys: &[EnrolledKey], known, it: &[PublicKey]| {
            check(list, keys, known, it).unwrap_err().0
        };
        assert_eq!(code(&list, &keys, None, &[]), "no-it-key");
        let other = [signer(8).public().unwrap()];
        assert_eq!(code(&list, &keys, None, &other), "bad-signature");
        assert_eq!(code(&list, &keys, Some(&list), &it), "old-counter");
        assert_eq!(code(&list, &[key(1), key(2)], None, &it), "other-keys");
    }
}
