//! The accelerator with the real ONNX Runtime on its CPU provider, and with libraries that are missing, old, wrong, slow, hung
//! or crashing: shared objects made here, no stand-ins in the program.
#![cfg(feature = "onnxruntime")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    dead_code,
    unreachable_pub,
    reason = "helpers outside #[test] functions, shared by several test files; a test needs a real clock to bound its waits"
)]

mod common;
#[path = "common/npz.rs"]
mod npz;

use common::mosquitto::{Mosquitto, free_port, is_missing};
use common::phantoms::Scan;
use common::site::{Settings, Site, in_ci};
use common::ward::Ward;
use scanward::config::AcceleratorUse;
use scanward::edge::accelerator::{Order, Remote, Trial, Trouble, trial};
use scanward::edge::load_model;
use scanward::infer::{Backend, EngineOptions, Int8Network};
use scanward::model::ModelPackage;
use scanward::phantom::{Phantom, PhantomSpec};
use scanward::volume::{BitMask, Grid3};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The runs of a trial that is passed: the golden volume twice, three volumes against the clock.
const RUNS_OF_A_TRIAL: u32 = 5;

// ---- the real runtime ------------------------------------------------------------------------------------------------

#[test]
fn the_runtime_marks_what_our_own_engine_marks() {
    let Some(library) = runtime("the_runtime_marks") else {
        return;
    };
    let (mut remote, passed) = tried(&order(&library), AcceleratorUse::Always).unwrap();
    println!("{passed}");
    assert_eq!(remote.name(), "ort-cpu");
    assert!(passed.labels_differ * 1000 <= passed.labels, "{passed}");
    let mut volumes = vec![("phantom", phantom())];
    volumes.extend(patient().map(|hu| ("patient", hu)));
    let mut own = Int8Network::load(&package(), EngineOptions::default()).unwrap();
    for (name, hu) in volumes {
        let (found, wanted) = (remote.mask(&hu).unwrap(), own.segment(&hu).unwrap());
        let (other, lesion) = (found.differing(&wanted), wanted.count());
        println!(
            "{name}: {other} of {} labels differ, {lesion} are lesion",
            hu.len()
        );
        assert!(lesion > 500, "{name}: {lesion} lesion voxels say nothing");
        assert!(other * 1000 <= hu.len(), "{name}: {other} labels differ");
        assert!(other * 100 <= lesion, "{name}: {other} on {lesion} voxels");
    }
}

#[test]
fn a_volume_that_does_not_fit_is_an_error_and_the_next_one_runs() {
    let Some(library) = runtime("a_volume_that_does_not_fit") else {
        return;
    };
    let mut remote = Remote::start(&order(&library), &package()).unwrap();
    let odd = remote.mask(&Grid3::filled([16, 16, 15], -1024));
    let Err(Trouble::Failed(why)) = odd else {
        panic!("{odd:?}");
    };
    assert!(why.contains("multiples of 16"), "{why}");
    let even = remote.mask(&Grid3::filled([16, 16, 16], -1024)).unwrap();
    assert_eq!(even, BitMask::empty([16, 16, 16]));
}

// ---- libraries that are not used -------------------------------------------------------------------------------------

#[test]
fn a_library_that_is_missing_is_told() {
    let trouble = refused(Path::new("/nowhere/libonnxruntime.so"));
    assert!(
        matches!(&trouble, Trouble::Missing(why) if why.contains("/nowhere")),
        "{trouble}"
    );
}

#[test]
fn what_is_no_library_of_the_runtime_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.so");
    fs::write(&text, "a text").unwrap();
    let trouble = refused(&text);
    // The loader's own words.
    assert!(
        matches!(&trouble, Trouble::Version(why) if why.contains("file too short")),
        "{trouble}"
    );
    let other = made(&folder, "other", "int add(int a, int b) { return a + b; }");
    let trouble = refused(&other);
    assert!(
        matches!(&trouble, Trouble::Version(why) if why.contains("OrtGetApiBase")),
        "{trouble}"
    );
}

#[test]
fn a_runtime_that_is_too_old_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let trouble = refused(&base(&folder, "1.16.3"));
    assert!(
        matches!(&trouble, Trouble::Version(why) if why.contains("1.16.3")),
        "{trouble}"
    );
}

#[test]
fn a_runtime_that_denies_its_interface_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let trouble = refused(&base(&folder, "1.32.0"));
    assert!(
        matches!(&trouble, Trouble::Version(why) if why.contains("interface")),
        "{trouble}"
    );
}

