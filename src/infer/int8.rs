//! The network in integers: our own engine.

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::Framework as _;

use crate::fault::Fault;
use crate::infer::account::{LayerCost, costs};
use crate::infer::crew::Crew;
use crate::infer::halo::{Halo, in_parts};
use crate::infer::kernel::{GROUP, Input, Isa, OutOfBounds};
use crate::infer::lower::{Kind, Layer, NotLowered, lowered};
use crate::infer::network::{Backend, fitting};
use crate::infer::options::EngineOptions;
use crate::infer::packing::{PLACES, Steps, put_marks};
use crate::infer::plan::{Buffers, How, run_head, run_layers};
use crate::model::{ModelManifest, ModelPackage};
use crate::volume::{BitMask, Grid3};

/// The lowered network.
pub struct Int8Network {
    manifest: ModelManifest,
    layers: Vec<Layer>,
    /// The head as a threshold: its sums are above zero where the logit reaches the manifest's.
    head: Layer,
    steps: Steps,
    how: How,
    name: String,
    buffers: Buffers,
    /// The buffers' sizes after the last volume.
    sizes: Vec<usize>,
}

impl std::fmt::Debug for Int8Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Int8Network({}, {} layers)",
            self.name,
            self.layers.len()
        )
    }
}

/// Why a package does not run in integers.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Int8Error {
    /// The file is no network.
    #[error("the network file does not read: {0}")]
    Unreadable(String),
    /// The network holds something that the engine does not do.
    #[error(transparent)]
    NotLowered(#[from] NotLowered),
}

impl Int8Network {
    /// Lowers the network of a checked package. Errors: what cannot be lowered, named.
    pub fn load(package: &ModelPackage, options: EngineOptions) -> Result<Int8Network, Int8Error> {
        let graph: ModelProto = tract_onnx::onnx()
            .proto_model_for_read(&mut std::io::Cursor::new(package.onnx()))
            .map_err(|error| Int8Error::Unreadable(format!("{error:#}")))?;
        let layers = lowered(&graph)?;
        let manifest = package.manifest().clone();
        let head = layers
            .last()
            .map(|head| thresholded(head, manifest.logit_threshold()));
        let head = head.ok_or_else(|| NotLowered {
            node: "the graph".to_owned(),
            why: "it has no layer",
        })?;
        let isa = options.isa.unwrap_or_else(Isa::fastest);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if options.threads == 0 {
            cores
        } else {
            options.threads
        };
        Ok(Int8Network {
            steps: Steps::of(&manifest.input),
            manifest,
            head,
            layers,
            how: How {
                isa,
                crew: Crew::of(threads.clamp(1, EngineOptions::THREADS_MAX)),
            },
            name: format!("cpu-int8-{}", isa.name()),
            buffers: Buffers::default(),
            sizes: Vec::new(),
        })
    }

    fn fault(&self, what: String) -> Fault {
        Fault::Inference {
            model: self.manifest.title(),
            what,
        }
    }

    fn out_of_bounds(&self) -> Fault {
        self.fault("a layer does not fit its input: the plan is wrong".to_owned())
    }

    /// What each layer costs for a volume of `shape` (`z, y, x`). Errors: a shape that the network does not take.
    pub fn costs(&self, shape: [usize; 3]) -> Result<Vec<LayerCost>, Fault> {
        let blocks = fitting(&Grid3::filled(shape, 0), &self.manifest)?;
        let layers: Vec<&Layer> = self.layers.iter().collect();
        Ok(costs(&layers, blocks, PLACES.len()))
    }

    /// As [`Backend::segment`]; `passed` is called after each layer, in the order of [`Int8Network::costs`].
    pub fn segment_in_layers(
        &mut self,
        hu: &Grid3<i16>,
        passed: &mut (dyn FnMut() + Send),
    ) -> Result<BitMask, Fault> {
        let how = self.how.clone();
        how.crew.muster(|| {
            let features = self.features(hu, passed)?;
            let mut mask = BitMask::empty(hu.shape());
            let [_, height, _] = hu.shape();
            let (across, words) = mask.words_mut();
            let planes = in_parts(words, 2 * height * across, how.crew.threads());
            run_head(&self.head, &features, &how, planes, |planes, y, marks| {
                put_marks(planes, across, y, marks);
            })
            .map_err(|OutOfBounds| self.out_of_bounds())?;
            passed();
            self.buffers.give_back(features);
            Ok(mask)
        })
    }

