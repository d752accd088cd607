//! From `scanward.toml` and the files it names to what the rooms are given.

use super::failure::Failure;
use super::mqtt::{self, Credentials, Tls};
use crate::config::{Account, Config, ConfigError};
use crate::ids::Redacted;
use crate::infer::EngineOptions;
use crate::intake::IntakeLimits;
use crate::outbox;
use crate::wire::{OfflinePayload, Profile, Root, Sender, Topic};
use std::fs;
use std::path::{Path, PathBuf};

/// The largest file of settings, certificate or password.
const SMALL_FILE_BYTES_MAX: u64 = 1 << 20;

/// The broker keeps what the ward says for a box that is away for so long, seconds: as long as it keeps a receipt.
const WARD_KEPT_S: u32 = crate::wire::RECEIPT_EXPIRY_S;

/// The settings in `file`.
pub fn read(file: &Path) -> Result<Config, Failure> {
    read_as(file, Config::parse, "systemd/scanward.toml.example")
}

/// The settings in `file` as `parse` reads them; `example` is where every key is explained.
pub fn read_as<T>(
    file: &Path,
    parse: impl FnOnce(&str) -> Result<T, ConfigError>,
    example: &str,
) -> Result<T, Failure> {
    let text = String::from_utf8(small_file(file, "the settings")?).map_err(|_| {
        Failure::new(
            format!("{} is not UTF-8 text", file.display()),
            "save it as UTF-8",
        )
    })?;
    parse(&text).map_err(|error| {
        let place = if error.line > 0 {
            format!(":{}", error.line)
        } else {
            String::new()
        };
        let what = format!("{}{place}: {}", file.display(), error.what);
        Failure::new(
            what,
            format!("correct the line; {example} explains every key"),
        )
    })
}

/// A small file, whole. Errors: it cannot be read, or is not small.
pub fn small_file(file: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    let trouble = |error: String| {
        let text = format!("{what} in {} cannot be read: {error}", file.display());
        Failure::new(
            text,
            "check that the file exists and that scanward's user may read it",
        )
    };
    let facts = fs::metadata(file).map_err(|error| trouble(error.to_string()))?;
    if facts.len() > SMALL_FILE_BYTES_MAX {
        return Err(trouble(format!("{} bytes are too many", facts.len())));
    }
    fs::read(file).map_err(|error| trouble(error.to_string()))
}

/// `configured`, but for what the environment says: `SCANWARD_ISA` and `SCANWARD_THREADS`, empty for nothing.
///
/// Errors: a value that is none, or an instruction set that this machine lacks.
pub fn engine_options(configured: EngineOptions) -> Result<EngineOptions, Failure> {
    let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let wrong = |name: &str, what: String| {
        Failure::new(
            format!("{name} in the environment: {what}"),
            format!("unset {name}, or give it a value that docs/operating.md names"),
        )
    };
    let mut options = configured;
    if let Some(text) = said("SCANWARD_ISA") {
        options.isa = EngineOptions::parse_isa(&text.to_string_lossy())
            .map_err(|error| wrong("SCANWARD_ISA", error.to_string()))?;
    }
    if let Some(text) = said("SCANWARD_THREADS") {
        options.threads = EngineOptions::parse_threads(&text.to_string_lossy())
            .map_err(|error| wrong("SCANWARD_THREADS", error))?;
    }
    Ok(options)
}

/// Bounds and waits of the intake.
pub(super) fn intake_limits(config: &Config) -> IntakeLimits {
    let usual = IntakeLimits::default();
    IntakeLimits {
        quiet: config.intake.quiet,
        adaptive: config.intake.adaptive_wait,
        // What came right after one look is seen by the next.
        quiet_min: usual.quiet_min.max(config.intake.poll * 2),
        overdue: config.intake.overdue,
        ..usual
    }
}

/// `wanted` in what a running service can take over, `running` in all else.
///
/// The intended use is not among it: the pictures of series that wait have been drawn for the old one.
pub(super) fn taken_over(running: &Config, wanted: &Config) -> Config {
    let mut config = running.clone();
    config.intake.quiet = wanted.intake.quiet;
    config.intake.adaptive_wait = wanted.intake.adaptive_wait;
    config.intake.overdue = wanted.intake.overdue;
    config.publish.identity = wanted.publish.identity;
    config.publish.expiry = wanted.publish.expiry;
    config
}

/// Bounds of the outbox.
pub(super) fn outbox_limits(config: &Config) -> outbox::Limits {
    outbox::Limits {
        late_after: config.publish.late_after,
        ..outbox::Limits::default()
    }
}

/// Who sends, and what the settings let out.
pub(super) fn sender(config: &Config) -> Sender {
    Sender {
        root: Root::new(config.site.clone(), config.device.clone()),
        profile: Profile {
            intended_use: config.publish.intended_use,
            identity: config.publish.identity,
            expiry_s: u32::try_from(config.publish.expiry.as_secs()).unwrap_or(u32::MAX),
        },
    }
}

/// How to reach the broker, its files read, with the last will.
pub(super) fn link(config: &Config, will: &OfflinePayload) -> Result<mqtt::Settings, Failure> {
    let root = Root::new(config.site.clone(), config.device.clone());
    Ok(mqtt::Settings {
        health_topic: root.topic(&Topic::Health),
        will: will.to_bytes().unwrap_or_default(),
        subscriptions: [Topic::Ack, Topic::Verdict, Topic::Keys]
            .iter()
            .map(|topic| root.topic(topic))
            .collect(),
        session_expiry_s: WARD_KEPT_S,
        ..connection(config)?
    })
}

/// How to reach the broker, its files read; without topics and will.
pub(super) fn connection(config: &Config) -> Result<mqtt::Settings, Failure> {
    let publish = &config.publish;
    let root = Root::new(config.site.clone(), config.device.clone());
    account_link(&publish.account, &root.client_id())
}

/// How to reach the broker of `account` as `client_id`, the files read. Errors: one that cannot be read.
pub fn account_link(account: &Account, client_id: &str) -> Result<mqtt::Settings, Failure> {
    let broker = &account.broker;
    Ok(mqtt::Settings {
        tls: broker.tls.then(|| tls(account)).transpose()?,
        credentials: credentials(account)?,
        ..mqtt::Settings::new(&broker.host, broker.port, client_id)
    })
}

fn tls(account: &Account) -> Result<Tls, Failure> {
    let read =
        |file: &Option<PathBuf>, what| file.as_ref().map(|file| small_file(file, what)).transpose();
    let certificate = read(&account.client_cert_file, "the client certificate")?;
    let key = read(&account.client_key_file, "the client key")?;
    Ok(Tls {
        ca: read(&account.ca_file, "the authority's certificate")?,
        client: certificate.zip(key),
    })
}

fn credentials(account: &Account) -> Result<Option<Credentials>, Failure> {
    let Some(username) = account.username.clone() else {
        return Ok(None);
    };
    let mut password = match &account.password_file {
        Some(file) => small_file(file, "the broker's password")?,
        None => Vec::new(),
    };
    while password
        .last()
        .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
    {
        password.pop();
    }
    Ok(Some(Credentials {
        username,
        password: Redacted::new(password),
    }))
}