#[test]
fn a_library_that_crashes_while_it_loads_takes_only_its_own_process_along() {
    let folder = tempfile::tempdir().unwrap();
    let source =
        "#include <stdlib.h>\n__attribute__((constructor)) static void begin(void) { abort(); }";
    let trouble = refused(&made(&folder, "crash", source));
    assert!(
        matches!(&trouble, Trouble::Crashed(why) if why.contains("SIGABRT")),
        "{trouble}"
    );
}

#[test]
fn a_library_that_hangs_while_it_loads_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include <unistd.h>\n__attribute__((constructor)) static void begin(void) { for (;;) pause(); }";
    let order = Order {
        start_max: Duration::from_secs(1),
        ..order(&made(&folder, "hang", source))
    };
    let trouble = tried(&order, AcceleratorUse::Auto).unwrap_err();
    assert!(
        matches!(&trouble, Trouble::Hung(why) if why.contains("1 s")),
        "{trouble}"
    );
}

#[test]
fn a_runtime_that_computes_something_else_is_not_used() {
    let Some(library) = runtime("computes_something_else") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // From its first run: the manifest's golden answer is missed.
    let trouble = refused(&shim(&folder, &library, 1, Deed::Wrong));
    assert!(
        matches!(&trouble, Trouble::Wrong(why) if why.contains("self check")),
        "{trouble}"
    );
    // From its third: only the labels of the volumes that are timed are wrong.
    let trouble = refused(&shim(&folder, &library, 3, Deed::Wrong));
    assert!(
        matches!(&trouble, Trouble::Wrong(why) if why.contains("labels differ")),
        "{trouble}"
    );
}

#[test]
fn a_runtime_that_is_slower_than_the_cpu_is_used_only_where_it_is_wanted_always() {
    let Some(library) = runtime("slower_than_the_cpu") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // Three runs take four seconds more each: the CPU is done before that on any machine that can run tests.
    let slow = order(&shim(&folder, &library, 3, Deed::Slow));
    let trouble = tried(&slow, AcceleratorUse::Auto).unwrap_err();
    assert!(matches!(&trouble, Trouble::Slow(_)), "{trouble}");
    let quick = order(&library);
    let (remote, _) = tried(&quick, AcceleratorUse::Always).unwrap();
    assert_eq!(remote.name(), "ort-cpu");
}

#[test]
fn trouble_after_the_trial_ends_the_volume_and_tells_what_it_was() {
    let Some(library) = runtime("trouble_after_the_trial") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let hu = Grid3::filled([16, 16, 16], -1024);
    let after = |deed| {
        let shim = shim(&folder, &library, RUNS_OF_A_TRIAL + 1, deed);
        let order = Order {
            // What hangs never ends; what does not has ended long before.
            run_max: Duration::from_secs(if matches!(deed, Deed::Hang) { 2 } else { 300 }),
            ..order(&shim)
        };
        let (mut remote, _) = tried(&order, AcceleratorUse::Always).unwrap();
        remote.mask(&hu).unwrap_err()
    };
    let trouble = after(Deed::Crash);
    assert!(
        matches!(&trouble, Trouble::Crashed(why) if why.contains("SIGABRT")),
        "{trouble}"
    );
    let trouble = after(Deed::Refuse);
    assert!(
        matches!(&trouble, Trouble::Failed(why) if why.contains("device lost")),
        "{trouble}"
    );
    let trouble = after(Deed::Hang);
    assert!(
        matches!(&trouble, Trouble::Hung(why) if why.contains("2 s")),
        "{trouble}"
    );
}

// ---- the program -----------------------------------------------------------------------------------------------------

