//! `ward.toml` to settings, with file and line in every complaint.

use super::oidc::OidcSettings;
use crate::config::{Account, Broker, ConfigError, Section, Source, sections};
use crate::ids::SlugName;
use crate::trust::PublicKey;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Everything `ward.toml` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Name of the hospital or ward in topics: boxes of this site are listened to.
    pub site: SlugName,
    /// The nursing station's name where a user has none of their own.
    pub station: String,
    /// How to reach the broker.
    pub broker: BrokerSettings,
    /// Where pages are served.
    pub http: HttpSettings,
    /// The server's data.
    pub state: StateSettings,
    /// The file of those who may sign in.
    pub users_file: PathBuf,
    /// How long somebody stays signed in.
    pub session: SessionSettings,
    /// The hospital's sign-in service; `None` leaves passwords alone.
    pub oidc: Option<OidcSettings>,
    /// The file that gives pseudonyms and accession numbers their names.
    pub names_file: Option<PathBuf>,
    /// IT's public keys: lists of physicians' keys must be signed by one of them.
    pub it_keys: Vec<PublicKey>,
    /// When a silent box is no longer believed.
    pub boxes: BoxLimits,
}

/// How to reach the broker, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerSettings {
    /// Where it is, and what this server shows there.
    pub account: Account,
    /// How long the broker keeps messages while this server is away.
    pub keep: Duration,
}

/// Where pages are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Address and port.
    pub listen: SocketAddr,
    /// Certificate chain and key, PEM; `None` is plain HTTP, on loopback only.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// The server's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSettings {
    /// The folder of the database.
    pub folder: PathBuf,
    /// How long findings are kept.
    pub keep: Duration,
    /// How long pictures are kept.
    pub keep_previews: Duration,
}

/// How long somebody stays signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// From signing in on.
    pub length: Duration,
    /// Without any page open.
    pub idle: Duration,
}

/// When a silent box is no longer believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxLimits {
    /// Its light turns amber.
    pub silent: Duration,
    /// Its light turns red.
    pub lost: Duration,
}

impl Settings {
    /// Reads the text of a `ward.toml`.
    ///
    /// Errors name the line, and for a misspelt key the nearest right one.
    pub fn parse(text: &str) -> Result<Settings, ConfigError> {
        const KNOWN: &[&str] = &[
            "site", "broker", "http", "state", "users", "session", "oidc", "names", "it", "boxes",
        ];
        let source = Source::new(text);
        let mut found = sections(&source, KNOWN)?;
        let oidc = found.remove("oidc").map(OidcSettings::read).transpose()?;
        let mut section = |name: &str| {
            found
                .remove(name)
                .unwrap_or_else(|| Section::absent(name, &source))
        };
        let (site, station) = site(section("site"))?;
        Ok(Settings {
            site,
            station,
            broker: broker(section("broker"))?,
            http: http(section("http"))?,
            state: state(section("state"))?,
            users_file: users(section("users"))?,
            session: session(section("session"))?,
            oidc,
            names_file: names(section("names"))?,
            it_keys: it(section("it"))?,
            boxes: boxes(section("boxes"))?,
        })
    }
}

fn site(mut section: Section<'_>) -> Result<(SlugName, String), ConfigError> {
    let name = section.required_parsed("name", SlugName::parse)?;
    let station = section.parsed("station", String::new(), |text| {
        match text.chars().count() {
            0..=64 if !text.chars().any(char::is_control) => Ok(text.to_owned()),
            _ => Err("must have at most 64 letters, no control characters"),
        }
    })?;
    section.finish()?;
    Ok((name, station))
}

fn broker(mut section: Section<'_>) -> Result<BrokerSettings, ConfigError> {
    let settings = BrokerSettings {
        account: Account::read(section.required_parsed("url", Broker::parse)?, &mut section)?,
        keep: section.duration("keep_days", 7.0, 0.01..=365.0, DAY)?,
    };
    section.finish()?;
    settings.account.check("broker")?;
    Ok(settings)
}

