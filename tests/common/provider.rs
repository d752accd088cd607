//! A real OpenID provider beside the ward's server: panva's oidc-provider under node, and a browser without eyes that signs in.

use super::http::{Answer, Browser};
use super::mosquitto::PATIENCE;
use super::site::in_ci;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The secret that provider and server share.
pub const SECRET: &str = "a secret: of 100% + more";

/// Whether a program for these tests is missing. Fails where CI expects them, else tells that the test skips.
pub fn is_missing(test: &str) -> bool {
    let node = Command::new("node").arg("--version").output();
    let mut missing = Vec::new();
    if !node.is_ok_and(|output| output.status.success()) {
        missing.push("node");
    }
    if !modules().join("oidc-provider/package.json").is_file() {
        missing.push("oidc-provider");
    }
    if missing.is_empty() {
        return super::mosquitto::is_missing(test);
    }
    assert!(
        !in_ci(),
        "{test}: {missing:?} are missing: scripts/test installs them"
    );
    eprintln!("SKIPPED {test}: {missing:?} are missing: scripts/test installs them");
    true
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where `scripts/test` puts packages of npm.
fn modules() -> PathBuf {
    root().join(".cache/npm/node_modules")
}

/// How a provider is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How it signs.
    pub algorithm: &'static str,
    /// How the server shows who it is.
    pub method: &'static str,
    /// Whether the ID token holds `sub` alone, the rest being in userinfo.
    pub thin: bool,
    /// Certificate and key, PEM files; `None` is plain HTTP.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Claims by `sub`, which is what is typed as the login.
    pub people: Value,
}

impl Default for Setup {
    fn default() -> Setup {
        let person = |name: &str, display: &str, groups: &[&str]| json!({"preferred_username": name, "name": display, "groups": groups});
        Setup {
            algorithm: "RS256",
            method: "client_secret_basic",
            thin: false,
            tls: None,
            people: json!({
                "n-1": person("kwok", "Kwok 郭", &["staff", "ward-nurses"]),
                "p-1": person("Tam.WL@Hospital.example", "Dr Lee 李", &["ward-doctors"]),
                "i-1": person("yip", "Yip", &["ward-it"]),
                "x-1": person("pang", "Pang", &["staff"]),
                "x-2": person("lee", "Another Lee", &["ward-doctors"]),
                "x-3": person("kwok", "Another Kwok", &["ward-nurses"]),
                "x-4": json!({"preferred_username": "fong", "name": "Fong"}),
                "x-5": person("Dr Fong", "Fong", &["ward-doctors"]),
            }),
        }
    }
}

/// The provider running; killed by its own handle when dropped.
#[derive(Debug)]
pub struct Provider {
    child: Child,
    pub port: u16,
}

impl Provider {
    /// Starts it; returns when it listens. `ward` is the server's address as browsers have it.
    pub fn start(setup: &Setup, port: u16, ward: &str) -> Provider {
        let tls = setup
            .tls
            .as_ref()
            .map(|(cert, key)| json!({"cert": cert, "key": key}));
        let settings = json!({
            "port": port,
            "redirect": format!("{ward}/api/oidc/callback"),
            "algorithm": setup.algorithm,
            "method": setup.method,
            "thin": setup.thin,
            "people": setup.people,
            "tls": tls,
            "secret": SECRET,
            "life": 60,
        });
        let mut child = Command::new("node")
            .arg(root().join("tests/common/provider.mjs"))
            .arg(modules())
            .arg(settings.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = said.next();
        assert!(
            matches!(&first, Some(Ok(line)) if line == "ready"),
            "the provider did not start: {first:?}"
        );
        Provider { child, port }
    }

    /// The provider's name.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Cookies of one person's browser, by port.
#[derive(Clone, Debug, Default)]
pub struct Surfer {
    cookies: BTreeMap<u16, BTreeMap<String, String>>,
}

impl Surfer {
    /// One request, with the cookies of that port; takes those of the answer.
    pub fn ask(&mut self, method: &str, port: u16, path: &str, body: &str) -> Answer {
        let own = self.cookies.entry(port).or_default();
        let all: Vec<String> = own
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookie = format!("Cookie: {}", all.join("; "));
        let mut headers = Vec::new();
        if !all.is_empty() {
            headers.push(cookie.as_str());
        }
        if method == "POST" {
            headers.push("Content-Type: application/x-www-form-urlencoded");
        }
        let answer = Browser::new(port).send(method, path, &headers, body.as_bytes());
        for (_, text) in answer
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie")
        {
            let pair = text.split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                own.remove(name);
            } else {
                own.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// A cookie.
    pub fn cookie(&self, port: u16, name: &str) -> Option<&String> {
        self.cookies.get(&port)?.get(name)
    }

    /// Signs in at `provider` as `who`, beginning at `location`; returns the path and query that lead back to the ward.
    pub fn walk(&mut self, provider: u16, location: &str, who: &str) -> String {
        let at = format!("http://127.0.0.1:{provider}");
        let mut path = location.strip_prefix(&at).unwrap_or(location).to_owned();
        let began = std::time::Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "no end at {path}");
            let answer = match path.starts_with("/interaction/") {
                true => {
                    let form = format!("prompt=login&login={who}&password=any");
                    self.ask("POST", provider, &path, &form)
                }
                false => self.ask("GET", provider, &path, ""),
            };
            let next = answer.header("location").map(str::to_owned);
            let next = next.unwrap_or_else(|| {
                panic!(
                    "{path}: {} {}",
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                )
            });
            if let Some(at) = next.find("/api/oidc/callback") {
                return next[at..].to_owned();
            }
            path = next.strip_prefix(&at).unwrap_or(&next).to_owned();
        }
    }
}
