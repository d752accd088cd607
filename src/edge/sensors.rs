//! Heat, disk space, the state of the clock: what the health document tells of the box itself.

use crate::health::{Degraded, Event};
use std::path::{Path, PathBuf};
use sysinfo::{Components, Disks};

/// Above this the box is said to be hot, degrees Celsius. Jetson-class modules throttle from about 97.
const HOT_C: f64 = 90.0;

/// The sensors of the box.
pub struct Sensors {
    disks: Disks,
    components: Components,
    state_folder: PathBuf,
    export_folder: PathBuf,
    disk_free_percent_min: f64,
}

impl Sensors {
    /// Sensors that watch the disks of these two folders.
    pub fn new(state_folder: &Path, export_folder: &Path, disk_free_percent_min: u8) -> Sensors {
        Sensors {
            disks: Disks::new_with_refreshed_list(),
            components: Components::new_with_refreshed_list(),
            state_folder: state_folder.to_owned(),
            export_folder: export_folder.to_owned(),
            disk_free_percent_min: f64::from(disk_free_percent_min),
        }
    }

    /// What the sensors say now, as events of the health machine.
    pub fn look(&mut self, folder_reachable: bool) -> Vec<Event> {
        self.disks.refresh(false);
        self.components.refresh(false);
        let free = |folder: &Path| free_percent(&self.disks, folder);
        let low =
            free(&self.state_folder).is_some_and(|percent| percent < self.disk_free_percent_min);
        let hottest = self.hottest();
        let synchronised = clock_synchronised();
        vec![
            Event::Folder {
                reachable: folder_reachable,
                free_percent: free(&self.export_folder),
            },
            Event::Temperature(hottest),
            Event::Clock { synchronised },
            Event::Degraded {
                reason: Degraded::DiskLow,
                holds: low,
            },
            Event::Degraded {
                reason: Degraded::FolderUnreachable,
                holds: !folder_reachable,
            },
            Event::Degraded {
                reason: Degraded::ClockUnsynchronised,
                holds: !synchronised,
            },
            Event::Degraded {
                reason: Degraded::TemperatureHigh,
                holds: hottest.is_some_and(|celsius| celsius > HOT_C),
            },
        ]
    }

    fn hottest(&self) -> Option<f64> {
        let all = self
            .components
            .iter()
            .filter_map(|component| component.temperature());
        all.map(f64::from)
            .filter(|celsius| celsius.is_finite())
            .reduce(f64::max)
    }
}

/// Free space of the disk that holds `folder`, percent: the disk with the longest mount point that leads to it.
pub fn free_percent(disks: &Disks, folder: &Path) -> Option<f64> {
    let folder = folder.canonicalize().ok()?;
    let holding = disks
        .iter()
        .filter(|disk| folder.starts_with(disk.mount_point()));
    let disk = holding.max_by_key(|disk| disk.mount_point().as_os_str().len())?;
    let total = disk.total_space();
    // Disk sizes are far below 2^53 bytes, so the conversion is exact enough for a percentage.
    (total > 0).then(|| 100.0 * disk.available_space() as f64 / total as f64)
}

/// Whether the system says that its clock follows a time source.
pub fn clock_synchronised() -> bool {
    // Written by systemd-timesyncd once it has the time; chrony and ntpd keep files of their own.
    const MARKS: [&str; 3] = [
        "/run/systemd/timesync/synchronized",
        "/var/lib/chrony/drift",
        "/var/lib/ntp/ntp.drift",
    ];
    MARKS.iter().any(|mark| Path::new(mark).exists())
}
