//! ID tokens: what a signature holds for, and what must stand in it.
//!
//! Sources: OpenID Connect Core 1.0, section 3.1.3.7; RFC 7519; RFC 8725.

use super::service::KeySet;
use crate::trust::{WebAlgorithm, from_base64url};
use crate::units::WallTime;
use serde_json::{Map, Value};

/// The longest token that is read.
const TOKEN_BYTES_MAX: usize = 64 << 10;
/// How far the service's clock and ours may be apart, seconds.
const SKEW_S: i64 = 120;
/// The longest `sub`. Source: Core, section 2.
const SUBJECT_BYTES_MAX: usize = 255;

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::ward) enum TokenError {
    /// No signed token.
    #[error("it is no signed token in three parts")]
    Form,
    /// Signed in a way that is not taken.
    #[error("its `alg` is none of RS256, PS256, ES256, EdDSA")]
    Algorithm,
    /// Signed with a key that the service does not show.
    #[error("its key is not among the service's")]
    Key,
    /// The signature does not hold.
    #[error("its signature does not hold")]
    Signature,
    /// Of another service.
    #[error("its `iss` is another service's")]
    Issuer,
    /// For another client.
    #[error("its `aud` or `azp` names another client")]
    Audience,
    /// Too old.
    #[error("it is over, or has no `exp`: compare the clocks of both machines")]
    Expired,
    /// Not yet.
    #[error(
        "its `iat` or `nbf` lies ahead, or there is no `iat`: compare the clocks of both machines"
    )]
    Early,
    /// For another sign-in.
    #[error("its `nonce` is another sign-in's")]
    Nonce,
    /// Of nobody.
    #[error("its `sub` is missing")]
    Subject,
}

impl TokenError {
    /// The stable word of the audit list.
    pub(super) fn code(self) -> &'static str {
        match self {
            TokenError::Form => "token-form",
            TokenError::Algorithm => "token-algorithm",
            TokenError::Key => "token-key",
            TokenError::Signature => "token-signature",
            TokenError::Issuer => "token-issuer",
            TokenError::Audience => "token-audience",
            TokenError::Expired => "token-expired",
            TokenError::Early => "token-early",
            TokenError::Nonce => "token-nonce",
            TokenError::Subject => "token-subject",
        }
    }
}

/// What a token's header says of its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// How it is signed.
    pub(super) algorithm: WebAlgorithm,
    /// The name of the key.
    pub(super) kid: Option<String>,
}

/// What must stand in a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// The service.
    pub(super) issuer: &'a str,
    /// This server, as the service calls it.
    pub(super) client_id: &'a str,
    /// The one of this sign-in.
    pub(super) nonce: &'a str,
    /// The time.
    pub(super) now: WallTime,
}

/// The claims of a token that was believed, or of the service's own answer beside it.
pub(super) type Claims = Map<String, Value>;

/// What the header of `token` says. Nothing of it is believed yet: it only picks a key from the service's own.
pub(super) fn header(token: &str) -> Result<Header, TokenError> {
    if token.len() > TOKEN_BYTES_MAX || token.split('.').count() != 3 {
        return Err(TokenError::Form);
    }
    let first = token.split('.').next().unwrap_or_default();
    let members = object(first)?;
    // What must be understood, and is not (RFC 7515, section 4.1.11).
    if members.contains_key("crit") {
        return Err(TokenError::Form);
    }
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let name = text("alg").ok_or(TokenError::Form)?;
    Ok(Header {
        algorithm: WebAlgorithm::parse(name).ok_or(TokenError::Algorithm)?,
        kid: text("kid").map(str::to_owned),
    })
}

/// The claims of `token`, whose header is `header`.
///
/// Errors: the first check of Core, section 3.1.3.7 that fails. `at_hash` is not looked at: it is optional in this flow, and
/// the access token is used for nothing but the service's own userinfo, whose `sub` is compared.
pub(super) fn check(
    token: &str,
    header: &Header,
    keys: &KeySet,
    expected: &Expected<'_>,
) -> Result<Claims, TokenError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Form)?;
    let (_, body) = signed.split_once('.').ok_or(TokenError::Form)?;
    let signature = from_base64url(signature).ok_or(TokenError::Form)?;
    let key = keys.find(header).ok_or(TokenError::Key)?;
    key.verify(header.algorithm, signed.as_bytes(), &signature)
        .map_err(|_| TokenError::Signature)?;
    // Parsed only now that it is the service's.
    let claims = object(body)?;
    hold(&claims, expected)?;
    Ok(claims)
}

