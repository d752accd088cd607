//! A typed reader over one parsed TOML text: each value taken once, what is left over is a mistake.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong with the settings, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ConfigError {
    /// Line of the text, from 1; 0 when a whole section or key is missing.
    pub line: usize,
    /// What is wrong and what would be right.
    pub what: String,
}

impl ConfigError {
    /// What does not fit together in a section as a whole.
    pub(crate) fn in_section(section: &str, what: &str) -> ConfigError {
        ConfigError {
            line: 0,
            what: format!("[{section}]: {what}"),
        }
    }
}

/// The text being read: turns a byte offset into a line number.
pub(crate) struct Source<'a> {
    text: &'a str,
}

impl<'a> Source<'a> {
    pub(crate) fn new(text: &'a str) -> Source<'a> {
        Source { text }
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or(self.text);
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    fn error(&self, offset: usize, what: String) -> ConfigError {
        ConfigError {
            line: self.line(offset),
            what,
        }
    }
}

type Entry<'a> = (usize, Spanned<DeValue<'a>>);

/// One table of the text, its values taken by name.
pub(crate) struct Section<'a> {
    name: String,
    source: &'a Source<'a>,
    entries: BTreeMap<String, Entry<'a>>,
    known: Vec<&'static str>,
}

/// The text's tables, by name.
pub(crate) fn sections<'a>(
    source: &'a Source<'a>,
    known: &[&'static str],
) -> Result<BTreeMap<String, Section<'a>>, ConfigError> {
    let table = DeTable::parse(source.text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        source.error(offset, error.message().to_owned())
    })?;
    let mut found = BTreeMap::new();
    for (key, value) in table.into_inner() {
        let at = key.span().start;
        let name = key.into_inner().into_owned();
        if !known.contains(&name.as_str()) {
            return Err(source.error(at, unknown("section", &name, known)));
        }
        let DeValue::Table(inner) = value.into_inner() else {
            return Err(source.error(at, format!("`{name}` is a section: write `[{name}]`")));
        };
        let entries = inner
            .into_iter()
            .map(|(key, value)| (key.get_ref().to_string(), (key.span().start, value)))
            .collect();
        found.insert(
            name.clone(),
            Section {
                name,
                source,
                entries,
                known: Vec::new(),
            },
        );
    }
    Ok(found)
}

impl<'a> Section<'a> {
    /// A section that the text leaves out: every key takes its default.
    pub(crate) fn absent(name: &str, source: &'a Source<'a>) -> Section<'a> {
        Section {
            name: name.to_owned(),
            source,
            entries: BTreeMap::new(),
            known: Vec::new(),
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Entry<'a>> {
        self.known.push(key);
        self.entries.remove(key)
    }

    /// The text under `key`, if it is there.
    pub(crate) fn text(&mut self, key: &'static str) -> Result<Option<String>, ConfigError> {
        let Some((at, value)) = self.take(key) else {
            return Ok(None);
        };
        match value.into_inner() {
            DeValue::String(text) => Ok(Some(text.into_owned())),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => Err(self.wrong(at, key, "a text in quotes")),
        }
    }

