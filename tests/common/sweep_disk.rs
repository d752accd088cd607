//! A disk that can be cut at any operation.

use scanward::store::{StorageBackend, Store, StoreError};
use std::io;
use std::sync::{Arc, Mutex};

/// A disk with two images: what the program sees, and what a power cut leaves. Only a sync brings the second up to
/// the first. After a cut nothing works any longer.
#[derive(Clone, Debug, Default)]
pub struct SweepDisk {
    inner: Arc<Mutex<Images>>,
}

#[derive(Debug, Default)]
struct Images {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
    operations_left: Option<usize>,
    fault: Fault,
    torn: bool,
    struck: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Fault {
    #[default]
    None,
    PowerCut,
    Full,
}

impl SweepDisk {
    pub fn backend(&self) -> SweepDisk {
        self.clone()
    }

    pub fn open(&self) -> Result<Store, StoreError> {
        let disk = self.clone();
        Store::open_on(move || disk.backend())
    }

    /// The power fails at the `cut`th changing operation from now. `torn`: of the writes not yet synced, every second
    /// one reaches the disk, and of the last one only half: in no order that the program could rely on.
    pub fn cut_power_at(&self, cut: usize, torn: bool) {
        let mut images = self.inner.lock().unwrap();
        images.operations_left = Some(cut);
        images.fault = Fault::PowerCut;
        images.torn = torn;
        images.struck = false;
    }

    pub fn fill_at(&self, operation: usize) {
        let mut images = self.inner.lock().unwrap();
        images.operations_left = Some(operation);
        images.fault = Fault::Full;
        images.struck = false;
    }

    /// Space again; returns whether it never ran out.
    pub fn free(&self) -> bool {
        let mut images = self.inner.lock().unwrap();
        images.operations_left = None;
        images.fault = Fault::None;
        !images.struck
    }

    pub fn has_power(&self) -> bool {
        !self.inner.lock().unwrap().struck
    }

    pub fn after_reboot(&self) -> SweepDisk {
        let images = self.inner.lock().unwrap();
        let mut left = images.durable.clone();
        if images.torn {
            let count = images.unsynced.len();
            for (place, (offset, bytes)) in images.unsynced.iter().enumerate() {
                let reached = match place {
                    last if last + 1 == count => bytes.len() / 2,
                    even if even % 2 == 0 => bytes.len(),
                    _ => 0,
                };
                overwrite(&mut left, *offset, &bytes[..reached]);
            }
        }
        SweepDisk {
            inner: Arc::new(Mutex::new(Images {
                live: left.clone(),
                durable: left,
                ..Images::default()
            })),
        }
    }
}

fn overwrite(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if image.len() < offset + bytes.len() {
        image.resize(offset + bytes.len(), 0);
    }
    image[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl Images {
    /// Counts a changing operation; fails from the chosen one on.
    fn step(&mut self) -> io::Result<()> {
        match &mut self.operations_left {
            None => return Ok(()),
            Some(0) => self.struck = true,
            Some(left) => {
                *left -= 1;
                return Ok(());
            }
        }
        match self.fault {
            Fault::None => Ok(()),
            Fault::PowerCut => Err(io::Error::other("no power")),
            Fault::Full => Err(io::Error::from(io::ErrorKind::StorageFull)),
        }
    }
}

impl StorageBackend for SweepDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inner.lock().unwrap().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let images = self.inner.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let found = images.live.get(start..start + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut images = self.inner.lock().unwrap();
        images.step()?;
        let len = usize::try_from(len).unwrap();
        images.live.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut images = self.inner.lock().unwrap();
        images.step()?;
        images.durable = images.live.clone();
        images.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut images = self.inner.lock().unwrap();
        let offset = usize::try_from(offset).unwrap();
        let result = images.step();
        // The write that the cut struck may have reached the disk in part.
        if result.is_ok() || images.fault == Fault::PowerCut && images.operations_left == Some(0) {
            images.unsynced.push((offset, data.to_vec()));
        }
        result?;
        overwrite(&mut images.live, offset, data);
        Ok(())
    }
}
