//! `kith export`: the directory, and records, for others.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, Write};
#[cfg(unix)]
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use serde_json::Value;
use tempfile::NamedTempFile;

use super::{Failure, database, say};
use crate::clock::Clock;
use crate::config::{DatabaseConfig, LogConfig};
use crate::db::{Db, DbConn};
use crate::error::Error;
use crate::hsds::Catalogue;
use crate::hsds::package::Package;
use crate::hsds::pages::{Entry, Extent, Shelves, all_services, batches, everything, packed, render};
use crate::services::Directory;

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Export the directory as HSDS 3.2, with the profile of Kith
    ///
    /// All services, everything nested, under the ids by which the server shows them; a package holds organizations without services and all
    /// terms, too. `kith import services` takes it back under the same ids.
    /// It may run while the server does.
    Hsds {
        /// An array or lines of JSON, or a tabular package: CSV files with `datapackage.json`
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
        /// The file; of a package a zip file, or a folder where the name does not end in .zip. Standard output where absent
        #[arg(long, value_name = "PATH", required_if_eq("format", "tabular"))]
        output: Option<PathBuf>,
    },
    /// Export an organization's records of all kinds, a file for each, as `POST /v1/exports` does
    ///
    /// What a client of the organization sees. `kith import records` takes the lines. It may run while the server does.
    Records(super::records::Export),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Json,
    Ndjson,
    Tabular,
}

pub(super) fn run(what: What, database: &DatabaseConfig, log: &LogConfig) -> Result<(), Failure> {
    let db = database::open(database, log)?;
    let outcome = match what {
        What::Hsds { format, output } => hsds(&db, format, output),
        What::Records(records) => records.run(&db),
    };
    db.shutdown();
    outcome
}

fn hsds(db: &Db, format: Format, output: Option<PathBuf>) -> Result<(), Failure> {
    match (format, output) {
        (Format::Tabular, Some(path)) => tabular(db, &path),
        (_, Some(path)) => whole_file(&path, |file| json(db, format, BufWriter::new(file))),
        (_, None) => json(db, format, BufWriter::new(io::stdout().lock())),
    }
}

/// Has a file written that is there when it is whole: until then the one of before stays. What cannot be replaced, such as a pipe, or a file
/// that is mounted by itself, is written to as it is.
fn whole_file(path: &Path, write: impl FnOnce(&mut File) -> Result<(), Failure>) -> Result<(), Failure> {
    let told = |fault: io::Error| Failure::because(format!("cannot write {}: {fault}", path.display()));
    let Some((mut file, target)) = replacement(path) else {
        return write(&mut File::create(path).map_err(told)?);
    };
    write(file.as_file_mut())?;
    // Otherwise a crash might leave the name of the file, and not yet what is in it.
    file.as_file().sync_all().map_err(told)?;
    let Err(refused) = file.persist(&target) else { return Ok(()) };
    let mut whole = refused.file;
    let copied = whole.rewind().and_then(|()| io::copy(whole.as_file_mut(), &mut File::create(path)?));
    copied.map(drop).map_err(told)
}

/// An empty file that can take the place of another: beside what the path leads to, with its owner and permissions. `None` where there is
/// something else than a file that may be written, or no such file can be made.
fn replacement(path: &Path) -> Option<(NamedTempFile, PathBuf)> {
    let target = if path.is_symlink() { path.canonicalize().ok()? } else { path.to_owned() };
    let before = fs::metadata(&target).ok();
    if before.as_ref().is_some_and(|before| !before.is_file() || before.permissions().readonly()) {
        return None;
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder).ok()?;
    if let Some(before) = before {
        #[cfg(unix)]
        std::os::unix::fs::fchown(file.as_file(), Some(before.uid()), Some(before.gid())).ok()?;
        file.as_file().set_permissions(before.permissions()).ok()?;
    }
    Some((file, target))
}

/// Gives what `choose` chooses of the directory, everything nested, each with its table.
fn each(
    db: &Db,
    choose: fn(Shelves<'_>, &mut DbConn) -> Result<Vec<Entry>, Error>,
    mut give: impl FnMut(&'static str, &Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (directory, catalogue) = (Directory::default(), Catalogue::default());
    let shelves = Shelves { directory: &directory, catalogue: &catalogue };
    let entries = db.read_blocking(|conn| choose(shelves, conn))?;
    let today = Clock::default().now().utc().date_naive();
    let extent = Extent { is_full: true, ..Extent::on(today, true) };
    for (table, mut left) in batches(&entries) {
        while !left.is_empty() {
            let (read, records) = db.read_blocking(|conn| render(shelves, conn, left, extent))?;
            for record in records {
                give(table, &record)?;
            }
            left = left.get(read..).unwrap_or_default();
        }
    }
    Ok(())
}

fn json(db: &Db, format: Format, mut output: impl Write) -> Result<(), Failure> {
    let is_array = format == Format::Json;
    let mut count = 0;
    if is_array {
        output.write_all(b"[")?;
    }
    each(db, all_services, |_, service| {
        let before: &[u8] = match (is_array, count) {
            (true, 0) => b"\n",
            (true, _) => b",\n",
            (false, _) => b"",
        };
        count += 1;
        output.write_all(before)?;
        serde_json::to_writer(&mut output, service)?;
        if !is_array {
            output.write_all(b"\n")?;
        }
        Ok(())
    })?;
    if is_array {
        output.write_all(b"\n]\n")?;
    }
    output.flush()?;
    Ok(())
}

fn tabular(db: &Db, path: &Path) -> Result<(), Failure> {
    let told = |fault: crate::hsds::package::PackageError| Failure::because(format!("{}: {fault}", path.display()));
    let is_zip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
    let mut package = if is_zip { Package::zipped() } else { Package::in_folder(path) }.map_err(told)?;
    for (table, row) in db.read_blocking(packed)? {
        package.add(table, &row).map_err(told)?;
    }
    let mut count = 0;
    each(db, everything, |table, record| {
        count += usize::from(table == "service");
        package.add(table, record).map_err(told)
    })?;
    if let Some(mut zip) = package.finish().map_err(told)? {
        whole_file(path, |file| Ok(io::copy(&mut zip, file).map(drop)?))?;
    }
    say(format_args!("{count} services in {}", path.display()))
}
