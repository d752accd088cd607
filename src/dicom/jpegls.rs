//! JPEG-LS: one component, lossless and near-lossless, up to 16 bits.
//!
//! Source: ITU-T T.87 (ISO 14495-1), whose names (A, B, C, N, RUNindex …) are kept in the comments. Numbers are `i64`
//! so that no parameter a stream may declare can overflow.

use crate::dicom::pixels::PixelFormat;

type Fault = &'static str;

const ENDS: Fault = "the JPEG-LS stream ends before its pixels do";

/// J, the run length order by RUNindex (A.2.1).
const RUN_ORDER: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

/// Fills `words` with the samples of one frame and returns their precision in bits; the text says what is wrong.
pub(super) fn decode(
    bytes: &[u8],
    format: &PixelFormat,
    words: &mut Vec<u16>,
) -> Result<u32, Fault> {
    let scan = Scan::parse(bytes, format)?;
    let mut decoder = Decoder::new(&scan);
    let width = format.columns;
    // One value before the line and one behind it, for the neighbours outside (A.2.1).
    let mut above = vec![0i64; width + 2];
    let mut line = vec![0i64; width + 2];
    words.clear();
    for _ in 0..format.rows {
        prepare(&mut above, &mut line);
        decoder.line(&above, &mut line)?;
        let values = line.get(1..=width).unwrap_or(&[]);
        let word = |value: &i64| u16::try_from(*value).unwrap_or(0);
        words.extend(values.iter().map(word));
        std::mem::swap(&mut above, &mut line);
    }
    Ok(scan.precision)
}

/// Right of the last pixel above stands that pixel; left of the first pixel stands the one above it.
fn prepare(above: &mut [i64], line: &mut [i64]) {
    if let [.., last, guard] = above {
        *guard = *last;
    }
    if let ([_, first_above, ..], [guard, ..]) = (&*above, line) {
        *guard = *first_above;
    }
}

/// What the marker segments say.
struct Scan<'a> {
    precision: u32,
    near: i64,
    maximum: i64,
    thresholds: [i64; 3],
    reset: i64,
    entropy_coded: &'a [u8],
}

impl<'a> Scan<'a> {
    fn parse(bytes: &'a [u8], format: &PixelFormat) -> Result<Scan<'a>, Fault> {
        let mut rest = bytes
            .strip_prefix(&[0xFF, 0xD8])
            .ok_or("no JPEG-LS stream")?;
        let mut precision = None;
        let mut preset = [0i64; 5];
        loop {
            let [mark, code, high, low] = *rest.first_chunk::<4>().ok_or(ENDS)?;
            let length = usize::from(u16::from_be_bytes([high, low]));
            if mark != 0xFF {
                return Err("something that is no marker between the JPEG-LS segments");
            }
            let segment = rest.get(4..2 + length).ok_or(ENDS)?;
            rest = rest.get(2 + length..).ok_or(ENDS)?;
            match code {
                0xF7 => precision = Some(frame_header(segment, format)?),
                0xF8 => preset = preset_parameters(segment)?,
                0xDD if segment.iter().any(|byte| *byte != 0) => {
                    return Err("JPEG-LS restart intervals are not decoded");
                }
                0xDA => {
                    let precision = precision.ok_or("no JPEG-LS frame header")?;
                    return Scan::start(segment, precision, preset, rest);
                }
                _ => {}
            }
        }
    }

    fn start(
        segment: &[u8],
        precision: u32,
        preset: [i64; 5],
        entropy_coded: &'a [u8],
    ) -> Result<Scan<'a>, Fault> {
        // Ns, component, mapping table, NEAR, interleave mode, point transform.
        let &[1, _, 0, near, 0, 0] = segment else {
            return Err("a JPEG-LS scan of several components, with a table or a point transform");
        };
        let near = i64::from(near);
        let [maximum, t1, t2, t3, reset] = preset;
        let full = (1i64 << precision) - 1;
        let maximum = if maximum == 0 { full } else { maximum };
        if maximum > full || near > maximum / 2 || (reset != 0 && reset < 3) {
            return Err("JPEG-LS parameters out of range");
        }
        let [d1, d2, d3] = default_thresholds(maximum, near);
        let or = |given: i64, default: i64| if given == 0 { default } else { given };
        Ok(Scan {
            precision,
            near,
            maximum,
            thresholds: [or(t1, d1), or(t2, d2), or(t3, d3)],
            reset: or(reset, 64),
            entropy_coded,
        })
    }
}

