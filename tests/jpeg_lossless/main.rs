//! JPEG Lossless: against an encoder written from the standard, the jpeg-decoder crate, dcmtk, and damage.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "helpers outside #[test] functions stop at the first thing that is not as it should be"
)]

mod encoder;
mod files;

use encoder::{Encoding, TABLES, encode};
use files::{Ct, real_series};
use proptest::prelude::*;
use scanward::dicom::{ReadLimits, read};
use std::path::Path;
use std::process::Command;

proptest! {
    /// Every selection value, precision, point transform, restart interval and table; noise, slopes and flat images.
    #[test]
    fn what_was_encoded_is_decoded(
        case in (2..=16_u32).prop_flat_map(|precision| (Just(precision), 0..precision)),
        selection in 1..=7_u8,
        (rows, columns) in (1..12_usize, 1..20_usize),
        restart_lines in prop::option::of(1..6_usize),
        table in 0..TABLES.len(),
        rotation in 0..17_usize,
        lines_behind in any::<bool>(),
        fill_bytes in any::<bool>(),
        signed in any::<bool>(),
        fragments in 1..4_usize,
        steepness in prop::sample::select(vec![0_u32, 1, 20, 500, 65_535]),
        seed in any::<u64>(),
    ) {
        let (precision, point_transform) = case;
        let samples = image(rows * columns, precision - point_transform, steepness, seed);
        let stream = encode(&samples, columns, &Encoding {
            selection,
            precision,
            point_transform,
            restart_lines,
            table,
            rotation,
            lines_behind,
            fill_bytes,
        });
        let ct = Ct { rows, columns, bits: precision, signed };
        let unsigned = samples.iter().map(|sample| u32::from(*sample) << point_transform);
        let expected: Vec<i32> = unsigned.map(|value| ct.value(value)).collect();
        prop_assert_eq!(stored(&ct.jpeg(&stream, fragments)).unwrap(), expected);
    }

    #[test]
    fn flipped_bits_end_in_an_image_of_the_right_size_or_a_refusal(
        selection in 1..=7_u8,
        restart_lines in prop::option::of(1..6_usize),
        table in 0..TABLES.len(),
        flips in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
        seed in any::<u64>(),
    ) {
        let ct = Ct { rows: 9, columns: 14, bits: 12, signed: false };
        let encoding = Encoding { selection, restart_lines, table, ..Encoding::plain(12) };
        let mut stream = encode(&image(9 * 14, 12, 60, seed), ct.columns, &encoding);
        for flip in flips {
            let bit = flip.index(stream.len() * 8);
            stream[bit / 8] ^= 1 << (bit % 8);
        }
        if let Ok(values) = stored(&ct.jpeg(&stream, 1)) {
            prop_assert_eq!(values.len(), 9 * 14);
        }
    }
}

#[test]
fn the_difference_of_category_16_is_32768() {
    let ct = Ct {
        rows: 2,
        columns: 3,
        bits: 16,
        signed: false,
    };
    let samples = [0, 32_768, 0, 32_768, 65_535, 32_767];
    for table in 0..TABLES.len() {
        let stream = encode(
            &samples,
            3,
            &Encoding {
                table,
                ..Encoding::plain(16)
            },
        );
        let expected = samples.map(i32::from);
        assert_eq!(
            stored(&ct.jpeg(&stream, 1)).unwrap(),
            expected,
            "table {table}"
        );
    }
}

/// A stream that breaks off is read again: its refusal is the one that says so.
#[test]
fn a_stream_cut_anywhere_is_refused() {
    let ct = Ct {
        rows: 9,
        columns: 14,
        bits: 12,
        signed: false,
    };
    for restart_lines in [None, Some(2)] {
        let samples = image(9 * 14, 12, 60, 5);
        let encoding = Encoding {
            restart_lines,
            ..Encoding::plain(12)
        };
        let stream = encode(&samples, ct.columns, &encoding);
        for length in 0..stream.len() - 2 {
            let cut = &stream[..length];
            for end in [&[][..], &[0xFF], &[0xFF, 0xD9]] {
                let code = stored(&ct.jpeg(&[cut, end].concat(), 1)).unwrap_err();
                assert!(
                    ["pixel-data", "truncated"].contains(&code),
                    "{length}: {code}"
                );
            }
        }
    }
}

