//! The directory as a tabular package: a CSV file for each table and a descriptor, in a folder or in one zip file.
//!
//! Nested objects come in one after the other and are taken apart into rows, so that no more of the directory is in memory than the packed
//! tables. What many objects share, such as organizations and terms, is written once.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Cursor, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::model::{PROFILE_VERSION, VERSION, shown};
use super::tables::{LISTS, NUMBERS, SINGLES, TABLES, Table};
use super::write::unknown_organization;

/// The media type of a package.
pub const MEDIA_TYPE: &str = "application/zip";

/// The file that describes a package.
pub const DESCRIPTOR: &str = "datapackage.json";

/// Why a package cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A file cannot be written.
    #[error("cannot be written: {0}")]
    Io(#[from] io::Error),
    /// The zip file cannot be made.
    #[error("cannot be packed: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// A row cannot be written.
    #[error("a row cannot be written: {0}")]
    Csv(#[from] csv::Error),
}

/// What a table is written to.
enum Sheet {
    File(BufWriter<File>),
    Packed(Box<ZipWriter<Cursor<Vec<u8>>>>),
}

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Packed(zip) => zip.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Packed(zip) => zip.flush(),
        }
    }
}

/// A package on its way.
pub struct Package {
    /// The folder; none for a zip file.
    folder: Option<PathBuf>,
    sheets: BTreeMap<&'static str, csv::Writer<Sheet>>,
    /// Rows that several objects share and that are written.
    written: HashSet<(&'static str, String)>,
}

impl Package {
    /// A package that becomes a zip file.
    pub fn zipped() -> Self {
        Self { folder: None, sheets: BTreeMap::new(), written: HashSet::new() }
    }

