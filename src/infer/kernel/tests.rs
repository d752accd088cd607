//! Every instruction set of this machine against plain Rust, bit by bit.

use super::*;
use proptest::prelude::*;

/// What a row reads from one tensor, owned.
#[derive(Clone, Debug)]
struct Tensor {
    bytes: Vec<u8>,
    start: usize,
    taps: Vec<usize>,
    step: usize,
    row_step: usize,
}

/// The numbers of some rows, owned.
#[derive(Clone, Debug)]
struct Case {
    tensors: Vec<Tensor>,
    weights: PackedWeights,
    bias: Vec<i32>,
    scale: Vec<f32>,
    width: usize,
    count: usize,
    output_step: usize,
}

/// What stands where no operator may write.
const UNTOUCHED: u8 = 0xA5;

fn run_on(isa: Isa, case: &Case) -> Vec<u8> {
    case.output(case.bias.len(), |rows| run(isa, rows))
}

fn marks_on(isa: Isa, case: &Case) -> Vec<u8> {
    case.output(1, |rows| mark(isa, rows))
}

impl Case {
    /// What `task` writes, and some bytes behind it; `written`: bytes of a voxel, beside which it may touch none.
    fn output(
        &self,
        written: usize,
        task: impl FnOnce(&mut Rows<'_>) -> Result<(), OutOfBounds>,
    ) -> Vec<u8> {
        let last = self.output_step * (self.width * self.count - 1);
        let mut output = vec![UNTOUCHED; last + written + 7];
        let sources: Vec<Source<'_>> = self
            .tensors
            .iter()
            .map(|tensor| Source {
                bytes: &tensor.bytes,
                start: tensor.start,
                step: tensor.step,
                row_step: tensor.row_step,
            })
            .collect();
        let taps: Vec<Vec<usize>> = self.tensors.iter().map(|each| each.taps.clone()).collect();
        let done = task(&mut Rows {
            sources: &sources,
            weights: &self.weights,
            offsets: &self.weights.offsets(&taps),
            bias: &self.bias,
            scale: &self.scale,
            output: &mut output,
            output_step: self.output_step,
            output_row_step: self.output_step * self.width,
            width: self.width,
            count: self.count,
        });
        assert_eq!(done, Ok(()));
        let (voxels, behind) = output.split_at(last + written);
        assert!(voxels.chunks(self.output_step).all(|voxel| {
            let gap = voxel.get(written..).unwrap_or(&[]);
            gap.iter().all(|byte| *byte == UNTOUCHED)
        }));
        assert!(behind.iter().all(|byte| *byte == UNTOUCHED));
        output
    }
}

/// Which input voxels a kernel reads.
#[derive(Clone, Copy, Debug)]
enum Taps {
    /// Rows of three neighbours, as 3³ has nine.
    Threes(usize),
    /// One, as the head and a place of a transposed kernel have.
    One,
    /// Rows of two neighbours, which no operator takes for three.
    Twos(usize),
}

impl Taps {
    fn across(self) -> usize {
        match self {
            Taps::Threes(_) => 3,
            Taps::One => 1,
            Taps::Twos(_) => 2,
        }
    }

