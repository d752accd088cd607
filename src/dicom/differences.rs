//! The entropy-coded differences of a JPEG Lossless scan.
//!
//! Stuffing is taken out first, so that eight bytes are read at once. One look-up by the next bits, which are a code and
//! the sign of its difference, then says how many bits belong together and what makes them the difference: no branch
//! depends on the image. Source: ITU-T T.81 annexes C, F.2.2 and H.

/// What is wrong with a stream.
pub(super) type Fault = &'static str;

const NO_CODE: Fault = "a JPEG code that stands for nothing";

/// Codes shorter than this are found by one look-up; the tables of real scanners have few longer ones.
const LOOKUP_BITS: u32 = 12;
/// Bits that such a code and its difference may take: with those of any other code, 31, no more than a filled window.
const SHORT_MAX: u32 = 25;
/// Zeros behind the last byte, so that the window can always be filled.
pub(super) const MARGIN: usize = 8;

/// Fills `unstuffed` with the bytes up to the next marker, without the zero behind each 0xFF; returns what begins with
/// the marker. Source: F.1.2.3 and B.1.1.2.
pub(super) fn unstuff<'a>(bytes: &'a [u8], unstuffed: &mut Vec<u8>) -> &'a [u8] {
    unstuffed.clear();
    unstuffed.reserve(bytes.len() + MARGIN);
    let mut rest = bytes;
    loop {
        let (plain, behind) = rest.split_at(plain_bytes(rest));
        unstuffed.extend_from_slice(plain);
        rest = match behind {
            [0xFF, 0x00, behind @ ..] => {
                unstuffed.push(0xFF);
                behind
            }
            // Fill bytes before a marker.
            [0xFF, 0xFF, ..] => behind.get(1..).unwrap_or(&[]),
            _ => return behind,
        };
    }
}

/// How many bytes come before the first 0xFF.
fn plain_bytes(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    let is_plain = |block: &&[u8; 32]| block.iter().fold(0, |most, byte| *byte.max(&most)) < 0xFF;
    let start = blocks.iter().take_while(is_plain).count() * 32;
    let rest = bytes.get(start..).unwrap_or(&[]);
    start
        + rest
            .iter()
            .position(|byte| *byte == 0xFF)
            .unwrap_or(rest.len())
}

/// A Huffman table of difference categories (SSSS).
pub(super) struct Table {
    /// By the next bits the entry, as of [`Code::entry`], of the code they begin with; zero where the code and the first
    /// bit of its difference are more than these bits, or all bits of its difference are too many.
    short: [u32; 1 << LOOKUP_BITS],
    codes: Vec<Code>,
}

/// A code, what is at most 16 bits, left-aligned.
#[derive(Clone, Copy)]
struct Code {
    from: u32,
    /// The first value behind those that begin with the code.
    to: u32,
    length: u32,
    category: u32,
}

impl Table {
    /// The table of BITS and HUFFVAL. Source: annex C.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Table, Fault> {
        let mut table = Table {
            short: [0; 1 << LOOKUP_BITS],
            codes: Vec::with_capacity(symbols.len()),
        };
        let mut symbols = symbols.iter();
        let mut from = 0;
        for (length, count) in (1..=16).zip(counts) {
            for symbol in symbols.by_ref().take(usize::from(*count)) {
                let code = Code {
                    from,
                    to: from + (1 << (16 - length)),
                    length,
                    category: u32::from(*symbol),
                };
                if code.to > 1 << 16 || code.category > 16 {
                    return Err("a JPEG Huffman table that is no table of differences");
                }
                table.add(code);
                from = code.to;
            }
        }
        Ok(table)
    }

    fn add(&mut self, code: Code) {
        self.codes.push(code);
        if code.length < LOOKUP_BITS && code.length + code.bits() <= SHORT_MAX {
            let middle = code.from.midpoint(code.to);
            self.fill(code.from, middle, code.entry(true));
            self.fill(middle, code.to, code.entry(false));
        }
    }

    fn fill(&mut self, from: u32, to: u32, entry: u32) {
        let index = |code: u32| usize::try_from(code >> (16 - LOOKUP_BITS)).unwrap_or(0);
        let entries = self.short.get_mut(index(from)..index(to));
        entries.unwrap_or(&mut []).fill(entry);
    }

    /// The entry of whatever code `window` begins with.
    #[cold]
    #[inline(never)]
    fn long(&self, window: u64) -> Option<u32> {
        let next = u32::try_from(window >> 48).ok()?;
        let mut codes = self.codes.iter();
        let code = codes.find(|code| (code.from..code.to).contains(&next))?;
        let is_negative = window.wrapping_shl(code.length) >> 63 == 0;
        Some(code.entry(is_negative))
    }
}

