//! JPEG Lossless (process 14), what most CT scanners export: one component, selection values 1 to 7, up to 16 bits.
//!
//! Source: ITU-T T.81 (ISO 10918-1) annexes B, C, F.2.2 and H, whose names (SSSS, Ss, Pt, Ra, Rb, Rc) are kept in the
//! comments. The bytes are unstuffed first, so that eight of them are read at once; a code of usual length and the bits
//! of its difference then leave the window by one look-up, without a branch that depends on the image.

use crate::dicom::jpeg::{FrameHeader, Segments};

type Fault = &'static str;

const ENDS: Fault = "the JPEG stream ends before its pixels do";
const NO_CODE: Fault = "a JPEG code that stands for nothing";

/// Codes up to this length are found by one look-up; the tables of real scanners have few longer ones.
const LOOKUP_BITS: u32 = 12;
/// Bits that such a code and its difference may take: with those of any other code, 31, no more than a filled window.
const SHORT_MAX: u32 = 25;
/// Zeros behind the last byte, so that the window can always be filled.
const MARGIN: usize = 8;
/// More bytes than this behind the last pixel mean that codes were lost on the way to it.
const LEFT_OVER_MAX: usize = 8;

/// Fills `samples`, of `columns` a line, from the stream behind its SOI. `unstuffed` is memory to work in.
pub(super) fn decode(
    frame: &FrameHeader,
    segments: Segments<'_>,
    columns: usize,
    unstuffed: &mut Vec<u8>,
    samples: &mut [u16],
) -> Result<(), Fault> {
    let scan = Scan::parse(frame, segments)?;
    let interval = scan.interval_lines(columns)?.unwrap_or(usize::MAX);
    let lines = samples.len() / columns.max(1);
    let mut rest = scan.entropy_coded;
    let blocks = samples.chunks_mut(
        interval
            .saturating_mul(columns)
            .clamp(1, samples.len().max(1)),
    );
    for (index, block) in blocks.enumerate() {
        if index > 0 {
            rest = restart(rest, index - 1)?;
        }
        rest = unstuff(rest, unstuffed);
        scan.interval(columns, unstuffed, block)?;
    }
    // The scan ends at a marker: without one, its last bytes may be what a cut stream was padded with.
    if rest.len() < 2 {
        return Err(ENDS);
    }
    if frame.rows == 0 && declared_lines(rest) != Some(lines) {
        return Err("the JPEG stream does not say how many lines it holds");
    }
    if scan.point_transform > 0 {
        let scaled = |sample: &mut u16| *sample = sample.wrapping_shl(scan.point_transform);
        samples.iter_mut().for_each(scaled);
    }
    Ok(())
}

/// What the marker segments up to SOS say.
struct Scan<'a> {
    table: Table,
    /// Ss.
    selection: u8,
    /// Pt.
    point_transform: u32,
    /// The prediction of the first sample: 2^(P - Pt - 1).
    middle: u16,
    /// Samples from restart marker to restart marker; 0 when there is none.
    restart_interval: usize,
    entropy_coded: &'a [u8],
}

