//! The manifest's text, parsed and checked number by number.

use serde::Deserialize;

use crate::model::package::ModelError;

/// The manifest version that this program reads.
const SCHEMA: u32 = 1;

/// How a network is fed and read. Unknown keys are errors: a typing slip must not change a threshold.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// Version of the manifest's format.
    pub schema: u32,
    /// The model's name, for people.
    pub name: String,
    /// The model's version, for people.
    pub version: String,
    /// Name of the ONNX file beside the manifest.
    pub file: String,
    /// `sha256:` and the digest of the ONNX file in hex.
    pub digest: String,
    /// What the network marks, in the order of its output.
    pub labels: Vec<String>,
    /// The licence of the weights.
    pub licence: String,
    /// What it was trained on.
    pub data: String,
    /// What it may be used for.
    pub intended_use: String,
    /// Counts up with every release; a box never goes back to a lower one by itself.
    pub epoch: u64,
    /// What goes in.
    pub input: InputSpec,
    /// How the logits become lesions.
    pub output: OutputSpec,
    /// From which burden on the ward is called.
    pub priority: PriorityLimits,
    /// From burden to score.
    pub score: ScoreCurve,
    /// How sure a burden is.
    pub burden: BurdenInterval,
    /// What the network must answer to a volume that everybody can make.
    pub golden: Golden,
}

/// The network's input.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Edge of the cubic voxel, mm; 0.5 to 5.
    pub spacing_mm: f64,
    /// HU that become 0 and 1; values beyond are clipped.
    pub window_hu: [f64; 2],
    /// How voxels become channels.
    pub packing: Packing,
    /// Every edge of the volume is a multiple of this many voxels; 2 to 64.
    pub multiple: usize,
    /// How many voxels the lung box is widened before it is cut out; 0 to 32.
    pub margin_voxels: usize,
}

/// How voxels become channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Packing {
    /// Each block of 2 × 2 × 2 voxels is one place with eight channels: channel 4·dz + 2·dy + dx.
    #[serde(rename = "space-to-depth-2x2x2")]
    SpaceToDepth2,
}

/// How the logits become lesions.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// A voxel is lesion from this probability on; above 0, below 1.
    pub threshold: f64,
    /// Smaller connected lesions are left out, ml; 0 to 100.
    pub component_min_ml: f64,
}

/// From which burden on a finding is urgent or critical, percent of the lung.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorityLimits {
    /// Urgent from here; 0 to 100.
    pub urgent_percent: f64,
    /// Critical from here; not below urgent.
    pub critical_percent: f64,
}

/// The logistic curve from burden to score.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreCurve {
    /// Steepness; above 0.
    pub slope: f64,
    /// Where the curve starts.
    pub offset: f64,
}

/// How sure a burden is: plus or minus the larger of the two.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurdenInterval {
    /// In points of percent; 0 to 100.
    pub interval_points_absolute: f64,
    /// In parts of the burden; 0 to 10.
    pub interval_relative: f64,
}

/// What the network answers to the golden volume.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Start of the generator that fills the volume.
    pub seed: u32,
    /// Planes, rows, columns of the volume; multiples of the input's `multiple`.
    pub shape: [usize; 3],
    /// Digest of the packed input as little-endian f32.
    pub input_digest: String,
    /// Mean of all logits.
    pub logits_mean: f64,
    /// The eight logits at packed place `(Z/4, Y/4, X/4)`.
    pub logits_centre: [f64; 8],
}

