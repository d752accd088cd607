//! How sharp a reconstruction kernel is, from its name.
//!
//! Names are the makers' own: Siemens `B31f Br40 D40s`, GE `STANDARD LUNG BONE`, Philips `B YB L`, Canon `FC08 FC52`.

/// Soft before unknown before sharp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sharpness {
    Soft,
    Unknown,
    Sharp,
}

/// The sharpness that `kernel` (Convolution Kernel) stands for.
pub(super) fn sharpness(kernel: Option<&str>) -> Sharpness {
    let Some(kernel) = kernel else {
        return Sharpness::Unknown;
    };
    // Siemens appends iteration and strength as further values: "Br40f\3".
    let name = kernel
        .split('\\')
        .next()
        .unwrap_or("")
        .trim()
        .to_uppercase();
    match name.as_str() {
        "STANDARD" | "SOFT" | "DETAIL" | "A" | "B" | "YA" | "YB" => return Sharpness::Soft,
        "LUNG" | "BONE" | "BONEPLUS" | "EDGE" | "CHST" | "L" | "C" | "D" | "E" | "YC" | "YD" => {
            return Sharpness::Sharp;
        }
        _ => {}
    }
    let letters = name.trim_end_matches(|c: char| !c.is_ascii_digit());
    let start = letters.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
    let (family, number) = letters.split_at_checked(start).unwrap_or(("", ""));
    let digits: String = number
        .chars()
        .take_while(char::is_ascii_digit)
        .take(2)
        .collect();
    match (family, digits.parse::<u8>()) {
        ("FC", Ok(0..=29)) => Sharpness::Soft,
        ("FC", Ok(30..)) => Sharpness::Sharp,
        ("B" | "BR" | "D" | "I" | "QR" | "T" | "U", Ok(10..=49)) => Sharpness::Soft,
        ("B" | "BR" | "BL" | "BV" | "D" | "I" | "QR" | "T" | "U", Ok(50..)) => Sharpness::Sharp,
        _ => Sharpness::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_of_four_makers_are_known() {
        for (name, expected) in [
            ("D40s", Sharpness::Soft),
            ("B31f", Sharpness::Soft),
            ("Br40f\\3", Sharpness::Soft),
            ("B70f", Sharpness::Sharp),
            ("Bl57d", Sharpness::Sharp),
            ("STANDARD", Sharpness::Soft),
            ("LUNG", Sharpness::Sharp),
            ("FC08", Sharpness::Soft),
            ("FC52", Sharpness::Sharp),
            ("B", Sharpness::Soft),
            ("ü", Sharpness::Unknown),
            ("", Sharpness::Unknown),
        ] {
            assert_eq!(sharpness(Some(name)), expected, "{name}");
        }
        assert_eq!(sharpness(None), Sharpness::Unknown);
    }
}
