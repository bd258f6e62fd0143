//! HSDS tabular packages: CSV files with foreign keys, in a folder or a zip file, put together into the nested objects that
//! [`hsds`](super::hsds) reads.
//!
//! Tables are known by their files' names, those of 3.x as well as those that older packages have. A row hangs on every record that it names
//! by a foreign key. Tables and columns that nobody knows come along as they are, and so are kept.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Cursor, Read, Seek};
use std::path::Path;

use serde_json::{Map, Number, Value};
use zip::ZipArchive;

use super::read::{self, Raw};
use crate::hsds::package::DESCRIPTOR;
use crate::hsds::tables::{LISTS, NUMBERS, SINGLES};
use crate::http::json::foreign;

/// Why a package cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The zip file is none.
    #[error("no zip file that can be read: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// It has no services.
    #[error("{0}")]
    Malformed(String),
    /// Unpacked it is larger than it may be.
    #[error("unpacked it is larger than {0} bytes")]
    TooLarge(u64),
}

/// Files of a package beside its descriptor, at most.
const MOST_FILES: usize = 200;
/// Rows of a package, at most: where each stands is kept in memory.
const MOST_ROWS: usize = 5_000_000;
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
    /// How many rows there are in all.
    rows: usize,
    services: VecDeque<Place>,
    /// Rows by table and id.
    records: HashMap<String, HashMap<String, Place>>,
    /// Rows by the column that names their parent and its id.
    children: HashMap<(&'static str, String), Vec<Place>>,
    /// Rows that could not be read.
    spoiled: Vec<Raw>,
    /// How many services each organization has.
    services_of: HashMap<String, usize>,
}

#[derive(Debug)]
struct Table {
    name: String,
    file: String,
    columns: Vec<String>,
    bytes: Vec<u8>,
}

/// Where a row stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    table: usize,
    start: usize,
    end: usize,
    line: u64,
}

type Row = Map<String, Value>;

/// What older packages call tables.
const OLD_NAMES: &[(&str, &str)] = &[
    ("services_at_location", "service_at_location"),
    ("service_at_locations", "service_at_location"),
    ("services_at_locations", "service_at_location"),
    ("physical_address", "address"),
    ("physical_addresses", "address"),
    ("postal_address", "address"),
    ("postal_addresses", "address"),
    ("regular_schedule", "schedule"),
    ("regular_schedules", "schedule"),
    ("services_taxonomy", "attribute"),
    ("service_taxonomy", "attribute"),
    ("services_taxonomies", "attribute"),
    ("service_attribute", "attribute"),
    ("service_attributes", "attribute"),
    ("other_attribute", "attribute"),
    ("other_attributes", "attribute"),
    ("taxonomies_terms", "taxonomy_term"),
    ("accessibility_for_disabilities", "accessibility"),
    ("accessibilities", "accessibility"),
    ("fundings", "funding"),
    ("taxonomies", "taxonomy"),
    ("addresses", "address"),
    ("service_capacities", "service_capacity"),
    // What was called a taxonomy was a term.
    ("taxonomy", "taxonomy_term"),
    ("urls", "url"),
];

/// Tables that say nothing of services.
const BESIDE: &[&str] = &["metadata", "meta_table_description", "meta_table_descriptions"];

/// The columns by which a row hangs on another.
const PARENTS: &[&str] =
    &["service_at_location_id", "location_id", "contact_id", "phone_id", "service_id", "organization_id", "program_id", "link_id"];

/// The member under which rows of a table hang on their parent.
fn member_of(table: &str) -> &str {
    LISTS.iter().find(|(_, child)| *child == table).map_or(table, |(list, _)| list)
}

/// The table of a file: by its name, without folder and ending, in the singular.
fn table_of(file: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file).to_lowercase();
    let name = name.trim_end_matches(".csv");
    if let Some((_, table)) = OLD_NAMES.iter().find(|(old, _)| *old == name) {
        return (*table).to_owned();
    }
    let singular = name.strip_suffix('s').unwrap_or(name);
    let known = |table: &&str| LISTS.iter().any(|(_, child)| child == table) || SINGLES.iter().any(|(_, child, _)| child == table);
    if known(&singular) || singular == "service" || singular == "url" || BESIDE.contains(&singular) {
        return singular.to_owned();
    }
    name.to_owned()
}

