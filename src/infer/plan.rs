//! Runs the layers: buffers that are used again, rows shared out between threads.

use std::sync::OnceLock;

use crate::infer::crew::Crew;
use crate::infer::halo::Halo;
use crate::infer::kernel::{Isa, Offsets, OutOfBounds, PackedWeights, Rows, Source, mark, run};
use crate::infer::lower::{Kind, Layer, SOURCES_MAX};

/// Multiplications that a thread takes at a time: enough to be worth the claim, few enough to end together.
const CLAIM: usize = 1 << 20;
/// Rows that a thread takes at a time, at most; and a multiple of those that a raised layer takes together.
const ROWS_CLAIMED: usize = 16;

/// How layers are run.
#[derive(Clone, Debug)]
pub(super) struct How {
    pub(super) isa: Isa,
    pub(super) crew: Crew,
}

impl How {
    /// [`Crew::share_out`] of work that may fail; all of it is done, whatever fails.
    fn share_out<I: DoubleEndedIterator + Send>(
        &self,
        threads: usize,
        parts: impl IntoIterator<Item = I>,
        work: impl Fn(I::Item) -> Result<(), OutOfBounds> + Sync,
    ) -> Result<(), OutOfBounds> {
        let failed = OnceLock::new();
        self.crew.share_out(threads, parts, |item| {
            if let Err(error) = work(item) {
                failed.get_or_init(|| error);
            }
        });
        failed.into_inner().map_or(Ok(()), Err)
    }
}

/// Memory of tensors that are no longer read, for the next ones.
#[derive(Debug, Default)]
pub(super) struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    /// The smallest buffer that holds `bytes`, else the largest there is, else a new one.
    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let key = |buffer: &Vec<u8>| {
            let capacity = buffer.capacity();
            if capacity >= bytes {
                (0, capacity)
            } else {
                (1, usize::MAX - capacity)
            }
        };
        let best = self
            .0
            .iter()
            .enumerate()
            .min_by_key(|(_, buffer)| key(buffer))
            .map(|(index, _)| index);
        best.map_or_else(Vec::new, |index| self.0.swap_remove(index))
    }

    /// Buffers as large as those of `sizes`, each page of them at hand.
    pub(super) fn at_hand(sizes: &[usize]) -> Buffers {
        // Zeros would be pages that the system still owes.
        Buffers(sizes.iter().map(|bytes| vec![1; *bytes]).collect())
    }

    /// How large they are.
    pub(super) fn sizes(&self) -> Vec<usize> {
        self.0.iter().map(Vec::capacity).collect()
    }

    fn give(&mut self, buffer: Vec<u8>) {
        self.0.push(buffer);
    }

    /// A tensor in one of the buffers.
    pub(super) fn tensor(&mut self, shape: [usize; 3], channels: usize, crew: &Crew) -> Halo {
        let bytes = shape.iter().map(|edge| edge + 2).product::<usize>() * channels;
        Halo::in_buffer(self.take(bytes), shape, channels, crew)
    }

    /// Takes back the memory of a tensor.
    pub(super) fn give_back(&mut self, tensor: Halo) {
        self.give(tensor.into_buffer());
    }
}

/// Runs `layers` on `input` and returns the last one's output.
///
/// `passed` is called after each layer. Errors: shapes that do not fit together; never for shapes whose edges are
/// multiples of the network's own.
pub(super) fn run_layers(
    layers: &[&Layer],
    input: Halo,
    buffers: &mut Buffers,
    how: &How,
    passed: &mut (dyn FnMut() + Send),
) -> Result<Halo, OutOfBounds> {
    let mut tensors: Vec<Option<Halo>> = vec![Some(input)];
    for (index, layer) in layers.iter().enumerate() {
        let output = run_layer(layer, &tensors, buffers, how)?;
        passed();
        let later = layers.get(index + 1..).unwrap_or(&[]);
        for (number, slot) in tensors.iter_mut().enumerate() {
            let read_again = later.iter().any(|layer| layer.sources.contains(&number));
            if !read_again && let Some(tensor) = slot.take() {
                buffers.give_back(tensor);
            }
        }
        tensors.push(Some(output));
    }
    tensors.pop().flatten().ok_or(OutOfBounds)
}

fn run_layer(
    layer: &Layer,
    tensors: &[Option<Halo>],
    buffers: &mut Buffers,
    how: &How,
) -> Result<Halo, OutOfBounds> {
    let sources: Option<Vec<&Halo>> = layer
        .sources
        .iter()
        .map(|number| tensors.get(*number).and_then(Option::as_ref))
        .collect();
    let sources = sources.ok_or(OutOfBounds)?;
    let first = sources.first().ok_or(OutOfBounds)?;
    if sources.iter().any(|source| source.shape() != first.shape()) {
        return Err(OutOfBounds);
    }
    let shape = first.shape().map(|edge| layer.kind.output_edge(edge));
    let mut output = buffers.tensor(shape, layer.channels, &how.crew);
    share_rows(layer, &sources, &mut output, how)?;
    Ok(output)
}

/// Every row of `output`, claimed block by block by the threads.
fn share_rows(
    layer: &Layer,
    sources: &[&Halo],
    output: &mut Halo,
    how: &How,
) -> Result<(), OutOfBounds> {
    let offsets = offsets(layer, sources);
    let threads = how.crew.threads_for(output.bytes().len());
    let blocks = output.blocks_mut(rows_claimed(layer, output.shape()), threads);
    how.share_out(threads, blocks, |(z, first, bytes)| {
        rows_of(layer, sources, &offsets, [z, first], bytes, how.isa)
    })
}

