//! What can be typed: one definition that help, man page and completions come from.

use crate::edge::{LogTo, started_by_systemd};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

/// From the scanner to the ward: triage of chest CT series beside the scanner.
///
/// Watches the folder a CT scanner exports to, marks lesions in each chest series on this box, and tells the ward over
/// MQTT. It assists a physician; it is not a diagnosis.
///
/// Where something goes wrong, the line `error:` says what, and the line `hint:` what to do next.
#[derive(Debug, Parser)]
#[command(
    name = "scanward",
    version,
    disable_version_flag = true,
    propagate_version = true
)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Print the version; with -v also the model, its licence and the transfer syntaxes that are decoded.
    #[arg(long, short = 'V')]
    pub(crate) version: bool,

    /// Say more: `run` logs each file and message, `--version` tells of the model.
    #[arg(long, short = 'v', global = true)]
    pub(crate) verbose: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch the export folder and publish findings until stopped: what the service runs.
    ///
    /// Ends on SIGTERM or Ctrl-C; what has not been sent yet is sent after the next start. SIGHUP has it read its settings
    /// again.
    Run(RunArguments),
    /// Triage series given by hand and print what was found; nothing is sent.
    ///
    /// The rules are those of the service. Everything is shown, whatever the settings of the service hide; pseudonyms are
    /// made with a key of this run, so they differ from the service's and from run to run. Ends with 3 when a
    /// series was not triaged, and prints why.
    Analyze(AnalyzeArguments),
    /// Write a synthetic chest CT with known lesions as DICOM files.
    Phantom(PhantomArguments),
    /// Show the whole way from the scanner to the ward on this machine, with a phantom or one's own series.
    #[cfg(feature = "demo")]
    Demo(DemoArguments),
    /// Serve the nursing stations' page: findings of all boxes of a site, acknowledgements, verdicts, keys.
    ///
    /// Runs on a machine of its own, not on a box. Ends on SIGTERM or Ctrl-C; the broker keeps what comes meanwhile. SIGHUP
    /// has it read its certificate again; users and names are read again whenever their files change.
    #[cfg(feature = "ward")]
    Ward(WardArguments),
    /// Those who may sign in at the nursing station.
    #[cfg(feature = "ward")]
    WardUser {
        /// What to do.
        #[command(subcommand)]
        command: WardUserCommand,
    },
    /// The list of who did what at the nursing station.
    #[cfg(feature = "ward")]
    Audit {
        /// What to do.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Check settings, folders, disk, clock, model and broker; each complaint comes with its remedy.
    ///
    /// Each check is one line that begins with ok, warn or FAIL; a hint below says what to do. Ends with 0 when nothing
    /// failed, 2 when the settings are wrong, else 1. Run it as the service's own user (`sudo -u scanward scanward doctor`),
    /// for root may read what scanward may not. A running scanward is not disturbed.
    Doctor(DoctorArguments),
    /// Measure stages, memory and the time to the broker's answer on a real series and on a phantom.
    Bench(BenchArguments),
    /// Simulate how slices come from scanners: how long a finding takes from the last one on, how often one comes too late.
    ///
    /// The real intake under simulated time, the adaptive wait beside fixed ones; the same seed gives the same figures.
    BenchArrivals(BenchArrivalsArguments),
    /// The service that `bench` measures, in a process of its own.
    #[command(hide = true)]
    BenchService(BenchServiceArguments),
    /// The accelerator, in a process of its own.
    #[cfg(feature = "onnxruntime")]
    #[command(hide = true)]
    AcceleratorService {
        /// The library of ONNX Runtime.
        library: PathBuf,
    },
    /// Load the network once and run it whenever stdin says so, for `scripts/bench-peers`.
    #[command(hide = true)]
    BenchNetwork(BenchNetworkArguments),
    /// Do each stage once, for `scripts/bench-instructions`.
    #[command(hide = true)]
    BenchInstructions(BenchInstructionsArguments),
    /// Print completions for a shell, to be saved where the shell looks for them.
    Completions {
        /// The shell that shall complete scanward's commands and options.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, to be saved as scanward.1.
    Man,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The settings; the example beside the unit explains every key.
    #[arg(
        long,
        default_value = "/etc/scanward/scanward.toml",
        value_name = "FILE",
        value_hint = ValueHint::FilePath
    )]
    pub(crate) config: PathBuf,
    /// Where log lines go.
    #[arg(long, value_enum, default_value_t = LogForm::Auto)]
    pub(crate) log: LogForm,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// The journal when stderr leads there, as under systemd; text otherwise.
    Auto,
    /// systemd's journal, with fields.
    Journal,
    /// Text on stderr.
    Text,
}