fn frame_header(segment: &[u8], format: &PixelFormat) -> Result<u32, Fault> {
    let Some(&[precision, y1, y0, x1, x0, components]) = segment.first_chunk::<6>() else {
        return Err(ENDS);
    };
    let rows = usize::from(u16::from_be_bytes([y1, y0]));
    let columns = usize::from(u16::from_be_bytes([x1, x0]));
    match (components, (rows, columns) == (format.rows, format.columns)) {
        (1, true) if (2..=16).contains(&precision) => Ok(u32::from(precision)),
        _ => Err("the JPEG-LS frame is not the image the header describes"),
    }
}

/// MAXVAL, T1, T2, T3, RESET of an LSE segment; zero means "default".
fn preset_parameters(segment: &[u8]) -> Result<[i64; 5], Fault> {
    let Some((1, values)) = segment.split_first() else {
        return Err("a JPEG-LS mapping table or oversize image");
    };
    let mut preset = [0; 5];
    let (pairs, _) = values.as_chunks::<2>();
    for (value, pair) in preset.iter_mut().zip(pairs) {
        *value = i64::from(u16::from_be_bytes(*pair));
    }
    Ok(preset)
}

/// C.2.4.1.1.1.
fn default_thresholds(maximum: i64, near: i64) -> [i64; 3] {
    let clamp = |value: i64, least: i64| {
        if value > maximum || value < least {
            least
        } else {
            value
        }
    };
    let [b1, b2, b3] = if maximum >= 128 {
        let factor = (maximum.min(4095) + 128) / 256;
        [
            factor + 2 + 3 * near,
            factor * 4 + 3 + 5 * near,
            factor * 17 + 4 + 7 * near,
        ]
    } else {
        let factor = 256 / (maximum + 1);
        [
            (3 / factor + 3 * near).max(2),
            (7 / factor + 5 * near).max(3),
            (21 / factor + 7 * near).max(4),
        ]
    };
    let t1 = clamp(b1, near + 1);
    let t2 = clamp(b2, t1);
    [t1, t2, clamp(b3, t2)]
}

/// The statistics of one context: A, B, C, N; for run interruption B counts the negative errors (Nn).
#[derive(Clone, Copy)]
struct Context {
    magnitude: i64,
    bias: i64,
    correction: i64,
    count: i64,
}

impl Context {
    /// The Golomb parameter k for a sum of magnitudes `sum`.
    fn order(&self, sum: i64) -> u32 {
        (0..32).find(|k| self.count << k >= sum).unwrap_or(32)
    }

    /// A.6.1 and A.6.2.
    fn learn(&mut self, error: i64, scan: &Quantiser) {
        self.bias += error * scan.step;
        self.magnitude += error.abs();
        if self.count == scan.reset {
            self.magnitude >>= 1;
            self.bias >>= 1;
            self.count >>= 1;
        }
        self.count += 1;
        if self.bias <= -self.count {
            self.bias = (self.bias + self.count).max(1 - self.count);
            self.correction = (self.correction - 1).max(-128);
        } else if self.bias > 0 {
            self.bias = (self.bias - self.count).min(0);
            self.correction = (self.correction + 1).min(127);
        }
    }
}

/// The fixed numbers of one scan.
struct Quantiser {
    near: i64,
    /// 2 NEAR + 1.
    step: i64,
    maximum: i64,
    /// RANGE.
    range: i64,
    thresholds: [i64; 3],
    reset: i64,
    /// qbpp.
    error_bits: u32,
    /// LIMIT.
    limit: u32,
}

impl Quantiser {
    fn new(scan: &Scan<'_>) -> Quantiser {
        let step = 2 * scan.near + 1;
        let range = (scan.maximum + 2 * scan.near) / step + 1;
        let bits = |values: i64| values.cast_unsigned().next_power_of_two().trailing_zeros();
        let sample_bits = bits(scan.maximum + 1).max(2);
        Quantiser {
            near: scan.near,
            step,
            maximum: scan.maximum,
            range,
            thresholds: scan.thresholds,
            reset: scan.reset,
            error_bits: bits(range),
            limit: 2 * (sample_bits + sample_bits.max(8)),
        }
    }

