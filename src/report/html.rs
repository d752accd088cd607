//! Markup is this program's own; whatever else is written is text, and is escaped.

/// Letters of one text; the rest is cut.
const LETTERS_MAX: usize = 1000;

/// A piece of a page. Markup enters as literals of this program only.
#[derive(Clone, Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Writes markup.
    pub(super) fn raw(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// Writes text.
    pub(super) fn text(&mut self, text: &str) {
        let mut letters = text.chars();
        let kept = letters.by_ref().take(LETTERS_MAX);
        kept.for_each(|letter| escape(letter, &mut self.0));
        if letters.next().is_some() {
            self.0.push('…');
        }
    }

    /// Writes what a file says: of its own direction of writing, so that it does not turn what stands beside it.
    pub(super) fn said(&mut self, text: &str) {
        self.raw("<bdi>");
        self.text(text);
        self.raw("</bdi>");
    }

    /// Opens an element.
    pub(super) fn open(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.raw("<");
        self.raw(name);
        for (key, value) in attributes {
            self.raw(" ");
            self.raw(key);
            self.raw("=\"");
            self.text(value);
            self.raw("\"");
        }
        self.raw(">");
    }

    /// Closes an element.
    pub(super) fn close(&mut self, name: &'static str) {
        self.raw("</");
        self.raw(name);
        self.raw(">");
    }

    /// An element of a class around a text.
    pub(super) fn element(&mut self, name: &'static str, class: &'static str, text: &str) {
        if class.is_empty() {
            self.open(name, &[]);
        } else {
            self.open(name, &[("class", class)]);
        }
        self.text(text);
        self.close(name);
    }

    /// A name and what a file says under it, in a list of such; a dash for nothing.
    pub(super) fn fact(&mut self, name: &'static str, value: &str) {
        let value = if value.trim().is_empty() {
            "–"
        } else {
            value
        };
        self.raw("<div>");
        self.element("dt", "", name);
        self.raw("<dd>");
        self.said(value);
        self.raw("</dd></div>");
    }

    /// A picture inside the page.
    pub(super) fn png(&mut self, png: &[u8], alternative: &'static str) {
        use base64::Engine as _;
        self.raw("<img alt=\"");
        self.text(alternative);
        // The alphabet of base64 holds nothing that markup gives a meaning.
        self.raw("\" src=\"data:image/png;base64,");
        base64::engine::general_purpose::STANDARD.encode_string(png, &mut self.0);
        self.raw("\">");
    }

    /// Adds a piece that is written already.
    pub(super) fn piece(&mut self, other: &Html) {
        self.0.push_str(&other.0);
    }

    /// Its size, bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The markup.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

fn escape(letter: char, to: &mut String) {
    match letter {
        '&' => to.push_str("&amp;"),
        '<' => to.push_str("&lt;"),
        '>' => to.push_str("&gt;"),
        '"' => to.push_str("&quot;"),
        '\'' => to.push_str("&#39;"),
        '\n' | '\r' | '\t' => to.push(' '),
        // Letters that turn the direction of writing could make a name read as another.
        '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            to.push('\u{fffd}');
        }
        letter if letter.is_control() => to.push('\u{fffd}'),
        letter => to.push(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        for (text, wanted) in [
            ("5 < 6 & 7 > 2", "5 &lt; 6 &amp; 7 &gt; 2"),
            ("\"><script>'", "&quot;&gt;&lt;script&gt;&#39;"),
            ("陳^大文 é", "陳^大文 é"),
            ("a\0b\u{1b}c\nd", "a\u{fffd}b\u{fffd}c d"),
            ("abc\u{202e}fed", "abc\u{fffd}fed"),
        ] {
            let mut html = Html::default();
            html.text(text);
            assert_eq!(html.into_text(), wanted);
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let mut html = Html::default();
        html.text(&"<".repeat(5000));
        assert_eq!(html.len(), LETTERS_MAX * "&lt;".len() + "…".len());
    }

    #[test]
    fn attributes_are_closed_by_nothing_in_them() {
        let mut html = Html::default();
        html.open("rect", &[("x", "1\" onload=\"x"), ("y", "2")]);
        let wanted = "<rect x=\"1&quot; onload=&quot;x\" y=\"2\">";
        assert_eq!(html.into_text(), wanted);
    }
}
