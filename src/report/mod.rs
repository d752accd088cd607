//! A finding as a page for people: one HTML file that needs nothing besides itself, and prints.
//!
//! ```text
//!  FindingPayload, Report, picture --> section, one a series --+--> page
//!                          manifest, limits, files left out ---+
//! ```
//!
//! No script, no reference to anything outside; what files say is escaped (`html`).

mod drawing;
mod html;
mod page;
mod section;
mod words;

pub use page::{About, FILES_MAX, LeftOutFile, page};
pub use section::{FoundLesions, ReportedSeries, Section, section};
