//! `kith import`: directories, records and instruments from files.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, database, say};
use crate::changes::Actor;
use crate::clock::Clock;
use crate::config::{DatabaseConfig, LogConfig};
use crate::db::Db;
use crate::error::{Error, Result as DbResult};
use crate::import::importer::Importer;
use crate::import::kin;
use crate::import::load::{BATCH, Batch, Load, NOTHING_FORGOTTEN, NOTHING_RETIRED, Written, preview_retired, retire};
use crate::import::mapping::Mapping;
use crate::import::package::{MOST_ROWS, Package, is_zip};
use crate::import::read::{Form, Raw, form_of, read};
use crate::import::report::{Line, Report, Verdict};
use crate::instruments::loading::{self, Loaded};
use crate::kind::OrganizationId;
use crate::organizations::tenants;

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Import a directory of services: HSDS 3.x, or any CSV or JSON records by a mapping file
    ///
    /// Each record is created, updated, unchanged or refused with reasons. A second run of the same file changes nothing. It may run while
    /// the server does.
    Services(Box<Services>),
    /// Import an organization's records of all kinds: lines of JSON, as `POST /v1/imports` takes them
    ///
    /// What has an identifier that is known is updated or left, so a second run of the same file changes nothing. What was interrupted goes
    /// on in a server, or is run again. It may run while the server does. A line has at most 1 MiB, whatever the body limit of the server.
    Records(super::records::Import),
    /// Load a screening instrument from a JSON file
    ///
    /// Loading it again changes nothing. An edition that is there with another content is refused: screenings may stand on it.
    Instrument {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct Services {
    /// The file: a JSON array, NDJSON, an HSDS page, a single object, or CSV; or an HSDS tabular package, zipped or a folder
    file: PathBuf,
    /// The name under which the records are known from now on; the mapping's where absent
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// How to read the records, in TOML; HSDS where absent
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The organization whose directory it is: its id or its whole name
    #[arg(long, value_name = "NAME_OR_ID")]
    organization: String,
    /// IANA time zone of opening hours that do not name one
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<chrono_tz::Tz>,
    /// Make services inactive that the file no longer lists; it must be a full one, in which no record is refused whose key is not known,
    /// else none is made so and the command fails
    #[arg(long)]
    retire_missing: bool,
    /// Do so even where the file lists less than half of what was known, or records whose keys are not known were refused
    #[arg(long, requires = "retire_missing")]
    force: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Write a line of JSON for every record
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(super) fn run(what: What, database: &DatabaseConfig, log: &LogConfig) -> Result<(), Failure> {
    let db = database::open(database, log)?;
    let outcome = match what {
        What::Services(services) => services.import(&db).and_then(|report| {
            say_summary(&report)?;
            ensure_retired(&report)
        }),
        What::Records(records) => records.run(&db),
        What::Instrument { file } => load_instrument(&db, &file),
    };
    db.shutdown();
    outcome
}

fn load_instrument(db: &Db, path: &Path) -> Result<(), Failure> {
    let bytes = std::fs::read(path).map_err(|fault| Failure::because(format!("cannot read {}: {fault}", path.display())))?;
    let document: serde_json::Value = serde_json::from_slice(&bytes)?;
    match db.write_blocking(move |conn| loading::load(conn, &operator(), document.clone())) {
        Ok(Loaded::Created(id)) => say(format_args!("created {id}")),
        Ok(Loaded::Unchanged(id)) => say(format_args!("unchanged {id}")),
        Err(Error::Invalid(faults)) => Err(Failure(faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.message)).collect())),
        Err(other) => Err(other.into()),
    }
}

/// Who writes, at this moment: what is written bears it, and a run may last for hours.
fn operator() -> Actor {
    Actor::operator(Clock::default().now())
}

/// What is imported.
enum Input {
    File(File, Form),
    /// A tabular package, zipped or a folder.
    Package,
}

impl Services {
    fn import(&self, db: &Db) -> Result<Report, Failure> {
        let mapping = self.mapping()?;
        let source = mapping.source.clone();
        let mut input = self.input()?;
        let owner = self.owner(db)?;
        let mut importer = Importer::new(mapping);
        if importer.wants_survey() {
            self.each(&mut input, "first look", &mut |raw| importer.survey(raw))?;
        }
        let load = db.read_blocking(|conn| Load::open(conn, owner, &source))?;
        let book = Mutex::new(Book::open(Report::new(&source, self.dry_run), self.report.as_deref())?);
        let load = self.transfer(db, importer, load, &mut input, owner, &book)?;
        if self.retire_missing {
            self.retire(db, &source, &load, matches!(input, Input::Package), &book)?;
        }
        let mut book = book.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &mut book.file {
            file.flush()?;
        }
        Ok(book.report)
    }

