//! What the box answers the ward: receipts, and a finding once more.

use super::WireError;
use super::parcel::{Kind, MessageId, Parcel};
use super::receipt::ReceiptPayload;
use super::topic::{Root, Topic};
use crate::outcome::Priority;
use crate::units::WallTime;

/// The broker forgets a receipt after this, seconds (docs/contract.md).
pub const EXPIRY_S: u32 = 24 * 3600;

/// The parcel of `receipt`, made at `made`. It goes out in the order of its finding's priority.
pub fn receipt(root: &Root, receipt: &ReceiptPayload, made: WallTime) -> Result<Parcel, WireError> {
    let id = receipt.finding_id.as_str();
    let topic = root.topic(&Topic::Receipt(receipt.finding_id.clone()));
    let parcel = Parcel::new(id, Kind::Receipt, topic, receipt.to_bytes()?).created_at(made);
    Ok(Parcel {
        id: MessageId::receipt(id, receipt.sequence),
        priority: receipt.priority,
        retain: true,
        content_type: "application/json".to_owned(),
        text: true,
        expiry_s: Some(EXPIRY_S),
        correlation: Some(id.to_owned()),
        ..parcel
    })
}

/// The parcel of a finding once more, as it was but under the next priority's topic; `None` for any other parcel.
pub fn escalated(root: &Root, finding: Parcel) -> Option<Parcel> {
    let next = match (finding.kind, finding.priority) {
        (Kind::Finding, Priority::Critical | Priority::Urgent) => Priority::Critical,
        (Kind::Finding, Priority::Routine)
        | (
            Kind::Preview
            | Kind::Outcome
            | Kind::Superseded
            | Kind::Escalated
            | Kind::Receipt
            | Kind::Ward,
            _,
        ) => return None,
    };
    Some(Parcel {
        id: MessageId::new(finding.id.group(), Kind::Escalated),
        kind: Kind::Escalated,
        priority: next,
        topic: root.topic(&Topic::Finding(next)),
        ..finding
    })
}
