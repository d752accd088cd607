//! The measuring itself: what scripts read from it is there and right. Times are not judged.
#![expect(clippy::unwrap_used, reason = "helpers outside #[test] functions")]

use scanward::edge::load_model;
use scanward::infer::{Backend, EngineOptions, Int8Network};
use scanward::volume::Grid3;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Multiply-adds for each block of 2 × 2 × 2 voxels, counted by hand from `scripts/training/shape.py`, level by level: 27
/// taps × channels read × channels written for a 3³, the channels alone for a raised layer or the head.
const MACS_A_BLOCK: u64 = level_0() + level_1() / 8 + level_2() / 64 + level_3() / 512;
const SHAPE: [usize; 3] = [16, 32, 48];

const fn level_0() -> u64 {
    27 * (8 * 16 + 16 * 16) + 32 * 16 + 27 * (32 * 16 + 16 * 16) + 16 * 8
}

const fn level_1() -> u64 {
    27 * (16 * 32 + 32 * 32) + 64 * 32 + 27 * (64 * 32 + 32 * 32)
}

const fn level_2() -> u64 {
    27 * (32 * 64 + 64 * 64) + 96 * 64 + 27 * (128 * 64)
}

const fn level_3() -> u64 {
    27 * (64 * 96 + 96 * 96)
}

#[test]
fn the_network_answers_each_word_on_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let (volume, mask) = (folder.path().join("volume"), folder.path().join("mask"));
    let hu = speckled();
    let bytes: Vec<u8> = hu.values().iter().flat_map(|hu| hu.to_le_bytes()).collect();
    fs::write(&volume, bytes).unwrap();

    let words = format!("run\npeak\nlayers\nmask {}\n", mask.display());
    let answers = bench_network(&volume, &words);

    assert_eq!(answers.len(), 5, "one as it is loaded, then one a word");
    assert!(answers[0]["load_ms"].as_f64().unwrap() > 0.0);
    assert!(answers[1]["ms"].as_f64().unwrap() > 0.0);
    assert!(answers[2].get("gmacs").is_some());
    let layers = answers[3]["layers"].as_array().unwrap();
    let sum = |key: &str| -> u64 { layers.iter().map(|row| row[key].as_u64().unwrap()).sum() };
    let blocks = SHAPE.iter().product::<usize>() as u64 / 8;
    assert_eq!(sum("macs"), blocks * MACS_A_BLOCK);
    for row in layers {
        let (asked, done) = (
            row["macs"].as_u64().unwrap(),
            row["macs_done"].as_u64().unwrap(),
        );
        match row["kind"].as_str().unwrap() {
            // It is filled up from 8 channels to 16.
            "head" => assert_eq!(done, 2 * asked),
            "raised" => assert_eq!(done, asked),
            _ => assert!(done <= asked, "{row}"),
        }
    }
    assert!(
        sum("macs_done") * 5 < sum("macs") * 2,
        "the shipped network was trained to leave out most"
    );
    let mut network =
        Int8Network::load(&load_model(&models()).unwrap(), EngineOptions::default()).unwrap();
    let found = network.segment(&hu).unwrap();
    assert_eq!(fs::read(&mask).unwrap(), found.grid().values());
}

#[test]
fn each_repeat_is_a_series_of_its_own_and_many_may_come_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.json");
    let output = Command::new(env!("CARGO_BIN_EXE_scanward"))
        .args([
            "bench",
            "--phantom",
            "60",
            "--repeats",
            "2",
            "--queue",
            "2,3",
            "--json",
        ])
        .arg(&file)
        .arg("--model")
        .arg(models())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let series = &found["series"][0];
    assert_eq!(series["outcome"], "triaged");
    for key in [
        "direct_to_messages_ms",
        "direct_to_disk_ms",
        "service_to_disk_ms",
        "service_to_puback_ms",
    ] {
        assert_eq!(series[key]["count"], 2, "{key}");
    }
    assert!(series["peak_kib"].as_u64().unwrap() > 1024);
    let queued: Vec<u64> = found["queue"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["series"].as_u64().unwrap())
        .collect();
    assert_eq!(queued, [2, 3]);
}

/// Values from air to bone without a pattern, so that every layer has something to do.
fn speckled() -> Grid3<i16> {
    let mut state = 1_u32;
    let values = (0..SHAPE.iter().product::<usize>()).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i16::try_from(state >> 16 & 0x7ff).unwrap() - 1200
    });
    Grid3::from_values(SHAPE, values.collect()).unwrap()
}

fn bench_network(volume: &Path, words: &str) -> Vec<Value> {
    let [z, y, x] = SHAPE;
    let mut child = Command::new(env!("CARGO_BIN_EXE_scanward"))
        .arg("bench-network")
        .arg(volume)
        .args(["--shape", &format!("{z},{y},{x}"), "--model"])
        .arg(models())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(words.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}