impl LogForm {
    /// Where that is.
    pub(crate) fn target(self) -> LogTo {
        match self {
            LogForm::Auto if started_by_systemd() => LogTo::Journal,
            LogForm::Journal => LogTo::Journal,
            LogForm::Auto | LogForm::Text => LogTo::Text,
        }
    }
}

/// Arguments of `ward`.
#[cfg(feature = "ward")]
#[derive(Debug, Args)]
pub(crate) struct WardArguments {
    /// The settings; the example beside the unit explains every key.
    #[arg(
        long,
        default_value = "/etc/scanward/ward.toml",
        value_name = "FILE",
        value_hint = ValueHint::FilePath
    )]
    pub(crate) config: PathBuf,
    /// Where log lines go.
    #[arg(long, value_enum, default_value_t = LogForm::Auto)]
    pub(crate) log: LogForm,
}

/// What `ward-user` does.
#[cfg(feature = "ward")]
#[derive(Debug, Subcommand)]
pub(crate) enum WardUserCommand {
    /// Print an entry for users.toml; the password is asked for, or read from stdin, and only its hash is printed.
    Add(WardUserArguments),
}

/// Arguments of `ward-user add`.
#[cfg(feature = "ward")]
#[derive(Debug, Args)]
pub(crate) struct WardUserArguments {
    /// What is typed to sign in: a-z, 0-9, `.`, `-`, `_`.
    pub(crate) name: String,
    /// What they may do.
    #[arg(long, value_enum)]
    pub(crate) role: RoleChoice,
    /// How they are shown, and how they sign.
    #[arg(long, value_name = "NAME")]
    pub(crate) display: String,
    /// Their usual nursing station.
    #[arg(long, value_name = "NAME")]
    pub(crate) station: Option<String>,
}

/// A role at the nursing station.
#[cfg(feature = "ward")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleChoice {
    /// Sees findings and acknowledges them.
    Nurse,
    /// Signs verdicts, too.
    Physician,
    /// Boxes, keys and the audit list; no patients.
    It,
}

/// What `audit` does.
#[cfg(feature = "ward")]
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that no line was changed, taken out or added; ends with 1 when one was.
    Verify {
        /// An export of the list, or the server's database.
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        path: PathBuf,
    },
}

/// Arguments of `analyze`.
#[derive(Debug, Args)]
pub(crate) struct AnalyzeArguments {
    /// Folders, DICOM files or zip archives; files are put together to series whatever their names.
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    /// An earlier CT of the same patient, to compare the burden with.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) prior: Option<PathBuf>,
    /// Print JSON as the ward gets it (`data` of the MQTT contract); an array when there are several series.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the lesions as a mask on the series' own voxels, NIfTI: .nii or .nii.gz.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) mask: Option<PathBuf>,
    /// Write the preview picture, PNG.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) preview: Option<PathBuf>,
    /// Write one page about all series, to read, print or keep: .html, which needs nothing besides itself.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<PathBuf>,
    /// The model's folder: one manifest (.toml) and its network (.onnx); the installed one when left out.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) model: Option<PathBuf>,
}