impl Package {
    /// Reads the CSV files of a folder.
    pub fn of_folder(folder: &Path) -> Result<Self, PackageError> {
        let mut package = Self::default();
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

    /// Reads a zip file, of which no more than so many bytes are unpacked.
    pub fn of_zip(file: impl Read + Seek, most: u64) -> Result<Self, PackageError> {
        let mut archive = ZipArchive::new(file)?;
        if archive.len() > MOST_FILES {
            return Err(PackageError::Malformed(format!("it has more than {MOST_FILES} files")));
        }
        let mut package = Self::default();
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
        if self.services.is_empty() && self.spoiled.is_empty() {
            return Err(PackageError::Malformed(format!(
                "it has no services.csv; {DESCRIPTOR} and the CSV files beside it make a package"
            )));
        }
        Ok(self)
    }

    fn read_table(&mut self, path: &str, mut input: impl Read) -> Result<(), PackageError> {
        let name = table_of(path);
        if BESIDE.contains(&name.as_str()) {
            return Ok(());
        }
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
            let columns =
                reader.byte_headers().map_err(fault)?.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
            let mut cells = csv::ByteRecord::new();
            while reader.read_byte_record(&mut cells).map_err(fault)? {
                if self.rows + places.len() >= MOST_ROWS {
                    return Err(PackageError::Malformed(format!("it has more than {MOST_ROWS} rows")));
                }
                let (start, line) = cells.position().map_or((0, 0), |place| (place.byte() as usize, place.line()));
                places.push(Place { table: self.tables.len(), start, end: reader.position().byte() as usize, line });
            }
            columns
        };
        self.tables.push(Table { name: name.clone(), file, columns, bytes });
        self.rows += places.len();
        for place in places {
            match self.row(place) {
                Ok(fields) => self.shelve(&name, &fields, place),
                Err(reason) => self.spoiled.push(Raw { position: place.line, value: Err(reason) }),
            }
        }
        Ok(())
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
                *self.services_of.entry(organization).or_default() += 1;
            }
            self.services.push_back(place);
            return;
        }
        let is_single = SINGLES.iter().any(|(_, child, _)| *child == table);
        if let Some(id) = text(fields, "id").filter(|_| is_single) {
            self.records.entry(table.to_owned()).or_default().insert(id, place);
            // Of an organization's locations one may be named nowhere else.
            let parents: &[&'static str] = if table == "location" { &["organization_id"] } else { &[] };
            return self.hang(fields, place, parents);
        }
        // A service at a location is the service's.
        self.hang(fields, place, if table == "service_at_location" { &["service_id"] } else { PARENTS });
    }

    fn hang(&mut self, fields: &Row, place: Place, parents: &[&'static str]) {
        for column in parents {
            if let Some(id) = text(fields, column) {
                self.children.entry((column, id)).or_default().push(place);
            }
        }
    }

    /// The next services, at most so many, each with all that hangs on it; none at the end. Of large ones they are fewer: what is unfolded
    /// of a file is in memory together.
    pub fn next_records(&mut self, most: usize) -> Vec<Raw> {
        let mut records = std::mem::take(&mut self.spoiled);
        let mut unfolded = 0;
        while records.len() < most && unfolded < MOST_PARTS {
            let Some(place) = self.services.pop_front() else { break };
            let mut parts = 0;
            let value = self.row(place).map(|fields| Value::Object(self.nested("service", fields, 0, &mut parts)));
            let value =
                value.and_then(|value| if parts > MOST_PARTS { Err(format!("more than {MOST_PARTS} rows hang on it")) } else { Ok(value) });
            unfolded += parts;
            records.push(Raw { position: place.line, value });
        }
        records
    }

    /// A row with all that hangs on it, as long as these are not too many `parts`.
    fn nested(&self, table: &str, mut fields: Row, depth: usize, parts: &mut usize) -> Row {
        *parts += 1;
        if *parts > MOST_PARTS {
            return fields;
        }
        let id = text(&fields, "id").filter(|_| depth < DEEPEST);
        for (member, child, column) in SINGLES {
            let Some(named) = text(&fields, column) else { continue };
            // Upwards only from the service itself, and to the location from what is there.
            let is_upwards = *child == "organization" && table != "service"
                || *child == "location" && table != "service_at_location"
                || *child == "program" && table != "service";
            if is_upwards || depth >= DEEPEST {
                continue;
            }
            let row = self.records.get(*child).and_then(|rows| rows.get(&named)).and_then(|place| self.row(*place).ok());
            match row {
                Some(row) => {
                    fields.shift_remove(*column);
                    fields.insert((*member).to_owned(), Value::Object(self.nested(child, row, depth + 1, parts)));
                }
                // Older packages name a term by its code.
                None if *child == "taxonomy_term" => {
                    fields.insert((*member).to_owned(), serde_json::json!({ "code": named }));
                }
                None => {}
            }
        }
        let mut lists: Vec<(String, Vec<Value>)> = Vec::new();
        let columns = PARENTS.iter().filter(|column| **column == "link_id" || column.strip_suffix("_id") == Some(table));
        for place in columns.filter_map(|column| self.children.get(&(*column, id.clone()?))).flatten() {
            let Some(child) = self.tables.get(place.table).map(|table| table.name.as_str()) else { continue };
            let is_of_many = id.as_ref().and_then(|id| self.services_of.get(id)).is_some_and(|services| *services > 1);
            let Some(row) = self.row(*place).ok().filter(|_| child != "location" || !is_of_many) else { continue };
            let member = if child == "location" { "locations" } else { member_of(child) };
            let row = Value::Object(self.nested(child, row, depth + 1, parts));
            match lists.iter_mut().find(|(known, _)| known == member) {
                Some((_, rows)) => rows.push(row),
                None => lists.push((member.to_owned(), vec![row])),
            }
        }
        for (member, rows) in lists {
            if (table, member.as_str()) == ("service", "eligibility") {
                // A table of its own before there was a field.
                let words: Vec<&str> = rows.iter().filter_map(|row| row.get("eligibility").and_then(Value::as_str)).collect();
                fields.entry("eligibility_description").or_insert_with(|| words.join("\n").into());
                continue;
            }
            fields.entry(member).or_insert(Value::Array(rows));
        }
        without_keys(fields)
    }
}

