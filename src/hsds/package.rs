//! The directory as a tabular package: a CSV file for each table and a descriptor, in a folder or in one zip file.
//!
//! Nested objects come in one after the other and are taken apart into rows, so that no more of the directory is in memory than the last rows
//! of each table and the ids of what many objects share, such as organizations and terms, which is written once: who says it otherwise says so
//! in a row of its own ([`OTHERWISE`]). A zip file and what waits to
//! get into it are files without a name: they are gone with the process, however it ends. What comes by itself from one directory and with
//! what hangs on it from another, such as units, stands in the order of its ids.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::ids;
use super::model::{PROFILE_VERSION, VERSION, shown};
use super::tables::{self, NUMBERS, SINGLES, TABLES, Table};
use super::write::unknown_organization;
use crate::bulk::pieces::{pack, unpack};

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

/// Under this a row says in its column `kith`, in the shape of the nested objects, what it says otherwise of a row that others share, and its
/// own id, where another row has it too.
pub const OTHERWISE: &str = "otherwise";

/// Tables whose rows wait until all are there, and then stand in the order of their ids. They come by themselves, in the order of sources,
/// from a directory that has imported a package, and units as they are used from one that has not; of neither there are many.
const IN_ORDER: [&str; 2] = ["unit", "meta_table_description"];

/// So much of a table is kept in memory until it is packed, in bytes.
const PIECE: usize = 128 << 10;

/// What a table is written to.
enum Sheet {
    File(BufWriter<File>),
    Spooled(Spooled),
}

/// A table of a zip file, in which one stands behind the other: until all rows are there they lie, in packed pieces, in a file that all
/// tables share.
struct Spooled {
    spool: Arc<File>,
    /// Where the pieces are, and how large.
    pieces: Vec<(u64, usize)>,
    /// The one that is not full yet.
    open: Vec<u8>,
}

impl Spooled {
    fn put(&mut self) -> io::Result<()> {
        let packed = pack(&self.open).map_err(io::Error::other)?;
        let mut spool = self.spool.as_ref();
        self.pieces.push((spool.seek(SeekFrom::End(0))?, packed.len()));
        self.open.clear();
        spool.write_all(&packed)
    }

    fn copy_to(&self, target: &mut impl Write) -> io::Result<()> {
        let mut spool = self.spool.as_ref();
        for (start, size) in &self.pieces {
            let mut packed = vec![0; *size];
            spool.seek(SeekFrom::Start(*start))?;
            spool.read_exact(&mut packed)?;
            target.write_all(&unpack(&packed).map_err(io::Error::other)?)?;
        }
        target.write_all(&self.open)
    }
}

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Spooled(table) => {
                table.open.extend_from_slice(bytes);
                if table.open.len() >= PIECE {
                    table.put()?;
                }
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Spooled(_) => Ok(()),
        }
    }
}

/// What a package becomes.
enum Target {
    Folder(PathBuf),
    /// A zip file, and what waits to get into it.
    Zip(Arc<File>),
}

/// A package on its way.
pub struct Package {
    target: Target,
    sheets: BTreeMap<&'static str, csv::Writer<Sheet>>,
    /// The rows of tables that are to be [in order](IN_ORDER).
    waiting: BTreeMap<&'static str, Vec<csv::StringRecord>>,
    /// Rows that several objects share and that are written, and the digest of what they say.
    written: HashMap<(&'static str, String), u64>,
    /// Digests of the ids of all other rows.
    ids: HashSet<u64>,
}

impl Package {
    /// A package that becomes a zip file. It takes the folder for temporary files.
    pub fn zipped() -> Result<Self, PackageError> {
        Ok(Self::to(Target::Zip(Arc::new(tempfile::tempfile()?))))
    }

    /// A package in a folder, which is made where it is missing.
    pub fn in_folder(folder: &Path) -> Result<Self, PackageError> {
        fs::create_dir_all(folder)?;
        Ok(Self::to(Target::Folder(folder.to_owned())))
    }

    fn to(target: Target) -> Self {
        Self { target, sheets: BTreeMap::new(), waiting: BTreeMap::new(), written: HashMap::new(), ids: HashSet::new() }
    }

    /// Adds a record of a table, everything nested.
    pub fn add(&mut self, table: &'static str, record: &Value) -> Result<(), PackageError> {
        let Some(members) = record.as_object() else { return Ok(()) };
        let provider = record.pointer("/organization/id").cloned();
        if table != "service" || provider.is_some() {
            return self.row(table, members, None, provider.as_ref()).map(drop);
        }
        // A package wants an organization for every service.
        let unknown = shown(&unknown_organization(record));
        let mut members = members.clone();
        let id = unknown.get("id").cloned();
        members.insert("organization".into(), unknown);
        self.row("service", &members, None, id.as_ref()).map(drop)
    }

