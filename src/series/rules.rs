//! Which series are triaged, by typed rules; and which of several reconstructions of one scan.

use crate::dicom::Header;
use crate::refusal::Refusal;
use crate::series::kernel::sharpness;

/// CT Image, Enhanced CT Image and Legacy Converted Enhanced CT Image Storage. Source: PS3.4 B.5.
const CT_CLASSES: [&str; 3] = [
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.2.2",
];

/// The rules of series selection. The name of each field is the rule's name in the settings and in a refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesRules {
    /// Refuse what Image Type calls derived, secondary or not axial; an absent Image Type passes.
    pub require_original_primary_axial: bool,
    /// Largest Slice Thickness, mm.
    pub slice_thickness_max_mm: f64,
    /// Body Part Examined values to leave out; whole values, any case. The attribute is often wrong, so the list
    /// names only what no chest scan is labelled as: whether lungs are there is seen in the volume.
    pub body_part_deny: Vec<String>,
    /// Words of Series Description to leave out; whole words, any case.
    pub description_deny: Vec<String>,
    /// Convolution Kernels to leave out; whole values, any case.
    pub kernel_deny: Vec<String>,
}

impl Default for SeriesRules {
    fn default() -> SeriesRules {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        SeriesRules {
            require_original_primary_axial: true,
            slice_thickness_max_mm: 5.0,
            body_part_deny: words(&[
                "HEAD", "BRAIN", "SKULL", "KNEE", "ANKLE", "FOOT", "HAND", "WRIST",
            ]),
            description_deny: words(&[
                "scout",
                "topogram",
                "localizer",
                "surview",
                "scanogram",
                "mip",
                "minip",
                "vrt",
                "smartprep",
                "premonitoring",
                "monitoring",
            ]),
            kernel_deny: Vec::new(),
        }
    }
}

/// Checks one instance's `header` against `rules`; all instances of a series give the same answer as a rule.
///
/// Errors: [`Refusal::NotCt`], [`Refusal::Localizer`], [`Refusal::SeriesRule`] with the field's name. What was found
/// names the rule's own word, never the free text of the header, which may hold a patient's name.
pub fn choose(header: &Header, rules: &SeriesRules) -> Result<(), Refusal> {
    let says = |word: &str| header.image_type.iter().any(|value| value == word);
    if header.modality != "CT" {
        return Err(Refusal::NotCt {
            modality: header.modality.clone(),
        });
    }
    if says("LOCALIZER") || says("SCOUT") {
        return Err(Refusal::Localizer);
    }
    if let Some(class) = &header.sop_class
        && !CT_CLASSES.contains(&class.as_str())
    {
        return rule("ct_image_storage", "another SOP class".to_owned());
    }
    if rules.require_original_primary_axial {
        original_primary_axial(&header.image_type)?;
    }
    if let Some(mm) = header.slice_thickness
        && mm > rules.slice_thickness_max_mm
    {
        return rule("slice_thickness_max_mm", format!("{mm:.1} mm"));
    }
    let body_part = header.body_part.as_deref().unwrap_or("");
    denied("body_part_deny", &rules.body_part_deny, &[body_part])?;
    let kernel = header.kernel.as_deref().unwrap_or("");
    denied("kernel_deny", &rules.kernel_deny, &[kernel])?;
    let description = header.series_description.as_deref().unwrap_or("");
    let words: Vec<&str> = description.split(|c: char| !c.is_alphanumeric()).collect();
    denied("description_deny", &rules.description_deny, &words)
}

fn rule(name: &str, found: String) -> Result<(), Refusal> {
    Err(Refusal::SeriesRule {
        rule: name.to_owned(),
        found,
    })
}

/// Source: PS3.3 C.8.2.1.1.1 (classic) and C.8.16.1 (Enhanced CT, where a volume of axial frames says VOLUME).
fn original_primary_axial(image_type: &[String]) -> Result<(), Refusal> {
    const ALLOWED: [&[&str]; 3] = [&["ORIGINAL", "MIXED"], &["PRIMARY"], &["AXIAL", "VOLUME"]];
    let mut pairs = image_type.iter().zip(ALLOWED);
    match pairs.find(|(value, allowed)| !value.is_empty() && !allowed.contains(&value.as_str())) {
        None => Ok(()),
        Some((value, _)) => {
            let code = value.len() <= 16 && value.bytes().all(|b| b.is_ascii_alphanumeric());
            let shown = if code { value } else { "another Image Type" };
            rule("require_original_primary_axial", shown.to_owned())
        }
    }
}

fn denied(name: &str, list: &[String], values: &[&str]) -> Result<(), Refusal> {
    let stands = |word: &&String| values.iter().any(|value| caseless_eq(value.trim(), word));
    match list.iter().find(stands) {
        None => Ok(()),
        Some(word) => rule(name, word.clone()),
    }
}

fn caseless_eq(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Whether two series are reconstructions of one scan: one study, one frame of reference, one acquisition.
///
/// When the headers leave that open they count as two scans, and both are triaged.
pub fn same_scan(one: &Header, other: &Header) -> bool {
    let known = one.study.is_some() && one.frame_of_reference.is_some();
    known
        && one.study == other.study
        && one.frame_of_reference == other.frame_of_reference
        && one.acquisition_number == other.acquisition_number
        && one.acquired == other.acquired
}

/// The indices of `candidates`, reconstructions of one scan, best first.
///
/// Thin enough (3 mm) before thick, then soft kernel before sharp, then the thinner, then the lower series number; the
/// Series Instance UID decides between equals, so that the order of arrival does not.
pub fn rank(candidates: &[&Header]) -> Vec<usize> {
    const THIN_MM: f64 = 3.0;
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    let key = |index: &usize| {
        candidates.get(*index).map(|header| {
            let thickness = header.slice_thickness.unwrap_or(f64::MAX);
            let class = (thickness > THIN_MM, sharpness(header.kernel.as_deref()));
            (class, thickness, header.series_number, &header.series)
        })
    };
    order.sort_by(|one, other| {
        key(one)
            .partial_cmp(&key(other))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    order
}

/// The refusal of a reconstruction that was left out because `best` was taken.
pub fn left_out_for(best: &Header) -> Refusal {
    let number = match best.series_number {
        Some(number) => format!("series {number}"),
        None => "another series".to_owned(),
    };
    Refusal::SeriesRule {
        rule: "best-reconstruction".to_owned(),
        found: format!("{number} of the same scan was taken"),
    }
}