#[test]
fn the_doctor_tells_how_the_accelerator_stands() {
    let Some(library) = runtime("the_doctor_tells") else {
        return;
    };
    let doctor = |library: &Path| {
        let site = accelerated(free_port(), library);
        let settings = site.root().join("scanward.toml");
        let mut doctor = Command::new(env!("CARGO_BIN_EXE_scanward"));
        let output = doctor.arg("doctor").arg("--config").arg(settings).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let well = doctor(&library);
    assert!(
        well.contains("\nok    accelerator       ort-cpu: logits differ by"),
        "{well}"
    );
    let ill = doctor(Path::new("/nowhere/libonnxruntime.so"));
    let line = "\nwarn  accelerator       accelerator-missing: no accelerator: there is no file /nowhere/libonnxruntime.so\n      hint: ";
    assert!(ill.contains(line), "{ill}");
}

#[test]
fn a_series_runs_on_the_accelerator_and_on_the_cpu_when_that_crashes() {
    let test = "a_series_runs_on_the_accelerator";
    let (Some(library), false) = (runtime(test), is_missing(test)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let scan = Scan::small(1).files();
    let well = triaged(&library, &scan);
    assert_eq!(well.backend, "ort-cpu");
    assert_eq!(well.health["backend"], "ort-cpu");
    assert!(!well.degraded("accelerator-crashed"), "{}", well.health);

    let crashing = shim(&folder, &library, RUNS_OF_A_TRIAL + 1, Deed::Crash);
    let ill = triaged(&crashing, &scan);
    assert!(ill.backend.starts_with("cpu-int8-"), "{}", ill.backend);
    assert_eq!(ill.health["backend"], ill.backend);
    assert!(ill.degraded("accelerator-crashed"), "{}", ill.health);
    assert!(ill.log.contains("SIGABRT"), "{}", ill.log);
    assert_eq!(well.lesion, ill.lesion, "the two engines see other lesions");
}

/// What a ward sees of a series that a box with this accelerator triages.
struct Seen {
    backend: String,
    lesion: Value,
    health: Value,
    log: String,
}

impl Seen {
    fn degraded(&self, code: &str) -> bool {
        let reasons = self.health["degraded"].as_array().unwrap();
        reasons.iter().any(|reason| reason == code)
    }
}

fn triaged(library: &Path, scan: &[Vec<u8>]) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let mut ward = Ward::start(broker.port);
    let site = accelerated(broker.port, library);
    let daemon = site.start();
    ward.until("the accelerator's trial", |ward| {
        ward.health()
            .is_some_and(|health| health["backend"] == "ort-cpu")
    });
    site.move_in("series", scan);
    ward.until_outcomes(1);
    ward.watch(3);
    let finding = ward.of("finding")[0].json();
    for message in &ward.seen {
        common::ward::check_schema(message);
    }
    let health = ward.health().unwrap();
    assert!(daemon.stop().success());
    Seen {
        backend: common::ward::text(&finding["data"]["model"]["backend"]),
        lesion: finding["data"]["lesion"].clone(),
        health,
        log: site.log(),
    }
}

/// A box whose accelerator is `library`, used however slow it is.
fn accelerated(port: u16, library: &Path) -> Site {
    let site = Site::new(&Settings::new(port));
    let file = site.root().join("scanward.toml");
    let mut text = fs::read_to_string(&file).unwrap();
    text.push_str(&format!(
        "[engine]\naccelerator = \"always\"\naccelerator_library = \"{}\"\n",
        library.display()
    ));
    fs::write(file, text).unwrap();
    site
}

// ---- what is tried ---------------------------------------------------------------------------------------------------

fn order(library: &Path) -> Order {
    Order {
        program: PathBuf::from(env!("CARGO_BIN_EXE_scanward")),
        library: library.to_owned(),
        start_max: Duration::from_secs(300),
        run_max: Duration::from_secs(300),
    }
}

fn tried(order: &Order, how: AcceleratorUse) -> Result<(Remote, Trial), Trouble> {
    trial(order, &package(), EngineOptions::default(), how)
}

fn refused(library: &Path) -> Trouble {
    tried(&order(library), AcceleratorUse::Always).unwrap_err()
}

fn package() -> ModelPackage {
    load_model(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models"))).unwrap()
}

/// A phantom's chest on the network's grid: more than a million voxels.
fn phantom() -> Grid3<i16> {
    let spec = PhantomSpec::of(107, 25.0, 3).with_matrix(128, 128);
    let phantom = Phantom::new(&spec).unwrap();
    let mut values = Vec::new();
    let mut slice = Vec::new();
    for z in 5..101 {
        phantom.slice_hu(z, &mut slice);
        values.extend(&slice);
    }
    Grid3::from_values([96, 128, 128], values).unwrap()
}

/// A patient's chest at about the network's spacing: more than a million voxels. `None` where the shared data is not there.
fn patient() -> Option<Grid3<i16>> {
    let folder = npz::shared("a patient's volume", "lesion/train")?;
    let array = npz::array(&folder.join("coronacases-001.npz"), "hu");
    assert_eq!(array.shape[1..], [128, 128]);
    let planes = array.values.chunks_exact(128 * 128).step_by(3).take(96);
    let values = planes.flatten().map(|value| *value as i16).collect();
    Some(Grid3::from_values([96, 128, 128], values).unwrap())
}

/// The library of ONNX Runtime that `scripts/train environment` sets up. In CI it has to be there.
fn runtime(test: &str) -> Option<PathBuf> {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-evaluate/lib");
    let pythons = fs::read_dir(packages).into_iter().flatten().flatten();
    let folders = pythons.map(|python| python.path().join("site-packages/onnxruntime/capi"));
    let files = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let mut names = files.map(|file| file.path());
    let found = names.find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libonnxruntime.so")
    });
    assert!(
        found.is_some() || !in_ci(),
        "{test}: ONNX Runtime is not set up: `scripts/train environment` does it"
    );
    if found.is_none() {
        eprintln!("SKIPPED {test}: run `scripts/train environment` first");
    }
    found
}

