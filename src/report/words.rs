//! Numbers, names and dates as a reader wants them.

/// `value` with its sign, a true minus, one decimal.
pub(super) fn signed(value: f64) -> String {
    let text = format!("{:.1}", value.abs());
    match text.as_str() {
        "0.0" => "±0.0".to_owned(),
        text if value < 0.0 => format!("−{text}"),
        text => format!("+{text}"),
    }
}

/// Millilitres: one decimal below 100.
pub(super) fn millilitres(value: f64) -> String {
    if value < 100.0 {
        format!("{value:.1} ml")
    } else {
        format!("{value:.0} ml")
    }
}

/// A Patient's Name: `Chan^Tai Man` as `Chan, Tai Man`; several ways of writing it with a stroke between them.
pub(super) fn name(written: &str) -> String {
    let group = |group: &str| {
        let mut parts = group.split('^').map(str::trim);
        let family = parts.next().unwrap_or_default();
        let given: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        match (family, given.join(" ")) {
            (family, given) if given.is_empty() => family.to_owned(),
            ("", given) => given,
            (family, given) => format!("{family}, {given}"),
        }
    };
    let groups = written.split('=').map(group);
    let groups: Vec<String> = groups.filter(|group| !group.is_empty()).collect();
    groups.join(" / ")
}

/// A DICOM date `19610308` as `1961-03-08`; anything else as it is.
pub(super) fn date(written: &str) -> String {
    let is_date = written.len() == 8 && written.bytes().all(|byte| byte.is_ascii_digit());
    let parts = || Some((written.get(..4)?, written.get(4..6)?, written.get(6..)?));
    match parts().filter(|_| is_date) {
        Some((year, month, day)) => format!("{year}-{month}-{day}"),
        None => written.to_owned(),
    }
}

/// `2026-01-15T09:30:00.000Z` as `2026-01-15 09:30`; anything else as it is.
pub(super) fn minute(time: &str) -> String {
    let parts = || Some((time.get(..10)?, time.get(11..16)?));
    match parts().filter(|_| time.get(10..11) == Some("T")) {
        Some((day, minute)) => format!("{day} {minute}"),
        None => time.to_owned(),
    }
}

/// Why there is no comparison by zone.
pub(super) fn comparison_note(code: &str) -> &str {
    match code {
        "masks-missing" => "no masks of the prior were kept",
        "masks-damaged" => "the prior's masks cannot be read",
        "lungs-not-registered" => {
            "the lungs do not lie over each other: another breath, a lung cut off or collapsed"
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_dates_and_numbers_read_as_people_write_them() {
        for (found, wanted) in [
            (name("CHAN^TAI MAN"), "CHAN, TAI MAN"),
            (name("CHAN^TAI^MAN^DR"), "CHAN, TAI MAN DR"),
            (name("Chan^Tai Man=陳^大文="), "Chan, Tai Man / 陳, 大文"),
            (name("^Anna"), "Anna"),
            (name("Solo"), "Solo"),
            (name("^^=^"), ""),
            (date("19610308"), "1961-03-08"),
            (date("196103"), "196103"),
            (date("ééää"), "ééää"),
            (minute("2026-01-15T09:30:00.000Z"), "2026-01-15 09:30"),
            (minute("ééééééééé"), "ééééééééé"),
            (signed(3.12), "+3.1"),
            (signed(-3.12), "−3.1"),
            (signed(-0.04), "±0.0"),
            (millilitres(12.34), "12.3 ml"),
            (millilitres(4703.4), "4703 ml"),
        ] {
            assert_eq!(found, wanted);
        }
    }
}
