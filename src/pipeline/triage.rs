//! gate → stack → plausible → lungs → network → measure.

use crate::dicom::Header;
use crate::fault::Fault;
use crate::findings::{FindingRules, Quality, Report, measure};
use crate::infer::Backend;
use crate::lung::{LungLimits, LungMask, segment};
use crate::model::ModelManifest;
use crate::outcome::{Priority, Why};
use crate::refusal::Refusal;
use crate::series::{Geometry, SeriesLimits, SeriesRules, SliceGeometry, choose, gate};
use crate::units::{Percent, Spacing};
use crate::volume::{BitMask, Grid3, ReducedSlice, Volume, VolumeLimits, plausible, stack};

/// Every bound and rule of the pipeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineLimits {
    /// Which series are triaged.
    pub rules: SeriesRules,
    /// What a series may look like.
    pub series: SeriesLimits,
    /// How large a volume may be.
    pub volume: VolumeLimits,
    /// What counts as lung.
    pub lung: LungLimits,
}

/// One slice as the pipeline takes it.
#[derive(Clone, Copy, Debug)]
pub struct PipelineSlice<'a> {
    /// Where it lies.
    pub geometry: &'a SliceGeometry,
    /// Its pixels.
    pub plane: &'a ReducedSlice,
    /// Whether its SOP Instance UID can be used.
    pub has_uid: bool,
}

/// Everything that is known of a triaged series.
#[derive(Clone, Debug)]
pub struct Triage {
    /// The numbers.
    pub report: Report,
    /// How soon somebody should look.
    pub priority: Priority,
    /// What a reader should know before trusting the numbers.
    pub quality: Vec<Quality>,
    /// The chest on the network's grid.
    pub volume: Volume,
    /// The lungs on the network's grid.
    pub lung: LungMask,
    /// The lesions on the network's grid, 1 = lesion.
    pub lesion: Grid3<u8>,
    /// The native geometry.
    pub geometry: Geometry,
}

/// A part of the pipeline, for whoever measures it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Choice of the series, its geometry.
    Gate,
    /// Slices to one volume.
    Stack,
    /// The lung mask.
    Lungs,
    /// The network.
    Network,
    /// From the mask to the numbers.
    Findings,
}

impl Stage {
    /// All stages in their order.
    pub const ALL: [Stage; 5] = [
        Stage::Gate,
        Stage::Stack,
        Stage::Lungs,
        Stage::Network,
        Stage::Findings,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Gate => "gate",
            Stage::Stack => "stack",
            Stage::Lungs => "lungs",
            Stage::Network => "network",
            Stage::Findings => "findings",
        }
    }
}

