//! What the sign-in service says of itself: where to go, and which keys it signs with.
//!
//! Sources: OpenID Connect Discovery 1.0; RFC 8414; RFC 7517.

use super::address::Address;
use super::token::Header;
use crate::trust::{WebAlgorithm, WebKey};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Keys of a set that are looked at.
const KEYS_MAX: usize = 100;

/// How this server shows the service that it is itself. Source: OpenID Connect Core 1.0, section 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Name and secret in a header.
    Basic,
    /// Name and secret in the form.
    Post,
}

/// Where to go, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    /// Where browsers are sent.
    pub(super) authorization: Address,
    /// Where a code is changed into tokens.
    pub(super) token: Address,
    /// Where the keys are.
    pub(super) keys: Address,
    /// Where more claims are.
    pub(super) userinfo: Option<Address>,
    /// How to show who asks.
    pub(super) proof: Proof,
    /// Whether each answer names the service (RFC 9207).
    pub(super) names_itself: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Service {
    /// Reads the document of `issuer`. Errors say what IT has to look at: another issuer, an address that keeps no secret.
    pub(super) fn parse(issuer: &Address, body: &[u8]) -> Result<Service, String> {
        let document: Document = serde_json::from_slice(body).map_err(|error| {
            format!(
                "its settings do not read: {}",
                shortened(&error.to_string())
            )
        })?;
        // Discovery, section 4.3: identical, or the document speaks for somebody else.
        if document.issuer != issuer.as_str() {
            return Err(format!(
                "it calls itself {:?}: write [oidc] issuer to the letter like this, if it is the right one",
                shortened(&document.issuer)
            ));
        }
        let address = |what: &str, text: &str| {
            Address::parse(text).map_err(|_| format!("its `{what}` is no https address"))
        };
        let userinfo = document.userinfo_endpoint.as_deref();
        let methods = document.token_endpoint_auth_methods_supported;
        // Left out, it means basic.
        let takes_basic = methods
            .as_ref()
            .is_none_or(|list| list.iter().any(|it| it == "client_secret_basic"));
        Ok(Service {
            authorization: address("authorization_endpoint", &document.authorization_endpoint)?,
            token: address("token_endpoint", &document.token_endpoint)?,
            keys: address("jwks_uri", &document.jwks_uri)?,
            userinfo: userinfo
                .map(|text| address("userinfo_endpoint", text))
                .transpose()?,
            proof: if takes_basic {
                Proof::Basic
            } else {
                Proof::Post
            },
            names_itself: document.authorization_response_iss_parameter_supported,
        })
    }
}

/// The keys that tokens are signed with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeySet {
    keys: Vec<SetKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SetKey {
    kid: Option<String>,
    algorithm: Option<WebAlgorithm>,
    key: WebKey,
}

impl KeySet {
    /// Reads a set. Keys of other kinds and uses are passed over. Errors: it is no set.
    pub(super) fn parse(body: &[u8]) -> Result<KeySet, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Map<String, Value>>,
        }
        let set: Set = serde_json::from_slice(body)
            .map_err(|error| format!("its keys do not read: {}", shortened(&error.to_string())))?;
        let keys = set.keys.iter().take(KEYS_MAX).filter_map(key).collect();
        Ok(KeySet { keys })
    }

    /// The key of a token's header. Without a name there, the only one that fits (Core, section 10.1).
    pub(super) fn find(&self, header: &Header) -> Option<&WebKey> {
        let mut fitting = self.keys.iter().filter(|it| {
            it.key.fits(header.algorithm)
                && it.algorithm.is_none_or(|own| own == header.algorithm)
                && (header.kid.is_none() || it.kid == header.kid)
        });
        let first = fitting.next()?;
        // Two of one name: none can be told to be the one.
        fitting.next().is_none().then_some(&first.key)
    }
}

