//! scanward: from the scanner to the ward.
//!
//! Rooms in one order; a room names only rooms above it (`tests/house.rs` checks it). docs/architecture.md draws them.

/// Numbers with a unit, points in time.
pub mod units;

/// Parsed identifiers; patient data that cannot be printed.
pub mod ids;

/// Why an input cannot be triaged.
pub mod refusal;

/// How the box failed.
pub mod fault;

/// Keys and signatures.
pub mod trust;

/// What must survive a power cut.
pub mod store;

/// The network's manifest and file.
pub mod model;

/// Bytes to CT images, and back.
pub mod dicom;

/// Slices in order, one geometry; which series are triaged.
pub mod series;

/// Voxels, index order z, y, x.
pub mod volume;

/// The lung mask, and the check that this is a chest.
pub mod lung;

/// Runs the network on the whole crop.
pub mod infer;

/// Lesions, zones, score, priority.
pub mod findings;

/// An earlier chest laid over the present one.
pub mod registration;

/// The one ending of a series.
pub mod outcome;

/// Every message in or out, versioned.
pub mod wire;

/// Pictures for people: PNG.
pub mod preview;

/// Masks for other programs: NIfTI-1.
pub mod nifti;

/// A finding as a page for people: HTML that stands alone.
pub mod report;

/// The stages in order, as one pure function.
pub mod pipeline;

/// A synthetic chest CT with known truth.
pub mod phantom;

/// Machine: a file seen, stable, read; a series quiet, judged, closed.
pub mod intake;

/// Machine: keep, send, resend, acknowledge.
pub mod outbox;

/// Machine: counters, degraded states, the status document.
pub mod health;

/// Machine: acknowledge, escalate, sign; what the ward says of findings.
pub mod review;

/// Masks that radiologists corrected, brought onto a finding's grid.
pub mod annotation;

/// The text of `scanward.toml` to settings.
pub mod config;

/// The pure core: owns the machines, routes events to them and their actions out.
pub mod daemon;

/// The world: files, clock, network, threads.
pub mod edge;

/// The server of the nursing stations.
#[cfg(feature = "ward")]
pub mod ward;

/// Arguments, exit codes, printing.
pub mod cli;
