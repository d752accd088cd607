//! Why the box is not quite well: a closed list with stable codes.

/// A degraded state. `docs/operating.md` says what to do about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Degraded {
    /// Little space is left on the state folder's disk.
    DiskLow,
    /// The state folder cannot be written.
    StoreFailing,
    /// The export folder is not there.
    FolderUnreachable,
    /// The wall clock is not synchronised.
    ClockUnsynchronised,
    /// No model is loaded.
    ModelMissing,
    /// The box is hot.
    TemperatureHigh,
    /// The outbox is full: no series are taken.
    OutboxFull,
    /// The broker refuses messages.
    PublishRefused,
    /// The broker does not let the box hear the ward.
    WardUnheard,
    /// A finding was acknowledged by the broker, but nobody was subscribed to it.
    NobodyListening,
    /// The accelerator is turned on, but there is none.
    AcceleratorMissing,
    /// The accelerator's library is of another kind or version.
    AcceleratorVersion,
    /// The accelerator said that it cannot run the network.
    AcceleratorFailed,
    /// The accelerator gave a wrong answer.
    AcceleratorWrong,
    /// The accelerator is slower than the CPU.
    AcceleratorSlow,
    /// The accelerator did not answer in time.
    AcceleratorHung,
    /// The accelerator's process crashed.
    AcceleratorCrashed,
}

impl Degraded {
    /// The code in the health document.
    pub fn code(self) -> &'static str {
        match self {
            Degraded::DiskLow => "disk-low",
            Degraded::StoreFailing => "store-failing",
            Degraded::FolderUnreachable => "folder-unreachable",
            Degraded::ClockUnsynchronised => "clock-unsynchronised",
            Degraded::ModelMissing => "model-missing",
            Degraded::TemperatureHigh => "temperature-high",
            Degraded::OutboxFull => "outbox-full",
            Degraded::PublishRefused => "publish-refused",
            Degraded::WardUnheard => "ward-unheard",
            Degraded::NobodyListening => "nobody-listening",
            Degraded::AcceleratorMissing => "accelerator-missing",
            Degraded::AcceleratorVersion => "accelerator-version",
            Degraded::AcceleratorFailed => "accelerator-failed",
            Degraded::AcceleratorWrong => "accelerator-wrong",
            Degraded::AcceleratorSlow => "accelerator-slow",
            Degraded::AcceleratorHung => "accelerator-hung",
            Degraded::AcceleratorCrashed => "accelerator-crashed",
        }
    }
}
