//! Takes a file apart into its records, one at a time: a million lines need no more memory than the longest.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::hsds::repository::SourceRowKind;
use crate::http::json::{Foreign, MOST_OF_FILED, foreign, is_private, without_nul};

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON value: an array of records, a page with `contents`, or a single record.
    Json,
    /// One JSON value per line.
    Ndjson,
    /// Comma-separated values with a header line; a record is an object of its non-empty cells.
    Csv,
}

/// A record as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    /// The line in NDJSON and CSV, else the place in the order of records. From 1.
    pub position: u64,
    /// The record, or why the line is none.
    pub value: Result<Value, String>,
    /// What it is.
    pub of: Of,
    /// The id of a row of a package that is none for what hangs on it.
    pub id: Option<String>,
}

/// What stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Of {
    /// A record of services.
    #[default]
    Records,
    /// A service of a package, which lists its organization by itself.
    Service,
    /// An organization of a package.
    Organization,
    /// A row of a package that belongs to no record.
    Row(SourceRowKind),
    /// The same of a package that another Kith has written.
    OwnRow(SourceRowKind),
    /// A row of a package that is part of records, and could not be read.
    Part,
    /// Rows of a package that belong to nothing that is there: the name of their table, and what is to be told of them.
    LeftOut,
}

impl Raw {
    /// A record of services.
    pub const fn new(position: u64, value: Result<Value, String>) -> Self {
        Self { position, value, of: Of::Records, id: None }
    }
}

/// The file could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes did not come.
    #[error("the file could not be read")]
    Io(#[from] io::Error),
    /// The file as a whole is not of its form.
    #[error("the file is not well formed: {0}")]
    Malformed(String),
}

/// The longest line of a file of NDJSON, in bytes.
const MAX_LINE: u64 = 64 << 20;

/// Finds out the form from the first bytes: JSON that goes on after its first line's value is NDJSON.
pub fn form_of(name: &str, head: &[u8]) -> Form {
    let extension = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "csv" => return Form::Csv,
        "ndjson" | "jsonl" => return Form::Ndjson,
        _ => {}
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {
            let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let is_whole = serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
            let goes_on = head.get(line.len()..).is_some_and(|rest| rest.iter().any(|byte| !byte.is_ascii_whitespace()));
            if is_whole && goes_on { Form::Ndjson } else { Form::Json }
        }
        Some(b'[') => Form::Json,
        _ => Form::Csv,
    }
}

/// Hands over every record in order. A line that is no record is handed over as such; a fault of the file as a whole ends the reading.
pub fn read(input: impl Read, form: Form, mut take: impl FnMut(Raw)) -> Result<(), ReadError> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    if input.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    match form {
        Form::Json => json(input, &mut take),
        Form::Ndjson => ndjson(input, &mut take),
        Form::Csv => csv(input, &mut take),
    }
}

/// One line of NDJSON, of at most so many values; `None` for an empty one.
pub fn line(bytes: &[u8], position: u64, most: usize) -> Option<Raw> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    Some(Raw::new(position, foreign(bytes, most).map_err(|fault| format!("not JSON: {fault}"))))
}

fn ndjson(mut input: impl BufRead, take: &mut impl FnMut(Raw)) -> Result<(), ReadError> {
    let mut bytes = Vec::new();
    for position in 1.. {
        bytes.clear();
        if input.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if bytes.len() as u64 == MAX_LINE && bytes.last() != Some(&b'\n') {
            return Err(ReadError::Malformed(format!("line {position} is longer than {MAX_LINE} bytes")));
        }
        line(&bytes, position, MOST_OF_FILED).into_iter().for_each(&mut *take);
    }
    Ok(())
}

fn csv(input: impl Read, take: &mut impl FnMut(Raw)) -> Result<(), ReadError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let columns = columns(reader.byte_headers().map_err(|fault| ReadError::Malformed(fault.to_string()))?);
    let mut row = csv::ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut row) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(fault) => return Err(ReadError::Malformed(fault.to_string())),
        }
        let position = row.position().map_or(0, csv::Position::line);
        let value = cells(&columns, &row, |_, cell| (!cell.trim().is_empty()).then(|| Value::String(cell.to_owned())));
        take(Raw::new(position, value.map(Value::Object)));
    }
}

/// The columns that a header line names.
pub fn columns(header: &csv::ByteRecord) -> Vec<String> {
    header.iter().map(|name| without_nul(String::from_utf8_lossy(name).into_owned()).trim().to_owned()).collect()
}

/// The object of a row of CSV: what is made of each cell that is not empty, by its column. Else why it is none.
pub fn cells(columns: &[String], row: &csv::ByteRecord, value: impl Fn(&str, &str) -> Option<Value>) -> Result<Map<String, Value>, String> {
    if row.len() > columns.len() {
        return Err(format!("{} cells where the header names {}", row.len(), columns.len()));
    }
    let mut record = Map::new();
    for (column, cell) in columns.iter().zip(row) {
        let cell = std::str::from_utf8(cell).map_err(|_| format!("the cell of {} is not UTF-8", column.escape_debug()))?;
        if is_private(column) {
            return Err(format!("a column must not be called {column}"));
        }
        let clean = if cell.contains('\0') { Cow::Owned(cell.replace('\0', "")) } else { Cow::Borrowed(cell) };
        if !clean.is_empty() {
            record.extend(value(column, &clean).map(|value| (column.clone(), value)));
        }
    }
    Ok(record)
}

