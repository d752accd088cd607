//! From the network's mask to the numbers of a finding: lesions, burden, zones, score, priority, quality.

mod measure;
mod quality;
mod report;

pub use measure::measure;
pub use quality::Quality;
pub use report::{FindingRules, Lesion, Report, Zone, ZoneBurden};