fn hold(claims: &Claims, expected: &Expected<'_>) -> Result<(), TokenError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(TokenError::Issuer);
    }
    let (named, others) = match claims.get("aud") {
        Some(Value::String(one)) => (one == expected.client_id, false),
        Some(Value::Array(all)) => (
            all.iter().any(|it| it.as_str() == Some(expected.client_id)),
            all.len() > 1,
        ),
        Some(_) | None => (false, false),
    };
    let by = claims.get("azp");
    let by_us = by.and_then(Value::as_str) == Some(expected.client_id);
    if !named || (others && by.is_none()) || (by.is_some() && !by_us) {
        return Err(TokenError::Audience);
    }
    let now = expected.now.unix_millis().div_euclid(1000);
    let until = seconds(claims, "exp").ok_or(TokenError::Expired)?;
    if until <= now.saturating_sub(SKEW_S) {
        return Err(TokenError::Expired);
    }
    let ahead = now.saturating_add(SKEW_S);
    let made = seconds(claims, "iat").ok_or(TokenError::Early)?;
    let from = match claims.contains_key("nbf") {
        true => seconds(claims, "nbf").ok_or(TokenError::Early)?,
        false => made,
    };
    if made > ahead || from > ahead {
        return Err(TokenError::Early);
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(TokenError::Nonce);
    }
    subject(claims).map(drop).ok_or(TokenError::Subject)
}

/// Who it is, in the service's own words.
pub(super) fn subject(claims: &Claims) -> Option<&str> {
    let found = claims.get("sub").and_then(Value::as_str);
    found.filter(|text| (1..=SUBJECT_BYTES_MAX).contains(&text.len()))
}

/// A time of RFC 7519, section 2: seconds since 1970 UTC, which may be broken.
fn seconds(claims: &Claims, name: &str) -> Option<i64> {
    let value = claims.get(name)?;
    let whole = value.as_i64();
    whole.or_else(|| {
        // The digits before the point are the whole seconds; an exponent is no time that anybody writes.
        let text = value.as_f64()?.to_string();
        text.split('.').next()?.parse().ok()
    })
}

