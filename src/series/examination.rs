//! One series, one patient, one study, one frame of reference.

use crate::dicom::Header;
use crate::refusal::Refusal;

/// Checks that `headers` can be of one examination.
///
/// An attribute that some instances leave empty disagrees with nothing: real exports are patchy, and they share the
/// Series Instance UID. Errors: [`Refusal::PatientMixed`], [`Refusal::FrameOfReferenceMixed`].
pub fn one_examination<'a>(
    headers: impl IntoIterator<Item = &'a Header> + Clone,
) -> Result<(), Refusal> {
    let each = || headers.clone().into_iter();
    let one_patient = agree(each().map(|header| header.patient.reveal().id.as_ref()))
        && agree(each().map(|header| header.study.as_ref()));
    if !one_patient {
        return Err(Refusal::PatientMixed);
    }
    if !agree(each().map(|header| header.frame_of_reference.as_ref())) {
        return Err(Refusal::FrameOfReferenceMixed);
    }
    Ok(())
}

/// Whether all values that are there are the same.
fn agree<T: PartialEq>(values: impl Iterator<Item = Option<T>>) -> bool {
    let mut present = values.flatten();
    let first = present.next();
    present.all(|value| Some(&value) == first.as_ref())
}
