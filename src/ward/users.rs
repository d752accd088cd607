//! `users.toml`: who may sign in, as whom, with which password's hash (Argon2id).

use super::failure::Wrong;
use crate::ids::hex;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The most users of a file.
const USERS_MAX: usize = 10_000;
/// The shortest password that is hashed.
const PASSWORD_CHARS_MIN: usize = 10;
/// The longest password that is looked at.
pub(super) const PASSWORD_BYTES_MAX: usize = 1024;
/// Memory, passes, lanes. Source: OWASP Password Storage Cheat Sheet, Argon2id.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// What a hash in the file may ask for, KiB: the file must not be able to use up the machine.
const MEMORY_KIB_MAX: u32 = 256 << 10;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees findings and acknowledges them.
    Nurse,
    /// Signs verdicts, too.
    Physician,
    /// Boxes, keys and the audit list; no patients.
    It,
}

impl Role {
    /// The word of the files.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Nurse => "nurse",
            Role::Physician => "physician",
            Role::It => "it",
        }
    }

    /// The role of a word.
    pub(super) fn parse(word: &str) -> Option<Role> {
        [Role::Nurse, Role::Physician, Role::It]
            .into_iter()
            .find(|role| role.as_str() == word)
    }

    /// Whether patients are shown.
    pub(super) fn sees_patients(self) -> bool {
        match self {
            Role::Nurse | Role::Physician => true,
            Role::It => false,
        }
    }
}

/// Somebody who may sign in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    /// What is typed.
    pub(super) name: String,
    /// What they may do.
    pub(super) role: Role,
    /// How they are shown, and how they sign.
    pub(super) display: String,
    /// Their usual nursing station.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) station: Option<String>,
    /// The password's hash, a PHC string; of who comes by the sign-in service, what their role stands on: no password fits it.
    pub(super) hash: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({}, {})", self.name, self.role.as_str())
    }
}

impl User {
    /// What a session stands on: with another password or role it ends.
    pub(super) fn proof(&self) -> String {
        hex(&Sha256::digest(format!(
            "{} {}",
            self.role.as_str(),
            self.hash
        )))
    }
}

/// Everybody who may sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Users {
    by_name: BTreeMap<String, User>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    user: Vec<User>,
}

impl Users {
    /// Reads the text of a `users.toml`. Errors name the line or the user.
    pub(super) fn parse(text: &str) -> Result<Users, Wrong> {
        let file: File = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| before.matches('\n').count() + 1);
            // The message alone: the whole error shows the line, and with it a hash.
            Wrong::at(line, error.message())
        })?;
        if file.user.len() > USERS_MAX {
            return Err(Wrong::new(&format!("more than {USERS_MAX} users")));
        }
        let mut users = Users::default();
        let mut shown = BTreeMap::new();
        for user in file.user {
            check(&user)?;
            if let Some(other) = shown.insert(user.display.clone(), user.name.clone()) {
                let what = format!(
                    "{other} and {} have the same `display`: signatures would not tell them apart",
                    user.name
                );
                return Err(Wrong::new(&what));
            }
            if let Some(other) = users.by_name.insert(user.name.clone(), user) {
                return Err(Wrong::new(&format!(
                    "the user {} is there twice",
                    other.name
                )));
            }
        }
        Ok(users)
    }

    /// The user `name`.
    pub(super) fn find(&self, name: &str) -> Option<&User> {
        self.by_name.get(name)
    }

    /// Whether somebody is shown as `display`.
    pub(super) fn shows(&self, display: &str) -> bool {
        self.by_name.values().any(|user| user.display == display)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.by_name.len()
    }
}