fn json(input: impl Read, take: &mut impl FnMut(Raw)) -> Result<(), ReadError> {
    let mut deserializer = serde_json::Deserializer::from_reader(input);
    let mut position = 0;
    let mut numbered = |value| {
        position += 1;
        take(Raw::new(position, Ok(value)));
    };
    Document(&mut numbered)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|fault| if fault.is_io() { ReadError::Io(fault.into()) } else { ReadError::Malformed(fault.to_string()) })
}

/// A whole JSON file. Elements of a top-level array, and of the `contents` of a page, are handed over as they are read.
struct Document<'f, F>(&'f mut F);

impl<'de, F: FnMut(Value)> DeserializeSeed<'de> for Document<'_, F> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(Value)> Visitor<'de> for Document<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records, a page with contents, or a record")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element_seed(Foreign)? {
            self.0(element);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut record = Map::new();
        let mut is_page = false;
        while let Some(key) = entries.next_key::<String>()? {
            let key = without_nul(key);
            if key == "contents" {
                is_page = true;
                entries.next_value_seed(Document(&mut *self.0))?;
            } else if is_private(&key) {
                return Err(A::Error::custom("a key that is not allowed"));
            } else {
                record.insert(key, entries.next_value_seed(Foreign)?);
            }
        }
        if !is_page {
            self.0(Value::Object(record));
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn all(text: &str, form: Form) -> Vec<(u64, Result<Value, String>)> {
        let mut found = Vec::new();
        read(text.as_bytes(), form, |raw| found.push((raw.position, raw.value))).unwrap();
        found
    }

    #[test]
    fn every_form_gives_its_records() {
        assert_eq!(all("[{\"a\":1},{\"a\":2}]", Form::Json), [(1, Ok(json!({"a":1}))), (2, Ok(json!({"a":2})))]);
        assert_eq!(all("{\"total_items\":1,\"contents\":[{\"a\":1}],\"empty\":false}", Form::Json), [(1, Ok(json!({"a":1})))]);
        assert_eq!(all("\u{feff}{\"a\":1}", Form::Json), [(1, Ok(json!({"a":1})))]);
        assert_eq!(all("a,b\n1,\n\"x\ny\",2\n", Form::Csv), [(2, Ok(json!({"a":"1"}))), (3, Ok(json!({"a":"x\ny","b":"2"})))]);
        let lines = all("{\"a\":1}\n\n{broken\n{\"a\":3}", Form::Ndjson);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], (1, Ok(json!({"a":1}))));
        assert!(lines[1].0 == 3 && lines[1].1.as_ref().is_err_and(|fault| fault.starts_with("not JSON")));
        assert_eq!(lines[2], (4, Ok(json!({"a":3}))));
    }

    #[test]
    fn a_line_of_more_values_than_it_may_have_is_refused_by_itself_and_a_long_one_is_taken() {
        let read = |bytes: &[u8], most| line(bytes, 1, most).map(|raw| raw.value.is_ok());
        assert_eq!((read(b"[1, 2]\n", 3), read(b"[1, 2]\n", 2), read(b" \n", 2)), (Some(true), Some(false), None));
        assert_eq!(read(format!("\"{}\"", "a".repeat(17 << 20)).as_bytes(), 3), Some(true));
    }

    #[test]
    fn a_file_that_is_no_json_says_where() {
        let fault = read("[{\"a\":1},".as_bytes(), Form::Json, |_| {}).unwrap_err();
        assert!(matches!(fault, ReadError::Malformed(text) if text.contains("line 1")));
        assert!(read("[1] x".as_bytes(), Form::Json, |_| {}).is_err());
        assert!(read("7".as_bytes(), Form::Json, |_| {}).is_err());
    }

    #[test]
    fn names_by_which_the_reader_of_json_speaks_to_itself_are_taken_from_nobody() {
        const PRIVATE: &str = "$serde_json::private::RawValue";
        let rows = all(&format!("a,{PRIVATE}\n1,[2]\n"), Form::Csv);
        assert!(rows[0].1.is_err());
        let record = json!({ PRIVATE: "[2]" }).to_string();
        assert!(read(record.as_bytes(), Form::Json, |_| {}).is_err());
        assert!(all(&record, Form::Ndjson)[0].1.is_err());
    }

    #[test]
    fn nuls_are_left_out_of_every_form() {
        let record = json!({ "name": "Pantry" });
        let of = |text: &str, form| all(text, form).pop().unwrap().1.unwrap();
        assert_eq!(of("na\0me,\0\nPan\0try,\0\n", Form::Csv), record);
        assert_eq!(of(r#"{"na\u0000me":"Pan\u0000try"}"#, Form::Json), record);
        assert_eq!(of(r#"[{"na\u0000me":"Pan\u0000try"}]"#, Form::Json), record);
        assert_eq!(of(r#"{"na\u0000me":"Pan\u0000try"}"#, Form::Ndjson), record);
    }

    #[test]
    fn rows_of_the_wrong_length_are_faults_of_their_own() {
        let rows = all("a,b\n1,2,3\n4\n", Form::Csv);
        assert!(rows[0].1.is_err());
        assert_eq!(rows[1].1, Ok(json!({"a":"4"})));
    }

    #[test]
    fn forms_are_found_out() {
        assert_eq!(form_of("x.CSV", b""), Form::Csv);
        assert_eq!(form_of("x.json", b" [1]"), Form::Json);
        assert_eq!(form_of("x.json", b"{\"a\":\n1}"), Form::Json);
        assert_eq!(form_of("x", b"{\"a\":1}\n{\"a\":2}\n"), Form::Ndjson);
        assert_eq!(form_of("x", b"id,name\n"), Form::Csv);
    }
}
