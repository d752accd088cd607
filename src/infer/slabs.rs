//! Runs the network piece by piece, and each piece in slabs of planes: the same numbers with a tenth of the memory.
//!
//! Between pieces only int8 tensors are kept. A piece reaches one plane up and down (kernels are at most 3), so a slab
//! is computed with a margin that is thrown away; at the volume's ends the piece's own padding is the right one.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use crate::infer::segments::{Segment, segments};

/// Output planes computed at once; even, and less than half of the golden volume's, so the self check crosses slabs.
const SLAB: usize = 12;
/// Output planes computed beside a slab and thrown away; even, so that halved and doubled grids stay aligned.
const MARGIN: usize = 2;
/// The axis of the planes in (batch, channel, z, y, x).
const PLANES: usize = 2;

/// A network planned for one shape.
pub(super) struct SlabPlan {
    pieces: Vec<Piece>,
    input: String,
}

struct Piece {
    plan: Arc<TypedRunnableModel>,
    sources: Vec<String>,
    target: String,
    /// Planes of the whole output.
    planes: usize,
    /// Planes of one window of the output.
    window: usize,
    kind: DatumType,
    shape: TVec<usize>,
}

/// Shape and kind of a tensor that is kept between pieces.
type Kept = (DatumType, TVec<usize>);

impl SlabPlan {
    /// Plans `model` for an input of `shape` (batch, channel, z, y, x); `None` when it cannot be cut safely.
    pub(super) fn new(model: &ModelProto, shape: &[usize]) -> TractResult<Option<SlabPlan>> {
        let input = model.graph.as_ref().and_then(|graph| graph.input.first());
        let (Some(input), Some(segments)) = (input, segments(model)) else {
            return Ok(None);
        };
        let mut kept: BTreeMap<String, Kept> = BTreeMap::new();
        kept.insert(input.name.clone(), (f32::datum_type(), shape.into()));
        let mut pieces = Vec::with_capacity(segments.len());
        for segment in &segments {
            let Some(piece) = planned(segment, &kept)? else {
                return Ok(None);
            };
            kept.insert(piece.target.clone(), (piece.kind, piece.shape.clone()));
            pieces.push(piece);
        }
        Ok(Some(SlabPlan {
            pieces,
            input: input.name.clone(),
        }))
    }

    /// The network's output for `input`.
    pub(super) fn run(&self, input: Tensor) -> TractResult<Tensor> {
        let mut kept = BTreeMap::from([(self.input.clone(), input)]);
        let mut last = None;
        for (index, piece) in self.pieces.iter().enumerate() {
            let output = piece.run(&kept)?;
            let later = self.pieces.get(index + 1..).unwrap_or(&[]);
            kept.retain(|name, _| later.iter().any(|piece| piece.sources.contains(name)));
            if later.is_empty() {
                last = Some(output);
            } else {
                kept.insert(piece.target.clone(), output);
            }
        }
        last.context("the network has no output")
    }
}

/// A model of `segment` on inputs of the given kinds and shapes.
fn fixed(segment: &Segment, inputs: &[Kept]) -> TractResult<InferenceModel> {
    let mut model = tract_onnx::onnx().model_for_proto_model(&segment.model)?;
    for (index, (kind, shape)) in inputs.iter().enumerate() {
        model.set_input_fact(index, InferenceFact::dt_shape(*kind, shape))?;
    }
    Ok(model)
}

fn planned(segment: &Segment, kept: &BTreeMap<String, Kept>) -> TractResult<Option<Piece>> {
    let sources = segment.sources.iter().map(|name| kept.get(name).cloned());
    let mut inputs = sources
        .collect::<Option<Vec<Kept>>>()
        .context("a tensor is read before it is made")?;
    let whole = fixed(segment, &inputs)?.into_typed()?;
    let fact = whole.output_fact(0)?;
    let shape: TVec<usize> = fact
        .shape
        .as_concrete()
        .context("a shape stays open")?
        .into();
    let kind = fact.datum_type;
    let Some(planes) = shape.get(PLANES).copied() else {
        return Ok(None);
    };
    let window = planes.min(SLAB + 2 * MARGIN);
    for (_, shape) in &mut inputs {
        let Some(depth) = shape.get_mut(PLANES) else {
            return Ok(None);
        };
        if *depth * window % planes != 0 {
            return Ok(None);
        }
        *depth = *depth * window / planes;
    }
    let plan = fixed(segment, &inputs)?.into_optimized()?.into_runnable()?;
    let (sources, target) = (segment.sources.clone(), segment.target.clone());
    Ok(Some(Piece {
        plan,
        sources,
        target,
        planes,
        window,
        kind,
        shape,
    }))
}

impl Piece {
    fn run(&self, kept: &BTreeMap<String, Tensor>) -> TractResult<Tensor> {
        let mut output = Tensor::zero_dt(self.kind, &self.shape)?;
        let mut from = 0;
        while from < self.planes {
            let to = if self.window == self.planes {
                self.planes
            } else {
                (from + SLAB).min(self.planes)
            };
            let start = from.saturating_sub(MARGIN).min(self.planes - self.window);
            let window = self.window_of(kept, start)?;
            let given = self.plan.run(window)?;
            let given = given.first().context("a piece gave no output")?;
            output.assign_slice(from..to, given, from - start..to - start, PLANES)?;
            from = to;
        }
        Ok(output)
    }

    /// The planes of each source from which the output's window at `start` is computed.
    fn window_of(
        &self,
        kept: &BTreeMap<String, Tensor>,
        start: usize,
    ) -> TractResult<TVec<TValue>> {
        let cut = |name: &String| {
            let source = kept.get(name).context("a tensor was dropped too early")?;
            let depth = source
                .shape()
                .get(PLANES)
                .copied()
                .context("a tensor has no planes")?;
            let (low, high) = (
                start * depth / self.planes,
                (start + self.window) * depth / self.planes,
            );
            Ok(source.slice(PLANES, low, high)?.into_tvalue())
        };
        self.sources.iter().map(cut).collect()
    }
}
