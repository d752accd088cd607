//! The accelerator of a program that was built without it: there is none, and who turns it on is told so.

use super::{Standing, Tell, Trouble};
use crate::config::EngineSettings;
use crate::infer::EngineOptions;
use crate::model::ModelPackage;
use crate::volume::{BitMask, Grid3};

/// No accelerator.
#[derive(Debug)]
pub struct Accelerator(());

impl Accelerator {
    /// Tells that there is none.
    pub fn start(
        settings: &EngineSettings,
        package: &ModelPackage,
        options: EngineOptions,
        tell: Tell,
    ) -> Accelerator {
        if let Err(trouble) = Accelerator::examine(settings, package, options) {
            tracing::warn!(%trouble, advice = trouble.advice(), "series run on the CPU");
            tell(Standing::NotUsed(trouble));
        }
        Accelerator(())
    }

    /// Always [`Trouble::Missing`].
    pub fn examine(
        _settings: &EngineSettings,
        _package: &ModelPackage,
        _options: EngineOptions,
    ) -> Result<String, Trouble> {
        let what = "this scanward was built without it (feature `onnxruntime`)";
        Err(Trouble::Missing(what.to_owned()))
    }

    /// Never a mask.
    pub(super) fn segment(&mut self, _hu: &Grid3<i16>) -> Option<(String, BitMask)> {
        None
    }
}
