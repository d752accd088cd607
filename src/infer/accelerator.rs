//! The network in ONNX Runtime, whose library is found when the program runs: GPUs, and the same file on the CPU.

use std::panic::catch_unwind;
use std::path::Path;

use ort::LoadDynamicError;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{CPU, CUDA, ExecutionProvider, ExecutionProviderDispatch, TensorRT};
use ort::session::Session;
use ort::value::TensorRef;
use tract_onnx::prelude::Framework as _;

use crate::fault::Fault;
use crate::infer::network::{Backend, fitting};
use crate::infer::packing::{packed, unpacked};
use crate::model::{InputSpec, ModelManifest, ModelPackage};
use crate::volume::{BitMask, Grid3};

/// The widest crop that TensorRT plans for, mm: the widest field of view of a scanner.
const EXTENT_MAX_MM: f64 = 500.0;
/// The width that TensorRT plans best for, mm: usual lungs.
const EXTENT_USUAL_MM: f64 = 310.0;

/// The network in a session of ONNX Runtime.
pub struct OrtNetwork {
    manifest: ModelManifest,
    session: Session,
    name: &'static str,
    passed_over: Vec<String>,
}

/// Why a package does not run in ONNX Runtime.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrtError {
    /// The library does not load, or is none of ONNX Runtime's, or of an older interface.
    #[error("{0}")]
    Unfit(String),
    /// The library does not take the network.
    #[error("{0}")]
    NoSession(String),
}

impl std::fmt::Debug for OrtNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OrtNetwork({}, {})", self.name, self.manifest.title())
    }
}

impl OrtNetwork {
    /// Loads `library` into this process and the network of a checked package into it: on the first of TensorRT, CUDA and
    /// CPU that takes it.
    ///
    /// A library can hang or crash while it loads: call this only in a process that may be lost, and once in it. Errors: what
    /// the loader or the runtime said.
    pub fn load(package: &ModelPackage, library: &Path) -> Result<OrtNetwork, OrtError> {
        // The binding asserts that a library of a right name and version also hands out its interface.
        let opened = catch_unwind(|| {
            let environment = ort::init_from(library).map_err(|error| unfit(&error))?;
            environment
                .with_name("scanward")
                .with_telemetry(false)
                .build()
                .map_err(|error| OrtError::NoSession(error.to_string()))
        });
        let environment = opened.unwrap_or_else(|_| {
            let what = format!("{} does not give its interface", library.display());
            Err(OrtError::Unfit(what))
        })?;
        let mut passed_over = Vec::new();
        for (name, providers) in providers(package) {
            match session(&environment, providers, package.onnx()) {
                Ok(session) => {
                    return Ok(OrtNetwork {
                        manifest: package.manifest().clone(),
                        session,
                        name,
                        passed_over,
                    });
                }
                Err(why) => passed_over.push(format!("{name}: {why}")),
            }
        }
        Err(OrtError::NoSession(passed_over.join("; ")))
    }

    /// The providers that were to come first, each with the reason why it does not run.
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    fn run(&mut self, hu: &Grid3<i16>) -> Result<Grid3<f32>, Fault> {
        let title = self.manifest.title();
        let fault = |what: String| Fault::Inference {
            model: title.clone(),
            what,
        };
        let failed = |error: ort::Error| fault(error.to_string());
        let [depth, height, width] = fitting(hu, &self.manifest)?;
        let values = packed(hu, &self.manifest.input);
        let input = TensorRef::from_array_view(([1, 8, depth, height, width], values.as_slice()));
        let inputs = ort::inputs![input.map_err(failed)?];
        let outputs = self.session.run(inputs).map_err(failed)?;
        let output = outputs.values().next();
        let output = output.ok_or_else(|| fault("the network has no output".to_owned()))?;
        let (_, logits) = output.try_extract_tensor::<f32>().map_err(failed)?;
        if logits.len() != hu.len() {
            let what = format!("it gave {} logits for {} voxels", logits.len(), hu.len());
            return Err(fault(what));
        }
        if logits.iter().any(|logit| !logit.is_finite()) {
            return Err(fault("it gave a logit that is not a number".to_owned()));
        }
        Ok(unpacked(logits, hu.shape()))
    }
}

impl Backend for OrtNetwork {
    fn name(&self) -> &str {
        self.name
    }

