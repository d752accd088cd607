//! Addresses of the sign-in service: `https`, or `http` on this very machine.

use axum::http::Uri;
use std::fmt::Write;
use std::net::IpAddr;

/// The longest address that is taken.
const BYTES_MAX: usize = 2048;

/// Why a text is no such address.
pub(super) const WANTED: &str =
    "write https://host[:port][/path]; http is for this machine only (127.0.0.1, [::1], localhost)";

/// An address of the sign-in service, or of this server as browsers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: String,
    secure: bool,
    host: String,
    port: u16,
    authority: String,
    target: String,
}

impl Address {
    /// Parses `text`. Errors: another scheme, plain HTTP over a network, a user, a fragment.
    pub(super) fn parse(text: &str) -> Result<Address, &'static str> {
        let uri: Uri = text.parse().map_err(|_| WANTED)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(WANTED);
        };
        let secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(WANTED),
        };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let is_odd = text.len() > BYTES_MAX || text.contains(['#', '@', '\\']) || host.is_empty();
        if is_odd || !(secure || is_loopback(&host)) {
            return Err(WANTED);
        }
        let usual = if secure { 443 } else { 80 };
        Ok(Address {
            text: text.to_owned(),
            secure,
            host,
            port: authority.port_u16().unwrap_or(usual),
            authority: authority.as_str().to_owned(),
            target: uri
                .path_and_query()
                .map_or("/", |target| target.as_str())
                .to_owned(),
        })
    }

    /// As it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether TLS protects what goes there.
    pub(in crate::ward) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether nothing follows host and port.
    pub(super) fn is_origin(&self) -> bool {
        self.target == "/"
    }

    /// Whether it has a query.
    pub(super) fn has_query(&self) -> bool {
        self.target.contains('?')
    }

    /// Host name or address, without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What the `Host` header says.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query, as the first line of a request has them.
    pub(super) fn target(&self) -> &str {
        &self.target
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Pairs as `application/x-www-form-urlencoded`, with `%20` for a blank: right in a query, too.
/// Source: RFC 6749, appendix B; RFC 3986, section 2.3.
pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    let encoded = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    encoded.collect::<Vec<_>>().join("&")
}

/// `text` with all but the unreserved characters as `%XX`.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _written = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_keep_a_secret_are_taken() {
        for (good, host, port, target) in [
            ("https://sso.example", "sso.example", 443, "/"),
            (
                "https://sso.example:8443/realms/a?b=c",
                "sso.example",
                8443,
                "/realms/a?b=c",
            ),
            ("http://127.0.0.1:3000/", "127.0.0.1", 3000, "/"),
            ("http://localhost", "localhost", 80, "/"),
            ("http://[::1]:3000/x", "::1", 3000, "/x"),
        ] {
            let address = Address::parse(good).unwrap();
            let found = (address.host(), address.port(), address.target());
            assert_eq!(found, (host, port, target), "{good}");
            assert_eq!(address.as_str(), good);
        }
        for bad in [
            "",
            "/path",
            "sso.example",
            "ftp://sso.example",
            "http://sso.example",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "https://user@sso.example",
            "https://sso.example#part",
            "https:///path",
            "https://sso.example/a b",
            "https://sso.example\\@evil.example",
            "javascript:alert(1)",
        ] {
            assert_eq!(Address::parse(bad), Err(WANTED), "{bad}");
        }
        assert!(Address::parse(&format!("https://a/{}", "x".repeat(3000))).is_err());
    }

    #[test]
    fn a_form_carries_every_text() {
        let text = form(&[("scope", "openid a"), ("x", "1&y=2+é%")]);
        assert_eq!(text, "scope=openid%20a&x=1%26y%3D2%2B%C3%A9%25");
    }
}
