//! A manifest together with the network file it vouches for.

use sha2::{Digest, Sha256};

use crate::ids::ModelDigest;
use crate::model::manifest::ModelManifest;

/// Why a model package is not used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The manifest is not the TOML it should be.
    #[error("the model's manifest cannot be read: {what}")]
    Text {
        /// What the parser said, with the line.
        what: String,
    },
    /// The manifest is of another time.
    #[error("the model's manifest has schema {found}; this program reads {known}")]
    Schema {
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A text that must say something is empty.
    #[error("the model's manifest says nothing under {key}")]
    Empty {
        /// The key.
        key: &'static str,
    },
    /// A number that cannot be meant.
    #[error("the model's manifest has {key} = {found}; allowed: {allowed}")]
    Range {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What may stand there.
        allowed: String,
    },
    /// The file is not a plain name.
    #[error(
        "the model's manifest names the file {found:?}; a plain name ending in .onnx must stand there"
    )]
    File {
        /// The name.
        found: String,
    },
    /// The file is not the one that the manifest was made for.
    #[error(
        "the network file is damaged or another: its digest is {found}, the manifest says {wanted}"
    )]
    Digest {
        /// Of the file.
        found: ModelDigest,
        /// Of the manifest.
        wanted: String,
    },
}

impl ModelError {
    /// What the technician can do.
    pub fn advice(&self) -> &'static str {
        match self {
            ModelError::Schema { .. } => "install the program and the model of the same release",
            ModelError::Digest { .. } => {
                "copy the model's two files again; if that does not help, ask for them anew"
            }
            ModelError::Text { .. }
            | ModelError::Empty { .. }
            | ModelError::Range { .. }
            | ModelError::File { .. } => {
                "put back the manifest that came with the model; it is not meant to be edited"
            }
        }
    }
}

/// A network whose bytes are the ones its manifest was made for.
#[derive(Clone, Debug)]
pub struct ModelPackage {
    manifest: ModelManifest,
    manifest_text: String,
    onnx: Vec<u8>,
    digest: ModelDigest,
}

impl ModelPackage {
    /// Checks `manifest_text` and that `onnx` has the digest it names. Errors: the first thing that is wrong.
    pub fn parse(manifest_text: &str, onnx: Vec<u8>) -> Result<ModelPackage, ModelError> {
        let manifest = ModelManifest::parse(manifest_text)?;
        let digest = ModelDigest::from_sha256(&Sha256::digest(&onnx).into());
        if digest.as_str() != manifest.digest {
            return Err(ModelError::Digest {
                found: digest,
                wanted: manifest.digest,
            });
        }
        Ok(ModelPackage {
            manifest,
            manifest_text: manifest_text.to_owned(),
            onnx,
            digest,
        })
    }

    /// How to feed and read the network.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// The manifest as it was written, for another process to parse.
    pub fn manifest_text(&self) -> &str {
        &self.manifest_text
    }

    /// The network file.
    pub fn onnx(&self) -> &[u8] {
        &self.onnx
    }

    /// The digest of the network file, as findings carry it.
    pub fn digest(&self) -> &ModelDigest {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_package_is_read() {
        let package = ModelPackage::parse(&text(), b"network".to_vec()).unwrap();
        let [low, high] = package.manifest().input.window_hu;
        assert!((low + 1024.0).abs() < 1e-9 && (high - 250.0).abs() < 1e-9);
        assert_eq!(package.manifest().title(), "covid-ct 1.1.0");
        assert!((package.manifest().logit_threshold() + 0.405_465).abs() < 1e-5);
    }

    #[test]
    fn a_damaged_network_is_not_used() {
        let error = ModelPackage::parse(&text(), b"netw0rk".to_vec()).unwrap_err();
        assert!(matches!(error, ModelError::Digest { .. }), "{error}");
        assert!(error.advice().contains("copy"));
    }

    #[test]
    fn numbers_that_cannot_be_meant_are_refused_by_name() {
        for (right, wrong, key) in [
            ("threshold = 0.4", "threshold = 1.4", "output.threshold"),
            ("threshold = 0.4", "threshold = nan", "output.threshold"),
            ("spacing_mm = 2.8", "spacing_mm = 28.0", "input.spacing_mm"),
            (
                "window_hu = [-1024, 250]",
                "window_hu = [250, -1024]",
                "input.window_hu",
            ),
            ("multiple = 16", "multiple = 15", "input.multiple"),
            (
                "critical_percent = 25.0",
                "critical_percent = 0.5",
                "priority.critical_percent",
            ),
            (
                "shape = [48, 64, 64]",
                "shape = [48, 60, 64]",
                "golden.shape",
            ),
            ("covid-ct-1.1.0.onnx", "../x.onnx", "file"),
            ("schema = 1", "schema = 2", "schema"),
            ("slope = 1.0", "slop = 1.0", "slop"),
            ("labels = [\"lesion\"]", "labels = []", "labels"),
        ] {
            let changed = text().replace(right, wrong);
            assert_ne!(changed, text(), "{right} stands in the manifest");
            let error = ModelPackage::parse(&changed, b"network".to_vec()).unwrap_err();
            assert!(error.to_string().contains(key), "{wrong}: {error}");
        }
    }

    fn text() -> String {
        let digest = ModelDigest::from_sha256(&Sha256::digest(b"network").into());
        format!(
            r#"
schema = 1
name = "covid-ct"
version = "1.1.0"
file = "covid-ct-1.1.0.onnx"
digest = "{digest}"
labels = ["lesion"]
licence = "CC BY-NC-SA 4.0"
data = "public volumes"
intended_use = "research"
epoch = 0
[input]
spacing_mm = 2.8
window_hu = [-1024, 250]
packing = "space-to-depth-2x2x2"
multiple = 16
margin_voxels = 3
[output]
threshold = 0.4
component_min_ml = 0.3
[priority]
urgent_percent = 1.0
critical_percent = 25.0
[score]
slope = 1.0
offset = -1.0
[burden]
interval_points_absolute = 1.0
interval_relative = 0.2
[golden]
seed = 7
shape = [48, 64, 64]
input_digest = "sha256:00"
logits_mean = 0.0
logits_centre = [0, 0, 0, 0, 0, 0, 0, 0]
"#
        )
    }
}
