//! Text in the character sets of the world, and dates and times.
//!
//! Decoding never fails: what cannot be decoded shows as U+FFFD, because a name is no reason to leave a scan unread.
//! Source: PS3.3 C.12.1.1.2 (Specific Character Set), PS3.5 6.1.2 (ISO 2022 code extensions) and annexes H to K.

use encoding_rs::Encoding;

use crate::units::WallTime;

const ESCAPE: u8 = 0x1B;

/// The Specific Character Set of a data set.
#[derive(Clone, Debug)]
pub(super) struct Charset {
    /// What applies where no escape sequence says otherwise; `None` for the default repertoire.
    base: Option<&'static Encoding>,
}

impl Charset {
    /// From the values of (0008,0005), separated by backslashes.
    pub(super) fn parse(values: Option<&str>) -> Charset {
        let first = values.unwrap_or("").split('\\').next().unwrap_or("").trim();
        Charset {
            base: single_byte_or_whole(first),
        }
    }

    /// The text of `raw`, escape sequences followed.
    pub(super) fn decode(&self, raw: &[u8]) -> String {
        let mut parts = raw.split(|byte| *byte == ESCAPE);
        let mut text = self.plain(parts.next().unwrap_or(&[]));
        for part in parts {
            text.push_str(&self.after_escape(part));
        }
        text
    }

    fn plain(&self, raw: &[u8]) -> String {
        match (self.base, std::str::from_utf8(raw)) {
            (Some(encoding), _) => whole(encoding, raw),
            // No set declared: ASCII by the standard, UTF-8 or Latin-1 in practice.
            (None, Ok(text)) => text.to_owned(),
            (None, Err(_)) => whole(encoding_rs::WINDOWS_1252, raw),
        }
    }

    /// `part` is what follows the escape byte: the rest of the escape sequence, then text.
    fn after_escape(&self, part: &[u8]) -> String {
        if let Some(kanji) = part.strip_prefix(b"$B").or(part.strip_prefix(b"$@")) {
            return whole(encoding_rs::EUC_JP, &high_bits(kanji));
        }
        if let Some(kanji) = part.strip_prefix(b"$(D") {
            return whole(encoding_rs::EUC_JP, &supplementary_kanji(kanji));
        }
        for (sequence, encoding) in DESIGNATIONS {
            if let Some(rest) = part.strip_prefix(*sequence) {
                return whole(encoding, rest);
            }
        }
        self.plain(part.strip_prefix(b"(B").unwrap_or(part))
    }
}

/// Escape sequences (without the escape byte) whose text reads as one of the known encodings.
const DESIGNATIONS: &[(&[u8], &Encoding)] = &[
    (b"(J", encoding_rs::SHIFT_JIS),
    (b")I", encoding_rs::SHIFT_JIS),
    (b"$)C", encoding_rs::EUC_KR),
    (b"$)A", encoding_rs::GBK),
    (b"-A", encoding_rs::WINDOWS_1252),
    (b"-B", encoding_rs::ISO_8859_2),
    (b"-C", encoding_rs::ISO_8859_3),
    (b"-D", encoding_rs::ISO_8859_4),
    (b"-L", encoding_rs::ISO_8859_5),
    (b"-G", encoding_rs::ISO_8859_6),
    (b"-F", encoding_rs::ISO_8859_7),
    (b"-H", encoding_rs::ISO_8859_8),
    (b"-M", encoding_rs::WINDOWS_1254),
    (b"-T", encoding_rs::WINDOWS_874),
    (b"-b", encoding_rs::ISO_8859_15),
];

fn single_byte_or_whole(term: &str) -> Option<&'static Encoding> {
    let number = term
        .strip_prefix("ISO_IR ")
        .or(term.strip_prefix("ISO 2022 IR "));
    match number.unwrap_or(term) {
        "100" => Some(encoding_rs::WINDOWS_1252),
        "101" => Some(encoding_rs::ISO_8859_2),
        "109" => Some(encoding_rs::ISO_8859_3),
        "110" => Some(encoding_rs::ISO_8859_4),
        "144" => Some(encoding_rs::ISO_8859_5),
        "127" => Some(encoding_rs::ISO_8859_6),
        "126" => Some(encoding_rs::ISO_8859_7),
        "138" => Some(encoding_rs::ISO_8859_8),
        "148" => Some(encoding_rs::WINDOWS_1254),
        "203" => Some(encoding_rs::ISO_8859_15),
        "13" => Some(encoding_rs::SHIFT_JIS),
        "166" => Some(encoding_rs::WINDOWS_874),
        "192" => Some(encoding_rs::UTF_8),
        "GB18030" => Some(encoding_rs::GB18030),
        "GBK" => Some(encoding_rs::GBK),
        // Multi-byte sets named first are in use from the start by some writers.
        "149" => Some(encoding_rs::EUC_KR),
        "58" => Some(encoding_rs::GBK),
        _ => None,
    }
}