impl ModelManifest {
    /// Parses and checks `text`. Errors: what is wrong, with the line where the TOML is at fault.
    pub fn parse(text: &str) -> Result<ModelManifest, ModelError> {
        let manifest: ModelManifest = toml::from_str(text).map_err(|error| ModelError::Text {
            what: error.to_string(),
        })?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The logit from which a voxel is lesion: ln(t / (1 − t)).
    pub fn logit_threshold(&self) -> f64 {
        (self.output.threshold / (1.0 - self.output.threshold)).ln()
    }

    /// `name version`, for messages.
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    fn check(&self) -> Result<(), ModelError> {
        if self.schema != SCHEMA {
            return Err(ModelError::Schema {
                found: self.schema,
                known: SCHEMA,
            });
        }
        self.check_words()?;
        within("input.spacing_mm", self.input.spacing_mm, 0.5, 5.0)?;
        let [low, high] = self.input.window_hu;
        within("input.window_hu (lower)", low, -1024.0, 3070.0)?;
        within(
            "input.window_hu (upper, above the lower)",
            high,
            low + 1.0,
            3071.0,
        )?;
        count("input.multiple", self.input.multiple, 2, 64)?;
        count("input.margin_voxels", self.input.margin_voxels, 0, 32)?;
        within("output.threshold", self.output.threshold, 0.001, 0.999)?;
        within(
            "output.component_min_ml",
            self.output.component_min_ml,
            0.0,
            100.0,
        )?;
        within(
            "priority.urgent_percent",
            self.priority.urgent_percent,
            0.0,
            100.0,
        )?;
        let urgent = self.priority.urgent_percent;
        within(
            "priority.critical_percent",
            self.priority.critical_percent,
            urgent,
            100.0,
        )?;
        within("score.slope", self.score.slope, 1e-6, 1e6)?;
        within("score.offset", self.score.offset, -1e6, 1e6)?;
        within(
            "burden.interval_points_absolute",
            self.burden.interval_points_absolute,
            0.0,
            100.0,
        )?;
        within(
            "burden.interval_relative",
            self.burden.interval_relative,
            0.0,
            10.0,
        )?;
        self.check_golden()
    }

    fn check_words(&self) -> Result<(), ModelError> {
        for (key, text) in [
            ("name", &self.name),
            ("version", &self.version),
            ("licence", &self.licence),
            ("data", &self.data),
            ("intended_use", &self.intended_use),
        ] {
            if text.trim().is_empty() {
                return Err(ModelError::Empty { key });
            }
        }
        if self.labels.len() != 1 {
            return Err(ModelError::Range {
                key: "labels",
                found: format!("{} names", self.labels.len()),
                allowed: "exactly one".to_owned(),
            });
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !self.file.ends_with(".onnx")
            || !self.file.chars().all(plain)
            || self.file.starts_with('.')
        {
            return Err(ModelError::File {
                found: self.file.clone(),
            });
        }
        if !self.input.multiple.is_multiple_of(2) {
            return Err(ModelError::Range {
                key: "input.multiple",
                found: self.input.multiple.to_string(),
                allowed: "an even number: voxels are packed in twos".to_owned(),
            });
        }
        Ok(())
    }

    fn check_golden(&self) -> Result<(), ModelError> {
        for edge in self.golden.shape {
            count("golden.shape", edge, self.input.multiple, 256)?;
            if edge % self.input.multiple != 0 {
                return Err(ModelError::Range {
                    key: "golden.shape",
                    found: edge.to_string(),
                    allowed: format!("multiples of {}", self.input.multiple),
                });
            }
        }
        within("golden.logits_mean", self.golden.logits_mean, -1e4, 1e4)?;
        for logit in self.golden.logits_centre {
            within("golden.logits_centre", logit, -1e4, 1e4)?;
        }
        Ok(())
    }
}

/// Not-a-number lies in no range.
fn within(key: &'static str, value: f64, low: f64, high: f64) -> Result<(), ModelError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let allowed = format!("{low} to {high}");
    Err(ModelError::Range {
        key,
        found: value.to_string(),
        allowed,
    })
}

fn count(key: &'static str, value: usize, low: usize, high: usize) -> Result<(), ModelError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let allowed = format!("{low} to {high}");
    Err(ModelError::Range {
        key,
        found: value.to_string(),
        allowed,
    })
}
