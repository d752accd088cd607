//! Who may say what: Ed25519 keys, their ids, signatures (RFC 8032).
//!
//! What is signed, and which key may sign it, is decided by later rooms; here a signature holds or it does not.

mod key;
mod signature;
#[cfg(feature = "ward")]
mod web_key;

pub use key::{KeyId, PublicKey, SigningKey};
pub use signature::Signature;
#[cfg(feature = "ward")]
pub use web_key::{WebAlgorithm, WebKey, basic, from_base64url, to_base64url};

/// Why something is not trusted. Holds nothing of what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A text that is no key.
    #[error("a public key is `ed25519:` and the base64 of 32 bytes; this one is not")]
    Key,
    /// A text that is no key id.
    #[error("a key id has 16 hexadecimal digits, small letters; this one has not")]
    KeyId,
    /// A text that is no signature.
    #[error("a signature is the base64 of 64 bytes; this one is not")]
    SignatureForm,
    /// What is no key of a sign-in service.
    #[error("a key of a JSON Web Key Set does not read")]
    WebKey,
    /// The signature is not that of this key over these bytes.
    #[error("the signature does not hold for what it stands under")]
    Signature,
}
