//! The settings themselves, and their defaults in one place.

use super::account::Account;
use super::reader::{ConfigError, Section, Source, sections};
use crate::annotation::AnnotationSettings;
use crate::ids::SlugName;
use crate::infer::EngineOptions;
use crate::store::PriorLimits;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Everything `scanward.toml` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Name of the hospital or ward in topics.
    pub site: SlugName,
    /// Name of this box in topics.
    pub device: SlugName,
    /// The export folder and how it is watched.
    pub intake: IntakeSettings,
    /// What must survive a power cut lives here.
    pub state_folder: PathBuf,
    /// The model's manifest and network.
    pub model_folder: PathBuf,
    /// The broker, and what is told.
    pub publish: PublishSettings,
    /// Which series are triaged.
    pub series: crate::series::SeriesRules,
    /// What runs the network.
    pub engine: EngineSettings,
    /// What is kept of findings for the patient's next scan.
    pub prior: PriorLimits,
    /// The rules of the ward.
    pub ward: crate::review::Limits,
    /// Where corrected masks come back; `None` where none do.
    pub annotations: Option<AnnotationSettings>,
    /// How the service behaves.
    pub service: ServiceSettings,
}

/// How the export folder is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct IntakeSettings {
    /// The folder the modality exports to; only ever read.
    pub folder: PathBuf,
    /// A series is taken as complete after this long without a new instance, at the latest.
    pub quiet: Duration,
    /// Whether one that is seen to be complete waits less, as its scanner's pace allows.
    pub adaptive_wait: bool,
    /// Time between two scans of the folder.
    pub poll: Duration,
    /// A series that cannot be completed is refused after this long.
    pub overdue: Duration,
    /// The largest file that is read, in bytes.
    pub file_bytes_max: u64,
}

/// The broker, and what is told.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishSettings {
    /// How to reach the broker, and as whom.
    pub account: Account,
    /// How much of the patient's identity leaves the box.
    pub identity: IdentityLevel,
    /// Which parts of a finding are shown.
    pub intended_use: IntendedUse,
    /// How long the broker keeps a finding for an absent ward.
    pub expiry: Duration,
    /// A finding sent later than this after its making says so.
    pub late_after: Duration,
    /// Whether a preview picture goes with each finding.
    pub preview: bool,
}

/// What runs the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// How the CPU runs it.
    pub options: EngineOptions,
    /// Whether the accelerator is asked before the CPU.
    pub accelerator: AcceleratorUse,
    /// The library of ONNX Runtime; there unless the accelerator is off.
    pub accelerator_library: Option<PathBuf>,
    /// The longest that loading it and its trial may take.
    pub accelerator_start: Duration,
}

/// When series run on the accelerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceleratorUse {
    /// Never.
    Off,
    /// When it gives the right answer, faster than the CPU.
    Auto,
    /// When it gives the right answer, however slowly.
    Always,
}

/// How the service behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Health is published this often.
    pub health_every: Duration,
    /// Least free space of the state folder's disk, in percent, before health says `disk-low`.
    pub disk_free_percent_min: u8,
}

/// Where the broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Broker {
    /// Parses `mqtt://host[:1883]` or `mqtts://host[:8883]`.
    pub fn parse(text: &str) -> Result<Broker, String> {
        let (tls, rest) = match text.split_once("://") {
            Some(("mqtt", rest)) => (false, rest),
            Some(("mqtts", rest)) => (true, rest),
            Some(_) | None => return Err("write mqtt://host:port or mqtts://host:port".to_owned()),
        };
        if rest.contains('@') {
            return Err("write user and password as `username` and `password_file`".to_owned());
        }
        let rest = rest.trim_end_matches('/');
        let (host, port) = split_port(rest).ok_or_else(|| format!("`{rest}` is not host:port"))?;
        if host.is_empty() || host.contains(['/', ' ']) {
            return Err(format!("`{host}` is not a host name or address"));
        }
        let port = port.unwrap_or(if tls { 8883 } else { 1883 });
        Ok(Broker {
            tls,
            host: host.to_owned(),
            port,
        })
    }

    /// Whether the broker is on this very box.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

