//! What the model card beside a manifest says of the model's limits.

/// Limits that are taken over.
const LIMITS_MAX: usize = 20;

/// The points of the card's section "Limits", without its marks of emphasis; none when the card is not of the model `title`.
pub fn limits_of(card: &str, title: &str) -> Vec<String> {
    let mut lines = card.lines();
    if lines.next() != Some(&format!("# Model card: {title}")) {
        return Vec::new();
    }
    let section = lines
        .skip_while(|line| *line != "## Limits")
        .skip(1)
        .take_while(|line| !line.starts_with('#'));
    let mut limits: Vec<String> = Vec::new();
    for line in section {
        let line = line.replace(['*', '`'], "");
        match (line.strip_prefix("- "), limits.last_mut()) {
            (Some(point), _) => limits.push(point.trim().to_owned()),
            (None, Some(last)) if !line.trim().is_empty() => {
                last.push(' ');
                last.push_str(line.trim());
            }
            (None, Some(_) | None) => {}
        }
    }
    limits.truncate(LIMITS_MAX);
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_joined_and_lose_their_marks() {
        let card = "# Model card: lung 2.0\n\ntext\n\n## Limits\n\n- One, **bold**\n  and `more`.\n- Two.\n\n## Next\n- no\n";
        assert_eq!(limits_of(card, "lung 2.0"), ["One, bold and more.", "Two."]);
    }

    #[test]
    fn the_card_of_another_model_says_nothing() {
        let card = "# Model card: lung 2.0\n## Limits\n- One.\n";
        assert_eq!(limits_of(card, "lung 2.1"), Vec::<String>::new());
        assert_eq!(limits_of("", ""), Vec::<String>::new());
    }
}