    fn rows(self) -> usize {
        match self {
            Taps::Threes(rows) | Taps::Twos(rows) => rows,
            Taps::One => 1,
        }
    }
}

/// How large the sums and the steps are.
#[derive(Clone, Copy, Debug)]
enum Numbers {
    /// Bytes and sums as layers have them.
    Usual,
    /// Largest products of one sign: what would overflow pairs of 16 bits.
    Saturating,
    /// Few products and halves for scales, so that many results are ties.
    Ties,
    /// Bias and scale at the ends of their ranges: sums that wrap, results far outside a byte, and as far as they may be.
    Extreme,
}

/// Widths and groups of channels that are tried; fewer in an interpreter, which takes seconds for a row.
const WIDTH_MAX: usize = if cfg!(miri) { 7 } else { 45 };
const GROUPS_MAX: usize = if cfg!(miri) { 3 } else { 12 };

/// The shape of some rows.
#[derive(Clone, Debug)]
struct Shape {
    /// Channels of each tensor, multiples of [`GROUP`].
    channels: Vec<usize>,
    blocks: usize,
    width: usize,
    count: usize,
    taps: Taps,
    stride: usize,
    /// Of eight inputs, so many that no output uses.
    left_out: u32,
    /// Bytes before the row, and bytes between output voxels that belong to others.
    start: usize,
    gap: usize,
}

/// Numbers without a pattern, from a seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap()
    }

    fn one_of<T: Copy>(&mut self, faces: &[T]) -> T {
        faces[usize::try_from(self.next()).unwrap() % faces.len()]
    }

    fn byte(&mut self, numbers: Numbers) -> u8 {
        let any = self.next().to_le_bytes()[0];
        match numbers {
            Numbers::Usual | Numbers::Extreme => self.one_of(&[0, 255, any]),
            Numbers::Saturating => 255,
            Numbers::Ties => self.one_of(&[0, 0, 0, 0, 0, 0, 0, 1]),
        }
    }

    fn weight(&mut self, numbers: Numbers, channel: usize) -> i8 {
        let any = i8::try_from(self.next() % 127).unwrap() - 63;
        match numbers {
            Numbers::Usual | Numbers::Extreme => self.one_of(&[63, -63, any, any]),
            Numbers::Saturating => [63, -63][channel % 2],
            Numbers::Ties => any % 3,
        }
    }

    fn bias(&mut self, numbers: Numbers) -> i32 {
        let any = self.next().cast_signed();
        match numbers {
            Numbers::Usual | Numbers::Saturating => any >> 12,
            Numbers::Ties => any % 520,
            Numbers::Extreme => self.one_of(&[i32::MIN, i32::MAX, 0, -1, any]),
        }
    }

    fn scale(&mut self, numbers: Numbers) -> f32 {
        let any = self.next() as f32 / 4e12;
        match numbers {
            Numbers::Usual => any,
            Numbers::Saturating => self.one_of(&[any, 1e-4, 1.0]),
            Numbers::Ties => self.one_of(&[0.5, 0.25, 1.5]),
            Numbers::Extreme => self.one_of(&[0.0, f32::MIN_POSITIVE, 1e-40, 0.5, any]),
        }
    }
}

fn made(shape: &Shape, numbers: Numbers, seed: u64) -> Case {
    let mut dice = Dice(seed | 1);
    let outputs = shape.blocks * LANES;
    let (across, rows) = (shape.taps.across(), shape.taps.rows());
    let mut tensors = Vec::new();
    let mut inputs = Vec::new();
    for channels in &shape.channels {
        let line = ((shape.width - 1) * shape.stride + across) * channels + shape.gap;
        let taps = (0..rows).flat_map(|row| (0..across).map(move |x| row * line + x * channels));
        // Output rows lie as far apart as rows of taps, so that they read some of the same bytes.
        let bytes = shape.start + (rows + shape.count - 1) * line - shape.gap;
        tensors.push(Tensor {
            // Not a byte more than is read: `Rows::check` refuses an operator that the shape would lead past the end.
            bytes: (0..bytes).map(|_| dice.byte(numbers)).collect(),
            start: shape.start,
            taps: taps.collect(),
            step: channels * shape.stride,
            row_step: line,
        });
        inputs.push(Input::all(*channels, rows * across));
    }
    let weights = made_weights(outputs, &inputs, shape.left_out, numbers, &mut dice);
    Case {
        tensors,
        weights,
        bias: (0..outputs).map(|_| dice.bias(numbers)).collect(),
        scale: (0..outputs).map(|_| dice.scale(numbers)).collect(),
        width: shape.width,
        count: shape.count,
        output_step: outputs + shape.gap,
    }
}