impl Code {
    /// How many bits behind the code are its difference's own.
    fn bits(self) -> u32 {
        // Category 16 is the difference 32768 alone (H.1.2.2).
        if self.category == 16 {
            0
        } else {
            self.category
        }
    }

    /// How many bits code and difference take together (bits 0 to 5), and what added to these bits makes them the
    /// difference, modulo 2^16 (bits 16 to 31).
    ///
    /// The difference is its own bits when the first of them is 1; else it is negative, and less by 2^SSSS - 1
    /// (F.2.2.1, EXTEND).
    fn entry(self, is_negative: bool) -> u32 {
        let code = self.from >> (16 - self.length) << self.bits();
        let less = if is_negative {
            (1 << self.bits()) - 1
        } else {
            0
        };
        let more = if self.category == 16 { 1 << 15 } else { 0_u32 };
        let added = more.wrapping_sub(less).wrapping_sub(code);
        (self.length + self.bits()) | added << 16
    }
}

/// The bits of one interval, first bit highest.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte to fill from.
    at: usize,
    /// The next bits, left-aligned; zeros behind the last byte.
    window: u64,
    /// How many bits of the window count.
    held: u32,
}

impl<'a> Bits<'a> {
    /// `bytes` end with the margin.
    pub(super) fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits {
            bytes,
            at: 0,
            window: 0,
            held: 0,
        }
    }

    /// Bits taken so far, those behind the end included.
    pub(super) fn taken(&self) -> usize {
        (self.at * 8).saturating_sub(usize::try_from(self.held).unwrap_or(0))
    }

    /// Brings the window to 56 bits or more.
    #[inline(always)]
    fn fill(&mut self) {
        let next = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>);
        let next = next.map_or(0, |bytes| u64::from_be_bytes(*bytes));
        // Bits beyond `held` that are there already are the same ones.
        self.window |= next.wrapping_shr(self.held);
        let bytes = 63_u32.wrapping_sub(self.held) >> 3;
        self.at = self.at.wrapping_add(usize::try_from(bytes).unwrap_or(0));
        self.held |= 56;
    }

    /// Fills `line` with what `sample` makes of each difference.
    #[inline(always)]
    pub(super) fn line(
        &mut self,
        table: &Table,
        line: &mut [u16],
        mut sample: impl FnMut(u16) -> u16,
    ) -> Result<(), Fault> {
        // A copy that nothing else points to stays in registers.
        let mut bits = *self;
        let (pairs, last) = line.as_chunks_mut::<2>();
        for [first, second] in pairs {
            // Enough for any code and a short one behind it.
            bits.fill();
            *first = sample(bits.difference(table)?);
            *second = sample(bits.difference(table)?);
        }
        for pixel in last {
            bits.fill();
            *pixel = sample(bits.difference(table)?);
        }
        *self = bits;
        Ok(())
    }

    /// The next difference modulo 2^16, from a window of [`SHORT_MAX`] bits or more (F.2.2.1, H.2).
    #[inline(always)]
    fn difference(&mut self, table: &Table) -> Result<u16, Fault> {
        let index = usize::try_from(self.window >> (64 - LOOKUP_BITS)).unwrap_or(0);
        let mut entry = table.short.get(index).copied().unwrap_or(0);
        if entry == 0 {
            self.fill();
            entry = table.long(self.window).ok_or(NO_CODE)?;
        }
        // The shifts look at the lowest six bits of their count only.
        let own = self.window.wrapping_shr(entry.wrapping_neg());
        self.window = self.window.wrapping_shl(entry);
        self.held = self.held.wrapping_sub(entry & 0x3F);
        let difference = own.wrapping_add(u64::from(entry >> 16));
        Ok(u16::try_from(difference & 0xFFFF).unwrap_or(0))
    }
}
