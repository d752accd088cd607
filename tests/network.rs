//! The shipped network in our engine against ONNX Runtime on the same bytes: one network, two runtimes, one answer.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot run its reference stops there"
)]

use scanward::infer::{Backend, Network};
use scanward::model::{ModelManifest, ModelPackage};
use scanward::phantom::{Phantom, PhantomSpec};
use scanward::volume::Grid3;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A logit moves by this much where the two runtimes round one int8 step differently somewhere before it.
const LOGIT_STEP: f64 = 0.25;
/// Share of logits that may differ by more.
const STEP_SHARE_MAX: f64 = 0.001;

#[test]
fn the_shipped_network_passes_its_self_check() {
    let report = network().golden_check().unwrap();
    println!("{report:?}");
}

#[test]
fn our_engine_gives_what_onnx_runtime_gives() {
    let Some(python) = reference_python() else {
        return;
    };
    let mut network = network();
    let hu = phantom_crop();
    let wanted = reference(&python, network.manifest(), &hu);
    let found = network.logits(&hu).unwrap();
    let pairs = || found.values().iter().zip(wanted.values());
    let gaps = || pairs().map(|(a, b)| f64::from((a - b).abs()));
    let worst = gaps().fold(0.0, f64::max);
    let mean = gaps().sum::<f64>() / found.len() as f64;
    let far = gaps().filter(|gap| *gap > LOGIT_STEP).count() as f64 / found.len() as f64;
    let cut = network.manifest().logit_threshold();
    let side = |logit: f32| f64::from(logit) >= cut;
    let other = pairs().filter(|(a, b)| side(**a) != side(**b)).count();
    let lesion = pairs().filter(|(a, _)| side(**a)).count();
    println!(
        "{} logits: mean difference {mean:.5}, worst {worst:.3}, {other} labels differ, {lesion} are lesion",
        found.len()
    );
    assert!(
        lesion > 500,
        "only {lesion} lesion voxels: the crop says nothing"
    );
    assert!(mean < 0.01, "mean difference {mean}");
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
    assert_eq!(
        labels(&network.segment(&hu).unwrap()),
        labels(&network.segment(&hu).unwrap())
    );
}

fn labels(mask: &Grid3<u8>) -> &[u8] {
    mask.values()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn network() -> Network {
    let folder = root().join("models");
    let entries = fs::read_dir(&folder).unwrap().flatten();
    let manifest = entries
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .unwrap();
    let text = fs::read_to_string(manifest).unwrap();
    let file = ModelManifest::parse(&text).unwrap().file;
    let onnx = fs::read(folder.join(file)).unwrap();
    Network::load(&ModelPackage::parse(&text, onnx).unwrap()).unwrap()
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
                logits.next().unwrap_or_else(|| panic!("logits are missing")),
            );
        }
    }
    grid
}

fn places([depth, height, width]: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..depth)
        .flat_map(move |z| (0..height).flat_map(move |y| (0..width).map(move |x| [z, y, x])))
}