/// Rows of an output of `shape` that a thread takes at a time: a multiple of [`Kind::phases`].
fn rows_claimed(layer: &Layer, [_, _, width]: [usize; 3]) -> usize {
    let voxel = layer.weights.first().map_or(0, PackedWeights::count);
    let phases = layer.kind.phases();
    let row = voxel * width / phases;
    (CLAIM / row.max(1))
        .clamp(1, ROWS_CLAIMED)
        .next_multiple_of(phases)
}

/// Runs the head on `features`: each of the numbered `planes` is handed row after row of the plane of voxels with its number, a
/// byte of marks for each voxel.
pub(super) fn run_head<
    'a,
    T: Send + 'a,
    I: DoubleEndedIterator<Item = (usize, &'a mut [T])> + Send,
>(
    head: &Layer,
    features: &Halo,
    how: &How,
    planes: impl IntoIterator<Item = I>,
    take: impl Fn(&mut [T], usize, &[u8]) + Sync,
) -> Result<(), OutOfBounds> {
    let sources = [features];
    let offsets = offsets(head, &sources);
    let [_, height, width] = features.shape();
    how.share_out(how.crew.threads(), planes, |(z, plane)| {
        let mut marks = vec![0; height * width];
        let read = read(head, &sources, [z, 0]);
        let mut rows = Rows {
            sources: read.get(..sources.len()).ok_or(OutOfBounds)?,
            weights: head.weights.first().ok_or(OutOfBounds)?,
            offsets: offsets.first().ok_or(OutOfBounds)?,
            bias: &head.bias,
            scale: &head.scale,
            output: &mut marks,
            output_step: 1,
            output_row_step: width,
            width,
            count: height,
        };
        mark(how.isa, &mut rows)?;
        for (y, row) in marks.chunks_exact(width.max(1)).enumerate() {
            take(plane, y, row);
        }
        Ok(())
    })
}

/// Where the inputs of each of a layer's lists lie.
fn offsets(layer: &Layer, sources: &[&Halo]) -> Vec<Offsets> {
    let sources = sources.iter();
    let taps: Vec<Vec<usize>> = sources.map(|source| taps(layer.kind, source)).collect();
    let lists = layer.weights.iter();
    lists.map(|weights| weights.offsets(&taps)).collect()
}

/// Byte offsets of the kernel's taps, from the lowest corner.
fn taps(kind: Kind, source: &Halo) -> Vec<usize> {
    let edge = match kind {
        Kind::Convolution { .. } => 3,
        Kind::Raise | Kind::Head => 1,
    };
    let places =
        (0..edge).flat_map(|z| (0..edge).flat_map(move |y| (0..edge).map(move |x| (z, y, x))));
    places.map(|(z, y, x)| source.offset(z, y, x)).collect()
}

/// The output rows from plane and row `place` on; `bytes` holds them with their rims.
fn rows_of(
    layer: &Layer,
    sources: &[&Halo],
    offsets: &[Offsets],
    place: [usize; 2],
    bytes: &mut [u8],
    isa: Isa,
) -> Result<(), OutOfBounds> {
    let [z, first] = place;
    let phases = layer.kind.phases();
    let [_, _, width] = sources.first().ok_or(OutOfBounds)?.shape();
    let width = layer.kind.output_edge(width);
    let row_bytes = (width + 2) * layer.channels;
    // A raised row takes its voxels by twos, whose channels lie side by side.
    let voxels = if layer.kind == Kind::Raise { 2 } else { 1 };
    for phase in 0..phases {
        let y = first + phase;
        let read = read(layer, sources, [z, y]);
        let kernel = if layer.kind == Kind::Raise {
            (z % 2) * 2 + y % 2
        } else {
            0
        };
        let rows = bytes.len() / row_bytes;
        run(
            isa,
            &mut Rows {
                sources: read.get(..sources.len()).ok_or(OutOfBounds)?,
                weights: layer.weights.get(kernel).ok_or(OutOfBounds)?,
                offsets: offsets.get(kernel).ok_or(OutOfBounds)?,
                bias: &layer.bias,
                scale: &layer.scale,
                output: bytes
                    .get_mut(phase * row_bytes + layer.channels..)
                    .unwrap_or(&mut []),
                output_step: voxels * layer.channels,
                output_row_step: phases * row_bytes,
                width: width / voxels,
                count: (rows - phase.min(rows)).div_ceil(phases),
            },
        )?;
    }
    Ok(())
}

/// What the output row `z, y` and those after it read from each of the sources. At most two, in an array: an allocation each
/// time would take as long as a part of the arithmetic.
fn read<'a>(layer: &Layer, sources: &[&'a Halo], [z, y]: [usize; 2]) -> [Source<'a>; SOURCES_MAX] {
    let stride = layer.kind.stride();
    let start = |source: &Halo| match layer.kind {
        // The kernel's lowest corner lies one voxel before the centre: on the rim for the first one.
        Kind::Convolution { stride } => source.offset(z * stride, y * stride, 0),
        Kind::Raise => source.offset(z / 2 + 1, y / 2 + 1, 1),
        Kind::Head => source.offset(z + 1, y + 1, 1),
    };
    let mut read = [Source::default(); SOURCES_MAX];
    for (slot, source) in read.iter_mut().zip(sources) {
        *slot = Source {
            bytes: source.bytes(),
            start: start(source),
            step: source.channels() * stride,
            row_step: source.row_bytes() * stride,
        };
    }
    read
}