/// What holds for every user: what they are called by is shown, logged and looked up.
fn check(user: &User) -> Result<(), Wrong> {
    let wrong = |what: &str| Err(Wrong::new(&format!("the user {:?}: {what}", user.name)));
    if !is_name(&user.name) {
        return wrong("`name` has 1 to 32 of a-z, 0-9, `.`, `-`, `_`");
    }
    let is_shown = |text: &str| {
        (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    };
    if !is_shown(&user.display) || !user.station.as_deref().is_none_or(is_shown) {
        return wrong("`display` and `station` have 1 to 64 letters, no control characters");
    }
    let hash = PasswordHash::new(&user.hash).ok();
    let params = hash.as_ref().and_then(|hash| Params::try_from(hash).ok());
    let right = hash.is_some_and(|hash| hash.algorithm == argon2::ARGON2ID_IDENT);
    match params {
        Some(params) if right && params.m_cost() <= MEMORY_KIB_MAX && params.t_cost() <= 16 => {
            Ok(())
        }
        Some(_) | None => wrong("`hash` is no Argon2id hash; `scanward ward-user add` makes one"),
    }
}

/// Whether `name` can be a user's.
pub fn is_name(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    (1..=32).contains(&name.len()) && name.bytes().all(allowed)
}

/// The hash of a password, with `salt`. Errors: too short or too long.
pub fn hash(password: &str, salt: &[u8; 16]) -> Result<String, Wrong> {
    if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
        return Err(Wrong::new(&format!(
            "a password has {PASSWORD_CHARS_MIN} letters or more"
        )));
    }
    let failed = |what: String| Wrong::new(&format!("the password cannot be hashed: {what}"));
    let (memory, passes, lanes) = COST;
    let params =
        Params::new(memory, passes, lanes, None).map_err(|error| failed(error.to_string()))?;
    let salt = SaltString::encode_b64(salt).map_err(|error| failed(error.to_string()))?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| failed(error.to_string()))
}

/// The entry of a user, as `users.toml` has it. Errors: what no user may be called.
pub fn entry(
    name: &str,
    role: Role,
    display: &str,
    station: Option<&str>,
    hash: &str,
) -> Result<String, Wrong> {
    let user = User {
        name: name.to_owned(),
        role,
        display: display.to_owned(),
        station: station.map(str::to_owned),
        hash: hash.to_owned(),
    };
    check(&user)?;
    let text = toml::to_string(&user).map_err(|error| Wrong::new(&error.to_string()))?;
    Ok(format!("[[user]]\n{}", text.trim_end()))
}

/// Whether `password` is that of `user`. For an unknown user it takes as long, and is false.
pub(super) fn verify(user: Option<&User>, password: &str) -> bool {
    // The hash of a password that nobody knows, with the usual cost.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let text = user.map_or(NOBODY, |user| user.hash.as_str());
    let Ok(hash) = PasswordHash::new(text) else {
        return false;
    };
    let right = Argon2::default().verify_password(password.as_bytes(), &hash);
    right.is_ok() && user.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(extra: &str) -> String {
        let hash = hash("correct horse", &[7; 16]).unwrap();
        format!(
            "[[user]]\nname = \"lee\"\nrole = \"physician\"\ndisplay = \"Dr Lee 李\"\nhash = \"{hash}\"\n{extra}"
        )
    }

    #[test]
    fn the_right_password_is_told_from_a_wrong_one_and_from_nobody() {
        let users = Users::parse(&file("")).unwrap();
        let lee = users.find("lee").unwrap();
        assert!(verify(Some(lee), "correct horse"));
        assert!(!verify(Some(lee), "correct hors"));
        assert!(!verify(None, "correct horse"));
        assert!(!format!("{lee:?}").contains("argon2"));
    }

    #[test]
    fn a_file_with_a_mistake_says_where() {
        let hash = hash("correct horse", &[8; 16]).unwrap();
        let second = |name: &str, display: &str| {
            file(&format!(
                "[[user]]\nname = \"{name}\"\nrole = \"it\"\ndisplay = \"{display}\"\nhash = \"{hash}\""
            ))
        };
        for (text, expected) in [
            (file("x = 1"), "line 6"),
            (file("").replace("physician", "chief"), "line 3"),
            (file("").replace("\"lee\"", "\"Lee!\""), "`name` has"),
            (file("").replace("argon2id", "argon2i"), "no Argon2id hash"),
            (
                file("").replace("m=19456", "m=4000000000"),
                "no Argon2id hash",
            ),
            (second("lee", "Other"), "lee is there twice"),
            (second("wu", "Dr Lee 李"), "the same `display`"),
        ] {
            let error = Users::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("$argon2id"), "{error}");
        }
    }

    #[test]
    fn a_short_password_is_not_hashed() {
        assert!(hash("short", &[1; 16]).is_err());
        assert!(hash(&"x".repeat(2000), &[1; 16]).is_err());
    }
}
