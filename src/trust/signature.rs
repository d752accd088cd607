//! Signatures, and the base64 that messages carry them in: the standard alphabet, padded, one spelling for each value.

use super::TrustError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An Ed25519 signature, unchecked.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature([u8; 64]);

impl Signature {
    /// What stands in the place of a signature before there is one; it holds for nothing.
    pub const NONE: Signature = Signature([0; 64]);

    /// The signature of these bytes; `None` unless there are 64.
    pub fn from_bytes(bytes: &[u8]) -> Option<Signature> {
        bytes.try_into().ok().map(Signature)
    }

    /// Parses base64.
    pub fn from_base64(text: &str) -> Result<Signature, TrustError> {
        from_base64(text)
            .map(Signature)
            .ok_or(TrustError::SignatureForm)
    }

    /// The base64 that messages carry.
    pub fn to_base64(self) -> String {
        to_base64(&self.0)
    }

    /// The 64 bytes.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.to_base64())
    }
}

impl TryFrom<String> for Signature {
    type Error = TrustError;
    fn try_from(text: String) -> Result<Signature, TrustError> {
        Signature::from_base64(&text)
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> String {
        signature.to_base64()
    }
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Exactly `N` bytes; `None` for any other text.
pub(super) fn from_base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Told by its length before anything is decoded.
    if text.len() != N.div_ceil(3) * 4 {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signature_has_one_spelling() {
        let signature = Signature::from_bytes(&[0xfb; 64]).unwrap();
        let text = signature.to_base64();
        assert_eq!(Signature::from_base64(&text), Ok(signature));
        let other_alphabet = text.replace('+', "-").replace('/', "_");
        assert_ne!(other_alphabet, text);
        // The last digit's unused bits set: another text of the same bytes.
        let loose = format!("{}x==", &text[..text.len() - 3]);
        for bad in [
            other_alphabet,
            loose,
            text.replace('=', ""),
            format!("{text}\n"),
            String::new(),
        ] {
            assert_eq!(
                Signature::from_base64(&bad),
                Err(TrustError::SignatureForm),
                "{bad}"
            );
        }
    }
}
