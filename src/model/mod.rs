//! The model package: a network file and the manifest that says how to feed it and how to read it. Running it is `infer`'s.

mod card;
mod manifest;
mod package;

pub use card::limits_of;
pub use manifest::{
    BurdenInterval, Golden, InputSpec, ModelManifest, OutputSpec, Packing, PriorityLimits,
    ScoreCurve,
};
pub use package::{ModelError, ModelPackage};
