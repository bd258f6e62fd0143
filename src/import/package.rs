//! HSDS tabular packages: CSV files with foreign keys, in a folder or a zip file, put together into the nested objects that
//! [`hsds`](super::hsds) reads.
//!
//! Tables are known by their files' names, those of 3.x as well as those that older packages have. A row hangs on every record that it names
//! by a foreign key. Tables and columns that nobody knows come along as they are, and so are kept. Organizations come first, each with all
//! that hangs on it, whether it gives a service or not; then the services; then what belongs to no record, such as terms. Of rows that
//! hang on nothing that is there is told at the end.

mod bounds;
mod nesting;
mod older;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, Cursor, Read, Seek};
use std::path::Path;

use serde_json::{Map, Number, Value, json};
use zip::ZipArchive;

use self::bounds::{Budget, Unfolded};
use self::older::{renewed, table_of};
use super::hsds::own;
use super::read::{self, Of, Raw};
use crate::hsds::package::{DESCRIPTOR, OTHERWISE};
use crate::hsds::repository::SourceRowKind;
use crate::hsds::tables::{KEYS, NUMBERS, SINGLES};
use crate::http::json::{MOST_OF_RECORD, foreign, without_nul};

/// Why a package cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The zip file is none.
    #[error("no zip file that can be read: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// It has no services, too many files or rows, or a table that is no CSV.
    #[error("{0}")]
    Malformed(String),
    /// Unpacked it is larger than it may be.
    #[error("unpacked it is larger than {0} bytes")]
    TooLarge(u64),
}

/// Files of a package beside its descriptor, at most.
const MOST_FILES: usize = 200;
/// Rows of a package, at most: where each stands is kept in memory.
pub const MOST_ROWS: usize = 5_000_000;
/// Rows that hang on one service, at most, also where one hangs on itself.
const MOST_PARTS: usize = 100_000;

/// True where bytes begin as a zip file does.
pub fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// A package that has been read and is still to be put together.
///
/// In memory are the files as they came, and where in them each row stands; rows are read anew when they are put together.
#[derive(Debug, Default)]
pub struct Package {
    tables: Vec<Table>,
    /// How many rows there may be in all, and how many there are.
    most_rows: usize,
    rows: usize,
    /// On how many records they hang, one on each that it names: on twice as many as there may be rows at most.
    hung: usize,
    organizations: VecDeque<Place>,
    services: VecDeque<Place>,
    /// Rows by table and id.
    records: HashMap<String, HashMap<String, Place>>,
    /// Rows by the column that names their parent and its id.
    children: HashMap<(&'static str, String), Vec<Place>>,
    /// Rows that could not be read.
    spoiled: VecDeque<Place>,
    /// How many services each organization has, and the first of them.
    services_of: HashMap<String, (usize, Option<String>)>,
    /// The services that say where they are given, and the locations that are named so.
    placed: (HashSet<String>, HashSet<String>),
    /// The programs that services name.
    programs: HashSet<String>,
    /// Whether another Kith has written it.
    is_own: bool,
    /// The table whose rows that belong to no record are next, and where in it they go on.
    loose: (usize, Option<csv::Position>),
    /// Records that rows name and that are not there, by the column that names them.
    missing: RefCell<BTreeSet<(&'static str, String)>>,
    /// How much more is read to unfold records.
    budget: Budget,
}

#[derive(Debug)]
struct Table {
    name: String,
    file: String,
    columns: Vec<String>,
    bytes: Vec<u8>,
    /// Which of its rows hang on something.
    is_used: RefCell<Vec<bool>>,
}

/// Where a row stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    table: usize,
    row: u32,
    start: usize,
    end: usize,
    line: u64,
}

type Row = Map<String, Value>;

/// Tables whose rows belong to no record, and what they are.
const LOOSE: &[(&str, SourceRowKind)] = &[
    ("taxonomy", SourceRowKind::Taxonomy),
    ("taxonomy_term", SourceRowKind::TaxonomyTerm),
    ("unit", SourceRowKind::Unit),
    ("meta_table_description", SourceRowKind::MetaTableDescription),
];

/// What a row of a table is.
fn of_table(name: &str) -> Of {
    match name {
        "service" => Of::Service,
        "organization" => Of::Organization,
        name => LOOSE.iter().find(|(loose, _)| *loose == name).map_or(Of::Part, |(_, kind)| Of::Row(*kind)),
    }
}

/// The columns by which a row hangs on another.
const PARENTS: &[&str] = &[
    "service_at_location_id",
    "location_id",
    "contact_id",
    "phone_id",
    "service_id",
    "organization_id",
    "program_id",
    "link_id",
    "resource_id",
];
/// Those of a table. A service at a location is the service's.
fn parents_of(table: &str) -> &'static [&'static str] {
    match table {
        "service_at_location" => &["service_id"],
        "location" | "program" => &["organization_id"],
        _ => PARENTS,
    }
}