#[test]
fn a_file_cut_inside_its_fragments_reads_as_truncated() {
    let ct = Ct {
        rows: 9,
        columns: 14,
        bits: 12,
        signed: false,
    };
    let stream = encode(&image(9 * 14, 12, 60, 5), ct.columns, &Encoding::plain(12));
    let file = ct.jpeg(&stream, 2);
    for length in file.len() - stream.len()..file.len() {
        assert_eq!(stored(&file[..length]), Err("truncated"), "cut at {length}");
    }
}

#[test]
fn streams_that_are_not_the_image_are_refused() {
    let ct = Ct {
        rows: 9,
        columns: 14,
        bits: 12,
        signed: false,
    };
    let plain = Encoding::plain(12);
    let samples = image(9 * 14, 12, 60, 7);
    let stream = encode(&samples, 14, &plain);
    let with_restarts = encode(
        &samples,
        14,
        &Encoding {
            restart_lines: Some(2),
            ..plain
        },
    );
    let lines_behind = encode(
        &samples,
        14,
        &Encoding {
            lines_behind: true,
            ..plain
        },
    );
    let changed = |stream: &[u8], marker: [u8; 2], at: usize, value: u8| {
        let mut changed = stream.to_vec();
        let start = stream
            .windows(2)
            .position(|pair| pair == marker)
            .expect("the marker");
        changed[start + at] = value;
        changed
    };
    let (sof, sos, dri, rst1) = ([0xFF, 0xC3], [0xFF, 0xDA], [0xFF, 0xDD], [0xFF, 0xD1]);
    let cases = [
        ("more lines", changed(&stream, sof, 6, 10)),
        ("60,000 lines", changed(&stream, sof, 5, 0xEA)),
        ("60,000 columns", changed(&stream, sof, 7, 0xEA)),
        ("three components", changed(&stream, sof, 9, 3)),
        ("precision 0", changed(&stream, sof, 4, 0)),
        ("precision 200", changed(&stream, sof, 4, 200)),
        ("no prediction", changed(&stream, sos, 7, 0)),
        ("prediction 8", changed(&stream, sos, 7, 8)),
        ("point transform 12", changed(&stream, sos, 9, 12)),
        ("another table", changed(&stream, sos, 6, 0x30)),
        ("a table of nothing", changed(&stream, [0xFF, 0xC4], 6, 255)),
        (
            "half a line between restarts",
            changed(&with_restarts, dri, 5, 7),
        ),
        (
            "the restart markers out of order",
            changed(&with_restarts, rst1, 1, 0xD2),
        ),
        (
            "a marker that is no restart",
            changed(&with_restarts, rst1, 1, 0xC4),
        ),
        (
            "the lines behind the scan differ",
            changed(&lines_behind, [0xFF, 0xDC], 5, 8),
        ),
        (
            "an image twice as high",
            encode(&[&samples[..], &samples].concat(), 14, &plain),
        ),
    ];
    for (what, stream) in cases {
        assert_eq!(stored(&ct.jpeg(&stream, 1)), Err("pixel-data"), "{what}");
    }
    // The height of the header, and twice the pixels.
    let mut twice = encode(&[&samples[..], &samples].concat(), 14, &plain);
    let start = twice.windows(2).position(|pair| pair == sof).unwrap();
    twice[start + 6] = 9;
    assert_eq!(stored(&ct.jpeg(&twice, 1)), Err("pixel-data"));
}

