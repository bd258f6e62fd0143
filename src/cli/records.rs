//! `kith import records` and `kith export records`: the jobs of the API, done by this process.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use flate2::bufread::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, say};
use crate::auth::{Principal, repository as clients};
use crate::bulk::api::ExportInput;
use crate::bulk::handlers::NOTED;
use crate::bulk::intake::Intake;
use crate::bulk::kinds::BulkType;
use crate::bulk::model::{Content, ExportFormat, JobId, JobKind, JobRow, JobStatus, RESULTS};
use crate::bulk::pieces::unpack;
use crate::bulk::{Engine, exports, repository};
use crate::clock::Clock;
use crate::db::Db;
use crate::db::types::Instant;
use crate::files;
use crate::kind::{ClientId, OrganizationId};

/// Bytes that a line may have.
const LINE: usize = 1 << 20;
/// How often it is looked how far a job is.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file: lines of JSON, as `POST /v1/imports` takes them, or the same packed with gzip (.gz)
    file: PathBuf,
    /// The client in whose name it is done, with its scopes; `kith client list` names them
    #[arg(long, value_name = "ID")]
    client: ClientId,
    /// The id that the client's organization has where the lines come from: wherever a line names it, the client's organization is meant
    #[arg(long, value_name = "ID")]
    former_organization: Option<OrganizationId>,
    /// Say what would become of each line, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write a line of JSON for every line of the file
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The folder that the files are written to; it is made where it is not there
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// The client that sees what is exported; `kith client list` names them
    #[arg(long, value_name = "ID")]
    client: ClientId,
    /// The kinds of resources, separated by commas; all that the client may read where absent
    #[arg(long, value_delimiter = ',', value_name = "TYPES")]
    types: Vec<BulkType>,
    /// Only what was changed at this moment or later
    #[arg(long, value_name = "INSTANT")]
    since: Option<Instant>,
    /// The form of the files: ndjson, which can be imported, or csv
    #[arg(long, default_value_t = ExportFormat::Ndjson, value_name = "FORMAT")]
    format: ExportFormat,
}

/// The client as a caller.
fn caller(db: &Db, id: ClientId) -> Result<Principal, Failure> {
    let standing = db.read_blocking(|conn| clients::find_standing(conn, id))?.filter(|standing| standing.is_active);
    let standing = standing.ok_or_else(|| Failure::because(format!("there is no active client {id}")))?;
    Ok(Principal::of_client(id, standing.organization_id, standing.scopes, Clock::default().now()))
}

impl Import {
    pub(super) fn run(&self, db: &Db) -> Result<(), Failure> {
        let told = |fault: std::io::Error| Failure::because(format!("cannot read {}: {fault}", self.file.display()));
        let caller = caller(db, self.client)?;
        let file = BufReader::new(File::open(&self.file).map_err(told)?);
        let is_packed = self.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let mut input: Box<dyn Read> = if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let (former_organization_id, dry_run) = (self.former_organization, self.dry_run);
        let content = Content { line_limit: LINE, former_organization_id, dry_run, ..Content::default() };
        let job = JobRow::new(&caller, JobKind::Import, JobStatus::Receiving, content);
        let (id, begun) = (job.id, job.clone());
        db.write_blocking(move |conn| repository::insert(conn, &begun))?;
        let (mut intake, clock) = (Intake::new(id, u64::MAX, LINE), Clock::default());
        let (mut buffer, mut noted) = (vec![0; 1 << 16], clock.now());
        loop {
            let length = input.read(&mut buffer).map_err(told)?;
            if length == 0 {
                break;
            }
            let (pieces, now) = (intake.take(buffer.get(..length).unwrap_or_default())?, clock.now());
            if pieces.is_some() || noted.plus(NOTED) <= now {
                let pieces = pieces.unwrap_or_default();
                db.write_blocking(move |conn| repository::lay_down(conn, id, &pieces, now))?;
                noted = now;
            }
        }
        let (arrived, job) = (intake.finish()?, JobRow { updated_at: clock.now(), ..job });
        db.write_blocking(move |conn| repository::queue(conn, job.clone(), &arrived))?;
        let job = work(db, id)?;
        if let Some(path) = &self.results {
            copy(db, id, RESULTS, path)?;
        }
        say(format_args!("{} lines of {}: {}", job.lines, self.file.display(), job.status))?;
        let would_be = if self.dry_run { "would be " } else { "" };
        for (count, what) in
            [(job.created, "created"), (job.updated, "updated"), (job.unchanged, "unchanged"), (job.refused, "refused (see --results)")]
        {
            say(format_args!("{count:>9}  {would_be}{what}"))?;
        }
        completed(&job)
    }
}

impl Export {
    pub(super) fn run(&self, db: &Db) -> Result<(), Failure> {
        let caller = caller(db, self.client)?;
        let input = ExportInput { types: self.types.clone(), since: self.since, format: self.format };
        let job = exports::job(&caller, &input)?;
        let id = job.id;
        std::fs::create_dir_all(&self.output)
            .map_err(|fault| Failure::because(format!("cannot make {}: {fault}", self.output.display())))?;
        db.write_blocking(move |conn| repository::insert(conn, &job))?;
        let job = work(db, id)?;
        completed(&job)?;
        for file in &job.progress.files {
            let path = self.output.join(&file.name);
            copy(db, id, &file.name, &path)?;
            say(format_args!("{:>9}  {}", file.resources, path.display()))?;
        }
        Ok(())
    }
}

fn completed(job: &JobRow) -> Result<(), Failure> {
    match (job.status, job.error) {
        (JobStatus::Completed, _) => Ok(()),
        (status, Some(error)) => Err(Failure::because(format!("the job is {status}: {error}"))),
        (status, None) => Err(Failure::because(format!("the job is {status}"))),
    }
}

/// Does a job to its end, with a bar on the terminal. Where a server has taken it first, waits for that.
fn work(db: &Db, id: JobId) -> Result<JobRow, Failure> {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {eta}").unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    let (shared, moved) = (db.clone(), bar.clone());
    let job = actix_web::rt::System::new().block_on(async move {
        let watched = shared.clone();
        let watch = actix_web::rt::spawn(async move {
            loop {
                if let Ok(Some(job)) = watched.read(move |conn| repository::find_any(conn, id)).await {
                    moved.set_length(job.lines_total.unwrap_or(job.lines).unsigned_abs());
                    moved.set_position(job.lines.unsigned_abs());
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        let engine = Engine::new(shared.clone(), Clock::default(), Arc::default());
        let job = loop {
            engine.serve(id).await?;
            match shared.read(move |conn| repository::find_any(conn, id)).await? {
                Some(job) if !job.status.is_final() => tokio::time::sleep(LOOK).await,
                job => break job,
            }
        };
        watch.abort();
        Ok::<_, crate::error::Error>(job)
    })?;
    bar.finish_and_clear();
    job.ok_or_else(|| Failure::because("the job is gone"))
}

/// Writes a file of a job to a path.
fn copy(db: &Db, job: JobId, file: &str, path: &Path) -> Result<(), Failure> {
    let told = |fault: std::io::Error| Failure::because(format!("cannot write {}: {fault}", path.display()));
    let mut output = BufWriter::new(files::private().write(true).truncate(true).open(path).map_err(told)?);
    let mut line = 1;
    while let Some(chunk) = db.read_blocking(|conn| repository::chunk_from(conn, job, file, line))? {
        line = chunk.first_line + i64::from(chunk.lines);
        output.write_all(&unpack(&chunk.content)?).map_err(told)?;
    }
    output.flush().map_err(told)
}
