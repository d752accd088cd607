//! `names.csv`: which patient a pseudonym or an accession number is. Resolved here, kept in memory, sent nowhere but to
//! the pages of those who are signed in.

use super::failure::Wrong;
use super::hear::{Identity, Person};
use std::collections::BTreeMap;
use std::fmt;

/// The largest file.
pub(super) const FILE_BYTES_MAX: u64 = 64 << 20;
/// The most rows.
const ROWS_MAX: usize = 500_000;
/// The longest value.
const VALUE_BYTES_MAX: usize = 256;

/// The names. Not for `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    by_pseudonym: BTreeMap<String, Person>,
    by_accession: BTreeMap<String, Person>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Names({} rows)", self.count())
    }
}

impl Names {
    /// Reads the text of a `names.csv`: a line of column names, then the rows, as RFC 4180 has it.
    ///
    /// Columns, in any order: `pseudonym` and `accession` (one of them is enough), `name`, `patient_id`, `birth_date`.
    /// Errors name the line, never what stands there.
    pub(super) fn parse(bytes: &[u8]) -> Result<Names, Wrong> {
        // What spreadsheets put before UTF-8.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let columns = columns(&mut reader)?;
        let mut names = Names::default();
        for (row, record) in (1..).zip(reader.records()) {
            let record = record.map_err(|error| {
                let line = error
                    .position()
                    .and_then(|at| usize::try_from(at.line()).ok());
                Wrong::at(
                    line,
                    "the row has not as many values as there are columns, or is not UTF-8",
                )
            })?;
            let line = record
                .position()
                .and_then(|at| usize::try_from(at.line()).ok());
            if row > ROWS_MAX {
                return Err(Wrong::at(line, "there are more than 500,000 rows"));
            }
            if record
                .iter()
                .any(|value| value.len() > VALUE_BYTES_MAX || value.chars().any(char::is_control))
            {
                return Err(Wrong::at(
                    line,
                    "a value is longer than 256 bytes, or has control characters",
                ));
            }
            names.take(&columns, &record);
        }
        Ok(names)
    }

    fn take(&mut self, columns: &Columns, record: &csv::StringRecord) {
        let value = |column: Option<usize>| {
            column
                .and_then(|column| record.get(column))
                .unwrap_or_default()
                .to_owned()
        };
        let person = Person {
            name: value(columns.name),
            id: value(columns.patient_id),
            birth_date: value(columns.birth_date),
        };
        for (key, map) in [
            (value(columns.pseudonym), &mut self.by_pseudonym),
            (value(columns.accession), &mut self.by_accession),
        ] {
            if !key.is_empty() {
                map.insert(key, person.clone());
            }
        }
    }

    /// How many keys there are.
    pub(super) fn count(&self) -> usize {
        self.by_pseudonym.len() + self.by_accession.len()
    }

    /// Whose a finding is: as the box says, else by its accession number, else by its pseudonym.
    pub(super) fn find<'a>(&'a self, identity: &'a Identity) -> Option<&'a Person> {
        let accession = identity.accession.as_ref();
        let by_accession = || accession.and_then(|number| self.by_accession.get(number));
        let by_pseudonym = || self.by_pseudonym.get(identity.pseudonym.as_str());
        identity
            .patient
            .as_ref()
            .or_else(by_accession)
            .or_else(by_pseudonym)
    }
}

#[derive(Default)]
struct Columns {
    pseudonym: Option<usize>,
    accession: Option<usize>,
    name: Option<usize>,
    patient_id: Option<usize>,
    birth_date: Option<usize>,
}

fn columns(reader: &mut csv::Reader<&[u8]>) -> Result<Columns, Wrong> {
    let header = reader
        .headers()
        .map_err(|_| Wrong::at(Some(1), "the line of column names is not UTF-8"))?;
    let mut columns = Columns::default();
    for (place, word) in header.iter().enumerate() {
        let column = match word {
            "pseudonym" => &mut columns.pseudonym,
            "accession" => &mut columns.accession,
            "name" => &mut columns.name,
            "patient_id" => &mut columns.patient_id,
            "birth_date" => &mut columns.birth_date,
            _ => {
                return Err(Wrong::at(
                    Some(1),
                    "the columns are pseudonym, accession, name, patient_id, birth_date",
                ));
            }
        };
        *column = Some(place);
    }
    if columns.name.is_none() || columns.pseudonym.is_none() && columns.accession.is_none() {
        return Err(Wrong::at(
            Some(1),
            "a column `name` and one of `pseudonym`, `accession` are needed",
        ));
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Pseudonym;

    fn identity(accession: Option<&str>) -> Identity {
        Identity {
            pseudonym: Pseudonym::from_mac(&[1; 32]),
            accession: accession.map(str::to_owned),
            patient: None,
        }
    }

    #[test]
    fn a_finding_is_named_by_accession_first_and_by_pseudonym_else() {
        let text = format!(
            "\u{feff}name,accession,pseudonym,patient_id,birth_date\r\n\"CHAN, TAI MAN 陳大文\",A1,,P-1,1956-01-01\r\nLEE,,{},P-2,\r\n",
            Pseudonym::from_mac(&[1; 32])
        );
        let names = Names::parse(text.as_bytes()).unwrap();
        let name = |accession| {
            names
                .find(&identity(accession))
                .map(|person| person.name.clone())
        };
        assert_eq!(name(Some("A1")).as_deref(), Some("CHAN, TAI MAN 陳大文"));
        assert_eq!(name(Some("A2")).as_deref(), Some("LEE"));
        assert_eq!(name(None).as_deref(), Some("LEE"));
        assert_eq!(format!("{names:?}"), "Names(2 rows)");
    }

    #[test]
    fn a_file_with_a_mistake_says_where_and_repeats_nothing() {
        for (text, expected) in [
            ("", "a column `name`"),
            ("name\nCHAN\n", "a column `name`"),
            ("name,accession,ward\n", "line 1: the columns are"),
            ("name,accession\nCHAN,A1\nCHAN\n", "line 3"),
            ("name,accession\nCHAN\u{7},A1\n", "line 2"),
        ] {
            let error = Names::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("CHAN"), "{error}");
        }
        assert!(Names::parse(b"name,accession\n\xff,A1\n").is_err());
        let long = format!("name,accession\n{},A1\n", "x".repeat(300));
        assert!(Names::parse(long.as_bytes()).is_err());
    }
}
