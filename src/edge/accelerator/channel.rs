//! What the daemon and the accelerator's process say to each other: frames over a pair of sockets.
//!
//! A frame is its kind (one byte), its length (u64, little-endian) and that many bytes. Both ends are the same program.

use crate::edge::clock::Clock;
use crate::volume::Grid3;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// To the child: length of the manifest (u64), the manifest, the network.
    Package,
    /// To the child: a volume to segment.
    Segment,
    /// To the child: a volume whose logits are asked for.
    Logits,
    /// To the daemon: the engine's name; after a line break, why earlier providers do not run.
    Ready,
    /// To the daemon: labels (u8) or logits (f32, little-endian), a voxel after the other.
    Answer,
    /// To the daemon: why the library cannot be used.
    Unfit,
    /// To the daemon: what did not work.
    Failed,
}

const KINDS: [Kind; 7] = [
    Kind::Package,
    Kind::Segment,
    Kind::Logits,
    Kind::Ready,
    Kind::Answer,
    Kind::Unfit,
    Kind::Failed,
];

/// Why a frame did not come or go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The time was over.
    Late,
    /// The other end is gone.
    Gone,
    /// What came is no frame, or the system refused.
    Broken(String),
}

/// One end of the sockets.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    clock: Clock,
}

impl Channel {
    pub(super) fn new(stream: UnixStream) -> Channel {
        Channel {
            stream,
            clock: Clock::start(),
        }
    }

    /// The deadline that lies `limit` ahead.
    pub(super) fn deadline(&self, limit: Duration) -> Duration {
        self.clock.elapsed().saturating_add(limit)
    }

    /// Sends a frame of `parts`, one after the other. Without a deadline it waits as long as the other end lives.
    pub(super) fn send(
        &mut self,
        kind: Kind,
        parts: &[&[u8]],
        deadline: Option<Duration>,
    ) -> Result<(), Cut> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut head = vec![KINDS.iter().position(|one| *one == kind).map_or(0, byte)];
        head.extend((length as u64).to_le_bytes());
        for mut rest in [head.as_slice()].iter().chain(parts).copied() {
            while !rest.is_empty() {
                let left = self.left(deadline)?;
                self.stream.set_write_timeout(left).map_err(cut)?;
                match self.stream.write(rest) {
                    Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(cut(error)),
                }
            }
        }
        Ok(())
    }

    /// The next frame, of `bytes_max` bytes at most.
    pub(super) fn receive(
        &mut self,
        bytes_max: usize,
        deadline: Option<Duration>,
    ) -> Result<(Kind, Vec<u8>), Cut> {
        let (mut kind, mut length) = ([0], [0; 8]);
        self.fill(&mut kind, deadline)?;
        self.fill(&mut length, deadline)?;
        let kind = KINDS.get(usize::from(kind[0]));
        let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
        let (Some(kind), true) = (kind, length <= bytes_max) else {
            return Err(Cut::Broken(
                "something else than a frame was said".to_owned(),
            ));
        };
        let mut bytes = vec![0; length];
        self.fill(&mut bytes, deadline)?;
        Ok((*kind, bytes))
    }

    fn fill(&mut self, mut into: &mut [u8], deadline: Option<Duration>) -> Result<(), Cut> {
        while !into.is_empty() {
            let left = self.left(deadline)?;
            self.stream.set_read_timeout(left).map_err(cut)?;
            match self.stream.read(into) {
                Ok(0) => return Err(Cut::Gone),
                Ok(count) => into = into.get_mut(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(cut(error)),
            }
        }
        Ok(())
    }

    fn left(&self, deadline: Option<Duration>) -> Result<Option<Duration>, Cut> {
        let Some(deadline) = deadline else {
            return Ok(None);
        };
        let left = deadline.saturating_sub(self.clock.elapsed());
        if left.is_zero() {
            return Err(Cut::Late);
        }
        Ok(Some(left))
    }
}

fn byte(place: usize) -> u8 {
    u8::try_from(place).unwrap_or(u8::MAX)
}

fn cut(error: std::io::Error) -> Cut {
    let kind = error.kind();
    if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&kind) {
        Cut::Late
    } else if [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&kind) {
        Cut::Gone
    } else {
        Cut::Broken(error.to_string())
    }
}

/// A volume as bytes: its edges (three u32), then its voxels (i16), little-endian.
pub(super) fn to_bytes(hu: &Grid3<i16>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(12 + 2 * hu.len());
    for edge in hu.shape() {
        bytes.extend(u32::try_from(edge).unwrap_or(u32::MAX).to_le_bytes());
    }
    bytes.extend(hu.values().iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// The volume of [`to_bytes`]; `None` when the bytes are none.
pub(super) fn from_bytes(bytes: &[u8]) -> Option<Grid3<i16>> {
    let (head, voxels) = bytes.split_at_checked(12)?;
    let (edges, _) = head.as_chunks::<4>();
    let mut shape = [0; 3];
    for (to, edge) in shape.iter_mut().zip(edges) {
        *to = usize::try_from(u32::from_le_bytes(*edge)).ok()?;
    }
    let (pairs, odd) = voxels.as_chunks::<2>();
    let values = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    let grid = odd.is_empty().then(|| Grid3::from_values(shape, values));
    grid?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_arrives_as_it_was_sent() {
        let (mut here, mut there) = pair();
        let hu = Grid3::from_values([1, 2, 3], vec![-1024, -1, 0, 1, 255, 3071]).unwrap();
        here.send(Kind::Segment, &[&to_bytes(&hu)], None).unwrap();
        let (kind, bytes) = there.receive(24, None).unwrap();
        assert_eq!((kind, from_bytes(&bytes)), (Kind::Segment, Some(hu)));
        assert_eq!(from_bytes(&bytes[..23]), None, "half a voxel");
        assert_eq!(from_bytes(&bytes[..22]), None, "a voxel is missing");
    }

    #[test]
    fn a_frame_that_is_too_long_or_of_no_kind_is_refused_unread() {
        let (mut here, mut there) = pair();
        here.send(Kind::Answer, &[b"12", b"345"], None).unwrap();
        assert!(matches!(there.receive(4, None), Err(Cut::Broken(_))));
        let (mut here, mut there) = pair();
        here.stream.write_all(&[9; 9]).unwrap();
        assert!(matches!(
            there.receive(usize::MAX, None),
            Err(Cut::Broken(_))
        ));
    }

    #[test]
    fn an_end_that_is_silent_is_late_and_one_that_closed_is_gone() {
        let (mut here, there) = pair();
        let soon = here.deadline(Duration::from_millis(20));
        assert_eq!(here.receive(9, Some(soon)), Err(Cut::Late));
        // More than the sockets hold, and nobody reads.
        let much = vec![0; 1 << 24];
        let soon = here.deadline(Duration::from_millis(20));
        assert_eq!(
            here.send(Kind::Package, &[&much], Some(soon)),
            Err(Cut::Late)
        );
        drop(there);
        assert_eq!(here.receive(9, None), Err(Cut::Gone));
        assert_eq!(here.send(Kind::Package, &[&much], None), Err(Cut::Gone));
    }

    fn pair() -> (Channel, Channel) {
        let (here, there) = UnixStream::pair().unwrap();
        (Channel::new(here), Channel::new(there))
    }
}
