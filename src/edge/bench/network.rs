//! The network alone, on a volume that other runtimes are given, too.

use super::samples::Samples;
use crate::edge::{Clock, Failure, load_model};
use crate::fault::Fault;
use crate::infer::{Backend, EngineOptions, Int8Network, Isa, LayerCost, Network};
use crate::volume::{BitMask, Grid3};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Which engine is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasuredEngine {
    /// Our own.
    Int8,
    /// tract as it comes.
    Tract,
}

/// A loaded network and the volume that it is measured on.
pub struct NetworkBench {
    engine: Loaded,
    volume: Grid3<i16>,
    clock: Clock,
}

enum Loaded {
    Int8(Box<Int8Network>),
    Tract(Box<Network>),
}

impl NetworkBench {
    /// Loads the model in `folder`; also how long that took, its file included.
    ///
    /// Errors: it is not there, or the engine does not run it.
    pub fn load(
        folder: &Path,
        volume: Grid3<i16>,
        engine: MeasuredEngine,
        options: EngineOptions,
    ) -> Result<(NetworkBench, Duration), Failure> {
        let clock = Clock::start();
        let package = load_model(folder)?;
        let engine = match engine {
            MeasuredEngine::Int8 => {
                let network = Int8Network::load(&package, options)
                    .map_err(|error| Failure::new(error.to_string(), "measure tract instead"))?;
                Loaded::Int8(Box::new(network))
            }
            MeasuredEngine::Tract => {
                Loaded::Tract(Box::new(Network::stock(&package).map_err(failed)?))
            }
        };
        let took = clock.elapsed();
        let bench = NetworkBench {
            engine,
            volume,
            clock,
        };
        Ok((bench, took))
    }

    /// Runs the network once, from HU to the mask.
    pub fn run(&mut self) -> Result<(BitMask, Duration), Failure> {
        let began = self.clock.elapsed();
        let mask = match &mut self.engine {
            Loaded::Int8(network) => network.segment(&self.volume),
            Loaded::Tract(network) => network.segment(&self.volume),
        };
        let took = self.clock.elapsed().saturating_sub(began);
        Ok((mask.map_err(failed)?, took))
    }

    /// What each layer costs and how long it takes over `repeats` runs; nothing for tract.
    pub fn layers(&mut self, repeats: u16) -> Result<Vec<(LayerCost, Samples)>, Failure> {
        let Loaded::Int8(network) = &mut self.engine else {
            return Ok(Vec::new());
        };
        let costs = network.costs(self.volume.shape()).map_err(failed)?;
        let mut layers: Vec<(LayerCost, Samples)> = costs
            .into_iter()
            .map(|cost| (cost, Samples::default()))
            .collect();
        let clock = self.clock;
        for _ in 0..repeats {
            let mut before = clock.elapsed();
            let mut rows = layers.iter_mut();
            network
                .segment_in_layers(&self.volume, &mut || {
                    let now = clock.elapsed();
                    if let Some((_, samples)) = rows.next() {
                        samples.add(now.saturating_sub(before));
                    }
                    before = now;
                })
                .map_err(failed)?;
        }
        Ok(layers)
    }

    /// The instruction set that the engine runs with where nothing is forced.
    pub fn isa(options: EngineOptions) -> Isa {
        options.isa.unwrap_or_else(Isa::fastest)
    }
}

fn failed(fault: Fault) -> Failure {
    Failure::new(fault.to_string(), fault.advice())
}

/// Reads HU from `file`: int16, little endian, in the order z, y, x.
///
/// Errors: the file is not there, or holds another number of voxels.
pub fn read_volume(file: &Path, shape: [usize; 3]) -> Result<Grid3<i16>, Failure> {
    let unusable = |what: String| {
        let what = format!("the volume {}: {what}", file.display());
        Failure::new(what, "give a file of int16 values that fills the shape")
    };
    let bytes = fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let (pairs, _) = bytes.as_chunks::<2>();
    let values = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    Grid3::from_values(shape, values).map_err(|error| unusable(error.to_string()))
}