    /// A package in a folder, which is made where it is missing.
    pub fn in_folder(folder: &Path) -> Result<Self, PackageError> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: Some(folder.to_owned()), ..Self::zipped() })
    }

    /// Adds a service, everything nested.
    pub fn add(&mut self, service: &Value) -> Result<(), PackageError> {
        let Some(members) = service.as_object() else { return Ok(()) };
        let provider = service.pointer("/organization/id").cloned();
        if provider.is_some() {
            return self.row("service", members, None, provider.as_ref());
        }
        // A package wants an organization for every service.
        let unknown = shown(&unknown_organization(service));
        let mut members = members.clone();
        let id = unknown.get("id").cloned();
        members.insert("organization".into(), unknown);
        self.row("service", &members, None, id.as_ref())
    }

    fn row(
        &mut self,
        name: &'static str,
        members: &Map<String, Value>,
        parent: Option<(&'static str, &Value)>,
        provider: Option<&Value>,
    ) -> Result<(), PackageError> {
        let Some(table) = TABLES.iter().find(|table| table.name == name) else { return Ok(()) };
        let id = members.get("id").cloned().unwrap_or_default();
        let mut cells: BTreeMap<&str, String> = BTreeMap::new();
        if let Some((parent, parent_id)) = parent {
            // An attribute says what it hangs on by its own name; anything else by the name of that table.
            let column = if name == "attribute" { "link_id".to_owned() } else { format!("{parent}_id") };
            if let Some(column) = table.columns.iter().find(|known| **known == column) {
                cells.insert(column, cell(parent_id));
            }
        }
        if let (Some(provider), "program") = (provider, name) {
            cells.insert("organization_id", cell(provider));
        }
        for (member, value) in members {
            if let Some((_, child)) = LISTS.iter().find(|(list, _)| list == member) {
                for item in value.as_array().into_iter().flatten().filter_map(Value::as_object) {
                    self.row(child, item, Some((name, &id)), provider)?;
                }
            } else if let Some((_, child, column)) = SINGLES.iter().find(|(single, ..)| single == member) {
                if let Some(item) = value.as_object() {
                    let item_id = item.get("id").cloned().unwrap_or_default();
                    cells.insert(column, cell(&item_id));
                    let is_shared = *child != "location";
                    if !is_shared || self.written.insert((child, cell(&item_id))) {
                        self.row(child, item, None, provider)?;
                    }
                }
            } else if let Some(column) = table.columns.iter().find(|known| **known == member.as_str()) {
                cells.insert(column, cell(value));
            }
        }
        let record = table.columns.iter().map(|column| cells.remove(column).unwrap_or_default());
        let record: Vec<String> = record.collect();
        self.sheet(table)?.write_record(&record)?;
        Ok(())
    }

    fn sheet(&mut self, table: &Table) -> Result<&mut csv::Writer<Sheet>, PackageError> {
        if !self.sheets.contains_key(table.name) {
            let sheet = match &self.folder {
                Some(folder) => Sheet::File(BufWriter::new(File::create(folder.join(table.file))?)),
                None => Sheet::Packed(Box::new(started(table.file)?)),
            };
            let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(sheet);
            writer.write_record(table.columns)?;
            self.sheets.insert(table.name, writer);
        }
        self.sheets.get_mut(table.name).ok_or_else(|| io::Error::other("the table is gone").into())
    }

    /// Ends the package: the bytes of the zip file, or none where it is a folder. Empty tables are left out.
    pub fn finish(self) -> Result<Vec<u8>, PackageError> {
        let names: Vec<&str> = self.sheets.keys().copied().collect();
        let described = serde_json::to_vec_pretty(&descriptor(&names)).map_err(io::Error::other)?;
        let mut whole = ZipWriter::new(Cursor::new(Vec::new()));
        match &self.folder {
            Some(folder) => fs::write(folder.join(DESCRIPTOR), &described)?,
            None => {
                whole.start_file(DESCRIPTOR, SimpleFileOptions::default())?;
                whole.write_all(&described)?;
            }
        }
        for writer in self.sheets.into_values() {
            match writer.into_inner().map_err(|fault| io::Error::other(fault.to_string()))? {
                Sheet::File(mut file) => file.flush()?,
                Sheet::Packed(zip) => {
                    // Packed already: taken over as it is.
                    let mut one = ZipArchive::new(zip.finish()?)?;
                    whole.raw_copy_file(one.by_index_raw(0)?)?;
                }
            }
        }
        Ok(if self.folder.is_some() { Vec::new() } else { whole.finish()?.into_inner() })
    }
}

fn started(file: &str) -> Result<ZipWriter<Cursor<Vec<u8>>>, PackageError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(file, SimpleFileOptions::default().large_file(true))?;
    Ok(zip)
}

/// A value as the text of a cell; objects as JSON.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The Frictionless descriptor of a package with these tables.
fn descriptor(names: &[&str]) -> Value {
    let resource = |table: &Table| {
        let field = |name: &&str| match *name {
            "id" => json!({ "name": "id", "type": "string", "format": "uuid", "constraints": { "required": true, "unique": true } }),
            "kith" => json!({ "name": "kith", "type": "object", "description": "What the standard has no field for, as JSON." }),
            name if name.ends_with("_id") => json!({ "name": name, "type": "string", "format": "uuid" }),
            name if NUMBERS.contains(&name) => json!({ "name": name, "type": "number" }),
            name => json!({ "name": name, "type": "string" }),
        };
        json!({
            "name": table.name,
            "path": table.file,
            "format": "csv",
            "mediatype": "text/csv",
            "encoding": "utf-8",
            "profile": "tabular-data-resource",
            "schema": { "primaryKey": "id", "fields": table.columns.iter().map(field).collect::<Vec<_>>() },
        })
    };
    let tables = TABLES.iter().filter(|table| names.contains(&table.name));
    json!({
        "name": "human_services_data",
        "title": "A directory of community services",
        "description": format!("HSDS {VERSION} with version {PROFILE_VERSION} of the profile of Kith: columns named kith hold what the standard has no field for."),
        "profile": "tabular-data-package",
        "version": VERSION,
        "resources": tables.map(resource).collect::<Vec<_>>(),
    })
}
