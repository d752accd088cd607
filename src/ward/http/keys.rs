//! Physicians' keys: a code from IT, the key of a browser, the list that IT signs.

use super::guard::SignedIn;
use super::trouble::{Trouble, json};
use super::{aside, parse};
use crate::edge::{Failure, random};
use crate::ids::hex;
use crate::trust::{KeyId, PublicKey, Signature};
use crate::ward::audit::Entry;
use crate::ward::desk::Desk;
use crate::ward::keys::{
    State as KeyState, check as check_list, code_hash, code_in_fours, draft as next_list, state_of,
};
use crate::ward::store::{Code, EnrolledKey};
use crate::ward::take::keys_for;
use crate::ward::users::Role;
use crate::wire::{KeyListPayload, KeyPayload};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tracing::info;

/// How long a code is good.
const CODE_LIFE: Duration = Duration::from_secs(24 * 3600);

/// A code of 16 digits: 64 bits, of which nobody guesses one in a day.
pub(in crate::ward) fn fresh_code() -> Result<String, Failure> {
    Ok(hex(&random::<8>()?))
}

#[derive(Serialize)]
struct Shown {
    own: Own,
    #[serde(flatten)]
    all: Option<All>,
}

#[derive(Serialize)]
struct Own {
    key_id: Option<KeyId>,
    state: KeyState,
}

/// What IT sees.
#[derive(Serialize)]
struct All {
    keys: Vec<KeyShown>,
    codes: Vec<Code>,
    counter: u64,
    list: Option<KeyListPayload>,
    it_keys: Vec<String>,
}

#[derive(Serialize)]
struct KeyShown {
    #[serde(flatten)]
    key: KeyPayload,
    user: String,
    state: KeyState,
}

/// `GET /api/keys`.
pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
) -> Result<Response, Trouble> {
    aside(&desk, move |desk| {
        let now = desk.clock.wall();
        let (keys, list, codes) = desk.read(|db| Ok((db.keys()?, db.list()?, db.codes(now)?)))?;
        // The newest of one's own that stands, else the newest.
        let own = keys.iter().rev().filter(|key| key.user == who.user.name);
        let own = own
            .clone()
            .find(|key| key.revoked_at.is_none())
            .or_else(|| own.clone().next());
        let own = Own {
            key_id: own.map(|key| key.key_id.clone()),
            state: own.map_or(KeyState::None, |key| state_of(key, list.as_ref())),
        };
        let all = (who.user.role == Role::It).then(|| All {
            keys: keys.iter().map(|key| shown(key, list.as_ref())).collect(),
            codes,
            counter: list.as_ref().map_or(0, |list| list.counter),
            list,
            it_keys: desk
                .settings
                .it_keys
                .iter()
                .map(PublicKey::to_string)
                .collect(),
        });
        Ok(json(StatusCode::OK, &Shown { own, all }))
    })
    .await
}