/// Weights of which each pair of blocks has `left_out` of eight inputs without one.
fn made_weights(
    outputs: usize,
    inputs: &[Vec<Input>],
    left_out: u32,
    numbers: Numbers,
    dice: &mut Dice,
) -> PackedWeights {
    let count: usize = inputs.iter().map(Vec::len).sum();
    let pairs = outputs.div_ceil(PAIR * LANES);
    let kept: Vec<bool> = (0..count * pairs)
        .map(|_| dice.next() % 8 >= left_out)
        .collect();
    let values: Vec<i8> = (0..count * outputs * GROUP)
        .map(|at| dice.weight(numbers, at / GROUP))
        .collect();
    PackedWeights::new(outputs, inputs, |output, source, input, at| {
        let before: usize = inputs[..source].iter().map(Vec::len).sum();
        let own = inputs[source].iter().position(|each| *each == input);
        let number = before + own.unwrap();
        if kept[number * pairs + output / (PAIR * LANES)] {
            values[(number * outputs + output) * GROUP + at]
        } else {
            0
        }
    })
}

fn numbers() -> impl Strategy<Value = Numbers> {
    prop_oneof![
        Just(Numbers::Usual),
        Just(Numbers::Saturating),
        Just(Numbers::Ties),
        Just(Numbers::Extreme),
    ]
}

prop_compose! {
    fn shape()(
        first in 1..=GROUPS_MAX, second in 0..GROUPS_MAX, blocks in 1_usize..5, width in 1..=WIDTH_MAX, count in 1_usize..4,
        taps in prop_oneof![(1_usize..4).prop_map(Taps::Threes), Just(Taps::One), (1_usize..4).prop_map(Taps::Twos)],
        stride in 1_usize..4, left_out in 0_u32..8, start in 0_usize..40, gap in 0_usize..40,
    ) -> Shape {
        let channels = [first, second].into_iter().filter(|groups| *groups > 0).map(|groups| groups * GROUP).collect();
        Shape { channels, blocks, width, count, taps, stride, left_out, start, gap }
    }
}