fn whole(encoding: &'static Encoding, raw: &[u8]) -> String {
    encoding.decode_without_bom_handling(raw).0.into_owned()
}

/// JIS X 0208 as ISO 2022 writes it (seven bits) in its EUC-JP form.
fn high_bits(kanji: &[u8]) -> Vec<u8> {
    kanji.iter().map(|byte| byte | 0x80).collect()
}

/// JIS X 0212 in its EUC-JP form: each pair behind 0x8F.
fn supplementary_kanji(kanji: &[u8]) -> Vec<u8> {
    let pairs = kanji.chunks(2);
    pairs
        .flat_map(|pair| std::iter::once(0x8F).chain(pair.iter().map(|byte| byte | 0x80)))
        .collect()
}

/// The time of a date (DA) and a time of day (TM), taken as UTC; noon is not invented: a missing time is midnight.
pub(super) fn wall_time(date: &str, time: Option<&str>) -> Option<WallTime> {
    let date = digits(date, &['.', '-']);
    let (year, month, day) = (
        number(&date, 0, 4)?,
        number(&date, 4, 6)?,
        number(&date, 6, 8)?,
    );
    WallTime::from_civil(year, month, day, millis_of_day(time.unwrap_or("")))
}

/// The time of a DT value (`YYYYMMDDHHMMSS.FFFFFF&ZZXX`), its offset from UTC left aside.
pub(super) fn date_time(value: &str) -> Option<WallTime> {
    let value = value.split(['+', '-']).next()?;
    wall_time(value.get(..8)?, value.get(8..))
}

fn millis_of_day(time: &str) -> i64 {
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let clock = digits(clock, &[':']);
    let part = |from, to| number(&clock, from, to).unwrap_or(0);
    let fraction = format!("{fraction:0<3}");
    let millis = number(&fraction, 0, 3).unwrap_or(0);
    // 60 is a leap second; the day's last millisecond bounds what a damaged value can say.
    let seconds = part(0, 2) * 3600 + part(2, 4) * 60 + part(4, 6);
    (seconds * 1000 + millis).min(86_399_999)
}

fn digits(text: &str, separators: &[char]) -> String {
    text.chars().filter(|c| !separators.contains(c)).collect()
}

fn number(text: &str, from: usize, to: usize) -> Option<i64> {
    let part = text.get(from..to)?;
    part.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| part.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_in_the_character_sets_of_hong_kong_and_its_neighbours() {
        check(
            Some("GB18030"),
            b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab",
            "Wang^XiaoDong=王^小东",
        );
        check(
            Some("\\ISO 2022 IR 87"),
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
            "Yamada^Tarou=山田^太郎",
        );
        check(
            Some("\\ISO 2022 IR 149"),
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
            "Hong^Gildong=洪^吉洞",
        );
        check(
            Some("\\ISO 2022 IR 58"),
            b"Zhang=\x1b$)A\xd5\xc5",
            "Zhang=张",
        );
        check(Some("ISO_IR 192"), "陳^大文".as_bytes(), "陳^大文");
        check(Some("ISO_IR 100"), b"M\xfcller", "Müller");
        check(None, b"M\xfcller", "Müller");
    }

    #[test]
    fn bytes_that_are_no_text_still_give_one() {
        for set in ["ISO_IR 192", "GB18030", "\\ISO 2022 IR 87", "no such set"] {
            let charset = Charset::parse(Some(set));
            for length in 0..64u8 {
                let raw: Vec<u8> = (0..length).map(|i| i.wrapping_mul(37) ^ 0x1B).collect();
                charset.decode(&raw);
            }
        }
    }

    #[test]
    fn dates_and_times_read_as_scanners_write_them() {
        for (date, time, expected) in [
            (
                "20240229",
                Some("120000.500000"),
                "2024-02-29T12:00:00.500Z",
            ),
            ("2024.02.29", Some("12:00:01"), "2024-02-29T12:00:01.000Z"),
            ("20240229", Some("07"), "2024-02-29T07:00:00.000Z"),
            ("20240229", None, "2024-02-29T00:00:00.000Z"),
        ] {
            assert_eq!(wall_time(date, time).unwrap().to_string(), expected);
        }
        assert!(wall_time("20230229", None).is_none());
        assert!(wall_time("", Some("12")).is_none());
        let stamped = date_time("20240229120000.5+0800").unwrap();
        assert_eq!(stamped.to_string(), "2024-02-29T12:00:00.500Z");
    }

    fn check(set: Option<&str>, raw: &[u8], expected: &str) {
        assert_eq!(Charset::parse(set).decode(raw), expected, "{set:?}");
    }
}