/// Arguments of `phantom`.
#[derive(Debug, Args)]
pub(crate) struct PhantomArguments {
    /// The folder to write to; made when it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Number of slices, 40 to 2000; they share a height of 300 mm, and fewer than 60 are too thick to be triaged.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u16).range(40..=2000))]
    pub(crate) slices: u16,
    /// Percent of the lung that is diseased, 0 to 60.
    #[arg(long, default_value_t = 12.0, value_name = "PERCENT")]
    pub(crate) burden: f64,
    /// Which patient: the same seed gives the same body and disease.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Make a CT, a week earlier, of the patient whose phantom lies in this folder.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["seed", "slices"])]
    pub(crate) prior_of: Option<PathBuf>,
    /// Rows and columns of a slice: smaller ones for measuring.
    #[arg(long, hide = true, default_value_t = 512, value_parser = clap::value_parser!(u16).range(64..=1024))]
    pub(crate) matrix: u16,
}

/// Arguments of `demo`.
#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Export the series in this folder instead of a phantom; its files are copied and left as they are.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["slices", "burden", "seed"])]
    pub(crate) folder: Option<PathBuf>,
    /// End after the finding: 0 when all series were triaged, 3 when one was not.
    #[arg(long)]
    pub(crate) once: bool,
    /// Number of the phantom's slices, 40 to 2000; fewer than 60 are too thick to be triaged.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u16).range(40..=2000))]
    pub(crate) slices: u16,
    /// Percent of the phantom's lung that is diseased, 0 to 60.
    #[arg(long, default_value_t = 12.0, value_name = "PERCENT")]
    pub(crate) burden: f64,
    /// Which phantom.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Keep the preview pictures in this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// The folder of the model.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) model: Option<PathBuf>,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The settings to check.
    #[arg(
        long,
        default_value = "/etc/scanward/scanward.toml",
        value_name = "FILE",
        value_hint = ValueHint::FilePath
    )]
    pub(crate) config: PathBuf,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Folders of series to measure besides the phantom.
    #[arg(value_name = "DIR")]
    pub(crate) series: Vec<PathBuf>,
    /// Repeats of each series.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) repeats: u16,
    /// Let so many series appear at once, too; several numbers show whether the cost of one grows.
    #[arg(long, value_name = "SERIES", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) queue: Vec<u32>,
    /// Number of the phantom's slices of 512 x 512; 0 leaves the phantom out.
    #[arg(long, default_value_t = 300, value_name = "SLICES")]
    pub(crate) phantom: u16,
    /// Time between two slices that appear in the export folder; 0 is as fast as the disk takes them.
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(0..=1000))]
    pub(crate) interval: u64,
    /// Write the figures to this file as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The folder of the model.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) model: Option<PathBuf>,
}

/// Arguments of `bench-service`.
#[derive(Debug, Args)]
pub(crate) struct BenchServiceArguments {
    /// The settings.
    pub(crate) config: PathBuf,
}

/// Arguments of `bench-arrivals`.
#[derive(Debug, Args)]
pub(crate) struct BenchArrivalsArguments {
    /// Scans of each scenario.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) scans: u32,
    /// Which course of chance.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write the figures to this file as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Arguments of `bench-network`. On stdin: `run`, `peak`, `layers`, or `mask FILE`; a line of answer each.
#[derive(Debug, Args)]
pub(crate) struct BenchNetworkArguments {
    /// HU, int16 little endian, in the order z, y, x: a box of lungs on the model's grid.
    pub(crate) volume: PathBuf,
    /// Its shape.
    #[arg(long, value_name = "Z,Y,X", value_delimiter = ',')]
    pub(crate) shape: Vec<usize>,
    /// Threads of our own engine.
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
    /// The engine.
    #[arg(long, value_enum, default_value_t = EngineChoice::Int8)]
    pub(crate) engine: EngineChoice,
    /// The folder of the model.
    #[arg(long)]
    pub(crate) model: Option<PathBuf>,
}

/// Which engine `bench-network` runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineChoice {
    /// Our own.
    Int8,
    /// tract as it comes.
    Tract,
}

/// Arguments of `bench-instructions`.
#[derive(Debug, Args)]
pub(crate) struct BenchInstructionsArguments {
    /// Holds `series/` and `jpeg-lossless.dcm`.
    pub(crate) folder: PathBuf,
    /// The folder of the model.
    #[arg(long)]
    pub(crate) model: Option<PathBuf>,
}
