//! What a reader should know about the series before trusting the numbers: a closed list with stable codes.

/// A note on quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// A lung reaches the first or last slice.
    LungsCutOff,
    /// Slices lie more than 5 mm apart.
    ThickSlices,
    /// Less lung than adults have at full breath: an expiration scan, a child, or much consolidation.
    LowLungVolume,
    /// SOP Instance UIDs are empty: instances were told apart by position and content.
    InstanceUidsUnusable,
    /// The scan has no date: times are those of arrival.
    TimesFromArrival,
    /// The Study Instance UID is empty.
    StudyUidUnusable,
}

impl Quality {
    /// The code in the finding.
    pub fn code(self) -> &'static str {
        match self {
            Quality::LungsCutOff => "lungs-cut-off",
            Quality::ThickSlices => "thick-slices",
            Quality::LowLungVolume => "low-lung-volume",
            Quality::InstanceUidsUnusable => "instance-uids-unusable",
            Quality::TimesFromArrival => "times-from-arrival",
            Quality::StudyUidUnusable => "study-uid-unusable",
        }
    }

    /// The same in words.
    pub fn text(self) -> &'static str {
        match self {
            Quality::LungsCutOff => {
                "A lung reaches the first or last slice: what lies beyond was not scanned, and is not in the burden."
            }
            Quality::ThickSlices => {
                "Slices lie more than 5 mm apart: small lesions can be missed, and volumes are rough."
            }
            Quality::LowLungVolume => {
                "Less than 2 litres of air-holding lung: expiration, a child, or much consolidation."
            }
            Quality::InstanceUidsUnusable => {
                "SOP Instance UIDs are empty: instances were told apart by position and content."
            }
            Quality::TimesFromArrival => "The files carry no scan date.",
            Quality::StudyUidUnusable => "The Study Instance UID is empty.",
        }
    }
}