    /// What the path names.
    fn input(&self) -> Result<Input, Failure> {
        let told = |fault: std::io::Error| Failure::because(format!("cannot read {}: {fault}", self.file.display()));
        if self.file.is_dir() {
            return Ok(Input::Package);
        }
        let mut file = File::open(&self.file).map_err(told)?;
        let mut head = Vec::new();
        Read::by_ref(&mut file).take(1 << 16).read_to_end(&mut head).map_err(told)?;
        if is_zip(&head) {
            return Ok(Input::Package);
        }
        Ok(Input::File(file, form_of(&self.file.to_string_lossy(), &head)))
    }

    /// Gives every record.
    fn each(&self, input: &mut Input, what: &'static str, take: &mut dyn FnMut(Raw)) -> Result<(), Failure> {
        match input {
            Input::File(file, form) => read(self.watched(file, what)?, *form, take)?,
            Input::Package => {
                let read = if self.file.is_dir() {
                    Package::of_folder(&self.file)
                } else {
                    File::open(&self.file).map_err(Into::into).and_then(|file| Package::of_zip(file, u64::MAX - 1, MOST_ROWS))
                };
                let mut package = read.map_err(|fault| Failure::because(format!("{}: {fault}", self.file.display())))?;
                loop {
                    let records = package.next_records(BATCH);
                    if records.is_empty() {
                        break;
                    }
                    records.into_iter().for_each(&mut *take);
                }
            }
        }
        Ok(())
    }

    /// Reads on this thread while another writes.
    fn transfer(
        &self,
        db: &Db,
        mut importer: Importer,
        mut load: Load,
        input: &mut Input,
        owner: OrganizationId,
        book: &Mutex<Book>,
    ) -> Result<Load, Failure> {
        std::thread::scope(|scope| {
            let (send, receive) = sync_channel(4);
            let writer = scope.spawn(move || self.write(db, &receive, book));
            let mut tell = |line| locked(book).add(line);
            // The writer takes batches until it fails; what comes then has nowhere to go.
            let mut give = |outcome| load.take(outcome, &mut tell).into_iter().for_each(|batch| drop(send.send(batch)));
            let outcome = self.each(input, "import", &mut |raw| importer.take(raw, &mut give));
            if outcome.is_ok() {
                importer.finish(&mut give);
                load.rest().into_iter().for_each(|batch| drop(send.send(batch)));
            }
            drop(send);
            writer.join().map_err(|_| Failure::because("the writer stopped"))??;
            outcome?;
            for kin in kin::pieces(importer.take_kin()).filter(|_| !self.dry_run) {
                let source = importer.mapping().source.clone();
                let told = db.write_blocking(move |conn| kin::join(conn, &operator(), owner, &source, &kin))?;
                told.into_iter().for_each(|line| locked(book).add(line));
            }
            Ok(load)
        })
    }

    fn write(&self, db: &Db, batches: &Receiver<Batch>, book: &Mutex<Book>) -> DbResult<()> {
        for batch in batches {
            let written = if self.dry_run { batch.preview() } else { write(db, &batch)? };
            let mut book = locked(book);
            book.report.organizations_created += written.organizations_created;
            written.lines.into_iter().for_each(|line| book.add(line));
        }
        Ok(())
    }

    fn retire(&self, db: &Db, source: &str, load: &Load, is_package: bool, book: &Mutex<Book>) -> Result<(), Failure> {
        if let Some(told) = load.doubt().filter(|_| !self.force) {
            locked(book).add(told);
        } else if load.is_hardly_full() && !self.force {
            return Err(Failure::because(format!(
                "the file lists less than half of what {source} had: {} services would be retired; --force if that is right",
                load.missing().len()
            )));
        } else {
            self.retire_missing(db, load, book)?;
        }
        if is_package { self.forget(db, load, book) } else { Ok(()) }
    }

    fn retire_missing(&self, db: &Db, load: &Load, book: &Mutex<Book>) -> Result<(), Failure> {
        let missing = load.missing();
        if self.dry_run {
            let lines = db.read_blocking(|conn| preview_retired(conn, &missing))?;
            lines.into_iter().for_each(|line| locked(book).add(line));
            return Ok(());
        }
        for ids in missing.chunks(BATCH) {
            let ids = ids.to_vec();
            let lines = db.write_blocking(move |conn| retire(conn, &operator(), &ids))?;
            lines.into_iter().for_each(|line| locked(book).add(line));
        }
        Ok(())
    }

    /// Forgets what the package lists no more and belongs to no record; or tells why not.
    fn forget(&self, db: &Db, load: &Load, book: &Mutex<Book>) -> Result<(), Failure> {
        if let Some(told) = load.doubt_of_rows().filter(|_| !self.force) {
            locked(book).add(told);
        } else if !self.dry_run {
            let unseen = load.unseen();
            for gone in db.read_blocking(|conn| unseen.pieces(conn))? {
                db.write_blocking(move |conn| gone.forget(conn))?;
            }
        }
        Ok(())
    }

