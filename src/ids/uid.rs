//! Identifiers of the world outside, parsed once.

use super::hex;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Why a text is not the identifier it claims to be. The text itself is not repeated: it may be patient data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: {why}")]
pub struct IdError {
    /// The kind of identifier.
    pub what: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

/// A DICOM unique identifier as real scanners write it: 1 to 64 printable ASCII characters without blanks.
///
/// PS3.5 section 9.1 allows digits and dots only; real exports carry UUIDs with dashes, and the patient behind
/// them still needs the scan read, so the wider set is taken. Clones share the text: a series' UID stands beside each of
/// its files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid(Arc<str>);

impl Uid {
    /// Parses `text`, less its padding (trailing NUL or blank).
    pub fn parse(text: &str) -> Result<Uid, IdError> {
        let trimmed = text.trim_matches(|c: char| c == '\0' || c == ' ');
        let fault = |why| IdError { what: "UID", why };
        if trimmed.is_empty() {
            return Err(fault("it is empty"));
        }
        if trimmed.len() > 64 {
            return Err(fault("it is longer than 64 characters"));
        }
        if !trimmed.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fault("it holds a character that is not printable ASCII"));
        }
        Ok(Uid(trimmed.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Uid {
    type Error = IdError;
    fn try_from(text: String) -> Result<Uid, IdError> {
        Uid::parse(&text)
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> String {
        uid.as_str().to_owned()
    }
}

/// What makes instances one series: the Series Instance UID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeriesKey(pub Uid);

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a site or device in a topic: `[a-z0-9](-?[a-z0-9]){0,31}` (docs/contract).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SlugName(String);

impl SlugName {
    /// Parses `text`.
    pub fn parse(text: &str) -> Result<SlugName, IdError> {
        let fault = |why| IdError {
            what: "site or device name",
            why,
        };
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !text.bytes().all(|byte| alphanumeric(byte) || byte == b'-') {
            return Err(fault("use only a-z, 0-9 and single dashes"));
        }
        let count = text.bytes().filter(|byte| alphanumeric(*byte)).count();
        if count == 0 || count > 32 {
            return Err(fault("use 1 to 32 letters and digits"));
        }
        if text.starts_with('-') || text.ends_with('-') || text.contains("--") {
            return Err(fault("a dash stands between two letters or digits"));
        }
        Ok(SlugName(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SlugName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SlugName {
    type Error = IdError;
    fn try_from(text: String) -> Result<SlugName, IdError> {
        SlugName::parse(&text)
    }
}

impl From<SlugName> for String {
    fn from(name: SlugName) -> String {
        name.0
    }
}

/// A study or patient pseudonym: keyed HMAC-SHA-256 of the identifier, first 16 bytes as 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pseudonym(String);

impl Pseudonym {
    /// The pseudonym written as hex of the first 16 bytes of `mac`.
    pub fn from_mac(mac: &[u8; 32]) -> Pseudonym {
        Pseudonym(hex(mac.iter().take(16)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The digest of a model file: `sha256:` and 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelDigest(String);

impl ModelDigest {
    /// From the 32 bytes of a SHA-256.
    pub fn from_sha256(digest: &[u8; 32]) -> ModelDigest {
        ModelDigest(format!("sha256:{}", hex(digest)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a finding: UUIDv5 of series + model digest + content digest, the same on every rerun (docs/contract).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingId(String);

impl FindingId {
    /// The namespace of scanward finding ids, drawn once at random; changing it would change every id.
    const NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x2f6c_1f0e_5d0b_5a51_9c6d_7a1f_0e35_8b21);

    /// The id of the result of `model` on the series `key` whose instances hash to `content`.
    pub fn derive(key: &SeriesKey, model: &str, content: &[u8; 32]) -> FindingId {
        let mut name = Vec::with_capacity(64 + 72 + 34);
        name.extend_from_slice(key.0.as_str().as_bytes());
        name.push(0);
        name.extend_from_slice(model.as_bytes());
        name.push(0);
        name.extend_from_slice(content);
        FindingId(uuid::Uuid::new_v5(&FindingId::NAMESPACE, &name).to_string())
    }

    /// Parses the id in a message: 36 characters, small hexadecimal digits and dashes, as a UUID is written.
    pub fn parse(text: &str) -> Result<FindingId, IdError> {
        let is_right = |(place, byte): (usize, u8)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        };
        if text.len() != 36 || !text.bytes().enumerate().all(is_right) {
            return Err(IdError {
                what: "finding id",
                why: "it is no UUID in small letters",
            });
        }
        Ok(FindingId(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_as_real_scanners_write_them_are_taken_and_damaged_ones_refused() {
        assert_eq!(
            Uid::parse("1.2.840.10008.1\0").unwrap().as_str(),
            "1.2.840.10008.1"
        );
        assert!(Uid::parse("7f8d2c1e-0a5b-4c3d-9e8f-112233445566").is_ok());
        for bad in ["", "  ", "1.2\n3", &"9".repeat(65)] {
            assert!(Uid::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_topic_name_follows_the_contract() {
        for good in ["a", "ward-7", "north-wing-ct2", &"x".repeat(32)] {
            assert!(SlugName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "a--b",
            "A",
            "a/b",
            "a+",
            "#",
            "ä",
            &"x".repeat(33),
        ] {
            assert!(SlugName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rerun_gives_the_same_finding_id_and_another_model_another() {
        let key = SeriesKey(Uid::parse("1.2.3").unwrap());
        let first = FindingId::derive(&key, "sha256:aa", &[7; 32]);
        assert_eq!(first, FindingId::derive(&key, "sha256:aa", &[7; 32]));
        assert_ne!(first, FindingId::derive(&key, "sha256:ab", &[7; 32]));
        assert_eq!(FindingId::parse(first.as_str()), Ok(first.clone()));
        for bad in [
            "",
            "#",
            &first.as_str().to_uppercase(),
            &first.as_str().replace('-', "/"),
            &format!("{first}0"),
        ] {
            assert!(FindingId::parse(bad).is_err(), "{bad}");
        }
    }
}
