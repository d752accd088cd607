//! Which segments of a file are lesions.

use crate::dicom::{Code, Segment};
use crate::refusal::AnnotationRefusal;

/// Types and categories that name a lesion, as scheme and value. Source: PS3.16 CID 7159 and CID 7150; SRT is what older
/// programs write for SCT.
const LESIONS: &[(&str, &str)] = &[
    ("SCT", "52988006"),  // Lesion
    ("SRT", "M-01100"),   // Lesion
    ("SCT", "49755003"),  // Morphologically abnormal structure
    ("SRT", "M-01000"),   // Morphologically altered structure
    ("SCT", "4147007"),   // Mass
    ("SRT", "M-03000"),   // Mass
    ("SCT", "27925004"),  // Nodule
    ("SRT", "M-03010"),   // Nodule
    ("SCT", "108369006"), // Neoplasm
    ("SRT", "M-80000"),   // Neoplasm
    ("SCT", "233604007"), // Pneumonia
    ("SCT", "840539006"), // COVID-19
];

/// Types and categories of what a lesion lies in. A file with nothing else was exported by mistake. Tissue is not among them: 3D
/// Slicer calls so whatever nobody gave a type.
const ORGANS: &[(&str, &str)] = &[
    ("SCT", "39607008"),  // Lung
    ("SCT", "3341006"),   // Right lung
    ("SCT", "44029006"),  // Left lung
    ("SCT", "44567001"),  // Trachea
    ("SCT", "113343008"), // Organ
    ("SCT", "91723000"),  // Anatomical structure
    ("SRT", "T-D000A"),   // Anatomical structure
    ("SCT", "123037004"), // Body structure
    ("SCT", "38266002"),  // Entire body
];

/// Words of an organ that was segmented whole.
const ORGAN_WORDS: [&str; 4] = ["lung", "lobe", "trachea", "airway"];
/// Words that turn the meaning of a label round.
const TURNING_WORDS: [&str; 5] = ["healthy", "normal", "without", "no lesion", "non-"];

/// The numbers of the segments that are lesions: all of them together are the corrected mask.
///
/// A segment is a lesion when its type or category is coded as one, or when its label or description holds one of `words`
/// (any case) and none that turns the meaning round. Where none is, a file's only segment is taken, unless it is coded or
/// called an organ. Errors: [`AnnotationRefusal::SegmentUnclear`].
pub fn lesion_segments(
    segments: &[Segment],
    words: &[String],
) -> Result<Vec<u16>, AnnotationRefusal> {
    let lesions = segments.iter().filter(|segment| is_lesion(segment, words));
    let numbers: Vec<u16> = lesions.map(|segment| segment.number).collect();
    match segments {
        _ if !numbers.is_empty() => Ok(numbers),
        [only] if !is_organ(only) => Ok(vec![only.number]),
        _ => Err(AnnotationRefusal::SegmentUnclear),
    }
}

fn is_lesion(segment: &Segment, words: &[String]) -> bool {
    let label = segment.words.to_lowercase();
    let holds = |word: &str| !word.is_empty() && label.contains(word);
    if TURNING_WORDS.iter().any(|word| holds(word)) {
        return false;
    }
    is_coded(segment, LESIONS) || words.iter().any(|word| holds(&word.to_lowercase()))
}

fn is_organ(segment: &Segment) -> bool {
    let label = segment.words.to_lowercase();
    let is_anatomy = segment.kind.as_ref().is_some_and(is_anatomy);
    is_anatomy || is_coded(segment, ORGANS) || ORGAN_WORDS.iter().any(|word| label.contains(word))
}

/// SNOMED RT puts anatomy on an axis of its own, and FMA holds nothing else.
fn is_anatomy(kind: &Code) -> bool {
    const TISSUE: &str = "T-D0050";
    match kind.scheme.as_str() {
        "SRT" => kind.value.starts_with("T-") && kind.value != TISSUE,
        scheme => scheme == "FMA",
    }
}

fn is_coded(segment: &Segment, codes: &[(&str, &str)]) -> bool {
    let among = |code: &Code| {
        let pair = (code.scheme.as_str(), code.value.as_str());
        codes.contains(&pair)
    };
    segment.kind.iter().chain(&segment.category).any(among)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::AnnotationSettings;

    #[test]
    fn a_single_segment_is_the_lesion_unless_it_is_an_organ() {
        check(&[segment(1, "Segment_1", "")], Some(&[1]));
        check(&[segment(1, "Tissue", "85756007")], Some(&[1]));
        check(&[segment(1, "Lungs", "")], None);
        check(&[segment(1, "x", "39607008")], None);
        check(&[segment(1, "Lung lesion", "39607008")], Some(&[1]));
    }

    #[test]
    fn of_several_all_that_are_named_or_coded_as_lesions_count() {
        let lungs = segment(1, "Right lung", "3341006");
        let named = segment(2, "GGO left", "");
        let coded = segment(3, "Segment_3", "52988006");
        check(&[lungs.clone(), named, coded], Some(&[2, 3]));
        let plain = [segment(1, "Segment_1", ""), segment(2, "Segment_2", "")];
        check(&plain, None);
        check(&[lungs, segment(2, "肺部病灶", "")], Some(&[2]));
    }

    #[test]
    fn a_word_that_turns_the_meaning_round_makes_it_no_lesion() {
        let pair = [
            segment(1, "Lung without lesion", ""),
            segment(2, "Lesion", ""),
        ];
        check(&pair, Some(&[2]));
        check(&[segment(1, "Healthy lung, no lesion", "")], None);
    }

    fn check(segments: &[Segment], expected: Option<&[u16]>) {
        let found = lesion_segments(segments, &AnnotationSettings::usual_words());
        assert_eq!(found.ok().as_deref(), expected, "{segments:?}");
    }

    fn segment(number: u16, words: &str, kind: &str) -> Segment {
        Segment {
            number,
            words: words.to_owned(),
            category: None,
            kind: Some(Code {
                value: kind.to_owned(),
                scheme: "SCT".to_owned(),
            }),
        }
    }
}