    /// A.3.3: the region of a local gradient, -4 to 4.
    fn region(&self, gradient: i64) -> i64 {
        let [t1, t2, t3] = self.thresholds;
        let size = gradient.abs();
        // The outer regions include their threshold on both sides; the innermost is closed by NEAR.
        let region = match size {
            _ if size <= self.near => 0,
            _ if size < t1 => 1,
            _ if size < t2 => 2,
            _ if size < t3 => 3,
            _ => 4,
        };
        region * gradient.signum()
    }

    /// The sample of a prediction and a signed error, brought back into range (A.4.5, A.5.1).
    fn sample(&self, predicted: i64, error: i64) -> i64 {
        let value = predicted + error * self.step;
        let span = self.range * self.step;
        let wrapped = if value < -self.near {
            value + span
        } else if value > self.maximum + self.near {
            value - span
        } else {
            value
        };
        wrapped.clamp(0, self.maximum)
    }
}

struct Decoder<'a> {
    scan: Quantiser,
    bits: Bits<'a>,
    contexts: [Context; 365],
    /// For RItype 0 and 1.
    interruptions: [Context; 2],
    run_index: usize,
}

impl<'a> Decoder<'a> {
    fn new(scan: &Scan<'a>) -> Decoder<'a> {
        let quantiser = Quantiser::new(scan);
        let fresh = Context {
            magnitude: ((quantiser.range + 32) / 64).max(2),
            bias: 0,
            correction: 0,
            count: 1,
        };
        Decoder {
            scan: quantiser,
            bits: Bits::new(scan.entropy_coded),
            contexts: [fresh; 365],
            interruptions: [fresh; 2],
            run_index: 0,
        }
    }

    /// Decodes the pixels 1 to width of `line`; its first value and both guards of `above` are set.
    fn line(&mut self, above: &[i64], line: &mut [i64]) -> Result<(), Fault> {
        let width = line.len() - 2;
        let mut left = line.first().copied().unwrap_or(0);
        let mut x = 1;
        while x <= width {
            let Some(&[upper_left, upper, upper_right]) =
                above.get(x - 1..x + 2).and_then(<[i64]>::first_chunk::<3>)
            else {
                return Err(ENDS);
            };
            let gradients = [upper_right - upper, upper - upper_left, upper_left - left];
            let [q1, q2, q3] = gradients.map(|gradient| self.scan.region(gradient));
            let context = 81 * q1 + 9 * q2 + q3;
            if context == 0 {
                let rest = line.get_mut(x..=width).unwrap_or(&mut []);
                let run = self.run(left, rest)?;
                x += run;
                if x > width {
                    break;
                }
                let upper = above.get(x).copied().unwrap_or(0);
                left = self.interruption(left, upper)?;
            } else {
                let predicted = median(left, upper, upper_left);
                left = self.regular(context, predicted)?;
            }
            if let Some(pixel) = line.get_mut(x) {
                *pixel = left;
            }
            x += 1;
        }
        Ok(())
    }

    /// Regular mode. Contexts of opposite sign share their statistics (A.3.4).
    fn regular(&mut self, signed_context: i64, predicted: i64) -> Result<i64, Fault> {
        let sign = signed_context.signum();
        let index = usize::try_from(signed_context.abs()).unwrap_or(usize::MAX);
        let Some(context) = self.contexts.get_mut(index) else {
            return Err("a JPEG-LS context that does not exist");
        };
        let predicted = (predicted + sign * context.correction).clamp(0, self.scan.maximum);
        let order = context.order(context.magnitude);
        let mapped = self
            .bits
            .golomb(order, self.scan.limit, self.scan.error_bits)?;
        let half = mapped >> 1;
        // A.5.2: with k = 0 and a negative bias the signs change places.
        let swapped = self.scan.near == 0 && order == 0 && 2 * context.bias <= -context.count;
        let error = match (mapped & 1 == 1, swapped) {
            (false, false) | (true, true) => half,
            (true, false) | (false, true) => -half - 1,
        };
        context.learn(error, &self.scan);
        Ok(self.scan.sample(predicted, sign * error))
    }

    /// Run mode (A.7.1): repeats `value` into `rest` and returns how often.
    fn run(&mut self, value: i64, rest: &mut [i64]) -> Result<usize, Fault> {
        let mut length = 0;
        while length < rest.len() {
            let order = self.run_order();
            if self.bits.read(1)? == 0 {
                let more = usize::try_from(self.bits.read(order)?).unwrap_or(usize::MAX);
                length = length.saturating_add(more);
                if length >= rest.len() {
                    return Err("a JPEG-LS run longer than its line");
                }
                break;
            }
            let left = rest.len() - length;
            if 1 << order <= left {
                self.run_index = (self.run_index + 1).min(31);
            }
            length += left.min(1 << order);
        }
        for pixel in rest.iter_mut().take(length) {
            *pixel = value;
        }
        Ok(length)
    }

    /// The sample that ends a run (A.7.2).
    fn interruption(&mut self, left: i64, upper: i64) -> Result<i64, Fault> {
        let like_left = (left - upper).abs() <= self.scan.near;
        let run_order = self.run_order();
        let [unlike, like] = &mut self.interruptions;
        let (context, kind) = if like_left { (like, 1) } else { (unlike, 0) };
        let order = context.order(context.magnitude + kind * (context.count >> 1));
        let limit = self.scan.limit.saturating_sub(run_order + 1);
        let mapped = self.bits.golomb(order, limit, self.scan.error_bits)?;
        let coded = mapped + kind;
        let odd = coded & 1 == 1;
        let size = (coded + 1) >> 1;
        let negative = (order != 0 || 2 * context.bias >= context.count) == odd;
        let error = if negative { -size } else { size };
        if error < 0 {
            context.bias += 1;
        }
        context.magnitude += (mapped + 1 - kind) >> 1;
        if context.count == self.scan.reset {
            context.magnitude >>= 1;
            context.bias >>= 1;
            context.count >>= 1;
        }
        context.count += 1;
        self.run_index = self.run_index.saturating_sub(1);
        let (predicted, sign) = match (like_left, left > upper) {
            (true, _) => (left, 1),
            (false, true) => (upper, -1),
            (false, false) => (upper, 1),
        };
        Ok(self.scan.sample(predicted, sign * error))
    }

    fn run_order(&self) -> u32 {
        RUN_ORDER.get(self.run_index).copied().unwrap_or(15)
    }
}

/// The edge-detecting predictor (A.4.1).
fn median(left: i64, upper: i64, upper_left: i64) -> i64 {
    let (low, high) = (left.min(upper), left.max(upper));
    if upper_left >= high {
        low
    } else if upper_left <= low {
        high
    } else {
        left + upper - upper_left
    }
}

/// The entropy-coded bits, first bit highest; a bit is stuffed behind each 0xFF (A.1).
struct Bits<'a> {
    rest: std::slice::Iter<'a, u8>,
    /// The next bits, left-aligned.
    window: u64,
    held: u32,
    stuffed: bool,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits {
            rest: bytes.iter(),
            window: 0,
            held: 0,
            stuffed: false,
        }
    }

    fn fill(&mut self) {
        while self.held <= 56 {
            let Some(byte) = self.rest.as_slice().first().copied() else {
                return;
            };
            // 0xFF and a set bit: a marker, the end of the scan.
            if self.stuffed && byte & 0x80 != 0 {
                return;
            }
            let width = if self.stuffed { 7 } else { 8 };
            self.window |= u64::from(byte) << (64 - width - self.held);
            self.held += width;
            self.stuffed = byte == 0xFF;
            self.rest.next();
        }
    }

    /// The next `count` bits, at most 32.
    fn read(&mut self, count: u32) -> Result<i64, Fault> {
        if count == 0 {
            return Ok(0);
        }
        self.fill();
        if self.held < count {
            return Err(ENDS);
        }
        let value = self.window >> (64 - count);
        self.skip(count);
        Ok(value.cast_signed())
    }

    fn skip(&mut self, count: u32) {
        self.window = self.window.checked_shl(count).unwrap_or(0);
        self.held -= count;
    }

    /// A Golomb code of order `order` limited to `limit` bits (A.5.3).
    fn golomb(&mut self, order: u32, limit: u32, error_bits: u32) -> Result<i64, Fault> {
        let longest = limit.saturating_sub(error_bits + 1);
        let mut zeros = 0;
        loop {
            self.fill();
            let run = self.window.leading_zeros().min(self.held);
            zeros += run;
            if zeros > longest {
                return Err("a JPEG-LS code longer than allowed");
            }
            if run < self.held {
                self.skip(run + 1);
                break;
            }
            if run == 0 {
                return Err(ENDS);
            }
            self.skip(run);
        }
        if zeros < longest {
            Ok((i64::from(zeros) << order) + self.read(order)?)
        } else {
            Ok(self.read(error_bits)? + 1)
        }
    }
}
