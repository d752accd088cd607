//! Phantom series as DICOM files: small enough to be quick, whole enough to be triaged.

use scanward::dicom::{CtImage, write_ct};
use scanward::phantom::{Phantom, PhantomSpec};
use scanward::units::WallTime;

/// A phantom's slices, and what its files say of it. A test changes fields before it writes files.
#[derive(Clone, Debug)]
pub struct Scan {
    pub study: String,
    pub series: String,
    pub patient_id: String,
    pub patient_name: String,
    pub description: String,
    pub accession: String,
    pub edge: u16,
    pub pixel_mm: f64,
    pub acquired: WallTime,
    /// Position of each slice, mm.
    pub heights: Vec<f64>,
    /// Hounsfield units of each slice.
    pub slices: Vec<Vec<i16>>,
}

impl Scan {
    /// `slices` slices of `edge` × `edge` pixels over 300 mm; the seed makes patient, study and series.
    pub fn new(seed: u64, slices: usize, edge: u16, burden_percent: f64) -> Scan {
        let edge_pixels = usize::from(edge);
        let spec =
            PhantomSpec::of(slices, burden_percent, seed).with_matrix(edge_pixels, edge_pixels);
        let phantom = Phantom::new(&spec).unwrap();
        let mut rendered = vec![Vec::new(); slices];
        for (z, hu) in rendered.iter_mut().enumerate() {
            phantom.slice_hu(z, hu);
        }
        Scan {
            study: format!("2.25.{seed}.1"),
            series: format!("2.25.{seed}.2"),
            patient_id: format!("P{seed}"),
            patient_name: "Phantom^Test".to_owned(),
            description: "Thorax".to_owned(),
            accession: format!("A{seed}"),
            edge,
            pixel_mm: spec.pixel_mm,
            acquired: WallTime::from_civil(2026, 11, 23, 8 * 3_600_000).unwrap(),
            heights: (0_u16..)
                .take(slices)
                .map(|z| f64::from(z) * spec.step_mm)
                .collect(),
            slices: rendered,
        }
    }

    /// The quickest that every gate lets through.
    pub fn small(seed: u64) -> Scan {
        Scan::new(seed, 40, 192, 12.0)
    }

    /// The number of slices.
    pub fn len(&self) -> usize {
        self.slices.len()
    }

    /// The SOP Instance UID of slice `z`.
    pub fn instance(&self, z: usize) -> String {
        format!("{}.{}", self.series, z + 1)
    }

    /// The file of slice `z`.
    pub fn file(&self, z: usize) -> Vec<u8> {
        let step = self.heights[1] - self.heights[0];
        let half = f64::from(self.edge) * self.pixel_mm / 2.0;
        write_ct(&CtImage {
            study: &self.study,
            series: &self.series,
            instance: &self.instance(z),
            frame_of_reference: &format!("{}.9", self.study),
            patient_id: &self.patient_id,
            patient_name: &self.patient_name,
            accession: &self.accession,
            series_number: 1,
            instance_number: u32::try_from(z + 1).unwrap(),
            position: [-half, -half, self.heights[z]],
            orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            pixel_spacing: [self.pixel_mm, self.pixel_mm],
            slice_thickness: step.min(5.0),
            spacing_between_slices: step,
            rows: self.edge,
            columns: self.edge,
            series_description: &self.description,
            kernel: "Br40",
            acquired: self.acquired,
            hu: &self.slices[z],
        })
    }

    /// All files, feet first.
    pub fn files(&self) -> Vec<Vec<u8>> {
        (0..self.len()).map(|z| self.file(z)).collect()
    }
}

/// A sequence of numbers that looks random and is the same for the same seed.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        // Knuth's MMIX generator; the upper bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// `items` in another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
