//! Keys of JSON Web Tokens, and the signatures that hold under them: what a hospital's sign-in service signs with.
//!
//! Sources: RFC 7517 (keys), RFC 7518 sections 3 and 6 (RSA, elliptic curves), RFC 8037 (Ed25519).

use super::TrustError;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

/// How a token is signed. `none` and the symmetric ones (`HS256` and so on) are not among them on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebAlgorithm {
    /// RSA, PKCS #1 v1.5, SHA-256.
    Rs256,
    /// RSA, PSS, SHA-256.
    Ps256,
    /// ECDSA on P-256, SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl WebAlgorithm {
    /// The algorithm of a header's `alg`; `None` for one that is not taken.
    pub fn parse(name: &str) -> Option<WebAlgorithm> {
        match name {
            "RS256" => Some(WebAlgorithm::Rs256),
            "PS256" => Some(WebAlgorithm::Ps256),
            "ES256" => Some(WebAlgorithm::Es256),
            // RFC 9864 gives it a name of its own.
            "EdDSA" | "Ed25519" => Some(WebAlgorithm::EdDsa),
            _ => None,
        }
    }
}

/// A public key, of a kind that fits some of the algorithms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebKey(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256 { point: Vec<u8> },
    Ed25519 { point: [u8; 32] },
}

impl WebKey {
    /// An RSA key from `n` and `e`, base64url, big-endian. Errors: [`TrustError::WebKey`].
    pub fn rsa(modulus: &str, exponent: &str) -> Result<WebKey, TrustError> {
        Ok(WebKey(Kind::Rsa {
            modulus: number(modulus)?,
            exponent: number(exponent)?,
        }))
    }

    /// A key on P-256 from `x` and `y`, base64url of 32 bytes each. Errors: [`TrustError::WebKey`].
    pub fn p256(x: &str, y: &str) -> Result<WebKey, TrustError> {
        // An uncompressed point. Source: SEC 1, section 2.3.3.
        let mut point = vec![4];
        point.extend(coordinate(x)?);
        point.extend(coordinate(y)?);
        Ok(WebKey(Kind::P256 { point }))
    }

    /// An Ed25519 key from `x`, base64url of 32 bytes. Errors: [`TrustError::WebKey`].
    pub fn ed25519(x: &str) -> Result<WebKey, TrustError> {
        coordinate(x).map(|point| WebKey(Kind::Ed25519 { point }))
    }

    /// Whether this kind of key signs by `algorithm`.
    pub fn fits(&self, algorithm: WebAlgorithm) -> bool {
        match (&self.0, algorithm) {
            (Kind::Rsa { .. }, WebAlgorithm::Rs256 | WebAlgorithm::Ps256)
            | (Kind::P256 { .. }, WebAlgorithm::Es256)
            | (Kind::Ed25519 { .. }, WebAlgorithm::EdDsa) => true,
            (Kind::Rsa { .. } | Kind::P256 { .. } | Kind::Ed25519 { .. }, _) => false,
        }
    }

    /// Errors: [`TrustError::Signature`] unless `signature` is this key's over `message`, made by `algorithm`.
    ///
    /// RSA keys have 2,048 to 8,192 bits; a shorter one signs nothing.
    pub fn verify(
        &self,
        algorithm: WebAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), TrustError> {
        let plain = |how: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(how, key).verify(message, signature)
        };
        let held = match (&self.0, algorithm) {
            (Kind::Rsa { modulus, exponent }, WebAlgorithm::Rs256 | WebAlgorithm::Ps256) => {
                let how = match algorithm {
                    WebAlgorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
                    WebAlgorithm::Rs256 | WebAlgorithm::Es256 | WebAlgorithm::EdDsa => {
                        &RSA_PKCS1_2048_8192_SHA256
                    }
                };
                let key = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                key.verify(how, message, signature)
            }
            (Kind::P256 { point }, WebAlgorithm::Es256) => plain(&ECDSA_P256_SHA256_FIXED, point),
            (Kind::Ed25519 { point }, WebAlgorithm::EdDsa) => plain(&ED25519, point),
            // The algorithm stands in what is not yet believed: it does not choose how a key is used.
            (Kind::Rsa { .. } | Kind::P256 { .. } | Kind::Ed25519 { .. }, _) => {
                return Err(TrustError::Signature);
            }
        };
        held.map_err(|_| TrustError::Signature)
    }
}

