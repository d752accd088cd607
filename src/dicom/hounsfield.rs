//! A frame's 16-bit words to stored values and Hounsfield units.
//!
//! Source: PS3.5 chapter 8 (bits stored, high bit, pixel representation), PS3.3 C.11.1 (rescale) and C.7.5.1.1.2 (padding).

use crate::units::{Hu, Rescale};

/// Which bits of a word are the stored value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Unused bits above the stored ones.
    above: u32,
    /// All unused bits.
    unused: u32,
    signed: bool,
}

impl Sample {
    /// `bits` bits, 1 to 16, above `shift` unused ones.
    pub(super) fn new(bits: u32, shift: u32, signed: bool) -> Sample {
        let unused = 16_u32.saturating_sub(bits).min(15);
        Sample {
            above: unused.saturating_sub(shift),
            unused,
            signed,
        }
    }

    /// The stored value alone, in two's complement when it is signed.
    #[inline(always)]
    fn alone(self, word: u16) -> u16 {
        let top = word.wrapping_shl(self.above);
        if self.signed {
            top.cast_signed().wrapping_shr(self.unused).cast_unsigned()
        } else {
            top.wrapping_shr(self.unused)
        }
    }

    /// The stored value.
    pub(super) fn value(self, word: u16) -> i32 {
        let alone = self.alone(word);
        if self.signed {
            i32::from(alone.cast_signed())
        } else {
            i32::from(alone)
        }
    }

    /// The range `padding` as words: the first one, and how many follow. `None` when no stored value lies in it.
    fn words_of(self, padding: (i32, i32)) -> Option<(u16, u16)> {
        let (least, most) = match self.signed {
            true => (i32::from(i16::MIN), i32::from(i16::MAX)),
            false => (0, i32::from(u16::MAX)),
        };
        let (first, last) = (padding.0.max(least), padding.1.min(most));
        let first_word = u16::try_from(first & 0xFFFF).ok()?;
        u16::try_from(last - first)
            .ok()
            .map(|span| (first_word, span))
    }
}

/// The words of a frame where they lie.
pub(super) enum Words<'a> {
    /// In the file, little endian.
    Little(&'a [[u8; 2]]),
    /// In a buffer.
    Own(&'a [u16]),
}

/// One decoded frame.
pub(super) struct Frame<'a> {
    pub(super) words: Words<'a>,
    pub(super) sample: Sample,
}

impl Frame<'_> {
    /// Fills `stored` with the stored values.
    pub(super) fn stored(&self, stored: &mut Vec<i32>) {
        let value = |word| self.sample.value(word);
        stored.clear();
        match self.words {
            Words::Little(pairs) => stored.extend(little(pairs).map(value)),
            Words::Own(words) => stored.extend(words.iter().copied().map(value)),
        }
    }

    /// Fills `hu` with the Hounsfield units; padding becomes air. `table` is memory to work in.
    pub(super) fn to_hu(
        &self,
        rescale: Rescale,
        padding: Option<(i32, i32)>,
        table: &mut Vec<i16>,
        hu: &mut Vec<i16>,
    ) {
        let conversion = Conversion {
            sample: self.sample,
            rescale,
            padding,
        };
        hu.clear();
        match self.words {
            Words::Little(pairs) => conversion.convert(little(pairs), table, hu),
            Words::Own(words) => conversion.convert(words.iter().copied(), table, hu),
        }
    }
}

fn little(pairs: &[[u8; 2]]) -> impl ExactSizeIterator<Item = u16> + Clone {
    pairs.iter().map(|pair| u16::from_le_bytes(*pair))
}

/// Stored values to Hounsfield units: slope, intercept, clamped to what CT can mean.
struct Conversion {
    sample: Sample,
    rescale: Rescale,
    padding: Option<(i32, i32)>,
}

impl Conversion {
    fn convert(
        &self,
        words: impl ExactSizeIterator<Item = u16> + Clone,
        table: &mut Vec<i16>,
        hu: &mut Vec<i16>,
    ) {
        // A slope of one, as nearly all CT has it: sums of 16 bits, done many at a time.
        let Some(offset) = self.rescale.offset() else {
            return self.look_up(words, table, hu);
        };
        let sample = self.sample;
        let padding = self.padding.and_then(|range| sample.words_of(range));
        match (sample.signed, padding) {
            (true, None) => hu.extend(words.map(|word| signed_hu(sample.alone(word), offset))),
            (false, None) => hu.extend(words.map(|word| unsigned_hu(sample.alone(word), offset))),
            (true, Some((first, span))) => hu.extend(words.map(|word| {
                let alone = sample.alone(word);
                let hu = signed_hu(alone, offset);
                air_if(alone.wrapping_sub(first) <= span, hu)
            })),
            (false, Some((first, span))) => hu.extend(words.map(|word| {
                let alone = sample.alone(word);
                let hu = unsigned_hu(alone, offset);
                air_if(alone.wrapping_sub(first) <= span, hu)
            })),
        }
    }

