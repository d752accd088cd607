//! Which engine runs a package.

use crate::fault::Fault;
use crate::infer::int8::{Int8Error, Int8Network};
use crate::infer::network::{Backend, Network};
use crate::infer::options::EngineOptions;
use crate::model::ModelPackage;

/// An engine, and why it is not the fast one where it is not.
pub struct Engine {
    /// Runs the network.
    pub backend: Box<dyn Backend + Send>,
    /// What could not be lowered to integers: then tract runs the whole network, slower and as right.
    pub not_lowered: Option<Int8Error>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({})", self.backend.name())
    }
}

/// The fastest engine that runs `package`. Errors: [`Fault::Inference`] when none does.
pub fn engine(package: &ModelPackage, options: EngineOptions) -> Result<Engine, Fault> {
    match Int8Network::load(package, options) {
        Ok(network) => Ok(Engine {
            backend: Box::new(network),
            not_lowered: None,
        }),
        Err(error) => {
            let network = Network::load(package)?;
            Ok(Engine {
                backend: Box::new(network),
                not_lowered: Some(error),
            })
        }
    }
}