/// Triages one series.
///
/// `header` is that of one of its instances. The same input gives the same result, bit for bit.
/// Errors: [`Why::Refused`] for what the series lacks, [`Why::Failed`] for what we could not do.
pub fn triage(
    header: &Header,
    slices: &[PipelineSlice<'_>],
    network: &mut dyn Backend,
    model: &ModelManifest,
    limits: &PipelineLimits,
) -> Result<Triage, Why> {
    triage_in_stages(header, slices, network, model, limits, &mut |_| {})
}

/// As [`triage`]; `passed` is called after each stage.
pub fn triage_in_stages(
    header: &Header,
    slices: &[PipelineSlice<'_>],
    network: &mut dyn Backend,
    model: &ModelManifest,
    limits: &PipelineLimits,
    passed: &mut dyn FnMut(Stage),
) -> Result<Triage, Why> {
    choose(header, &limits.rules).map_err(Why::Refused)?;
    let places: Vec<SliceGeometry> = slices.iter().map(|slice| *slice.geometry).collect();
    let geometry = gate(&places, &limits.series).map_err(Why::Refused)?;
    passed(Stage::Gate);
    let target = Spacing::isotropic(model.input.spacing_mm)
        .ok_or_else(|| internal("the manifest's spacing is not a length"))?;
    let planes: Vec<&ReducedSlice> = slices.iter().map(|slice| slice.plane).collect();
    let volume = stack(&planes, &geometry, target, &limits.volume).map_err(Why::Refused)?;
    plausible(&volume).map_err(Why::Refused)?;
    passed(Stage::Stack);
    let lung = segment(&volume, &limits.lung).map_err(Why::Refused)?;
    passed(Stage::Lungs);
    let lesion = find_lesions(&volume, &lung, network, model)?;
    passed(Stage::Network);
    let (report, lesion) = measure(&volume, &lung, &lesion, &rules(model));
    passed(Stage::Findings);
    Ok(Triage {
        priority: priority(report.burden, model),
        quality: quality(header, slices, &geometry, &lung),
        report,
        volume,
        lung,
        lesion,
        geometry,
    })
}

/// Runs the network on the box of the lungs; returns its mask on the volume's grid.
fn find_lesions(
    volume: &Volume,
    lung: &LungMask,
    network: &mut dyn Backend,
    model: &ModelManifest,
) -> Result<BitMask, Why> {
    let region = lung.network_box(model.input.margin_voxels, model.input.multiple);
    let crop = volume.hu.crop(region, crate::units::Hu::AIR.get());
    let found = network.segment(&crop).map_err(Why::Failed)?;
    if found.shape() != crop.shape() {
        return Err(internal(
            "the network's mask has another shape than its input",
        ));
    }
    // The box may reach past the volume: what lies there is air.
    Ok(found.placed(volume.hu.shape(), region.start))
}

fn rules(model: &ModelManifest) -> FindingRules {
    FindingRules {
        component_min_ml: model.output.component_min_ml,
        interval_points: model.burden.interval_points_absolute,
        interval_relative: model.burden.interval_relative,
        score_slope: model.score.slope,
        score_offset: model.score.offset,
    }
}

/// The priority of a burden, by the model's thresholds.
pub fn priority(burden: Percent, model: &ModelManifest) -> Priority {
    if burden.get() >= model.priority.critical_percent {
        Priority::Critical
    } else if burden.get() >= model.priority.urgent_percent {
        Priority::Urgent
    } else {
        Priority::Routine
    }
}

/// Slices farther apart than this are said to be thick, mm.
const THICK_MM: f64 = 5.0;
/// Less aerated lung than this is said to be little, ml.
const LUNG_ML_LOW: f64 = 2000.0;

fn quality(
    header: &Header,
    slices: &[PipelineSlice<'_>],
    geometry: &Geometry,
    lung: &LungMask,
) -> Vec<Quality> {
    let checks = [
        (Quality::LungsCutOff, lung.is_cut_off()),
        (Quality::ThickSlices, geometry.step_mm > THICK_MM),
        (Quality::LowLungVolume, lung.volume.get() < LUNG_ML_LOW),
        (
            Quality::InstanceUidsUnusable,
            slices.iter().any(|slice| !slice.has_uid),
        ),
        (Quality::TimesFromArrival, header.acquired.is_none()),
        (Quality::StudyUidUnusable, header.study.is_none()),
    ];
    checks
        .into_iter()
        .filter(|(_, holds)| *holds)
        .map(|(flag, _)| flag)
        .collect()
}

fn internal(what: &str) -> Why {
    Why::Failed(Fault::Internal {
        room: "pipeline",
        what: what.to_owned(),
    })
}

/// The refusal for a series whose sibling, a better reconstruction of the same scan, is triaged instead of it.
pub fn left_out(header: &Header, siblings: &[&Header]) -> Option<Refusal> {
    let same: Vec<&Header> = siblings
        .iter()
        .copied()
        .filter(|sibling| crate::series::same_scan(header, sibling))
        .collect();
    let mut candidates = vec![header];
    candidates.extend(same);
    let best = crate::series::rank(&candidates)
        .first()
        .copied()
        .unwrap_or(0);
    (best != 0)
        .then(|| {
            candidates
                .get(best)
                .map(|header| crate::series::left_out_for(header))
        })
        .flatten()
}
