//! Layers of the usual shapes with made-up numbers: what `benches/kernels.rs` measures.

use crate::infer::crew::Crew;
use crate::infer::halo::Halo;
use crate::infer::kernel::{Input, Isa, Offsets, PackedWeights, Rows, Source, run};

/// Rows that are computed at a time.
const ROWS: usize = 8;

/// The shape of a layer: edges of its output, channels that it reads from each tensor, channels that it writes.
struct Shape {
    name: &'static str,
    edges: [usize; 3],
    sources: &'static [usize],
    outputs: usize,
    /// Edge of the kernel: 3, or 1 for the head and each place of a raised layer.
    kernel: usize,
    stride: usize,
}

/// The layers of the networks in use, from the largest tensors to the smallest.
const SHAPES: &[Shape] = &[
    Shape {
        name: "3x3x3 8 > 16",
        edges: [64, 56, 56],
        sources: &[8],
        outputs: 16,
        kernel: 3,
        stride: 1,
    },
    Shape {
        name: "3x3x3 16 > 16",
        edges: [64, 56, 56],
        sources: &[16],
        outputs: 16,
        kernel: 3,
        stride: 1,
    },
    Shape {
        name: "3x3x3 16 + 16 > 16",
        edges: [64, 56, 56],
        sources: &[16, 16],
        outputs: 16,
        kernel: 3,
        stride: 1,
    },
    Shape {
        name: "3x3x3 16 > 32, halved",
        edges: [32, 28, 28],
        sources: &[16],
        outputs: 32,
        kernel: 3,
        stride: 2,
    },
    Shape {
        name: "3x3x3 32 + 32 > 32",
        edges: [32, 28, 28],
        sources: &[32, 32],
        outputs: 32,
        kernel: 3,
        stride: 1,
    },
    Shape {
        name: "3x3x3 64 > 64",
        edges: [16, 14, 14],
        sources: &[64],
        outputs: 64,
        kernel: 3,
        stride: 1,
    },
    Shape {
        name: "3x3x3 96 > 96",
        edges: [8, 7, 7],
        sources: &[96],
        outputs: 96,
        kernel: 3,
        stride: 1,
    },
    Shape {
        name: "1x1x1 32 > 16",
        edges: [64, 56, 56],
        sources: &[32],
        outputs: 16,
        kernel: 1,
        stride: 1,
    },
];

/// One layer, ready to run.
#[derive(Debug)]
pub struct LayerProbe {
    name: &'static str,
    macs: u64,
    sources: Vec<Halo>,
    offsets: Offsets,
    stride: usize,
    weights: PackedWeights,
    bias: Vec<i32>,
    scale: Vec<f32>,
    output: Halo,
}

impl LayerProbe {
    /// All layers.
    pub fn all() -> Vec<LayerProbe> {
        SHAPES.iter().map(LayerProbe::new).collect()
    }

    fn new(shape: &Shape) -> LayerProbe {
        let mut numbers = 1_u32;
        let mut next = move || {
            numbers = numbers.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            numbers.to_be_bytes()[0]
        };
        let read = shape.edges.map(|edge| edge * shape.stride);
        let sources: Vec<Halo> = shape
            .sources
            .iter()
            .map(|channels| {
                let mut tensor = Halo::in_buffer(Vec::new(), read, *channels, &Crew::of(1));
                for (_, _, rows) in tensor.blocks_mut(1, 1).flatten() {
                    rows.fill_with(&mut next);
                }
                tensor
            })
            .collect();
        let edge = 0..shape.kernel;
        let taps: Vec<Vec<usize>> = sources
            .iter()
            .map(|source| {
                let planes = edge.clone().flat_map(|z| edge.clone().map(move |y| (z, y)));
                let places = planes.flat_map(|(z, y)| edge.clone().map(move |x| (z, y, x)));
                places.map(|(z, y, x)| source.offset(z, y, x)).collect()
            })
            .collect();
        let inputs = shape.sources.iter().sum::<usize>() * shape.kernel.pow(3);
        let channels = shape.sources.iter();
        let taps_of_one = shape.kernel.pow(3);
        let places: Vec<Vec<Input>> = channels
            .map(|each| Input::all(*each, taps_of_one))
            .collect();
        let numbers: Vec<i8> = (0..251)
            .map(|_| (next() % 127).cast_signed() - 63)
            .collect();
        let weights = PackedWeights::new(shape.outputs, &places, |output, source, input, at| {
            let number = output * 31 + source * 17 + input.tap * 7 + input.channel * 3 + at;
            numbers.get(number % numbers.len()).copied().unwrap_or(1)
        });
        let voxels: usize = shape.edges.iter().product();
        LayerProbe {
            name: shape.name,
            macs: u64::try_from(inputs * shape.outputs * voxels).unwrap_or(u64::MAX),
            offsets: weights.offsets(&taps),
            stride: shape.stride,
            weights,
            bias: vec![0; shape.outputs],
            scale: vec![1e-3; shape.outputs],
            output: Halo::in_buffer(Vec::new(), shape.edges, shape.outputs, &Crew::of(1)),
            sources,
        }
    }

    /// Kernel, input channels, output channels.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Multiplications of one run.
    pub fn macs(&self) -> u64 {
        self.macs
    }

    /// Computes every row on this thread with `isa`, or in plain Rust where this machine does not have it.
    pub fn run(&mut self, isa: Isa) {
        let channels = self.output.channels();
        let (row_bytes, [_, _, width]) = (self.output.row_bytes(), self.output.shape());
        for (z, y, bytes) in self.output.blocks_mut(ROWS, 1).flatten() {
            let sources: Vec<Source<'_>> = self
                .sources
                .iter()
                .map(|source| Source {
                    bytes: source.bytes(),
                    start: source.offset(z * self.stride, y * self.stride, 0),
                    step: source.channels() * self.stride,
                    row_step: source.row_bytes() * self.stride,
                })
                .collect();
            let mut rows = Rows {
                sources: &sources,
                weights: &self.weights,
                offsets: &self.offsets,
                bias: &self.bias,
                scale: &self.scale,
                count: bytes.len() / row_bytes,
                output: bytes.get_mut(channels..).unwrap_or(&mut []),
                output_step: channels,
                output_row_step: row_bytes,
                width,
            };
            let in_bounds = run(isa, &mut rows);
            debug_assert_eq!(in_bounds, Ok(()), "{}", self.name);
        }
    }
}
