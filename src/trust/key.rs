//! Keys and their ids.

use super::TrustError;
use super::signature::{Signature, from_base64, to_base64};
use crate::ids::hex;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// The word before a key in settings: another kind of key may come one day.
const KIND: &str = "ed25519:";

/// An Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key of these 32 bytes, as RFC 8032 writes it.
    pub fn from_bytes(bytes: [u8; 32]) -> PublicKey {
        PublicKey(bytes)
    }

    /// The key in the base64 that messages carry.
    pub fn from_base64(text: &str) -> Result<PublicKey, TrustError> {
        from_base64(text).map(PublicKey).ok_or(TrustError::Key)
    }

    /// The key as settings write it, `ed25519:<base64>`.
    pub fn parse(text: &str) -> Result<PublicKey, TrustError> {
        PublicKey::from_base64(text.strip_prefix(KIND).ok_or(TrustError::Key)?)
    }

    /// The base64 that messages carry.
    pub fn to_base64(self) -> String {
        to_base64(&self.0)
    }

    /// The first eight bytes of the key's SHA-256.
    pub fn id(&self) -> KeyId {
        let digest = Sha256::digest(self.0);
        KeyId(hex(digest.iter().take(KeyId::DIGITS / 2)))
    }

    /// Errors: [`TrustError::Signature`] unless `signature` is this key's over `message`.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), TrustError> {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(message, signature.as_bytes())
            .map_err(|_| TrustError::Signature)
    }
}

/// As settings write it.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KIND}{}", self.to_base64())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a key: 16 hexadecimal digits, the beginning of the SHA-256 of its 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

impl KeyId {
    const DIGITS: usize = 16;

    /// Parses `text`.
    pub fn parse(text: &str) -> Result<KeyId, TrustError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != KeyId::DIGITS || !text.bytes().all(is_digit) {
            return Err(TrustError::KeyId);
        }
        Ok(KeyId(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyId {
    type Error = TrustError;
    fn try_from(text: String) -> Result<KeyId, TrustError> {
        KeyId::parse(&text)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> String {
        id.0
    }
}

/// An Ed25519 key that signs. A box holds none: physicians' keys stay in their browsers.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key of a secret seed (RFC 8032, section 5.1.5); `None` for what the library does not take.
    pub fn from_seed(seed: &[u8; 32]) -> Option<SigningKey> {
        Ed25519KeyPair::from_seed_unchecked(seed)
            .ok()
            .map(SigningKey)
    }

    /// Its public half; `None` cannot happen with the library's keys.
    pub fn public(&self) -> Option<PublicKey> {
        let bytes = self.0.public_key().as_ref();
        bytes.try_into().ok().map(PublicKey)
    }

    /// The signature over `message`; `None` cannot happen with the library's signatures.
    pub fn sign(&self, message: &[u8]) -> Option<Signature> {
        Signature::from_bytes(self.0.sign(message).as_ref())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let digits: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        digits.try_into().unwrap()
    }

    /// RFC 8032, section 7.1, tests 1 and 2.
    #[test]
    fn signatures_are_those_of_the_standard() {
        for (seed, public, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                &[][..],
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                &[0x72][..],
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ] {
            let key = SigningKey::from_seed(&bytes(seed)).unwrap();
            let own = key.public().unwrap();
            assert_eq!(own, PublicKey::from_bytes(bytes(public)));
            let made = key.sign(message).unwrap();
            assert_eq!(made.as_bytes(), &bytes::<64>(signature));
            assert_eq!(own.verify(message, &made), Ok(()));
            let other = [message, b"x"].concat();
            assert_eq!(own.verify(&other, &made), Err(TrustError::Signature));
        }
    }

    #[test]
    fn a_key_is_named_by_its_digest_and_read_in_one_form_only() {
        let key = PublicKey::from_bytes([0; 32]);
        // SHA-256 of 32 zero bytes begins so.
        assert_eq!(key.id().as_str(), "66687aadf862bd77");
        assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
        let text = key.to_base64();
        for bad in [
            text.clone(),
            format!("rsa:{text}"),
            format!("ed25519:{text} "),
            format!("ed25519:{}", text.trim_end_matches('=')),
            "ed25519:AAAA".to_owned(),
            "ed25519:".to_owned(),
        ] {
            assert_eq!(PublicKey::parse(&bad), Err(TrustError::Key), "{bad}");
        }
    }

    #[test]
    fn a_key_id_has_sixteen_small_digits() {
        assert!(KeyId::parse("0123456789abcdef").is_ok());
        for bad in [
            "",
            "0123456789abcde",
            "0123456789ABCDEF",
            "0123456789abcdeg",
            "é123456789abcde",
        ] {
            assert_eq!(KeyId::parse(bad), Err(TrustError::KeyId), "{bad}");
        }
    }

    #[test]
    fn a_secret_key_cannot_reach_a_log_line() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(***)");
    }
}