fn object(part: &str) -> Result<Claims, TokenError> {
    let bytes = from_base64url(part).ok_or(TokenError::Form)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::to_base64url;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
    use serde_json::json;

    const NOW_S: i64 = 1_800_000_000;
    const EXPECTED: Expected<'_> = Expected {
        issuer: "https://sso.example",
        client_id: "ward",
        nonce: "n-1",
        now: WallTime::from_unix_millis(NOW_S * 1000 + 999),
    };

    /// A service with a key of each kind that `ring` makes; RSA is in `tests/ward_oidc.rs`, by the real provider.
    struct Service {
        ed: Ed25519KeyPair,
        ec: EcdsaKeyPair,
        keys: KeySet,
    }

    impl Service {
        fn new() -> Service {
            let random = SystemRandom::new();
            let seed = ring::rand::generate::<[u8; 32]>(&random).unwrap().expose();
            let ed = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
            let way = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(way, &random).unwrap();
            let ec = EcdsaKeyPair::from_pkcs8(way, pkcs8.as_ref(), &random).unwrap();
            let point = ec.public_key().as_ref();
            let keys = json!({"keys": [
                {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": to_base64url(ed.public_key().as_ref())},
                {"kty": "EC", "crv": "P-256", "kid": "ec", "x": to_base64url(&point[1..33]), "y": to_base64url(&point[33..])},
            ]});
            let keys = KeySet::parse(keys.to_string().as_bytes()).unwrap();
            Service { ed, ec, keys }
        }

        fn token(&self, header: &Value, claims: &Value) -> String {
            let part = |value: &Value| to_base64url(value.to_string().as_bytes());
            let signed = format!("{}.{}", part(header), part(claims));
            let signature = match header["kid"] == "ec" {
                true => {
                    let made = self.ec.sign(&SystemRandom::new(), signed.as_bytes());
                    to_base64url(made.unwrap().as_ref())
                }
                false => to_base64url(self.ed.sign(signed.as_bytes()).as_ref()),
            };
            format!("{signed}.{signature}")
        }

        fn check(&self, token: &str) -> Result<Claims, TokenError> {
            check(token, &header(token)?, &self.keys, &EXPECTED)
        }
    }

    fn claims() -> Value {
        json!({"iss": "https://sso.example", "aud": "ward", "sub": "17", "nonce": "n-1",
            "iat": NOW_S - 1, "exp": NOW_S + 300})
    }

    fn ed() -> Value {
        json!({"alg": "EdDSA", "kid": "ed", "typ": "JWT"})
    }

    #[test]
    fn a_right_token_is_believed() {
        let service = Service::new();
        for header in [
            ed(),
            json!({"alg": "ES256", "kid": "ec"}),
            json!({"alg": "EdDSA"}),
        ] {
            let found = service.check(&service.token(&header, &claims())).unwrap();
            assert_eq!(subject(&found), Some("17"), "{header}");
        }
    }

    #[test]
    fn each_wrong_claim_is_told() {
        use TokenError::{Audience, Early, Expired, Issuer, Nonce, Subject};
        let service = Service::new();
        let with = |key: &str, value: Value| {
            let mut claims = claims();
            claims[key] = value;
            service.check(&service.token(&ed(), &claims)).map(drop)
        };
        for (key, value, expected) in [
            ("iss", json!("https://sso.example/"), Err(Issuer)),
            ("iss", json!(["https://sso.example"]), Err(Issuer)),
            ("aud", json!("other"), Err(Audience)),
            ("aud", json!([]), Err(Audience)),
            ("aud", json!(null), Err(Audience)),
            ("aud", json!(["ward"]), Ok(())),
            ("aud", json!(["ward", "other"]), Err(Audience)),
            ("azp", json!("ward"), Ok(())),
            ("azp", json!("other"), Err(Audience)),
            ("azp", json!(7), Err(Audience)),
            ("exp", json!(NOW_S - 119), Ok(())),
            ("exp", json!(NOW_S - 120), Err(Expired)),
            ("exp", json!(0.5), Err(Expired)),
            ("exp", json!(NOW_S.to_string()), Err(Expired)),
            // Beyond every calendar: no time at all, not one that holds for ever.
            ("exp", json!(1.0e300), Err(Expired)),
            ("iat", json!(NOW_S + 120), Ok(())),
            ("iat", json!(1_800_000_000.5), Ok(())),
            ("iat", json!(NOW_S + 121), Err(Early)),
            ("iat", json!(null), Err(Early)),
            ("nbf", json!(NOW_S + 121), Err(Early)),
            ("nbf", json!("soon"), Err(Early)),
            ("nonce", json!("n-2"), Err(Nonce)),
            ("nonce", json!(null), Err(Nonce)),
            ("sub", json!(""), Err(Subject)),
            ("sub", json!(17), Err(Subject)),
            ("sub", json!("x".repeat(256)), Err(Subject)),
        ] {
            assert_eq!(with(key, value.clone()), expected, "{key} {value}");
        }
        for key in ["iss", "aud", "exp", "iat", "nonce", "sub"] {
            let mut missing = claims();
            missing.as_object_mut().unwrap().remove(key);
            let token = service.token(&ed(), &missing);
            assert!(service.check(&token).is_err(), "{key}");
        }
    }

    #[test]
    fn no_other_signature_is_taken() {
        use TokenError::{Algorithm, Form, Key, Signature};
        let service = Service::new();
        for (header, expected) in [
            (json!({"alg": "none"}), Algorithm),
            (json!({"alg": "HS256", "kid": "ed"}), Algorithm),
            (json!({"alg": "RS512", "kid": "ed"}), Algorithm),
            (json!({"alg": "ES256", "kid": "ed"}), Key),
            (json!({"alg": "RS256"}), Key),
            (json!({"alg": "EdDSA", "kid": "x"}), Key),
            (
                json!({"alg": "EdDSA", "kid": "ed", "crit": ["b64"], "b64": false}),
                Form,
            ),
            (json!({"kid": "ed"}), Form),
            (json!([]), Form),
        ] {
            let token = service.token(&header, &claims());
            assert_eq!(service.check(&token), Err(expected), "{header}");
        }
        // Another service's key under the same name.
        let token = Service::new().token(&ed(), &claims());
        assert_eq!(service.check(&token), Err(Signature));
        let right = service.token(&ed(), &claims());
        let (signed, signature) = right.rsplit_once('.').unwrap();
        for bad in [
            String::new(),
            signed.to_owned(),
            format!("{signed}."),
            format!("{right}.{signature}"),
            format!("{right}.a.b"),
            format!("{right}="),
            "a.b.c".to_owned(),
            "..".to_owned(),
            "x".repeat(100_000),
        ] {
            let found = service.check(&bad);
            assert!(matches!(found, Err(Form | Signature)), "{bad}");
        }
        let part = |value: Value| to_base64url(value.to_string().as_bytes());
        let unsigned = format!("{}.{}.", part(json!({"alg": "none"})), part(claims()));
        assert_eq!(service.check(&unsigned), Err(Algorithm));
    }

    #[test]
    fn each_changed_letter_is_found() {
        let service = Service::new();
        let right = service.token(&ed(), &claims());
        for at in 0..right.len() {
            let mut bytes = right.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bytes).unwrap();
            if bent != right {
                assert!(service.check(&bent).is_err(), "letter {at}");
            }
        }
    }
}