    /// What the head reads. Within [`Crew::muster`].
    fn features(
        &mut self,
        hu: &Grid3<i16>,
        passed: &mut (dyn FnMut() + Send),
    ) -> Result<Halo, Fault> {
        let blocks = fitting(hu, &self.manifest)?;
        let How { isa, crew } = &self.how;
        let mut input = self.buffers.tensor(blocks, PLACES.len(), crew);
        self.steps.pack(hu, &mut input, *isa, crew);
        let body = self.layers.len().saturating_sub(1);
        let layers: Vec<&Layer> = self.layers.iter().take(body).collect();
        run_layers(&layers, input, &mut self.buffers, &self.how, passed)
            .map_err(|OutOfBounds| self.out_of_bounds())
    }
}

/// A head whose sums are above zero exactly where the logit is at least `threshold`.
///
/// The sum of a channel is its logit over its scale; shifted by the least sum that reaches the threshold, less one, it is
/// at least 1 from there on.
fn thresholded(head: &Layer, threshold: f64) -> Layer {
    let mut shifted = head.clone();
    for (bias, scale) in shifted.bias.iter_mut().zip(&shifted.scale) {
        // A channel that only pads has no scale.
        if *scale > 0.0 {
            let least = (threshold / f64::from(*scale)).ceil();
            *bias = nearest(f64::from(*bias) - least + 1.0);
        }
    }
    shifted
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates: far outside, the label is the same"
)]
fn nearest(value: f64) -> i32 {
    value as i32
}

impl Backend for Int8Network {
    fn name(&self) -> &str {
        &self.name
    }

    fn segment(&mut self, hu: &Grid3<i16>) -> Result<BitMask, Fault> {
        self.segment_in_layers(hu, &mut || {})
    }

    fn logits(&mut self, hu: &Grid3<i16>) -> Result<Grid3<f32>, Fault> {
        let crew = self.how.crew.clone();
        let features = crew.muster(|| self.features(hu, &mut || {}))?;
        let Some(head) = self.layers.last() else {
            return Err(self.out_of_bounds());
        };
        let mut logits = Grid3::filled(hu.shape(), 0.0);
        for (channel, [dz, dy, dx]) in PLACES.into_iter().enumerate() {
            let [depth, height, _] = features.shape();
            let weights = weights_of(head, channel, features.channels());
            for z in 0..depth {
                for y in 0..height {
                    let voxels = features.row(z, y).chunks_exact(features.channels());
                    for (x, voxel) in voxels.enumerate() {
                        logits.set(
                            2 * z + dz,
                            2 * y + dy,
                            2 * x + dx,
                            logit(head, channel, &weights, voxel),
                        );
                    }
                }
            }
        }
        self.buffers.give_back(features);
        Ok(logits)
    }

    fn prepare(&mut self) {
        if self.buffers.sizes().is_empty() {
            self.buffers = Buffers::at_hand(&self.sizes);
        }
        self.how.crew.muster(|| {});
    }

    fn rest(&mut self) {
        let used = std::mem::take(&mut self.buffers);
        if !used.sizes().is_empty() {
            self.sizes = used.sizes();
        }
        self.how.crew = self.how.crew.anew();
    }
}

/// The head's weights to `channel` from each of `inputs` channels.
fn weights_of(head: &Layer, channel: usize, inputs: usize) -> Vec<i8> {
    debug_assert_eq!(head.kind, Kind::Head);
    let weight = |input: Input, at| head.weights.first()?.at(channel, 0, input, at);
    let inputs = Input::all(inputs, 1).into_iter();
    inputs
        .flat_map(|input| (0..GROUP).map(move |at| weight(input, at).unwrap_or(0)))
        .collect()
}

/// One logit in plain arithmetic: for checks, not for speed.
fn logit(head: &Layer, channel: usize, weights: &[i8], voxel: &[u8]) -> f32 {
    let products = voxel.iter().zip(weights);
    let products = products.map(|(value, weight)| i64::from(*value) * i64::from(*weight));
    let bias = head.bias.get(channel).copied().unwrap_or(0);
    let sum = products.sum::<i64>() + i64::from(bias);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a logit: the nearest f32 is meant"
    )]
    let logit = (sum as f64 * f64::from(head.scale.get(channel).copied().unwrap_or(0.0))) as f32;
    logit
}