proptest! {
    #[test]
    fn every_instruction_set_gives_the_bits_of_plain_rust(shape in shape(), numbers in numbers(), seed in any::<u64>()) {
        let case = made(&shape, numbers, seed);
        let wanted = run_on(Isa::Scalar, &case);
        for isa in Isa::available() {
            prop_assert_eq!(&run_on(isa, &case), &wanted, "{}", isa.name());
        }
        let wanted = marks_on(Isa::Scalar, &case);
        for isa in Isa::available() {
            prop_assert_eq!(&marks_on(isa, &case), &wanted, "{}", isa.name());
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "a thousand rows are too many for an interpreter")]
fn every_width_of_a_tile_gives_the_bits_of_plain_rust() {
    // Beyond twice the widest tile there are no other cuts; the strides and channels are those that have code of their own.
    for width in (1..=29).chain([34, 35, 56, 57, 63]) {
        for (channels, stride) in [
            (4, 1),
            (8, 1),
            (16, 1),
            (16, 2),
            (32, 1),
            (64, 1),
            (96, 1),
            (128, 1),
        ] {
            for (blocks, taps) in [
                (1, Taps::Threes(1)),
                (1, Taps::One),
                (2, Taps::One),
                (3, Taps::Threes(1)),
            ] {
                let shape = Shape {
                    channels: vec![channels],
                    blocks,
                    width,
                    count: 1,
                    taps,
                    stride,
                    left_out: 3,
                    start: 0,
                    gap: 0,
                };
                let case = made(&shape, Numbers::Usual, 7);
                let wanted = run_on(Isa::Scalar, &case);
                for isa in Isa::available() {
                    let found = run_on(isa, &case);
                    assert!(found == wanted, "{}: {shape:?}", isa.name());
                    let (found, wanted) = (marks_on(isa, &case), marks_on(Isa::Scalar, &case));
                    assert!(found == wanted, "{}: {shape:?}", isa.name());
                }
            }
        }
    }
}

#[test]
fn a_sum_is_the_products_and_the_bias() {
    // Two voxels of four channels; output channel 0 takes them times 1, 2, 3, 4, channel 1 times -1, the others not.
    let inputs = vec![Input { tap: 0, channel: 0 }];
    let weights = PackedWeights::new(LANES, &[inputs], |output, _, _, at| match output {
        0 => [1, 2, 3, 4][at],
        1 => -1,
        _ => 0,
    });
    let mut bias = vec![0; LANES];
    bias[0] = 5;
    bias[1] = 1000;
    let case = Case {
        tensors: vec![Tensor {
            bytes: vec![10, 20, 30, 40, 255, 0, 0, 0],
            start: 0,
            taps: vec![0],
            step: 4,
            row_step: 0,
        }],
        weights,
        bias,
        scale: vec![0.5; LANES],
        width: 2,
        count: 1,
        output_step: LANES,
    };
    for isa in Isa::available() {
        let found = run_on(isa, &case);
        // 305 / 2 and 260 / 2 are ties and halves: 152.5 to 152, 130; 900 / 2 and 745 / 2 are more than a byte holds.
        assert_eq!(found[..3], [152, 255, 0], "{}", isa.name());
        assert_eq!(found[16..19], [130, 255, 0], "{}", isa.name());
        // All sums but the third one's are above zero, which has no weights and no bias; nor have the others.
        let found = marks_on(isa, &case);
        assert_eq!([found[0], found[16]], [0b11, 0b11], "{}", isa.name());
    }
}

#[test]
fn rows_that_reach_past_a_slice_are_not_computed() {
    let bytes = [1_u8; 64];
    let weights = PackedWeights::new(16, &[Input::all(16, 3)], |_, _, _, _| 1);
    let offsets = weights.offsets(&[vec![0, 16, 32]]);
    let (bias, scale) = ([0; 16], [1.0; 16]);
    for (start, width, count, room, fits) in [
        (0, 1, 1, 16, true),
        (0, 2, 1, 32, true),
        (0, 3, 1, 48, false),
        (17, 1, 1, 16, false),
        (usize::MAX, 1, 1, 16, false),
        (0, 2, 1, 31, false),
        (0, 1, 2, 48, true),
        (0, 1, 2, 47, false),
        (0, 2, 2, 64, false),
        (0, 1, usize::MAX, 64, false),
    ] {
        let source = Source {
            bytes: &bytes,
            start,
            step: 16,
            row_step: 16,
        };
        let mut output = vec![0; room];
        let mut rows = Rows {
            sources: &[source],
            weights: &weights,
            offsets: &offsets,
            bias: &bias,
            scale: &scale,
            output: &mut output,
            output_step: 16,
            output_row_step: 32,
            width,
            count,
        };
        let found = run(Isa::fastest(), &mut rows);
        assert_eq!(
            found.is_ok(),
            fits,
            "start {start}, width {width}, {count} rows, room {room}"
        );
    }
    // Offsets of other weights, or of a tensor whose kernel has fewer places.
    let other = PackedWeights::new(16, &[vec![Input { tap: 0, channel: 0 }]], |_, _, _, _| 1);
    for offsets in [other.offsets(&[vec![0]]), weights.offsets(&[vec![0, 16]])] {
        let mut output = vec![0; 16];
        let mut rows = Rows {
            sources: &[Source {
                bytes: &bytes,
                start: 0,
                step: 16,
                row_step: 16,
            }],
            weights: &weights,
            offsets: &offsets,
            bias: &bias,
            scale: &scale,
            output: &mut output,
            output_step: 16,
            output_row_step: 16,
            width: 1,
            count: 1,
        };
        assert!(run(Isa::fastest(), &mut rows).is_err());
    }
}

#[test]
fn an_instruction_set_is_had_by_its_name() {
    for isa in Isa::available() {
        assert_eq!(Isa::parse(isa.name()), Ok(isa));
    }
    let foreign = if cfg!(target_arch = "x86_64") {
        "neon-dotprod"
    } else {
        "avx2"
    };
    let said = Isa::parse(foreign).unwrap_err().to_string();
    assert!(
        said.contains("this machine") && said.ends_with("scalar"),
        "{said}"
    );
    let said = Isa::parse("avx1024").unwrap_err().to_string();
    assert!(
        said.starts_with("`avx1024` is no instruction set"),
        "{said}"
    );
}

#[test]
fn the_instruction_sets_that_are_meant_to_be_tested_are_there() {
    // Set while this is compiled for a machine that is emulated: without its instructions the other tests would compare plain Rust with itself.
    if let Some(wanted) = option_env!("SCANWARD_ISAS_EXPECTED") {
        let names: Vec<&str> = Isa::available().iter().map(|isa| isa.name()).collect();
        assert_eq!(names.join(" "), wanted);
    }
}
