//! JPEG Lossless (process 14), what most CT scanners export: one component, selection values 1 to 7, up to 16 bits.
//!
//! Source: ITU-T T.81 (ISO 10918-1) annexes B, C, F.2.2 and H, whose names (SSSS, Ss, Pt, Ra, Rb, Rc) are kept in the
//! comments.

use crate::dicom::differences::{Bits, Fault, MARGIN, Table, unstuff};
use crate::dicom::jpeg::{FrameHeader, Segments};

const ENDS: Fault = "the JPEG stream ends before its pixels do";

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
    let lines = samples.len() / columns.max(1);
    let mut rest = scan.entropy_coded;
    let blocks = samples.chunks_mut(scan.interval_samples(columns)?);
    for (index, block) in blocks.enumerate() {
        if index > 0 {
            rest = restart(rest, index - 1)?;
        }
        rest = unstuff(rest, unstuffed);
        scan.lines(columns, unstuffed, block)?;
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
                    restart_interval = usize::from(u16::from_be_bytes([high, low]));
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

    /// How many samples come before each restart marker: whole lines (H.1.1).
    fn interval_samples(&self, columns: usize) -> Result<usize, Fault> {
        match self.restart_interval {
            0 => Ok(usize::MAX),
            samples if samples.is_multiple_of(columns) => Ok(samples),
            _ => Err("a JPEG restart interval that is not whole lines"),
        }
    }

    /// Decodes the lines up to the next restart marker from `unstuffed`, which is given a margin.
    fn lines(
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