fn coordinate(text: &str) -> Result<[u8; 32], TrustError> {
    let bytes = from_base64url(text).ok_or(TrustError::WebKey)?;
    bytes.try_into().map_err(|_| TrustError::WebKey)
}

/// A whole number without leading zeros; some services write one.
fn number(text: &str) -> Result<Vec<u8>, TrustError> {
    let bytes = from_base64url(text).ok_or(TrustError::WebKey)?;
    let digits: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    match digits.is_empty() {
        true => Err(TrustError::WebKey),
        false => Ok(digits),
    }
}

/// The bytes of base64url without padding (RFC 7515, section 2); `None` for any other text.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Base64url without padding (RFC 7515, section 2).
pub fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The value of an `Authorization` header: user and password as RFC 7617 has it.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.2 and A.3; RFC 8037, appendix A.4.
    #[test]
    fn signatures_are_those_of_the_standards() {
        let rsa = WebKey::rsa(
            "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
            "AQAB",
        );
        let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        check(
            rsa,
            WebAlgorithm::Rs256,
            &format!("eyJhbGciOiJSUzI1NiJ9.{claims}"),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        );
        let p256 = WebKey::p256(
            "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        );
        check(
            p256,
            WebAlgorithm::Es256,
            &format!("eyJhbGciOiJFUzI1NiJ9.{claims}"),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        );
        check(
            WebKey::ed25519("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
            WebAlgorithm::EdDsa,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        );
    }

    fn check(
        key: Result<WebKey, TrustError>,
        algorithm: WebAlgorithm,
        message: &str,
        signature: &str,
    ) {
        use WebAlgorithm::{EdDsa, Es256, Ps256, Rs256};
        let key = key.unwrap();
        let made = from_base64url(signature).unwrap();
        assert_eq!(to_base64url(&made), signature);
        assert_eq!(key.verify(algorithm, message.as_bytes(), &made), Ok(()));
        let refused = Err(TrustError::Signature);
        let other = format!("{message}x");
        assert_eq!(key.verify(algorithm, other.as_bytes(), &made), refused);
        for wrong in [Rs256, Ps256, Es256, EdDsa] {
            if wrong != algorithm {
                assert_eq!(key.verify(wrong, message.as_bytes(), &made), refused);
            }
        }
        for at in 0..made.len() {
            let mut bent = made.clone();
            bent[at] ^= 1;
            assert_eq!(key.verify(algorithm, message.as_bytes(), &bent), refused);
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_a_short_one_signs_nothing() {
        for bad in [
            WebKey::rsa("", "AQAB"),
            WebKey::rsa("AAAA", "AQAB"),
            WebKey::rsa("a+b/", "AQAB"),
            WebKey::p256("AAAA", "AAAA"),
            WebKey::ed25519("AAAA"),
            WebKey::ed25519("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
        ] {
            assert_eq!(bad, Err(TrustError::WebKey));
        }
        let short = WebKey::rsa(&to_base64url(&[0xff; 128]), "AQAB").unwrap();
        let refused = Err(TrustError::Signature);
        assert_eq!(short.verify(WebAlgorithm::Rs256, b"", &[0; 128]), refused);
        assert_eq!(WebAlgorithm::parse("none"), None);
        assert_eq!(WebAlgorithm::parse("HS256"), None);
        assert_eq!(WebAlgorithm::parse("rs256"), None);
    }
}