/// How deep objects are nested.
const DEEPEST: usize = 6;

/// Keys by which rows hang together have done their work; those that say something of themselves stay.
fn without_keys(mut fields: Row) -> Row {
    const SAYING: &[&str] = &["parent_id", "parent_organization_id"];
    fields.retain(|name, _| SAYING.contains(&name.as_str()) || !(PARENTS.contains(&name.as_str()) || name == "taxonomy_term_id"));
    fields
}

fn text(fields: &Row, name: &str) -> Option<String> {
    fields.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// What a cell of a package says: numbers and our own fields as such, all else as text.
fn cell(column: &str, cell: &str) -> Value {
    let value = match column {
        "kith" => foreign(cell.as_bytes()).ok(),
        name if NUMBERS.contains(&name) => cell.trim().parse::<Number>().ok().map(Value::Number),
        _ => None,
    };
    value.unwrap_or_else(|| Value::String(cell.to_owned()))
}

/// A row of an older table as one of the present standard.
fn renewed(file: &str, table: &str, mut fields: Row) -> Row {
    let renamed: &[(&str, &str)] = match table {
        "address" => {
            let kind = if file.starts_with("postal") { "postal" } else { "physical" };
            fields.entry("address_type").or_insert_with(|| kind.into());
            &[]
        }
        "schedule" => &[("weekday", "byday")],
        // A table between services and terms, before there were attributes.
        "attribute" if file.contains("taxonom") => {
            &[("taxonomy_id", "taxonomy_term_id"), ("service_id", "link_id"), ("taxonomy_detail", "value")]
        }
        "attribute" => &[("service_id", "link_id")],
        "taxonomy_term" => &[("vocabulary", "taxonomy")],
        "accessibility" => &[("accessibility", "description")],
        "organization" => &[("url", "website")],
        "language" => &[("language", "name")],
        _ => &[],
    };
    for (old, new) in renamed {
        if !fields.contains_key(*new)
            && let Some(value) = fields.shift_remove(*old)
        {
            fields.insert((*new).to_owned(), value);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_hang_on_each_other_without_end_are_refused_with_what_they_hang_on() {
        let mut package = Package::default();
        package.read_table("services.csv", "id,name,status\nX,A,active\nY,B,active\n".as_bytes()).unwrap();
        let attributes = format!("id,link_id\n{}Y1,Y\n", "X,X\n".repeat(30));
        package.read_table("attributes.csv", attributes.as_bytes()).unwrap();
        // They are handed over one by one: together they are too much.
        let records = package.next_records(2);
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].value, Err("more than 100000 rows hang on it".into()));
        let records = package.next_records(2);
        assert_eq!(records[0].value.as_ref().unwrap()["attributes"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn tables_are_known_by_the_names_of_every_version() {
        for (file, table) in [
            ("services.csv", "service"),
            ("data/Organizations.csv", "organization"),
            ("service_at_location.csv", "service_at_location"),
            ("services_at_location.csv", "service_at_location"),
            ("physical_addresses.csv", "address"),
            ("addresses.csv", "address"),
            ("regular_schedules.csv", "schedule"),
            ("services_taxonomy.csv", "attribute"),
            ("service_attributes.csv", "attribute"),
            ("taxonomies.csv", "taxonomy"),
            ("taxonomy.csv", "taxonomy_term"),
            ("taxonomy_terms.csv", "taxonomy_term"),
            ("accessibility_for_disabilities.csv", "accessibility"),
            ("units.csv", "unit"),
            ("funding.csv", "funding"),
            ("holiday_schedules.csv", "holiday_schedules"),
            ("pets.csv", "pets"),
        ] {
            assert_eq!(table_of(file), table, "{file}");
        }
    }
}