    fn mapping(&self) -> Result<Mapping, Failure> {
        let mut mapping = match &self.mapping {
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|fault| Failure::because(format!("cannot read {}: {fault}", path.display())))?;
                Mapping::parse(&text)?
            }
            None => Mapping::hsds(""),
        };
        if let Some(source) = &self.source {
            mapping.source.clone_from(source);
        }
        if !(1..=200).contains(&mapping.source.chars().count()) {
            return Err(Failure::because("--source must name the source, with 1 to 200 characters"));
        }
        if let Some(zone) = self.time_zone {
            mapping.defaults.time_zone = Some(zone.name().to_owned());
        }
        Ok(mapping)
    }

    fn owner(&self, db: &Db) -> Result<OrganizationId, Failure> {
        if let Ok(id) = self.organization.parse() {
            let is_known = db.read_blocking(|conn| crate::organizations::repository::exists(conn, id))?;
            return if is_known { Ok(id) } else { Err(Failure::because("there is no organization with this id")) };
        }
        match *db.read_blocking(|conn| tenants::find_by_name(conn, &self.organization))? {
            [id] => Ok(id),
            [] => Err(Failure::because("there is no organization of this name; `kith client add` can create one")),
            _ => Err(Failure::because("several organizations have this name; give its id")),
        }
    }

    /// The file from its beginning, with a bar on the terminal that moves as it is read.
    fn watched<'f>(&self, file: &'f mut File, what: &'static str) -> Result<impl Read + use<'f>, Failure> {
        file.rewind()?;
        let bar = ProgressBar::new(file.metadata()?.len());
        let style =
            ProgressStyle::with_template("{msg:12} {bar:30} {bytes}/{total_bytes} {eta}").unwrap_or_else(|_| ProgressStyle::default_bar());
        Ok(bar.with_style(style).with_message(what).with_finish(indicatif::ProgressFinish::AndClear).wrap_read(file))
    }
}

/// Writes a batch; where it clashes as a whole, its records one by one, so that only those that clash are refused.
fn write(db: &Db, batch: &Batch) -> DbResult<Written> {
    let one = |batch: Batch| db.write_blocking(move |conn| batch.write(conn, &operator()));
    match one(batch.clone()) {
        Err(Error::Duplicate { .. } | Error::Reference { .. }) => {
            let mut written = Written::default();
            for part in batch.clone().split() {
                written.add(one(part.clone()).or_else(|fault| part.refused(fault))?);
            }
            Ok(written)
        }
        outcome => outcome,
    }
}

/// The report in memory, and the one in a file.
struct Book {
    report: Report,
    file: Option<BufWriter<File>>,
}

impl Book {
    fn open(report: Report, path: Option<&Path>) -> Result<Self, Failure> {
        let create =
            |path: &Path| File::create(path).map_err(|fault| Failure::because(format!("cannot write {}: {fault}", path.display())));
        Ok(Self { report, file: path.map(create).transpose()?.map(BufWriter::new) })
    }

    fn add(&mut self, line: Line) {
        if let Some(file) = &mut self.file {
            let written = serde_json::to_writer(&mut *file, &line).map_err(std::io::Error::from).and_then(|()| file.write_all(b"\n"));
            if let Err(fault) = written {
                log::error!("the report cannot be written: {fault}");
                self.file = None;
            }
        }
        self.report.add(line);
    }
}

fn locked(book: &Mutex<Book>) -> std::sync::MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails where what was to be retired or forgotten was not: nobody reads the summary of what runs every night.
fn ensure_retired(report: &Report) -> Result<(), Failure> {
    let refused = "were refused of which it is not known which they are";
    let (was, were, done) = if report.dry_run { ("would be", "would be", "would be done") } else { ("was", "were", "is done") };
    let undone = [
        (NOTHING_RETIRED, format!("nothing {was} made inactive: records {refused}; all else {done}")),
        (
            NOTHING_FORGOTTEN,
            format!("no terms {were} forgotten: rows of such {refused}, or less than half of the services are listed; all else {done}"),
        ),
    ];
    let told: Vec<String> = undone.into_iter().filter(|(code, _)| report.notices.contains_key(code)).map(|(_, told)| told).collect();
    if told.is_empty() { Ok(()) } else { Err(Failure(told)) }
}

fn say_summary(report: &Report) -> Result<(), Failure> {
    let what = if report.dry_run { "would be" } else { "were" };
    say(format_args!("{}: {} records", report.source, report.records()))?;
    for (count, verdict) in [
        (report.created, "created"),
        (report.updated, "updated"),
        (report.unchanged, "unchanged"),
        (report.refused, "refused"),
        (report.retired, "retired"),
    ] {
        say(format_args!("{count:>9}  {what} {verdict}"))?;
    }
    say(format_args!("{:>9}  organizations {what} created", report.organizations_created))?;
    if !report.notices.is_empty() {
        say("What to know of them (see --report):")?;
        for (code, count) in &report.notices {
            say(format_args!("{count:>9}  {code}"))?;
        }
    }
    for line in report.lines.iter().filter(|line| line.verdict == Verdict::Refused).take(20) {
        let position = line.position.map_or(String::new(), |position| format!(" {position}"));
        let reasons: Vec<String> =
            line.notices.iter().map(|notice| format!("{} {}: {}", notice.code, notice.field, notice.message)).collect();
        say(format_args!("refused{position}: {}", reasons.join("; ")))?;
    }
    Ok(())
}