fn http(mut section: Section<'_>) -> Result<HttpSettings, ConfigError> {
    let listen = section.required_parsed("listen", |text| {
        text.parse::<SocketAddr>()
            .map_err(|_| "write address:port, as 0.0.0.0:8443 or [::]:8443")
    })?;
    let (certificate, key) = (section.path("cert_file")?, section.path("key_file")?);
    let plain = section.switch("plain", false)?;
    section.finish()?;
    let tls = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return refuse("http", "`cert_file` and `key_file` go together");
        }
    };
    match (&tls, plain) {
        (Some(_), true) => refuse(
            "http",
            "`plain = true` and a certificate contradict each other",
        ),
        (None, false) => refuse("http", "`cert_file` and `key_file` are missing"),
        (None, true) if !listen.ip().is_loopback() => refuse(
            "http",
            "`plain = true` is for loopback only: passwords and names would travel in clear",
        ),
        (Some(_), false) | (None, true) => Ok(HttpSettings { listen, tls }),
    }
}

fn state(mut section: Section<'_>) -> Result<StateSettings, ConfigError> {
    let settings = StateSettings {
        folder: PathBuf::from(section.required("folder")?),
        keep: section.duration("keep_days", 365.0, 1.0..=36_500.0, DAY)?,
        keep_previews: section.duration("preview_days", 14.0, 0.1..=36_500.0, DAY)?,
    };
    section.finish()?;
    Ok(settings)
}

fn users(mut section: Section<'_>) -> Result<PathBuf, ConfigError> {
    let file = PathBuf::from(section.required("file")?);
    section.finish()?;
    Ok(file)
}

fn session(mut section: Section<'_>) -> Result<SessionSettings, ConfigError> {
    let settings = SessionSettings {
        length: section.duration("minutes", 720.0, 0.01..=10_080.0, MINUTE)?,
        idle: section.duration("idle_minutes", 30.0, 0.01..=10_080.0, MINUTE)?,
    };
    section.finish()?;
    Ok(settings)
}

fn names(mut section: Section<'_>) -> Result<Option<PathBuf>, ConfigError> {
    let file = section.path("csv")?;
    section.finish()?;
    Ok(file)
}

fn it(mut section: Section<'_>) -> Result<Vec<PublicKey>, ConfigError> {
    let texts = section.texts("keys", Vec::new())?;
    section.finish()?;
    let parse = |text: &String| {
        PublicKey::parse(text).map_err(|error| ConfigError {
            line: 0,
            what: format!("[it] keys: {error}"),
        })
    };
    texts.iter().map(parse).collect()
}

fn boxes(mut section: Section<'_>) -> Result<BoxLimits, ConfigError> {
    let limits = BoxLimits {
        silent: section.duration("silent_seconds", 120.0, 2.0..=86_400.0, SECOND)?,
        lost: section.duration("lost_seconds", 600.0, 2.0..=86_400.0, SECOND)?,
    };
    section.finish()?;
    if limits.lost < limits.silent {
        return refuse(
            "boxes",
            "`lost_seconds` must not be less than `silent_seconds`",
        );
    }
    Ok(limits)
}

fn refuse<T>(section: &str, what: &str) -> Result<T, ConfigError> {
    Err(ConfigError::in_section(section, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "[site]\nname = \"north\"\n[broker]\nurl = \"mqtt://127.0.0.1\"\n\
        [http]\nlisten = \"127.0.0.1:0\"\nplain = true\n[state]\nfolder = \"state\"\n\
        [users]\nfile = \"users.toml\"\n";

    #[test]
    fn what_is_left_out_has_its_default() {
        let settings = Settings::parse(RIGHT).unwrap();
        assert_eq!(settings.session.length, Duration::from_secs(12 * 3600));
        assert_eq!((settings.names_file, settings.oidc), (None, None));
        assert!(settings.it_keys.is_empty());
    }

    #[test]
    fn what_would_travel_in_clear_or_contradicts_itself_is_refused() {
        check(
            "127.0.0.1:0\"\nplain",
            "0.0.0.0:0\"\nplain",
            "loopback only",
        );
        check("plain = true", "", "`cert_file` and `key_file` are missing");
        check("plain = true", "cert_file = \"a\"", "go together");
        check("mqtt://127.0.0.1", "mqtt://broker", "needs `mqtts://`");
        check(
            "[users]",
            "[usres]",
            "line 10: unknown section: `usres`; did you mean `users`?",
        );
        check("plain = true", "plian = true", "did you mean `plain`?");
        check(
            "[users]",
            "[it]\nkeys = [\"x\"]\n[users]",
            "[it] keys: a public key is",
        );
        check(
            "[users]",
            "[boxes]\nlost_seconds = 3\n[users]",
            "must not be less",
        );
    }

    fn check(part: &str, instead: &str, expected: &str) {
        let error = Settings::parse(&RIGHT.replace(part, instead)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