/// Rows, and records that are not there, that are told of by way of example.
const EXAMPLES: usize = 5;

impl Package {
    fn new(most_rows: usize) -> Self {
        Self { most_rows, budget: Budget::of(most_rows), ..Self::default() }
    }

    /// Reads the CSV files of a folder.
    pub fn of_folder(folder: &Path) -> Result<Self, PackageError> {
        let mut package = Self::new(MOST_ROWS);
        let mut paths: Vec<_> = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.to_lowercase().ends_with(".csv") && path.is_file() {
                package.read_table(&name, File::open(&path)?)?;
            }
        }
        package.read_whole()
    }

    /// Reads a zip file, of which no more than so many bytes are unpacked, with no more than so many rows.
    pub fn of_zip(file: impl Read + Seek, most: u64, most_rows: usize) -> Result<Self, PackageError> {
        let mut archive = ZipArchive::new(file)?;
        if archive.len() > MOST_FILES {
            return Err(PackageError::Malformed(format!("it has more than {MOST_FILES} files")));
        }
        let mut package = Self::new(most_rows);
        let mut left = most;
        let mut files: Vec<(String, usize)> = Vec::new();
        for number in 0..archive.len() {
            let entry = archive.by_index_raw(number)?;
            files.push((String::from_utf8_lossy(entry.name_raw()).into_owned(), number));
        }
        files.sort();
        let is_table = |name: &str| name.to_lowercase().ends_with(".csv") && !name.starts_with("__MACOSX");
        for (name, number) in files.into_iter().filter(|(name, _)| is_table(name)) {
            let mut bytes = Vec::new();
            // What the file says of its size is not believed.
            archive.by_index(number)?.take(left + 1).read_to_end(&mut bytes)?;
            left = left.checked_sub(bytes.len() as u64).ok_or(PackageError::TooLarge(most))?;
            package.read_table(&name, Cursor::new(bytes))?;
        }
        package.read_whole()
    }

    fn read_whole(self) -> Result<Self, PackageError> {
        let is_of_service = |place: &Place| self.of(*place) == Of::Service;
        if self.services.is_empty() && !self.spoiled.iter().any(is_of_service) {
            return Err(PackageError::Malformed(format!(
                "it has no services.csv; {DESCRIPTOR} and the CSV files beside it make a package"
            )));
        }
        Ok(self)
    }

    fn read_table(&mut self, path: &str, mut input: impl Read) -> Result<(), PackageError> {
        let path = &without_nul(path.to_owned());
        let name = table_of(path);
        let file = path.rsplit(['/', '\\']).next().unwrap_or(path).to_lowercase();
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        if bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        let fault = |fault: csv::Error| PackageError::Malformed(format!("{file}: {fault}"));
        let mut places = Vec::new();
        let columns: Vec<String> = {
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
            let columns = read::columns(reader.byte_headers().map_err(fault)?);
            let mut cells = csv::ByteRecord::new();
            while reader.read_byte_record(&mut cells).map_err(fault)? {
                if self.rows + places.len() >= self.most_rows {
                    return Err(PackageError::Malformed(format!("it has more than {} rows", self.most_rows)));
                }
                let (start, line) = cells.position().map_or((0, 0), |place| (place.byte() as usize, place.line()));
                let row = u32::try_from(places.len()).unwrap_or(u32::MAX);
                places.push(Place { table: self.tables.len(), row, start, end: reader.position().byte() as usize, line });
            }
            columns
        };
        self.tables.push(Table { name: name.clone(), file, columns, bytes, is_used: RefCell::new(vec![false; places.len()]) });
        self.rows += places.len();
        for place in places {
            match self.row(place) {
                Ok(fields) => self.shelve(&name, &fields, place),
                Err(_) => self.spoiled.push_back(place),
            }
            if self.hung > 2 * self.most_rows {
                return Err(PackageError::Malformed(format!("its rows hang on more than {} records", 2 * self.most_rows)));
            }
        }
        Ok(())
    }

    /// What the row at a place is.
    fn of(&self, place: Place) -> Of {
        self.tables.get(place.table).map_or(Of::Part, |table| of_table(&table.name))
    }

    /// The row at a place, in the terms of the present standard.
    fn row(&self, place: Place) -> Result<Row, String> {
        let Some(table) = self.tables.get(place.table) else { return Ok(Row::new()) };
        let bytes = table.bytes.get(place.start..place.end).unwrap_or_default();
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(bytes.len().clamp(64, 8_192)).from_reader(bytes);
        let mut cells = csv::ByteRecord::new();
        reader.read_byte_record(&mut cells).map_err(|fault| format!("{}: {fault}", table.file))?;
        let fields = read::cells(&table.columns, &cells, |column, text| Some(cell(column, text)))
            .map_err(|reason| format!("{}: {reason}", table.file))?;
        Ok(renewed(&table.file, &table.name, fields))
    }

    fn shelve(&mut self, table: &str, fields: &Row, place: Place) {
        if table == "service" {
            if let Some(organization) = text(fields, "organization_id") {
                let (count, first) = self.services_of.entry(organization).or_default();
                *count += 1;
                first.get_or_insert_with(|| text(fields, "id").unwrap_or_default());
            }
            // What Kith has written says where a service is given, also where that is nowhere.
            if own::is_own(fields) {
                self.is_own = true;
                self.placed.0.extend(text(fields, "id"));
            }
            self.programs.extend(text(fields, "program_id").filter(|_| !says_otherwise(fields, "program")));
            self.services.push_back(place);
            return;
        }
        if table == "service_at_location" {
            self.placed.0.extend(text(fields, "service_id"));
            self.placed.1.extend(text(fields, "location_id").filter(|_| !says_otherwise(fields, "location")));
        }
        if table == "organization" {
            self.organizations.push_back(place);
        }
        let is_single = SINGLES.iter().any(|(_, child, _)| *child == table);
        if let Some(id) = text(fields, "id").filter(|_| is_single) {
            self.records.entry(table.to_owned()).or_default().insert(id, place);
            // Of an organization's locations and programs one may be named nowhere else.
            let parents = if matches!(table, "location" | "program") { parents_of(table) } else { &[] };
            return self.hang(fields, place, parents);
        }
        self.hang(fields, place, parents_of(table));
    }

    fn hang(&mut self, fields: &Row, place: Place, parents: &[&'static str]) {
        for column in parents {
            if let Some(id) = text(fields, column) {
                self.hung += 1;
                self.children.entry((column, id)).or_default().push(place);
            }
        }
    }

    /// The next records, at most so many, each with all that hangs on it; none at the end. Of large ones they are fewer: what is unfolded of a
    /// file is in memory together.
    pub fn next_records(&mut self, most: usize) -> Vec<Raw> {
        let (mut records, mut unfolded) = (Vec::new(), Unfolded::default());
        while records.len() < most && !unfolded.is_full() {
            if let Some(place) = self.spoiled.pop_front() {
                // Read once more, for the reason.
                records.push(Raw { of: self.of(place), ..Raw::new(place.line, self.row(place).map(Value::Object)) });
            } else if let Some(place) = self.organizations.pop_front() {
                records.push(self.record("organization", place, Of::Organization, &mut unfolded));
            } else if let Some(place) = self.services.pop_front() {
                records.push(self.record("service", place, Of::Service, &mut unfolded));
            } else if self.loose.0 < self.tables.len() {
                self.loose = self.add_loose(most, &mut records, &mut unfolded);
            } else {
                records.extend(self.told_missing());
                break;
            }
        }
        records
    }

    fn record(&self, table: &str, place: Place, of: Of, unfolded: &mut Unfolded) -> Raw {
        let mut own = Unfolded::default();
        let row = self.row(place);
        let id = row.as_ref().ok().and_then(|fields| text(fields, "id"));
        let value = row.and_then(|fields| self.unfolded(table, fields, &mut own));
        unfolded.join(own);
        Raw { position: place.line, id: id.filter(|_| value.is_err()), value, of }
    }

    /// Adds rows of the next table that hang on nothing: those that belong to no record, and of others what is told of them. Gives where to
    /// go on.
    fn add_loose(&self, most: usize, records: &mut Vec<Raw>, unfolded: &mut Unfolded) -> (usize, Option<csv::Position>) {
        let (number, from) = self.loose.clone();
        let Some(table) = self.tables.get(number) else { return (number + 1, None) };
        let kind = LOOSE.iter().find(|(name, _)| *name == table.name).map(|(_, kind)| *kind);
        if kind.is_none() && matches!(table.name.as_str(), "service" | "organization") {
            return (number + 1, None);
        }
        let (mut left_out, mut examples) = (0_u64, Vec::new());
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(Cursor::new(table.bytes.as_slice()));
        if from.is_some_and(|from| reader.seek(from).is_err()) {
            return (number + 1, None);
        }
        let mut cells = csv::ByteRecord::new();
        while reader.read_byte_record(&mut cells).unwrap_or(false) {
            // The first record is the header.
            let at = |place: &csv::Position| (place.byte() as usize, place.line(), place.record().saturating_sub(1) as usize);
            let (start, line, row) = cells.position().map_or((0, 0, 0), at);
            let is_used = table.is_used.borrow().get(row).copied().unwrap_or(false);
            if is_used && kind.is_none() {
                continue;
            }
            let place = Place { table: number, row: 0, start, end: reader.position().byte() as usize, line };
            // One that cannot be read has been told of.
            let Ok(fields) = self.row(place) else { continue };
            if let Some(kind) = kind {
                let of = if self.is_own { Of::OwnRow(kind) } else { Of::Row(kind) };
                records.push(self.record(&table.name, place, of, unfolded));
                if records.len() >= most || unfolded.is_full() {
                    return (number, Some(reader.position().clone()));
                }
            } else {
                left_out += 1;
                if examples.len() < EXAMPLES {
                    examples.push(example(line, &fields));
                }
            }
        }
        if left_out > 0 {
            let told = format!("rows that hang on nothing that is there were left out, {left_out} in all: {}", examples.join("; "));
            records.push(told_of(&table.file, told));
        }
        (number + 1, None)
    }

    /// Tells of records that rows name and that are not there.
    fn told_missing(&self) -> Vec<Raw> {
        let missing = self.missing.take();
        let of_column = |column: &str| {
            let named: Vec<&str> = missing.iter().filter(|(of, _)| *of == column).map(|(_, id)| id.as_str()).collect();
            let examples: Vec<&str> = named.iter().take(EXAMPLES).copied().collect();
            let told = format!("names records that are not there, {} in all, such as {}", named.len(), examples.join(", "));
            (!named.is_empty()).then(|| told_of(column, told))
        };
        SINGLES.iter().filter_map(|(_, _, column)| of_column(column)).collect()
    }
}