impl<'a> Scan<'a> {
    fn parse(frame: &FrameHeader, mut segments: Segments<'a>) -> Result<Scan<'a>, Fault> {
        let mut tables = [None; 4];
        let mut restart_interval = 0;
        loop {
            match segments.next().ok_or(ENDS)? {
                (0xC4, body) => huffman_tables(body, &mut tables)?,
                (0xDD, &[high, low]) => {
                    restart_interval = usize::from(u16::from_be_bytes([high, low]))
                }
                // Ns, component and its table, Ss, Se, Ah and Al.
                (0xDA, &[1, _, table, selection @ 1..=7, _, transform @ 0..=15]) => {
                    let used = tables.get(usize::from(table >> 4)).copied().flatten();
                    let (counts, symbols) = used.ok_or("a JPEG scan without its Huffman table")?;
                    let point_transform = u32::from(transform);
                    let middle_bit = frame.precision.checked_sub(point_transform + 1);
                    let middle_bit = middle_bit.filter(|bit| *bit < 16);
                    return Ok(Scan {
                        table: Table::new(counts, symbols)?,
                        selection,
                        point_transform,
                        middle: 1 << middle_bit.ok_or("JPEG samples of a size that is not used")?,
                        restart_interval,
                        entropy_coded: segments.rest(),
                    });
                }
                (0xDA, _) => return Err("a JPEG scan of several components or unknown prediction"),
                _ => {}
            }
        }
    }

    /// H.1.1: an interval is whole lines.
    fn interval_lines(&self, columns: usize) -> Result<Option<usize>, Fault> {
        match self.restart_interval {
            0 => Ok(None),
            samples if samples.is_multiple_of(columns) => Ok(Some(samples / columns)),
            _ => Err("a JPEG restart interval that is not whole lines"),
        }
    }

    /// Decodes the lines up to the next restart marker from `unstuffed`, which is given a margin.
    fn interval(
        &self,
        columns: usize,
        unstuffed: &mut Vec<u8>,
        lines: &mut [u16],
    ) -> Result<(), Fault> {
        let there = unstuffed.len();
        unstuffed.resize(there + MARGIN, 0);
        let mut bits = Bits::new(unstuffed);
        let mut above: &[u16] = &[];
        for line in lines.chunks_exact_mut(columns) {
            if self.selection == 1 || above.is_empty() {
                let mut left = above.first().copied().unwrap_or(self.middle);
                bits.line(&self.table, line, |difference| {
                    left = difference_added(left, difference);
                    left
                })?;
            } else {
                bits.line(&self.table, line, |difference| difference)?;
                predict(self.selection, above, line);
            }
            if bits.taken() > there * 8 {
                return Err(ENDS);
            }
            above = line;
        }
        let left_over = unstuffed
            .get(bits.taken().div_ceil(8)..there)
            .unwrap_or(&[]);
        // Zeros may pad a fragment.
        if left_over.len() > LEFT_OVER_MAX && left_over.iter().any(|byte| *byte != 0) {
            return Err("the JPEG stream holds more than its pixels");
        }
        Ok(())
    }
}

/// Samples are sums modulo 2^16 (H.1.2.1).
fn difference_added(prediction: u16, difference: u16) -> u16 {
    prediction.wrapping_add(difference)
}

/// Turns the differences in `line` into samples by selection value 2 to 7. Source: H.1.2.1, table H.1.
fn predict(selection: u8, above: &[u16], line: &mut [u16]) {
    match selection {
        2 => add_predictions(above, line, |_, b, _| b),
        3 => add_predictions(above, line, |_, _, c| c),
        4 => add_predictions(above, line, |a, b, c| a + b - c),
        5 => add_predictions(above, line, |a, b, c| a + ((b - c) >> 1)),
        6 => add_predictions(above, line, |a, b, c| b + ((a - c) >> 1)),
        _ => add_predictions(above, line, |a, b, _| (a + b) >> 1),
    }
}

/// Adds `prediction(Ra, Rb, Rc)` to each difference; the first one of a line is predicted by the sample above it.
fn add_predictions(above: &[u16], line: &mut [u16], prediction: impl Fn(i32, i32, i32) -> i32) {
    let Some((first, others)) = line.split_first_mut() else {
        return;
    };
    let uppers = above.get(1..).unwrap_or(&[]);
    *first = difference_added(*first, above.first().copied().unwrap_or(0));
    let mut left = *first;
    for ((sample, upper_left), upper) in others.iter_mut().zip(above).zip(uppers) {
        let predicted = prediction(left.into(), (*upper).into(), (*upper_left).into());
        let predicted = u16::try_from(predicted & 0xFFFF).unwrap_or(0);
        left = difference_added(*sample, predicted);
        *sample = left;
    }
}

/// Behind the restart marker RSTm, which counts modulo 8.
fn restart(bytes: &[u8], m: usize) -> Result<&[u8], Fault> {
    match bytes.split_first_chunk::<2>() {
        Some(([0xFF, code @ 0xD0..=0xD7], behind)) if usize::from(code - 0xD0) == m % 8 => {
            Ok(behind)
        }
        Some(([0xFF, 0xD0..=0xD7], _)) => Err("a JPEG restart marker is missing"),
        _ => Err(ENDS),
    }
}

/// The number of lines, where the frame header leaves it to a DNL segment behind the scan (B.2.5).
fn declared_lines(behind_scan: &[u8]) -> Option<usize> {
    match Segments::at(behind_scan).next()? {
        (0xDC, &[high, low]) => Some(usize::from(u16::from_be_bytes([high, low]))),
        _ => None,
    }
}

/// Fills `unstuffed` with the bytes up to the next marker, without the zero behind each 0xFF; returns what begins with
/// the marker. Source: F.1.2.3 and B.1.1.2.
fn unstuff<'a>(bytes: &'a [u8], unstuffed: &mut Vec<u8>) -> &'a [u8] {
    unstuffed.clear();
    unstuffed.reserve(bytes.len() + MARGIN);
    let mut rest = bytes;
    loop {
        let (plain, behind) = rest.split_at(plain_bytes(rest));
        unstuffed.extend_from_slice(plain);
        rest = match behind {
            [0xFF, 0x00, behind @ ..] => {
                unstuffed.push(0xFF);
                behind
            }
            // Fill bytes before a marker.
            [0xFF, 0xFF, ..] => behind.get(1..).unwrap_or(&[]),
            _ => return behind,
        };
    }
}

