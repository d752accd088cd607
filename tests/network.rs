//! The shipped network in our engine against ONNX Runtime on the same bytes: one network, two runtimes, one answer.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot run its reference stops there, and says what it measured"
)]

use scanward::edge::load_model;
use scanward::infer::{Backend, EngineOptions, Int8Network, Isa, Network, golden_check};
use scanward::model::{ModelManifest, ModelPackage};
use scanward::phantom::{Phantom, PhantomSpec};
use scanward::volume::{Grid3, Region};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A logit moves by this much where the two runtimes round one int8 step differently somewhere before it.
const LOGIT_STEP: f64 = 0.25;
/// Share of logits that may differ by more.
const STEP_SHARE_MAX: f64 = 0.001;

#[test]
fn the_shipped_network_passes_its_self_check() {
    let package = package();
    let mut int8 = Int8Network::load(&package, EngineOptions::default()).unwrap();
    for engine in [&mut int8 as &mut dyn Backend, &mut network()] {
        let report = golden_check(engine, package.manifest()).unwrap();
        println!("{}: {report:?}", engine.name());
    }
}

#[test]
fn both_engines_give_what_onnx_runtime_gives() {
    let Some(python) = reference_python() else {
        return;
    };
    let package = package();
    let hu = phantom_crop();
    let wanted = reference(&python, package.manifest(), &hu);
    let mut int8 = Int8Network::load(&package, EngineOptions::default()).unwrap();
    // Ours adds the same integers as the reference. tract adds floats: where a sum lies on the edge between two steps it may
    // take the other one, and air, which is the same sum everywhere, takes it everywhere.
    let manifest = package.manifest();
    compare(&mut int8, manifest, &hu, &wanted, 0.001);
    compare(&mut network(), manifest, &hu, &wanted, 0.03);
}

fn compare(
    engine: &mut dyn Backend,
    manifest: &ModelManifest,
    hu: &Grid3<i16>,
    wanted: &Grid3<f32>,
    mean_max: f64,
) {
    let found = engine.logits(hu).unwrap();
    let pairs = || found.values().iter().zip(wanted.values());
    let gaps = || pairs().map(|(a, b)| f64::from((a - b).abs()));
    let worst = gaps().fold(0.0, f64::max);
    let mean = gaps().sum::<f64>() / found.len() as f64;
    let far = gaps().filter(|gap| *gap > LOGIT_STEP).count() as f64 / found.len() as f64;
    let cut = manifest.logit_threshold();
    let side = |logit: f32| f64::from(logit) >= cut;
    let other = pairs().filter(|(a, b)| side(**a) != side(**b)).count();
    let lesion = pairs().filter(|(a, _)| side(**a)).count();
    println!(
        "{}: {} logits, mean difference {mean:.5}, worst {worst:.3}, {other} labels differ, {lesion} are lesion",
        engine.name(),
        found.len()
    );
    assert!(
        lesion > 500,
        "only {lesion} lesion voxels: the crop says nothing"
    );
    assert!(mean < mean_max, "mean difference {mean}");
    assert!(
        far <= STEP_SHARE_MAX,
        "{far} of the logits differ by more than {LOGIT_STEP}"
    );
    // 99.9 % of all voxels, and as good on the lesions alone.
    assert!(other * 1000 <= found.len(), "{other} labels differ");
    assert!(
        other * 100 <= lesion,
        "{other} labels differ on {lesion} lesion voxels"
    );
    let labels = engine.segment(hu).unwrap();
    let grid = labels.grid();
    let agree = grid.values().iter().zip(found.values());
    assert!(
        agree
            .clone()
            .all(|(label, logit)| (*label == 1) == side(*logit))
    );
    assert_eq!(
        labels,
        engine.segment(hu).unwrap(),
        "a second run gives other labels"
    );
}