    /// Any rescale. A slice holds some thousand different values: a table makes the rounding cheap.
    fn look_up(
        &self,
        words: impl Iterator<Item = u16> + Clone,
        table: &mut Vec<i16>,
        hu: &mut Vec<i16>,
    ) {
        let values = words.map(|word| self.sample.value(word));
        let least = values.clone().min().unwrap_or(0);
        let most = values.clone().max().unwrap_or(0);
        let padding = self.padding;
        let is_padding = |value| padding.is_some_and(|(low, high)| (low..=high).contains(&value));
        let entry = |value| match is_padding(value) {
            true => Hu::AIR.get(),
            false => self.rescale.apply(value).get(),
        };
        table.clear();
        table.extend((least..=most).map(entry));
        hu.extend(values.map(|value| {
            let entry = usize::try_from(value.abs_diff(least)).unwrap_or(usize::MAX);
            table.get(entry).copied().unwrap_or(Hu::AIR.get())
        }));
    }
}

#[inline(always)]
fn signed_hu(word: u16, offset: i16) -> i16 {
    let sum = word.cast_signed().saturating_add(offset);
    sum.clamp(Hu::AIR.get(), Hu::MAX.get())
}

/// Words above the range of `i16` are above that of CT too, whatever [`Rescale::offset`] gives.
#[inline(always)]
fn unsigned_hu(word: u16, offset: i16) -> i16 {
    signed_hu(word.min(i16::MAX.cast_unsigned()), offset)
}

#[inline(always)]
fn air_if(is_padding: bool, hu: i16) -> i16 {
    if is_padding { Hu::AIR.get() } else { hu }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stored_values_become_hounsfield_units_and_padding_becomes_air() {
        let rescale = Rescale::new(1.0, -1024.0).unwrap();
        let hu = hu_of(
            &[0, 1024, 5000, 2000],
            Sample::new(16, 0, false),
            rescale,
            Some((2000, 2010)),
        );
        assert_eq!(hu, [-1024, 0, 3071, -1024]);
    }

    #[test]
    fn sign_bits_follow_the_pixel_representation() {
        assert_eq!(Sample::new(12, 0, true).value(0x0FFF), -1);
        assert_eq!(Sample::new(12, 0, false).value(0xFFFF), 0x0FFF);
        assert_eq!(Sample::new(16, 0, true).value(0xF830), -2000);
        assert_eq!(Sample::new(12, 4, true).value(0xFFF7), -1);
        assert_eq!(Sample::new(12, 2, false).value(0xFFFF), 0x0FFF);
    }

    proptest! {
        /// Whatever way is taken, the result is what [`Rescale::apply`] says of each stored value.
        #[test]
        fn every_way_gives_the_same_hounsfield_units(
            words in prop::collection::vec(any::<u16>(), 1..200),
            (bits, shift) in (1..=16_u32).prop_flat_map(|bits| (Just(bits), 0..=16 - bits)),
            signed in any::<bool>(),
            whole in prop_oneof![Just(-1024), Just(0), -40_000..40_000_i32],
            slope in prop_oneof![4 => Just(1.0), 1 => Just(-1.0), 1 => 0.01..4.0],
            fraction in prop_oneof![3 => Just(0.0), 1 => 0.0..1.0],
            padding in prop::option::of((-70_000..70_000_i32, 0..40_000_i32)),
        ) {
            let rescale = Rescale::new(slope, f64::from(whole) + fraction).unwrap();
            let sample = Sample::new(bits, shift, signed);
            let padding = padding.map(|(first, more)| (first, first + more));
            let expected: Vec<i16> = words.iter().map(|word| {
                let value = sample.value(*word);
                match padding {
                    Some((first, last)) if (first..=last).contains(&value) => -1024,
                    _ => rescale.apply(value).get(),
                }
            }).collect();
            prop_assert_eq!(hu_of(&words, sample, rescale, padding), expected);
        }
    }

    /// From words in a buffer, and the same from words in a file.
    fn hu_of(
        words: &[u16],
        sample: Sample,
        rescale: Rescale,
        padding: Option<(i32, i32)>,
    ) -> Vec<i16> {
        let bytes: Vec<[u8; 2]> = words.iter().map(|word| word.to_le_bytes()).collect();
        let [own, little] = [Words::Own(words), Words::Little(&bytes)].map(|words| {
            let (mut table, mut hu) = (Vec::new(), vec![7; 3]);
            Frame { words, sample }.to_hu(rescale, padding, &mut table, &mut hu);
            hu
        });
        assert_eq!(own, little);
        own
    }
}
