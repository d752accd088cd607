//! How many pixels of a slice lie in each range of Hounsfield units.

/// Bins of the coarse histogram, 64 HU each from -1024 up.
pub const HISTOGRAM_BINS: usize = 64;

/// How many of the pixels fall into each bin.
///
/// Counted in four parts, because neighbours are alike: a count need not wait for the one before it to be written.
pub(super) fn histogram(hu: &[i16]) -> [u32; HISTOGRAM_BINS] {
    const BLOCK: usize = 256;
    let mut parts = [[0_u32; HISTOGRAM_BINS]; 4];
    let mut bins = [0_u8; BLOCK];
    for block in hu.chunks(BLOCK) {
        for (bin, hu) in bins.iter_mut().zip(block) {
            *bin = bin_of(*hu);
        }
        let (fours, rest) = bins.get(..block.len()).unwrap_or(&[]).as_chunks::<4>();
        for four in fours {
            for (part, bin) in parts.iter_mut().zip(four) {
                count(part, *bin);
            }
        }
        for (part, bin) in parts.iter_mut().zip(rest) {
            count(part, *bin);
        }
    }
    let mut sums = [0; HISTOGRAM_BINS];
    for part in parts {
        for (sum, count) in sums.iter_mut().zip(part) {
            *sum += count;
        }
    }
    sums
}

#[inline(always)]
fn count(bins: &mut [u32; HISTOGRAM_BINS], bin: u8) {
    if let Some(count) = bins.get_mut(usize::from(bin & 63)) {
        *count = count.wrapping_add(1);
    }
}

/// The 64 HU that a value falls into, 0 to 63.
#[inline(always)]
fn bin_of(hu: i16) -> u8 {
    let bin = (hu.saturating_add(1024) >> 6).clamp(0, 63);
    let [low, _] = bin.to_le_bytes();
    low
}
