//! A JPEG Lossless encoder, written from ITU-T T.81 sample by sample.

/// How an image is encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoding {
    /// Selection value, 1 to 7.
    pub(crate) selection: u8,
    /// Bits of a sample before the point transform.
    pub(crate) precision: u32,
    pub(crate) point_transform: u32,
    /// Lines from restart marker to restart marker.
    pub(crate) restart_lines: Option<usize>,
    /// Index into [`TABLES`].
    pub(crate) table: usize,
    /// By how much the categories are moved along the table, so that any of them may have the long codes.
    pub(crate) rotation: usize,
    /// Number of lines in a DNL segment behind the scan.
    pub(crate) lines_behind: bool,
    /// Fill bytes before the markers.
    pub(crate) fill_bytes: bool,
}

impl Encoding {
    /// First-order prediction, nothing special.
    pub(crate) fn plain(precision: u32) -> Encoding {
        Encoding {
            selection: 1,
            precision,
            point_transform: 0,
            restart_lines: None,
            table: 0,
            rotation: 0,
            lines_behind: false,
            fill_bytes: false,
        }
    }
}

/// Numbers of codes of 1 to 16 bits: as in the real series, all alike, as unlike as can be.
pub(crate) const TABLES: [[u8; 16]; 3] = [
    [0, 1, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
    [0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2],
];

/// The stream of `samples`, which are given after the point transform.
pub(crate) fn encode(samples: &[u16], columns: usize, encoding: &Encoding) -> Vec<u8> {
    let rows = samples.len() / columns;
    let mut stream = vec![0xFF, 0xD8];
    segment(&mut stream, encoding, 0xE0, b"JFIF\0\x01\x02");
    let counts = TABLES[encoding.table];
    let categories: Vec<u8> = (0..17)
        .map(|c| ((c + encoding.rotation) % 17) as u8)
        .collect();
    segment(
        &mut stream,
        encoding,
        0xC4,
        &[&[0x02], &counts[..], &categories].concat(),
    );
    let header_rows = if encoding.lines_behind {
        0
    } else {
        rows as u16
    };
    let mut frame = vec![encoding.precision as u8];
    frame.extend(header_rows.to_be_bytes());
    frame.extend((columns as u16).to_be_bytes());
    frame.extend([1, 1, 0x11, 0]);
    segment(&mut stream, encoding, 0xC3, &frame);
    if let Some(lines) = encoding.restart_lines {
        segment(
            &mut stream,
            encoding,
            0xDD,
            &((lines * columns) as u16).to_be_bytes(),
        );
    }
    let scan = [
        1,
        1,
        0x20,
        encoding.selection,
        0,
        encoding.point_transform as u8,
    ];
    segment(&mut stream, encoding, 0xDA, &scan);
    let interval = encoding.restart_lines.unwrap_or(rows) * columns;
    for (index, lines) in samples.chunks(interval).enumerate() {
        if index > 0 {
            marker(&mut stream, encoding, 0xD0 + ((index - 1) % 8) as u8);
        }
        stream.extend(entropy_coded(
            lines,
            columns,
            encoding,
            &counts,
            &categories,
        ));
    }
    if encoding.lines_behind {
        segment(&mut stream, encoding, 0xDC, &(rows as u16).to_be_bytes());
    }
    stream.extend([0xFF, 0xD9]);
    stream
}

fn marker(stream: &mut Vec<u8>, encoding: &Encoding, code: u8) {
    if encoding.fill_bytes {
        stream.extend([0xFF; 3]);
    }
    stream.extend([0xFF, code]);
}

fn segment(stream: &mut Vec<u8>, encoding: &Encoding, code: u8, body: &[u8]) {
    marker(stream, encoding, code);
    stream.extend((body.len() as u16 + 2).to_be_bytes());
    stream.extend(body);
}

/// One interval, with a zero behind each 0xFF, padded with ones.
fn entropy_coded(
    samples: &[u16],
    columns: usize,
    encoding: &Encoding,
    counts: &[u8; 16],
    categories: &[u8],
) -> Vec<u8> {
    let mut bits = String::new();
    for (at, sample) in samples.iter().enumerate() {
        let predicted = prediction(samples, columns, at, encoding);
        let difference = i32::from(*sample) - predicted;
        // Modulo 2^16, as -32767 to 32768.
        let difference = (difference + 32_767).rem_euclid(65_536) - 32_767;
        let category = 32 - difference.unsigned_abs().leading_zeros();
        bits += &code_of(category as u8, counts, categories);
        if category < 16 {
            let low = if difference < 0 {
                difference - 1
            } else {
                difference
            };
            bits.extend(
                (0..category)
                    .rev()
                    .map(|bit| if low >> bit & 1 == 1 { '1' } else { '0' }),
            );
        }
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    let mut bytes = Vec::new();
    for at in (0..bits.len()).step_by(8) {
        let byte = u8::from_str_radix(&bits[at..at + 8], 2).unwrap();
        bytes.push(byte);
        if byte == 0xFF {
            bytes.push(0);
        }
    }
    bytes
}

/// H.1.2.1, table H.1.
fn prediction(samples: &[u16], columns: usize, at: usize, encoding: &Encoding) -> i32 {
    let sample = |at: usize| i32::from(samples[at]);
    match (at / columns, at % columns) {
        (0, 0) => 1 << (encoding.precision - encoding.point_transform - 1),
        (0, _) => sample(at - 1),
        (_, 0) => sample(at - columns),
        _ => {
            let (a, b, c) = (
                sample(at - 1),
                sample(at - columns),
                sample(at - columns - 1),
            );
            match encoding.selection {
                1 => a,
                2 => b,
                3 => c,
                4 => a + b - c,
                5 => a + ((b - c) >> 1),
                6 => b + ((a - c) >> 1),
                7 => (a + b) / 2,
                other => panic!("selection value {other}"),
            }
        }
    }
}

/// Annex C, with a string of digits for each code.
fn code_of(category: u8, counts: &[u8; 16], categories: &[u8]) -> String {
    let mut code = 0_u32;
    let mut next = categories.iter();
    for (length, count) in (1..).zip(counts) {
        for symbol in next.by_ref().take(usize::from(*count)) {
            if *symbol == category {
                return format!("{code:0length$b}");
            }
            code += 1;
        }
        code <<= 1;
    }
    panic!("no code for category {category}")
}