/// What is told of a table or a column.
fn told_of(table: &str, told: String) -> Raw {
    Raw { of: Of::LeftOut, ..Raw::new(0, Ok(json!({ "table": table, "told": told }))) }
}

/// A row as it is told by way of example: where it stands, and what it names.
fn example(line: u64, fields: &Row) -> String {
    let named = KEYS.iter().find_map(|column| Some(format!("{column} {}", text(fields, column)?)));
    match named.or_else(|| text(fields, "id").map(|id| format!("id {id}"))) {
        Some(named) => format!("line {line} ({})", named.chars().take(60).collect::<String>()),
        None => format!("line {line}"),
    }
}

/// Whether what a row names by a column is another's, and it says its own.
fn says_otherwise(fields: &Row, member: &str) -> bool {
    fields.get("kith").and_then(|profile| profile.get(OTHERWISE)).is_some_and(|otherwise| otherwise.get(member).is_some())
}

fn text(fields: &Row, name: &str) -> Option<String> {
    fields.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// What a cell of a package says: numbers and our own fields as such, all else as text.
fn cell(column: &str, cell: &str) -> Value {
    let value = match column {
        "kith" => foreign(cell.as_bytes(), MOST_OF_RECORD).ok(),
        name if NUMBERS.contains(&name) => cell.trim().parse::<Number>().ok().map(Value::Number),
        _ => None,
    };
    value.unwrap_or_else(|| Value::String(cell.to_owned()))
}

#[cfg(test)]
mod tests;