fn split_port(rest: &str) -> Option<(&str, Option<u16>)> {
    if let Some(bracketed) = rest.strip_prefix('[') {
        let (host, after) = bracketed.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    match rest.split_once(':') {
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((rest, None)),
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        // An IPv6 address has colons of its own.
        if self.host.contains(':') {
            return write!(f, "{scheme}://[{}]:{}", self.host, self.port);
        }
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

pub use crate::wire::{IdentityLevel, IntendedUse};

impl Config {
    /// Reads the text of a `scanward.toml`.
    ///
    /// Errors name the line, and for a misspelt key the nearest right one.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        const KNOWN: &[&str] = &[
            "site",
            "intake",
            "state",
            "model",
            "publish",
            "series",
            "engine",
            "prior",
            "ward",
            "annotations",
            "service",
        ];
        let source = Source::new(text);
        let mut found = sections(&source, KNOWN)?;
        let mut section = |name: &str| {
            found
                .remove(name)
                .unwrap_or_else(|| Section::absent(name, &source))
        };

        let (site, device) = site(section("site"))?;
        let config = Config {
            site,
            device,
            intake: intake(section("intake"))?,
            state_folder: folder(section("state"))?,
            model_folder: folder(section("model"))?,
            publish: publish(section("publish"))?,
            series: series(section("series"))?,
            engine: engine(section("engine"))?,
            prior: prior(section("prior"))?,
            ward: super::ward::ward(section("ward"))?,
            annotations: super::annotations::annotations(section("annotations"))?,
            service: service(section("service"))?,
        };
        config.publish.check()?;
        super::annotations::check(&config)?;
        Ok(config)
    }
}

fn site(mut section: Section<'_>) -> Result<(SlugName, SlugName), ConfigError> {
    let mut name = |key| section.required_parsed(key, SlugName::parse);
    let pair = (name("name")?, name("device")?);
    section.finish()?;
    Ok(pair)
}

fn intake(mut section: Section<'_>) -> Result<IntakeSettings, ConfigError> {
    let settings = IntakeSettings {
        folder: PathBuf::from(section.required("folder")?),
        quiet: section.duration("quiet_seconds", 30.0, 0.5..=3600.0, SECOND)?,
        adaptive_wait: section.switch("adaptive_wait", true)?,
        poll: section.duration("poll_seconds", 1.0, 0.05..=60.0, SECOND)?,
        overdue: section.duration("overdue_minutes", 10.0, 0.05..=1440.0, SECOND * 60)?,
        file_bytes_max: megabytes(section.number("file_megabytes_max", 1024.0, 1.0..=4096.0)?),
    };
    section.finish()?;
    Ok(settings)
}

pub(super) fn megabytes(count: f64) -> u64 {
    // Bounded to 4096 by the reader, so the product is far below 2^53 and exact.
    Duration::from_secs(1).mul_f64(count).as_secs() * 1_048_576
}

fn folder(mut section: Section<'_>) -> Result<PathBuf, ConfigError> {
    let folder = PathBuf::from(section.required("folder")?);
    section.finish()?;
    Ok(folder)
}

fn publish(mut section: Section<'_>) -> Result<PublishSettings, ConfigError> {
    let settings = PublishSettings {
        account: Account::read(
            section.required_parsed("broker", Broker::parse)?,
            &mut section,
        )?,
        identity: section.parsed("identity", IdentityLevel::Accession, |text| {
            IdentityLevel::parse(text).ok_or("must be \"pseudonym\", \"accession\" or \"full\"")
        })?,
        intended_use: section.parsed("intended_use", IntendedUse::Detection, |text| {
            IntendedUse::parse(text).ok_or("must be \"triage\" or \"detection\"")
        })?,
        expiry: section.duration("expiry_hours", 72.0, 1.0..=8760.0, SECOND * 3600)?,
        late_after: section.duration("late_after_minutes", 30.0, 0.01..=1440.0, SECOND * 60)?,
        preview: section.switch("preview", true)?,
    };
    section.finish()?;
    Ok(settings)
}

impl PublishSettings {
    fn check(&self) -> Result<(), ConfigError> {
        self.account.check("publish")?;
        if self.identity == IdentityLevel::Full && !self.account.broker.tls {
            let what = "identity = \"full\" needs `mqtts://`";
            return Err(ConfigError::in_section("publish", what));
        }
        Ok(())
    }
}

/// Each key is the name of its rule, as refusals give it.
fn series(mut section: Section<'_>) -> Result<crate::series::SeriesRules, ConfigError> {
    let usual = crate::series::SeriesRules::default();
    let words = |list: &[String]| list.to_vec();
    let rules = crate::series::SeriesRules {
        require_original_primary_axial: section.switch(
            "require_original_primary_axial",
            usual.require_original_primary_axial,
        )?,
        slice_thickness_max_mm: section.number(
            "slice_thickness_max_mm",
            usual.slice_thickness_max_mm,
            0.5..=10.0,
        )?,
        body_part_deny: section.texts("body_part_deny", words(&usual.body_part_deny))?,
        description_deny: section.texts("description_deny", words(&usual.description_deny))?,
        kernel_deny: section.texts("kernel_deny", words(&usual.kernel_deny))?,
    };
    section.finish()?;
    Ok(rules)
}

fn engine(mut section: Section<'_>) -> Result<EngineSettings, ConfigError> {
    let settings = EngineSettings {
        options: EngineOptions {
            isa: section.parsed("isa", None, EngineOptions::parse_isa)?,
            threads: section.whole("threads", 0, 0..=EngineOptions::THREADS_MAX)?,
        },
        accelerator: section.parsed("accelerator", AcceleratorUse::Off, |text| match text {
            "off" => Ok(AcceleratorUse::Off),
            "auto" => Ok(AcceleratorUse::Auto),
            "always" => Ok(AcceleratorUse::Always),
            _ => Err("must be \"off\", \"auto\" or \"always\""),
        })?,
        accelerator_library: section.path("accelerator_library")?,
        accelerator_start: section.duration(
            "accelerator_start_seconds",
            300.0,
            1.0..=3600.0,
            SECOND,
        )?,
    };
    section.finish()?;
    let library = settings.accelerator_library.as_ref();
    // Never looked for on a search path: which library runs is a choice.
    if settings.accelerator != AcceleratorUse::Off && !library.is_some_and(|one| one.is_absolute())
    {
        return Err(ConfigError {
            line: 0,
            what: "[engine]: `accelerator` needs the whole path of ONNX Runtime's library as `accelerator_library`"
                .to_owned(),
        });
    }
    Ok(settings)
}

fn prior(mut section: Section<'_>) -> Result<PriorLimits, ConfigError> {
    const DAY: Duration = Duration::from_secs(86_400);
    let limits = PriorLimits {
        age_max: section.duration("keep_days", 365.0, 0.0..=3650.0, DAY)?,
        per_patient_max: section.whole("per_patient_max", 4, 1..=32)?,
        count_max: section.whole("count_max", 4000, 1..=50_000)?,
    };
    section.finish()?;
    Ok(limits)
}

fn service(mut section: Section<'_>) -> Result<ServiceSettings, ConfigError> {
    let percent = section.number("disk_free_percent_min", 5.0, 0.0..=90.0)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded to 0..=90 above"
    )]
    let disk_free_percent_min = percent as u8;
    let settings = ServiceSettings {
        health_every: section.duration("health_seconds", 30.0, 1.0..=600.0, SECOND)?,
        disk_free_percent_min,
    };
    section.finish()?;
    Ok(settings)
}