    /// Writes a row and all that hangs on it; false where it is one that others share, and they say it otherwise.
    fn row(
        &mut self,
        name: &'static str,
        members: &Map<String, Value>,
        parent: Option<(&'static str, &Value)>,
        provider: Option<&Value>,
    ) -> Result<bool, PackageError> {
        let Some(table) = tables::of(name) else { return Ok(true) };
        let mut otherwise = Map::new();
        let mut id = members.get("id").cloned().unwrap_or_default();
        // What several objects share is written once.
        if SINGLES.iter().any(|(_, shared, _)| *shared == name) {
            let digest = digest(&(Said(members), parent));
            match self.written.entry((name, cell(&id))) {
                Entry::Occupied(written) => return Ok(*written.get() == digest),
                Entry::Vacant(first) => first.insert(digest),
            };
        } else if let Some(other) = self.another(name, &id) {
            // Rows of one id that hang on several objects are several rows here, each with what hangs on itself.
            otherwise.insert("id".into(), std::mem::replace(&mut id, other));
        }
        let mut cells = hanging(table, parent);
        if let (Some(provider), "program") = (provider, name) {
            cells.insert("organization_id", cell(provider));
        }
        for (member, value) in members {
            if let Some(child) = tables::list(member) {
                let mut rows = Vec::new();
                for item in value.as_array().into_iter().flatten() {
                    let Some(fields) = item.as_object() else { continue };
                    if !self.row(child, fields, Some((name, &id)), provider)? {
                        rows.push(item.clone());
                    }
                }
                if !rows.is_empty() {
                    otherwise.insert(member.clone(), Value::Array(rows));
                }
            } else if let Some((_, child, column)) = SINGLES.iter().find(|(single, ..)| single == member) {
                if let Some(item) = value.as_object() {
                    cells.insert(column, cell(item.get("id").unwrap_or(&Value::Null)));
                    if !self.row(child, item, None, provider)? {
                        otherwise.insert(member.clone(), value.clone());
                    }
                }
            } else if let Some(column) = table.columns.iter().find(|known| **known == member.as_str()) {
                cells.insert(column, cell(value));
            }
        }
        if otherwise.contains_key("id") {
            cells.insert("id", cell(&id));
        }
        if !otherwise.is_empty() {
            let mut profile = members.get("kith").and_then(Value::as_object).cloned().unwrap_or_default();
            profile.insert(OTHERWISE.into(), otherwise.into());
            cells.insert("kith", cell(&profile.into()));
        }
        let record = table.columns.iter().map(|column| cells.remove(column).unwrap_or_default());
        self.put(table, record.collect())?;
        Ok(true)
    }

    /// Writes a row, or lets it wait.
    fn put(&mut self, table: &'static Table, record: Vec<String>) -> Result<(), PackageError> {
        if IN_ORDER.contains(&table.name) {
            self.waiting.entry(table.name).or_default().push(record.into());
        } else {
            self.sheet(table)?.write_record(&record)?;
        }
        Ok(())
    }

    /// Writes the rows that wait, in the order of their ids.
    fn put_in_order(&mut self) -> Result<(), PackageError> {
        for (name, mut rows) in std::mem::take(&mut self.waiting) {
            let Some(table) = tables::of(name) else { continue };
            rows.sort_by(|one, other| one.get(0).cmp(&other.get(0)));
            let sheet = self.sheet(table)?;
            rows.iter().try_for_each(|row| sheet.write_record(row))?;
        }
        Ok(())
    }

    /// An id for a row whose own another row of its table has; none where no other has it.
    fn another(&mut self, table: &str, id: &Value) -> Option<Value> {
        let own = Uuid::try_parse(id.as_str()?).ok()?;
        let mut ids = iter::once(own).chain((1..).map(|number| ids::part(own, table, number)));
        let first = ids.find(|id| self.ids.insert(digest(&(table, id))))?;
        (first != own).then(|| first.to_string().into())
    }

    fn sheet(&mut self, table: &Table) -> Result<&mut csv::Writer<Sheet>, PackageError> {
        if !self.sheets.contains_key(table.name) {
            let sheet = match &self.target {
                Target::Folder(folder) => Sheet::File(BufWriter::new(File::create(folder.join(table.file))?)),
                Target::Zip(spool) => Sheet::Spooled(Spooled { spool: Arc::clone(spool), pieces: Vec::new(), open: Vec::new() }),
            };
            let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(sheet);
            writer.write_record(table.columns)?;
            self.sheets.insert(table.name, writer);
        }
        self.sheets.get_mut(table.name).ok_or_else(|| io::Error::other("the table is gone").into())
    }

    /// Ends the package: the zip file at its beginning, or none where it is a folder. Empty tables are left out.
    pub fn finish(mut self) -> Result<Option<File>, PackageError> {
        self.put_in_order()?;
        let names: Vec<&str> = self.sheets.keys().copied().collect();
        let described = serde_json::to_vec_pretty(&descriptor(&names)).map_err(io::Error::other)?;
        let sheet = |writer: csv::Writer<Sheet>| writer.into_inner().map_err(|fault| io::Error::other(fault.to_string()));
        if let Target::Folder(folder) = self.target {
            fs::write(folder.join(DESCRIPTOR), &described)?;
            self.sheets.into_values().try_for_each(|writer| sheet(writer)?.flush())?;
            // A table of which nothing is left would still be read.
            for table in TABLES.iter().filter(|table| !names.contains(&table.name)) {
                match fs::remove_file(folder.join(table.file)) {
                    Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault.into()),
                    _ => {}
                }
            }
            return Ok(None);
        }
        let mut whole = ZipWriter::new(BufWriter::new(tempfile::tempfile()?));
        whole.start_file(DESCRIPTOR, SimpleFileOptions::default())?;
        whole.write_all(&described)?;
        for (name, writer) in self.sheets {
            let (Some(table), Sheet::Spooled(rows)) = (tables::of(name), sheet(writer)?) else { continue };
            whole.start_file(table.file, SimpleFileOptions::default().large_file(true))?;
            rows.copy_to(&mut whole)?;
        }
        let mut file = whole.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Some(file))
    }
}