    /// The text under `key`, which must be there.
    pub(crate) fn required(&mut self, key: &'static str) -> Result<String, ConfigError> {
        let name = self.name.clone();
        self.text(key)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| ConfigError {
                line: 0,
                what: format!("`{key}` is missing in [{name}]"),
            })
    }

    /// The text under `key`, which must be there, put through `parse`.
    pub(crate) fn required_parsed<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError> {
        let at = self.entries.get(key).map_or(0, |(at, _)| *at);
        let text = self.required(key)?;
        parse(&text).map_err(|error| {
            self.source
                .error(at, format!("`{key}` in [{}]: {error}", self.name))
        })
    }

    /// The text under `key` put through `parse`; `default` when it is not there.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError> {
        let at = self.entries.get(key).map_or(0, |(at, _)| *at);
        let Some(text) = self.text(key)? else {
            return Ok(default);
        };
        parse(&text).map_err(|error| {
            self.source
                .error(at, format!("`{key}` in [{}]: {error}", self.name))
        })
    }

    /// The path under `key`, if it is there.
    pub(crate) fn path(&mut self, key: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        Ok(self.text(key)?.map(PathBuf::from))
    }

    /// The whole or broken number under `key` within `bounds`; `default` when it is not there.
    pub(crate) fn number(
        &mut self,
        key: &'static str,
        default: f64,
        bounds: std::ops::RangeInclusive<f64>,
    ) -> Result<f64, ConfigError> {
        let Some((at, value)) = self.take(key) else {
            return Ok(default);
        };
        let text = match value.into_inner() {
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => String::new(),
        };
        let within = format!("a number from {} to {}", bounds.start(), bounds.end());
        match text.replace('_', "").parse::<f64>() {
            Ok(number) if bounds.contains(&number) => Ok(number),
            Ok(_) | Err(_) => Err(self.wrong(at, key, &within)),
        }
    }

    /// The whole number under `key` within `bounds`; `default` when it is not there.
    pub(crate) fn whole(
        &mut self,
        key: &'static str,
        default: usize,
        bounds: std::ops::RangeInclusive<usize>,
    ) -> Result<usize, ConfigError> {
        let Some((at, value)) = self.take(key) else {
            return Ok(default);
        };
        let number = match value.into_inner() {
            DeValue::Integer(number) => number.to_string().replace('_', "").parse().ok(),
            DeValue::Float(_)
            | DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        };
        let within = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        number
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| self.wrong(at, key, &within))
    }

    /// The time under `key`, a number of `unit`s.
    pub(crate) fn duration(
        &mut self,
        key: &'static str,
        default: f64,
        bounds: std::ops::RangeInclusive<f64>,
        unit: Duration,
    ) -> Result<Duration, ConfigError> {
        Ok(unit.mul_f64(self.number(key, default, bounds)?))
    }

    /// The switch under `key`; `default` when it is not there.
    pub(crate) fn switch(&mut self, key: &'static str, default: bool) -> Result<bool, ConfigError> {
        let Some((at, value)) = self.take(key) else {
            return Ok(default);
        };
        match value.into_inner() {
            DeValue::Boolean(on) => Ok(on),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => Err(self.wrong(at, key, "true or false")),
        }
    }

    /// The texts under `key`; `default` when it is not there.
    pub(crate) fn texts(
        &mut self,
        key: &'static str,
        default: Vec<String>,
    ) -> Result<Vec<String>, ConfigError> {
        let Some((at, value)) = self.take(key) else {
            return Ok(default);
        };
        let wrong = self.wrong(at, key, "a list of texts");
        let DeValue::Array(items) = value.into_inner() else {
            return Err(wrong);
        };
        items
            .into_iter()
            .map(|item| match item.into_inner() {
                DeValue::String(text) => Ok(text.into_owned()),
                DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_) => Err(wrong.clone()),
            })
            .collect()
    }

    /// The texts under `key`, `count_max` at most, each put through `parse`; none when it is not there.
    pub(crate) fn parsed_texts<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        count_max: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, ConfigError> {
        let at = self.entries.get(key).map_or(0, |(at, _)| *at);
        let texts = self.texts(key, Vec::new())?;
        if texts.len() > count_max {
            return Err(self.wrong(at, key, &format!("a list of {count_max} at most")));
        }
        let parsed: Result<Vec<T>, E> = texts.iter().map(|text| parse(text)).collect();
        parsed.map_err(|error| {
            self.source
                .error(at, format!("`{key}` in [{}]: {error}", self.name))
        })
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        match self.entries.iter().next() {
            Some((key, (at, _))) => {
                let kind = format!("key in [{}]", self.name);
                Err(self.source.error(*at, unknown(&kind, key, &self.known)))
            }
            None => Ok(()),
        }
    }

    fn wrong(&self, at: usize, key: &str, wanted: &str) -> ConfigError {
        self.source
            .error(at, format!("`{key}` in [{}] must be {wanted}", self.name))
    }
}

fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    let nearest = known.iter().min_by_key(|candidate| edits(name, candidate));
    match nearest {
        Some(nearest) => format!("unknown {kind}: `{name}`; did you mean `{nearest}`?"),
        None => format!("unknown {kind}: `{name}`"),
    }
}

/// The Levenshtein distance of two short texts.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut costs: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.chars().enumerate() {
        let mut next = vec![row + 1];
        for ((against, above), diagonal) in other.iter().zip(costs.iter().skip(1)).zip(&costs) {
            let left = next.last().copied().unwrap_or(row + 1);
            let replaced = diagonal + usize::from(letter != *against);
            next.push(replaced.min(above + 1).min(left + 1));
        }
        costs = next;
    }
    costs.last().copied().unwrap_or(0)
}