/// How many bytes come before the first 0xFF.
fn plain_bytes(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    let is_plain = |block: &&[u8; 32]| block.iter().fold(0, |most, byte| *byte.max(&most)) < 0xFF;
    let start = blocks.iter().take_while(is_plain).count() * 32;
    let rest = bytes.get(start..).unwrap_or(&[]);
    start
        + rest
            .iter()
            .position(|byte| *byte == 0xFF)
            .unwrap_or(rest.len())
}

/// BITS and HUFFVAL of one table.
type TableSpec<'a> = (&'a [u8; 16], &'a [u8]);

/// Takes the tables of a DHT segment (B.2.4.2).
fn huffman_tables<'a>(
    body: &'a [u8],
    tables: &mut [Option<TableSpec<'a>>; 4],
) -> Result<(), Fault> {
    const CUT: Fault = "a JPEG Huffman table longer than its segment";
    let mut rest = body;
    while let Some((place, behind)) = rest.split_first() {
        let (counts, behind) = behind.split_first_chunk::<16>().ok_or(CUT)?;
        let codes = counts.iter().copied().map(usize::from).sum();
        let (symbols, behind) = behind.split_at_checked(codes).ok_or(CUT)?;
        // Tables for AC coefficients have a place from 16 up, and no use here.
        if let Some(table) = tables.get_mut(usize::from(*place)) {
            *table = Some((counts, symbols));
        }
        rest = behind;
    }
    Ok(())
}

/// A Huffman table of difference categories (SSSS).
struct Table {
    /// By the next bits, entries as of [`entry`]; zero where code and difference are longer than [`SHORT_MAX`].
    short: [u32; 1 << LOOKUP_BITS],
    /// The other codes.
    long: Vec<Code>,
}

struct Code {
    /// The code, left-aligned in 16 bits, and the first value behind it.
    from: u32,
    to: u32,
    length: u32,
    category: u32,
}

impl Table {
    /// Source: annex C.
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Table, Fault> {
        let mut table = Table {
            short: [0; 1 << LOOKUP_BITS],
            long: Vec::new(),
        };
        let mut symbols = symbols.iter();
        let mut from = 0;
        for (length, count) in (1..=16).zip(counts) {
            for symbol in symbols.by_ref().take(usize::from(*count)) {
                let category = u32::from(*symbol);
                let to = from + (1 << (16 - length));
                if to > 1 << 16 || category > 16 {
                    return Err("a JPEG Huffman table that is no table of differences");
                }
                let is_short = length <= LOOKUP_BITS && length + category <= SHORT_MAX;
                if is_short && category < 16 {
                    table.fill(from, to, entry(length, category));
                } else {
                    table.long.push(Code {
                        from,
                        to,
                        length,
                        category,
                    });
                }
                from = to;
            }
        }
        Ok(table)
    }

    /// Enters what all windows from the code `from` to before the code `to` begin with.
    fn fill(&mut self, from: u32, to: u32, entry: u32) {
        let index = |code: u32| usize::try_from(code >> (16 - LOOKUP_BITS)).unwrap_or(0);
        let entries = self.short.get_mut(index(from)..index(to));
        entries.unwrap_or(&mut []).fill(entry);
    }