/// The cells in which a row says what it hangs on.
fn hanging(table: &'static Table, parent: Option<(&'static str, &Value)>) -> BTreeMap<&'static str, String> {
    let mut cells = BTreeMap::new();
    let Some((parent, parent_id)) = parent else { return cells };
    // Attributes and metadata say what they hang on by names of their own; anything else by the name of that table.
    let (column, entity) = match table.name {
        "attribute" => ("link_id".to_owned(), Some("link_entity")),
        "metadata" => ("resource_id".to_owned(), Some("resource_type")),
        _ => (format!("{parent}_id"), None),
    };
    if let Some(column) = table.columns.iter().find(|known| **known == column) {
        cells.insert(*column, cell(parent_id));
    }
    if let Some(column) = entity {
        cells.insert(column, parent.to_owned());
    }
    cells
}

/// What an object says, for its digest: a cell that is empty says nothing.
struct Said<'a>(&'a Map<String, Value>);

impl Hash for Said<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let says = |value: &Value| !value.is_null() && value.as_str() != Some("");
        let mut members: Vec<(&String, &Value)> = self.0.iter().filter(|(_, value)| says(value)).collect();
        members.sort_unstable_by_key(|(name, _)| *name);
        members.len().hash(state);
        for (name, value) in members {
            name.hash(state);
            match value {
                Value::Object(members) => Said(members).hash(state),
                Value::Array(items) => {
                    items.len().hash(state);
                    for item in items {
                        match item {
                            Value::Object(members) => Said(members).hash(state),
                            item => item.hash(state),
                        }
                    }
                }
                value => value.hash(state),
            }
        }
    }
}

fn digest(said: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    said.hash(&mut hasher);
    hasher.finish()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A service whose tables take up several pieces, packed ones of several sizes among them.
    fn service(number: usize) -> Value {
        let id = |kind: &str| format!("{kind}-{number}");
        let words: String = (0..200).map(|word| format!("{} ", (number * 7_919 + word * 104_729) % 99_991)).collect();
        json!({
            "id": id("service"), "name": format!("Lunch \"{number}\",\r\nfree"), "description": words,
            "organization": { "id": format!("organization-{}", number % 7), "name": "Alder House" },
            "phones": [{ "id": id("phone"), "number": "+12505550142" }, { "id": id("fax"), "number": "+12505550143" }],
        })
    }

    #[test]
    fn a_zip_file_holds_what_a_folder_does() {
        let folder = tempfile::tempdir().unwrap();
        let (mut zipped, mut laid_out) = (Package::zipped().unwrap(), Package::in_folder(folder.path()).unwrap());
        for number in 0..1_000 {
            zipped.add("service", &service(number)).unwrap();
            laid_out.add("service", &service(number)).unwrap();
        }
        assert!(laid_out.finish().unwrap().is_none());
        let mut archive = zip::ZipArchive::new(zipped.finish().unwrap().unwrap()).unwrap();
        let mut sizes = Vec::new();
        for number in 0..archive.len() {
            let mut file = archive.by_index(number).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            let name = file.name().unwrap().into_owned();
            assert!(bytes == fs::read(folder.path().join(&name)).unwrap(), "{name}");
            sizes.push(bytes.len());
        }
        assert_eq!(sizes.len(), fs::read_dir(folder.path()).unwrap().count());
        assert!(sizes.len() > 3 && sizes.iter().any(|size| *size > 4 * PIECE), "{sizes:?}");
    }
}
