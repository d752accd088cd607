//! The folder of the active model: one manifest and the network it vouches for.

use super::failure::Failure;
use crate::model::{ModelManifest, ModelPackage, limits_of};
use std::fs;
use std::path::{Path, PathBuf};

/// The largest manifest.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// The largest network.
const NETWORK_BYTES_MAX: u64 = 256 << 20;
/// What describes the model to people, beside it.
const CARD: &str = "MODEL_CARD.md";
/// Where the package of an installed system puts the model.
const INSTALLED: &str = "/usr/share/scanward/models";
/// A program that was built from the sources finds `models/` so many folders above itself.
const FOLDERS_ABOVE_MAX: usize = 4;

/// The model in `folder`, checked against its own digest.
///
/// Errors: no manifest or several, an unreadable file, a manifest that does not fit its network.
pub fn load(folder: &Path) -> Result<ModelPackage, Failure> {
    let manifest_file = manifest_in(folder)?;
    let text = String::from_utf8(bounded(&manifest_file, MANIFEST_BYTES_MAX)?).map_err(|_| {
        Failure::new(
            format!("{} is not UTF-8 text", manifest_file.display()),
            "copy the model again",
        )
    })?;
    let unfit = |error: crate::model::ModelError| {
        Failure::new(
            format!("the model {} is not used: {error}", manifest_file.display()),
            error.advice(),
        )
    };
    let manifest = ModelManifest::parse(&text).map_err(unfit)?;
    let network = bounded(&folder.join(&manifest.file), NETWORK_BYTES_MAX)?;
    ModelPackage::parse(&text, network).map_err(unfit)
}

/// The limits that the model card in `folder` states of the model; none when there is no card of this model.
pub(super) fn limits(folder: &Path, manifest: &ModelManifest) -> Vec<String> {
    let card = bounded(&folder.join(CARD), MANIFEST_BYTES_MAX).unwrap_or_default();
    limits_of(&String::from_utf8_lossy(&card), &manifest.title())
}

/// Where the model lies when nobody says: beside the program or above it, else where packages install it.
pub fn default_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let above = program.ancestors().skip(1).take(FOLDERS_ABOVE_MAX);
    let mut candidates = above.map(|folder| folder.join("models"));
    candidates
        .find(|folder| manifest_in(folder).is_ok())
        .unwrap_or_else(|| PathBuf::from(INSTALLED))
}

/// The one `.toml` in `folder`.
fn manifest_in(folder: &Path) -> Result<PathBuf, Failure> {
    let advice = "check [model] folder; it holds one manifest (.toml) and its network (.onnx)";
    let entries = fs::read_dir(folder).map_err(|error| {
        Failure::new(
            format!(
                "the model folder {} cannot be read: {error}",
                folder.display()
            ),
            advice,
        )
    })?;
    let is_manifest = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "toml");
    let mut manifests: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_manifest)
        .collect();
    match (manifests.pop(), manifests.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err(Failure::new(
            format!("no model in {}", folder.display()),
            advice,
        )),
        (Some(_), more) => {
            let what = format!("{} holds {} models, one is run", folder.display(), more + 1);
            Err(Failure::new(what, "leave one manifest there"))
        }
    }
}

fn bounded(file: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let trouble = |what: String| {
        Failure::new(
            format!("{} cannot be read: {what}", file.display()),
            "copy the model's two files again",
        )
    };
    let bytes = fs::metadata(file)
        .map_err(|error| trouble(error.to_string()))?
        .len();
    if bytes > bytes_max {
        return Err(trouble(format!("{bytes} bytes are too many")));
    }
    fs::read(file).map_err(|error| trouble(error.to_string()))
}