#[test]
fn the_real_series_decode_as_with_the_jpeg_decoder_crate() {
    let Some(folder) = real_series() else {
        return;
    };
    let mut compared = 0;
    for series in ["P002", "normal001"] {
        for entry in std::fs::read_dir(folder.join(series)).expect("a series") {
            let bytes = std::fs::read(entry.expect("a file").path()).expect("a readable file");
            let start = bytes
                .windows(3)
                .position(|window| window == [0xFF, 0xD8, 0xFF]);
            let decoded = jpeg_decoder::Decoder::new(&bytes[start.expect("a stream")..])
                .decode()
                .expect("an image");
            let pairs = decoded.as_chunks::<2>().0.iter();
            let expected: Vec<i32> = pairs.map(|pair| u16::from_ne_bytes(*pair).into()).collect();
            assert!(stored(&bytes) == Ok(expected), "{series}");
            compared += 1;
        }
    }
    assert!(compared > 250, "{compared}");
}

/// What dcmtk's encoder writes reads as what it was given; with a point transform, as what its decoder reads.
#[test]
fn what_dcmtk_encodes_reads_as_what_it_was_given() {
    if Command::new("dcmcjpeg").arg("--version").output().is_err() {
        let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!ci, "dcmcjpeg is missing: install dcmtk");
        eprintln!("SKIPPED: install dcmtk to run it");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let [plain, packed, unpacked] = ["plain", "packed", "unpacked"].map(|n| home.path().join(n));
    for (bits, signed) in [
        (8, false),
        (10, false),
        (12, false),
        (12, true),
        (16, false),
        (16, true),
    ] {
        let ct = Ct {
            rows: 33,
            columns: 47,
            bits,
            signed,
        };
        let samples = image(33 * 47, bits, 1 << (bits / 2), u64::from(bits));
        std::fs::write(&plain, ct.plain(&samples)).unwrap();
        let original = stored(&std::fs::read(&plain).unwrap()).unwrap();
        let selections: Vec<String> = (1..=7).map(|value| format!("+el +sv {value}")).collect();
        let others = ["+e1", "+e1 +fs 1", "+e1 +pt 2", "+el +sv 4 +pt 1"].map(str::to_owned);
        for options in selections.iter().chain(&others) {
            run("dcmcjpeg", options, &plain, &packed);
            let ours = stored(&std::fs::read(&packed).unwrap());
            run("dcmdjpeg", "", &packed, &unpacked);
            let theirs = stored(&std::fs::read(&unpacked).unwrap());
            assert!(ours == theirs, "{bits} bits, signed {signed}: {options}");
            let lossless = !options.contains("+pt");
            assert!(
                !lossless || ours.as_ref() == Ok(&original),
                "{bits} {signed} {options}"
            );
        }
    }
}

fn run(program: &str, options: &str, from: &Path, to: &Path) {
    let mut command = Command::new(program);
    command.args(options.split_whitespace()).arg(from).arg(to);
    let output = command.output().expect("dcmtk");
    assert!(output.status.success(), "{program} {options}: {output:?}");
}

/// The stored values of a file's frame, or the refusal's code.
fn stored(file: &[u8]) -> Result<Vec<i32>, &'static str> {
    let mut values = Vec::new();
    read(file, &ReadLimits::default())
        .and_then(|instance| instance.frame_stored(0, &mut values))
        .map_err(|refusal| refusal.code())?;
    Ok(values)
}

/// Samples of `bits` bits that differ from their left neighbours by up to `steepness`, by a seeded generator (xorshift).
fn image(pixels: usize, bits: u32, steepness: u32, seed: u64) -> Vec<u16> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut value = 1_u64 << (bits - 1);
    let sample = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let step = (state >> 20) % (2 * u64::from(steepness) + 1);
        value = value.wrapping_add(step).wrapping_sub(steepness.into()) & ((1 << bits) - 1);
        value as u16
    };
    (0..pixels).map(sample).collect()
}
