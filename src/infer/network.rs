//! The network in tract: the reference engine, right on every machine.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Context as _;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use crate::fault::Fault;
use crate::infer::packing::{packed, packed_shape, unpacked};
use crate::infer::slabs::SlabPlan;
use crate::model::{ModelManifest, ModelPackage};
use crate::volume::{BitMask, Grid3};

/// Runs a network: the one interface of every engine.
pub trait Backend {
    /// The engine's name, as health and findings carry it.
    fn name(&self) -> &str;

    /// The voxels of `hu` that have the manifest's label, same shape.
    ///
    /// Shape: `z, y, x`, each edge a multiple of the manifest's `input.multiple`, at its spacing. Errors: [`Fault::Inference`].
    fn segment(&mut self, hu: &Grid3<i16>) -> Result<BitMask, Fault>;

    /// The logit of each voxel of `hu`, same shape: for checks against another engine. Errors as [`Backend::segment`].
    fn logits(&mut self, hu: &Grid3<i16>) -> Result<Grid3<f32>, Fault>;

    /// Takes the memory that a volume like the last one needs, so that its run does not wait for the system's pages.
    fn prepare(&mut self) {}

    /// Gives back what is only kept for the next volume.
    fn rest(&mut self);
}

/// Plans kept for shapes seen last: a current and a prior volume, so a comparison does not plan twice.
const PLANS_MAX: usize = 2;
/// The largest volume taken, voxels: four times the largest lungs at 2.8 mm.
const VOXELS_MAX: usize = 8_000_000;

/// A network ready to run on any shape.
pub struct Network {
    manifest: ModelManifest,
    graph: ModelProto,
    plans: VecDeque<([usize; 3], Plan)>,
    in_slabs: bool,
}

/// How one shape is run.
#[derive(Clone)]
enum Plan {
    /// Piece by piece in slabs: little memory.
    Slabs(Arc<SlabPlan>),
    /// A graph that cannot be cut, run whole.
    Whole(Arc<TypedRunnableModel>),
}

impl Plan {
    fn run(&self, input: Tensor) -> TractResult<Arc<Tensor>> {
        match self {
            Plan::Slabs(plan) => plan.run(input).map(Arc::new),
            Plan::Whole(plan) => {
                let output = plan.run(tvec!(input.into_tvalue()))?;
                let first = output.into_iter().next();
                first
                    .map(TValue::into_arc_tensor)
                    .context("the network has no output")
            }
        }
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Network({}, {} plans)",
            self.manifest.title(),
            self.plans.len()
        )
    }
}

impl Network {
    /// Reads the network of a checked package. Errors: [`Fault::Inference`] with what the engine said.
    pub fn load(package: &ModelPackage) -> Result<Network, Fault> {
        let manifest = package.manifest().clone();
        let graph = tract_onnx::onnx()
            .proto_model_for_read(&mut std::io::Cursor::new(package.onnx()))
            .map_err(|error| failed(&manifest, &error))?;
        Ok(Network {
            manifest,
            graph,
            plans: VecDeque::new(),
            in_slabs: true,
        })
    }

    /// The same, run whole as tract comes: what others are measured against. Errors as [`Network::load`].
    pub fn stock(package: &ModelPackage) -> Result<Network, Fault> {
        let network = Network::load(package)?;
        Ok(Network {
            in_slabs: false,
            ..network
        })
    }

    /// How it is fed and read.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    fn read(&self, output: &Tensor, shape: [usize; 3]) -> Result<Grid3<f32>, Fault> {
        let view = output
            .to_plain_array_view::<f32>()
            .map_err(|error| failed(&self.manifest, &error))?;
        let values = view.as_slice().unwrap_or(&[]);
        if values.len() != shape.iter().product::<usize>() {
            return Err(self.fault(format!(
                "it gave {} logits for {shape:?} voxels",
                values.len()
            )));
        }
        if values.iter().any(|logit| !logit.is_finite()) {
            return Err(self.fault("it gave a logit that is not a number".to_owned()));
        }
        Ok(unpacked(values, shape))
    }

    fn run(&mut self, hu: &Grid3<i16>) -> Result<Arc<Tensor>, Fault> {
        let [depth, height, width] = fitting(hu, &self.manifest)?;
        let plan = self.plan([depth, height, width])?;
        let values = packed(hu, &self.manifest.input);
        let input = Tensor::from_shape(&[1, 8, depth, height, width], &values);
        drop(values);
        input
            .and_then(|input| plan.run(input))
            .map_err(|error| failed(&self.manifest, &error))
    }

    fn plan(&mut self, blocks: [usize; 3]) -> Result<Plan, Fault> {
        if let Some((_, plan)) = self.plans.iter().find(|(shape, _)| *shape == blocks) {
            return Ok(plan.clone());
        }
        let plan = self
            .planned(blocks)
            .map_err(|error| failed(&self.manifest, &error))?;
        self.plans.truncate(PLANS_MAX - 1);
        self.plans.push_front((blocks, plan.clone()));
        Ok(plan)
    }

    fn planned(&self, [depth, height, width]: [usize; 3]) -> TractResult<Plan> {
        let shape = [1, 8, depth, height, width];
        if self.in_slabs
            && let Some(slabs) = SlabPlan::new(&self.graph, &shape)?
        {
            return Ok(Plan::Slabs(Arc::new(slabs)));
        }
        let fact = InferenceFact::dt_shape(f32::datum_type(), shape);
        let whole = tract_onnx::onnx()
            .model_for_proto_model(&self.graph)?
            .with_input_fact(0, fact)?;
        Ok(Plan::Whole(whole.into_optimized()?.into_runnable()?))
    }

    fn fault(&self, what: String) -> Fault {
        Fault::Inference {
            model: self.manifest.title(),
            what,
        }
    }
}

impl Backend for Network {
    fn name(&self) -> &str {
        "tract"
    }

    fn segment(&mut self, hu: &Grid3<i16>) -> Result<BitMask, Fault> {
        let output = self.run(hu)?;
        let from = self.manifest.logit_threshold();
        let logits = self.read(&output, hu.shape())?;
        Ok(BitMask::of(&logits, |logit| f64::from(logit) >= from))
    }

    fn logits(&mut self, hu: &Grid3<i16>) -> Result<Grid3<f32>, Fault> {
        let output = self.run(hu)?;
        self.read(&output, hu.shape())
    }

    fn rest(&mut self) {
        self.plans.clear();
    }
}

/// The blocks of a volume that an engine may run. Errors: edges that do not fit the manifest, too many voxels.
pub(super) fn fitting(hu: &Grid3<i16>, manifest: &ModelManifest) -> Result<[usize; 3], Fault> {
    let (shape, multiple) = (hu.shape(), manifest.input.multiple);
    let fits = shape.iter().all(|edge| edge.is_multiple_of(multiple));
    let blocks = packed_shape(shape).filter(|_| fits && hu.len() <= VOXELS_MAX);
    blocks.ok_or_else(|| Fault::Inference {
        model: manifest.title(),
        what: format!(
            "a volume of {shape:?} voxels does not fit: edges are multiples of {multiple}, {VOXELS_MAX} voxels at most"
        ),
    })
}

fn failed(manifest: &ModelManifest, error: &TractError) -> Fault {
    Fault::Inference {
        model: manifest.title(),
        what: format!("{error:#}"),
    }
}
