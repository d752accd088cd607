//! What the settings say of the annotations folder.

use crate::store::AnnotationLimits;
use std::path::PathBuf;
use std::time::Duration;

/// The annotations folder and how it is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotationSettings {
    /// Where radiologists' programs put segmentations; only ever read.
    pub folder: PathBuf,
    /// Time between two looks.
    pub poll: Duration,
    /// The largest file that is read, bytes.
    pub file_bytes_max: u64,
    /// What in a segment's label or description makes it a lesion; any case.
    pub lesion_words: Vec<String>,
    /// How much is remembered, and for how long a mask waits for its verdict.
    pub limits: AnnotationLimits,
}

impl AnnotationSettings {
    /// Words that name lesions of the lung in segments' labels.
    pub fn usual_words() -> Vec<String> {
        [
            "lesion",
            "opacity",
            "opacities",
            "ggo",
            "ground glass",
            "ground-glass",
            "consolidation",
            "infiltrat",
            "pneumonia",
            "covid",
            "infection",
            "nodule",
            "mass",
            "tumor",
            "tumour",
            "病灶",
        ]
        .map(str::to_owned)
        .into()
    }
}