// ---- shared objects --------------------------------------------------------------------------------------------------

/// A shared object of this C source.
fn made(folder: &TempDir, name: &str, source: &str) -> PathBuf {
    let code = folder.path().join(format!("{name}.c"));
    let library = folder.path().join(format!("lib{name}.so"));
    fs::write(&code, source).unwrap();
    let compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&code)
        .arg("-ldl")
        .output()
        .expect("a C compiler, which cargo needs as well");
    let said = String::from_utf8_lossy(&compiler.stderr);
    assert!(compiler.status.success(), "{said}");
    library
}

/// A runtime of this version that hands out no interface.
fn base(folder: &TempDir, version: &str) -> PathBuf {
    let source = format!(
        "static const void *interface(unsigned version) {{ return (void *)0; }}\n\
         static const char *version(void) {{ return \"{version}\"; }}\n\
         static const struct {{ const void *(*get)(unsigned); const char *(*version)(void); }} base = {{ interface, version }};\n\
         const void *OrtGetApiBase(void) {{ return &base; }}\n"
    );
    made(folder, "base", &source)
}

/// What a runtime does instead of its work.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Wrong,
    Slow,
    Crash,
    Hang,
    Refuse,
}

/// The real `library`, except that from its run number `from` on it does `deed`.
///
/// Its interface is a table of functions (OrtApi in onnxruntime_c_api.h, whose order never changes); ours is a copy of it with
/// another `Run`, whose number is 9.
fn shim(folder: &TempDir, library: &Path, from: u32, deed: Deed) -> PathBuf {
    let instead = match deed {
        Deed::Wrong => {
            "void *info; size_t count; float *logits; void *status = run(session, options, names, inputs, count_in, outs, count_out, outputs);\n\
             table_real[51](outputs[0], &logits); table_real[65](outputs[0], &info); table_real[64](info, &count);\n\
             for (size_t at = 0; at < count; at++) logits[at] = -logits[at] + 1.0f;\n\
             ((void (*)(void *))table_real[99])(info); return status;"
        }
        Deed::Slow => "sleep(4);",
        Deed::Crash => "abort();",
        Deed::Hang => "for (;;) pause();",
        Deed::Refuse => "return ((void *(*)(int, const char *))table_real[0])(1, \"device lost\");",
    };
    let source = format!(
        "#include <dlfcn.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n\
         typedef void *(*Function)();\n\
         typedef struct {{ const void *(*interface)(unsigned); const char *(*version)(void); }} Base;\n\
         static const Function *table_real; static Function table[300]; static Function run; static unsigned runs;\n\
         static const Base *real(void) {{\n\
             void *library = dlopen(\"{library}\", RTLD_NOW | RTLD_LOCAL);\n\
             return ((const Base *(*)(void))dlsym(library, \"OrtGetApiBase\"))();\n\
         }}\n\
         static void *our_run(void *session, void *options, void *names, void *inputs, size_t count_in, void *outs, size_t count_out, void **outputs) {{\n\
             if (++runs >= {from}) {{ {instead} }}\n\
             return run(session, options, names, inputs, count_in, outs, count_out, outputs);\n\
         }}\n\
         static const void *interface(unsigned version) {{\n\
             table_real = real()->interface(version);\n\
             memcpy(table, table_real, sizeof table); run = table[9]; table[9] = (Function)our_run;\n\
             return table;\n\
         }}\n\
         static const char *version(void) {{ return real()->version(); }}\n\
         static const Base base = {{ interface, version }};\n\
         const Base *OrtGetApiBase(void) {{ return &base; }}\n",
        library = library.display(),
    );
    made(folder, &format!("shim-{deed:?}-{from}"), &source)
}