    /// The entry of any code that `next` begins with, and what its difference is more than the entry says.
    #[cold]
    #[inline(never)]
    fn long(&self, next: u64) -> Option<(u32, u16)> {
        let next = u32::try_from(next >> 48).ok()?;
        let mut codes = self.long.iter();
        let code = codes.find(|code| (code.from..code.to).contains(&next))?;
        // Category 16 is the difference 32768 and has no bits of its own.
        Some(match code.category {
            16 => (entry(code.length, 0), 1 << 15),
            category => (entry(code.length, category), 0),
        })
    }
}

/// How many bits code and difference take together (bits 0 to 5), the code alone (8 to 13), and 63 less the category
/// (16 to 21).
fn entry(length: u32, category: u32) -> u32 {
    (length + category) | length << 8 | (63 - category) << 16
}

/// The bits of one interval, first bit highest.
#[derive(Clone, Copy)]
struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte to fill from.
    at: usize,
    /// The next bits, left-aligned; zeros behind the last byte.
    window: u64,
    /// How many bits of the window count.
    held: u32,
}

impl<'a> Bits<'a> {
    /// `bytes` end with the margin.
    fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits {
            bytes,
            at: 0,
            window: 0,
            held: 0,
        }
    }

    /// Bits taken so far, those behind the end included.
    fn taken(&self) -> usize {
        (self.at * 8).saturating_sub(usize::try_from(self.held).unwrap_or(0))
    }

    /// Brings the window to 56 bits or more.
    #[inline(always)]
    fn fill(&mut self) {
        let next = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>);
        let next = next.map_or(0, |bytes| u64::from_be_bytes(*bytes));
        // Bits beyond `held` that are there already are the same ones.
        self.window |= next.wrapping_shr(self.held);
        let bytes = 63_u32.wrapping_sub(self.held) >> 3;
        self.at = self.at.wrapping_add(usize::try_from(bytes).unwrap_or(0));
        self.held |= 56;
    }

    /// Fills `line` with what `sample` makes of each difference.
    #[inline(always)]
    fn line(
        &mut self,
        table: &Table,
        line: &mut [u16],
        mut sample: impl FnMut(u16) -> u16,
    ) -> Result<(), Fault> {
        // A copy that nothing else points to stays in registers.
        let mut bits = *self;
        let (pairs, last) = line.as_chunks_mut::<2>();
        for [first, second] in pairs {
            // Enough for any code and a short one behind it.
            bits.fill();
            *first = sample(bits.difference(table)?);
            *second = sample(bits.difference(table)?);
        }
        for pixel in last {
            bits.fill();
            *pixel = sample(bits.difference(table)?);
        }
        *self = bits;
        Ok(())
    }

    /// The next difference modulo 2^16, from a window of [`SHORT_MAX`] bits or more (F.2.2.1, H.2).
    #[inline(always)]
    fn difference(&mut self, table: &Table) -> Result<u16, Fault> {
        let index = usize::try_from(self.window >> (64 - LOOKUP_BITS)).unwrap_or(0);
        let mut entry = table.short.get(index).copied().unwrap_or(0);
        let mut more = 0;
        if entry == 0 {
            self.fill();
            (entry, more) = table.long(self.window).ok_or(NO_CODE)?;
        }
        // The shifts look at the lowest six bits of their count only.
        let behind_code = self.window.wrapping_shl(entry >> 8);
        self.window = self.window.wrapping_shl(entry);
        self.held = self.held.wrapping_sub(entry & 0x3F);
        Ok(extended(behind_code, entry >> 16).wrapping_add(more))
    }
}

/// The difference in the first bits of `bits`, as many as 63 less `unused`: a first bit of 0 means that it is negative
/// and its magnitude's bits are inverted (F.2.2.1, EXTEND).
#[inline(always)]
fn extended(bits: u64, unused: u32) -> u16 {
    let negative = !(bits.cast_signed() >> 63).cast_unsigned();
    let magnitude = ((bits ^ negative) >> 1).wrapping_shr(unused);
    let difference = (magnitude ^ negative).wrapping_sub(negative);
    u16::try_from(difference & 0xFFFF).unwrap_or(0)
}