fn key(members: &Map<String, Value>) -> Option<SetKey> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if text("use").is_some_and(|it| it != "sig") {
        return None;
    }
    // A key that says what it is for signs that way only; one for something else, not at all.
    let algorithm = match text("alg") {
        Some(name) => Some(WebAlgorithm::parse(name)?),
        None => None,
    };
    let key = match (text("kty")?, text("crv")) {
        ("RSA", _) => WebKey::rsa(text("n")?, text("e")?),
        ("EC", Some("P-256")) => WebKey::p256(text("x")?, text("y")?),
        ("OKP", Some("Ed25519")) => WebKey::ed25519(text("x")?),
        _ => return None,
    };
    Some(SetKey {
        kid: text("kid").map(str::to_owned),
        algorithm,
        key: key.ok()?,
    })
}

/// The beginning of what somebody else wrote: a log line has an end.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn issuer() -> Address {
        Address::parse("https://sso.example").unwrap()
    }

    fn document() -> Value {
        json!({
            "issuer": "https://sso.example",
            "authorization_endpoint": "https://sso.example/auth",
            "token_endpoint": "https://sso.example/token",
            "jwks_uri": "https://sso.example/jwks",
            "something_else": {"a": [1]},
        })
    }

    fn parse(document: &Value) -> Result<Service, String> {
        Service::parse(&issuer(), document.to_string().as_bytes())
    }

    #[test]
    fn the_document_must_be_the_issuers_own_and_lead_nowhere_in_clear() {
        let service = parse(&document()).unwrap();
        assert_eq!(service.proof, Proof::Basic);
        assert!(service.userinfo.is_none() && !service.names_itself);
        for (key, value, expected) in [
            ("issuer", json!("https://sso.example/"), "calls itself"),
            ("issuer", json!("https://evil.example"), "calls itself"),
            (
                "authorization_endpoint",
                json!("http://sso.example/auth"),
                "`authorization_endpoint`",
            ),
            (
                "authorization_endpoint",
                json!("javascript:alert(1)"),
                "`authorization_endpoint`",
            ),
            (
                "token_endpoint",
                json!("http://sso.example"),
                "`token_endpoint`",
            ),
            ("jwks_uri", json!("file:///etc/passwd"), "`jwks_uri`"),
            ("userinfo_endpoint", json!("x"), "`userinfo_endpoint`"),
            ("jwks_uri", json!(7), "do not read"),
        ] {
            let mut bad = document();
            bad[key] = value;
            let error = parse(&bad).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Service::parse(&issuer(), b"<html>").is_err());
        let mut other = document();
        other["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
        assert_eq!(parse(&other).unwrap().proof, Proof::Post);
    }

    #[test]
    fn a_key_is_found_by_its_name_and_use() {
        // RFC 8037, appendix A.2; RFC 7515, appendix A.3.
        let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a"});
        let ec = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "kid": "b", "use": "sig", "alg": "ES256"});
        let set = |keys: Value| KeySet::parse(json!({ "keys": keys }).to_string().as_bytes());
        let both = set(json!([ed, ec, {"kty": "oct", "k": "AAAA", "kid": "c"}, {}])).unwrap();
        let find = |set: &KeySet, algorithm: &str, kid: Option<&str>| {
            let algorithm = WebAlgorithm::parse(algorithm).unwrap();
            let kid = kid.map(str::to_owned);
            set.find(&Header { algorithm, kid }).is_some()
        };
        assert!(find(&both, "EdDSA", Some("a")) && find(&both, "ES256", Some("b")));
        assert!(find(&both, "EdDSA", None) && find(&both, "ES256", None));
        assert!(!find(&both, "EdDSA", Some("b")) && !find(&both, "EdDSA", Some("x")));
        assert!(!find(&both, "RS256", None));
        let mut encrypts = ec.clone();
        encrypts["use"] = json!("enc");
        let mut other = ec.clone();
        other["alg"] = json!("ES512");
        for bad in [encrypts, other] {
            assert!(!find(&set(json!([bad])).unwrap(), "ES256", Some("b")));
        }
        assert!(!find(&set(json!([ed, ed])).unwrap(), "EdDSA", None));
        assert!(set(json!({})).is_err());
    }
}