fn shown(key: &EnrolledKey, list: Option<&KeyListPayload>) -> KeyShown {
    KeyShown {
        key: crate::ward::keys::entry(key),
        user: key.user.clone(),
        state: state_of(key, list),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForUser {
    user: String,
}

/// `POST /api/keys/codes`: shown once.
pub(super) async fn code(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
    body: Bytes,
) -> Result<Response, Trouble> {
    who.must_be(&[Role::It])?;
    let asked: ForUser = parse(&body)?;
    aside(&desk, move |desk| {
        let user = desk
            .user(&asked.user)
            .filter(|user| user.role == Role::Physician);
        let user = user.ok_or_else(|| Trouble::unknown("physician among the users"))?;
        let code = fresh_code().map_err(|_| Trouble::internal())?;
        let now = desk.clock.wall();
        let expires_at = now.after(CODE_LIFE);
        let entry = who.entry("code-made", Some(&user.name));
        desk.write(|db, _| {
            db.put_code(&code_hash(&code), &user.name, now, expires_at)?;
            db.audit(now, &entry)
        })?;
        #[derive(Serialize)]
        struct Made {
            code: String,
            expires_at: String,
        }
        let made = Made {
            code: code_in_fours(&code),
            expires_at: expires_at.to_string(),
        };
        Ok(json(StatusCode::CREATED, &made))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enrolment {
    code: String,
    public_key: String,
}

/// `POST /api/keys/enrol`.
pub(super) async fn enrol(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
    body: Bytes,
) -> Result<Response, Trouble> {
    who.must_be(&[Role::Physician])?;
    let asked: Enrolment = parse(&body)?;
    aside(&desk, move |desk| {
        let public = PublicKey::from_base64(&asked.public_key)
            .map_err(|_| Trouble::malformed("`public_key` is the base64 of 32 bytes."))?;
        let now = desk.clock.wall();
        let key = EnrolledKey {
            key_id: public.id(),
            user: who.user.name.clone(),
            by: who.user.display.clone(),
            public_key: public.to_base64(),
            enrolled_at: now,
            revoked_at: None,
        };
        let mut entry = who.entry("key-enrolled", Some(key.key_id.as_str()));
        let taken = desk.write(|db, _| {
            let good = db.use_code(&code_hash(&asked.code), &key.user, now)?;
            let taken = good && db.put_key(&key)?;
            if !taken {
                entry.what = "key-refused";
                entry.ended = Some(if good { "known-key" } else { "bad-code" }.to_owned());
            }
            db.audit(now, &entry)?;
            Ok(taken.then_some(()).ok_or(good))
        })?;
        match taken {
            Ok(()) => {
                sign_at_once(desk, &who)?;
                let own = Own {
                    key_id: Some(key.key_id),
                    state: KeyState::Pending,
                };
                Ok(json(StatusCode::CREATED, &own))
            }
            Err(true) => {
                let text =
                    "This key is enrolled already. Make a new one, and ask IT for a new code.";
                Err(Trouble::refused("known-key", text))
            }
            Err(false) => {
                let text =
                    "The code is wrong, was used, or is older than 24 hours. Ask IT for a new one.";
                Err(Trouble::refused("bad-code", text))
            }
        }
    })
    .await
}

/// In a trial, where IT is the program itself, the next list is signed as soon as it has another key.
fn sign_at_once(desk: &Desk, who: &SignedIn) -> Result<(), Trouble> {
    let Some(signer) = &desk.signer else {
        return Ok(());
    };
    let (keys, list) = desk.read(|db| Ok((db.keys()?, db.list()?)))?;
    let next = next_list(&keys, list.as_ref(), desk.clock.wall(), Signature::NONE);
    let signed = next.signed(signer).map_err(|_| Trouble::internal())?;
    take_list(desk, who, &signed).map(drop)
}

/// `GET /api/keys/draft`: the next list, to be signed: without `signature`.
pub(super) async fn draft(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
) -> Result<Response, Trouble> {
    who.must_be(&[Role::It])?;
    aside(&desk, |desk| {
        #[derive(Serialize)]
        struct Draft {
            counter: u64,
            issued_at: String,
            keys: Vec<KeyPayload>,
        }
        let (keys, list) = desk.read(|db| Ok((db.keys()?, db.list()?)))?;
        let next = next_list(&keys, list.as_ref(), desk.clock.wall(), Signature::NONE);
        let draft = Draft {
            counter: next.counter,
            issued_at: next.issued_at,
            keys: next.keys,
        };
        Ok(json(StatusCode::OK, &draft))
    })
    .await
}

/// `POST /api/keys/list`: the signed list; it goes to every known box.
pub(super) async fn publish(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
    body: Bytes,
) -> Result<Response, Trouble> {
    who.must_be(&[Role::It])?;
    aside(&desk, move |desk| {
        let list = KeyListPayload::parse(&body)
            .map_err(|error| Trouble::refused("malformed", error.to_string()))?;
        let boxes = take_list(desk, &who, &list)?;
        info!(
            counter = list.counter,
            boxes, "a list of keys goes to the boxes"
        );
        #[derive(Serialize)]
        struct Taken {
            counter: u64,
            boxes: usize,
        }
        let counter = list.counter;
        Ok(json(StatusCode::ACCEPTED, &Taken { counter, boxes }))
    })
    .await
}

fn take_list(desk: &Desk, who: &SignedIn, list: &KeyListPayload) -> Result<usize, Trouble> {
    let now = desk.clock.wall();
    let (keys, known, boxes) = desk.read(|db| Ok((db.keys()?, db.list()?, db.boxes()?)))?;
    if let Err((code, text)) = check_list(list, &keys, known.as_ref(), &desk.settings.it_keys) {
        desk.audit(&Entry {
            ended: Some(code.to_owned()),
            ..who.entry("list-refused", Some(&list.counter.to_string()))
        })?;
        return Err(Trouble::refused(code, text));
    }
    let payload = list.to_bytes().map_err(|_| Trouble::internal())?;
    let text = String::from_utf8(payload.clone()).map_err(|_| Trouble::internal())?;
    let entry = who.entry("list-published", Some(&list.counter.to_string()));
    desk.write(|db, changes| {
        db.put_list(list.counter, &text, &who.user.name, now)?;
        for record in &boxes {
            let message = keys_for(&record.name, payload.clone());
            changes.outgoing.push(db.put_outgoing(&message, now)?);
        }
        db.audit(now, &entry)
    })?;
    Ok(boxes.len())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForKey {
    key_id: KeyId,
}

/// `POST /api/keys/revoke`: counts once IT has signed the next list.
pub(super) async fn revoke(
    State(desk): State<Arc<Desk>>,
    who: SignedIn,
    body: Bytes,
) -> Result<Response, Trouble> {
    who.must_be(&[Role::It])?;
    let asked: ForKey = parse(&body)?;
    aside(&desk, move |desk| {
        let now = desk.clock.wall();
        let entry = who.entry("key-revoked", Some(asked.key_id.as_str()));
        let done = desk.write(|db, _| {
            let done = db.revoke_key(&asked.key_id, now)?;
            if done {
                db.audit(now, &entry)?;
            }
            Ok(done)
        })?;
        match done {
            true => Ok(json(StatusCode::OK, &KeyState::Revoked)),
            false => Err(Trouble::unknown("key that stands")),
        }
    })
    .await
}