#[test]
fn every_instruction_set_and_number_of_threads_gives_the_same_bits() {
    let package = package();
    let hu = phantom_crop().crop(
        Region {
            start: [0, 16, 32],
            size: [16, 48, 64],
        },
        -1024,
    );
    let logits = |isa, threads| {
        let options = EngineOptions {
            isa: Some(isa),
            threads,
        };
        let mut network = Int8Network::load(&package, options).unwrap();
        (network.logits(&hu).unwrap(), network.segment(&hu).unwrap())
    };
    let wanted = logits(Isa::Scalar, 1);
    assert!(
        wanted.1.count() > 0,
        "no lesion in the crop: it says nothing"
    );
    for isa in Isa::available() {
        for threads in [1, 2, 3] {
            assert!(
                logits(isa, threads) == wanted,
                "{} on {threads} threads",
                isa.name()
            );
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn network() -> Network {
    Network::load(&package()).unwrap()
}

fn package() -> ModelPackage {
    load_model(&root().join("models")).unwrap()
}

/// The interpreter that `scripts/train evaluate` sets up, with ONNX Runtime. In CI it has to be there.
fn reference_python() -> Option<PathBuf> {
    let python = root().join(".venv-evaluate/bin/python");
    if python.exists() {
        return Some(python);
    }
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(
        !ci,
        "ONNX Runtime is not set up: `scripts/train environment` does it"
    );
    eprintln!("SKIPPED comparison with ONNX Runtime: run `scripts/train environment` first");
    None
}

/// Part of a phantom's chest on the network's grid, both lungs and a lesion in it.
fn phantom_crop() -> Grid3<i16> {
    let spec = PhantomSpec::of(107, 25.0, 3).with_matrix(129, 129);
    let phantom = Phantom::new(&spec).unwrap();
    let mut values = Vec::new();
    let mut slice = Vec::new();
    for z in 30..78 {
        phantom.slice_hu(z, &mut slice);
        let rows = slice.chunks_exact(129).skip(16).take(96);
        rows.for_each(|row| values.extend(row.iter().skip(8).take(112)));
    }
    Grid3::from_values([48, 96, 112], values).unwrap()
}

/// The logits of ONNX Runtime. The packing is written out here once more, from the manifest's words.
fn reference(python: &Path, manifest: &ModelManifest, hu: &Grid3<i16>) -> Grid3<f32> {
    let folder = tempfile::tempdir().unwrap();
    let [depth, height, width] = hu.shape();
    let [low, high] = manifest.input.window_hu;
    let mut bytes = Vec::new();
    for channel in 0..8 {
        let (dz, dy, dx) = (channel / 4, channel / 2 % 2, channel % 2);
        for place in places([depth / 2, height / 2, width / 2]) {
            let [z, y, x] = place;
            let value = f64::from(hu.get(2 * z + dz, 2 * y + dy, 2 * x + dx).unwrap());
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the network's input is f32"
            )]
            let input = (((value - low) / (high - low)) as f32).clamp(0.0, 1.0);
            bytes.extend(input.to_le_bytes());
        }
    }
    let (input, output) = (folder.path().join("in.f32"), folder.path().join("out.f32"));
    fs::write(&input, bytes).unwrap();
    let verdict = Command::new(python)
        .arg(root().join("scripts/training/reference.py"))
        .arg(root().join("models").join(&manifest.file))
        .arg(&input)
        .args([depth / 2, height / 2, width / 2].map(|edge| edge.to_string()))
        .arg(&output)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verdict.stderr).into_owned();
    assert!(verdict.status.success(), "{said}");
    let raw = fs::read(&output).unwrap();
    let (chunks, _) = raw.as_chunks::<4>();
    let mut logits = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk));
    let mut grid = Grid3::filled(hu.shape(), 0.0);
    for channel in 0..8 {
        let (dz, dy, dx) = (channel / 4, channel / 2 % 2, channel % 2);
        for [z, y, x] in places([depth / 2, height / 2, width / 2]) {
            grid.set(
                2 * z + dz,
                2 * y + dy,
                2 * x + dx,
                logits
                    .next()
                    .unwrap_or_else(|| panic!("logits are missing")),
            );
        }
    }
    grid
}

fn places([depth, height, width]: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..depth).flat_map(move |z| (0..height).flat_map(move |y| (0..width).map(move |x| [z, y, x])))
}