    fn segment(&mut self, hu: &Grid3<i16>) -> Result<BitMask, Fault> {
        let from = self.manifest.logit_threshold();
        Ok(BitMask::of(&self.run(hu)?, |logit| {
            f64::from(logit) >= from
        }))
    }

    fn logits(&mut self, hu: &Grid3<i16>) -> Result<Grid3<f32>, Fault> {
        self.run(hu)
    }

    /// Nothing: the runtime keeps what it keeps.
    fn rest(&mut self) {}
}

fn unfit(error: &LoadDynamicError) -> OrtError {
    // The loader's own words, which name what is missing, lie one level down.
    let loader = if let LoadDynamicError::Dlopen { error, .. } = error {
        std::error::Error::source(error)
    } else {
        None
    };
    OrtError::Unfit(match loader {
        Some(loader) => format!("{error}: {loader}"),
        None => error.to_string(),
    })
}

/// What is tried, in this order; what one provider cannot run of the network, the next in its list does.
fn providers(package: &ModelPackage) -> [(&'static str, Vec<ExecutionProviderDispatch>); 3] {
    let cuda = || {
        // The search of the fastest algorithm is made anew for each shape, and every series has its own; TF32 has too
        // few bits for the steps of the network.
        CUDA::default()
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
            .with_tf32(false)
            .build()
            .error_on_failure()
    };
    let [smallest, usual, largest] = profile(&input_name(package), &package.manifest().input);
    let tensorrt = TensorRT::default()
        .with_int8(true)
        .with_profile_min_shapes(smallest)
        .with_profile_opt_shapes(usual)
        .with_profile_max_shapes(largest)
        .build()
        .error_on_failure();
    // Without its arena the CPU provider gives memory back after each series.
    let cpu = CPU::default().with_arena_allocator(false).build();
    [
        ("ort-tensorrt", vec![tensorrt, cuda(), cpu.clone()]),
        ("ort-cuda", vec![cuda(), cpu.clone()]),
        ("ort-cpu", vec![cpu]),
    ]
}

/// The name of the network's input; empty where the file has none, and then no provider takes it.
fn input_name(package: &ModelPackage) -> String {
    let model = tract_onnx::onnx()
        .proto_model_for_read(&mut std::io::Cursor::new(package.onnx()))
        .ok();
    let graph = model.and_then(|model| model.graph);
    let input = graph.and_then(|graph| graph.input.into_iter().next());
    input.map(|input| input.name).unwrap_or_default()
}

/// The smallest, usual and largest input as TensorRT reads it, so that it plans once and not for each series.
fn profile(name: &str, spec: &InputSpec) -> [String; 3] {
    let voxels = |extent_mm: f64| (extent_mm / spec.spacing_mm).ceil();
    [0.0, EXTENT_USUAL_MM, EXTENT_MAX_MM].map(|extent_mm| {
        // Edges are multiples of the manifest's number, at least one; a block is two voxels.
        let steps = (voxels(extent_mm) / spec.multiple as f64).ceil().max(1.0);
        let blocks = steps * spec.multiple as f64 / 2.0;
        format!("{name}:1x8x{blocks}x{blocks}x{blocks}")
    })
}

fn session(
    environment: &ort::environment::Environment,
    providers: Vec<ExecutionProviderDispatch>,
    onnx: &[u8],
) -> Result<Session, String> {
    let compiled_in = |name: &str| match name {
        TensorRT::NAME => TensorRT::is_available().unwrap_or(false),
        CUDA::NAME => CUDA::is_available().unwrap_or(false),
        _ => true,
    };
    if let Some(first) = providers.first().filter(|first| !compiled_in(first.name())) {
        return Err(format!("the library was built without {}", first.name()));
    }
    let made = || -> Result<Session, ort::Error> {
        Session::builder(environment)?
            .with_execution_providers(providers)?
            // Threads that wait for the next series must not spin.
            .with_intra_op_spinning(false)?
            .commit_from_memory(onnx)
    };
    made().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Packing;

    #[test]
    fn tensorrt_plans_for_every_chest_that_the_manifest_permits() {
        let spec = InputSpec {
            spacing_mm: 2.8,
            window_hu: [-1024.0, 250.0],
            packing: Packing::SpaceToDepth2,
            multiple: 16,
            margin_voxels: 3,
        };
        let edges = ["8x8x8", "56x56x56", "96x96x96"];
        assert_eq!(
            profile("volume", &spec),
            edges.map(|edges| format!("volume:1x8x{edges}"))
        );
    }
}
