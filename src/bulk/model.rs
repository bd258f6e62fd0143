//! What a job is: an import or an export, how it stands, and how far it has come.

use chrono::Duration;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Principal, Scopes};
use crate::db::schema::{bulk_chunks, bulk_jobs, foreseen_resources};
use crate::db::types::{Id, Instant, Json};
use crate::kind::{ClientId, OrganizationId};
use crate::text_enum;

/// Marks the ids of jobs, which are no resources of the journal: what they write is.
#[derive(Debug, Clone, Copy)]
pub enum Job {}

/// The id of an import or an export.
pub type JobId = Id<Job>;

/// How long what a job has made, results or files, is kept after it ended.
pub const KEPT: Duration = Duration::days(7);

/// An organization has so many jobs under way at most; the next is refused.
pub const MOST_OPEN: i64 = 20;

/// Of a client's exports that have ended so many are kept at most: those that ended last.
pub const MOST_KEPT: i64 = 20;

/// So many times in a row a job is taken up at most by whoever comes to no end and does not bring it on; then it is given up. Where the
/// database was busy or not available the time does not count.
pub const MOST_ATTEMPTS: i32 = 6;

/// An import that has refused so many lines is given up, unless it has taken more than one for ten of them: little would come of the rest,
/// and what becomes of each line is kept.
const MOST_REFUSED: i64 = 100_000;

text_enum! {
    /// What a job does.
    pub enum JobKind {
        /// It writes what it was sent.
        Import = "import",
        /// It reads what the client sees.
        Export = "export",
    }
}

text_enum! {
    /// How a job stands. Values may be added.
    pub enum JobStatus {
        /// Its body is still on the way.
        Receiving = "receiving",
        /// It is to begin, within seconds unless others are before it.
        Queued = "queued",
        /// It is under way.
        Running = "running",
        /// It has done all of it.
        Completed = "completed",
        /// It was given up; `error` says why. What was done until then stays.
        Failed = "failed",
        /// It was cancelled. What was done until then stays.
        Cancelled = "cancelled",
    }
}

impl JobStatus {
    /// Whether there is nothing more to come.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

text_enum! {
    /// Why a job was given up. Values may be added.
    pub enum JobError {
        /// The client that asked for it is disabled, or lacks by now every scope that it takes.
        ClientDisabled = "client_disabled",
        /// It had refused a hundred thousand lines of an import, and ten times as many as it had taken; the results say why.
        TooManyRefused = "too_many_refused",
        /// Lines of an import that were not done yet are no longer there: their file was being read for so long that it was given up.
        InputLost = "input_lost",
        /// The server failed at it several times in a row, each time before it had come any further. The log of the server may say why.
        Internal = "internal",
    }
}

text_enum! {
    /// What became of a line.
    pub enum LineOutcome {
        /// There is a new resource.
        Created = "created",
        /// The resource was there and has another content now.
        Updated = "updated",
        /// The resource was there as the line has it; nothing was written.
        Unchanged = "unchanged",
        /// Nothing was written; `problem` says why.
        Refused = "refused",
    }
}

text_enum! {
    /// The form of exported files.
    #[derive(Default)]
    pub enum ExportFormat {
        /// A line of JSON for each resource, which `POST /v1/imports` takes.
        #[default]
        Ndjson = "ndjson",
        /// A row for each resource under a row of names; what is nested is JSON in its cell (RFC 4180). A text that a spreadsheet would
        /// run as a formula, because it begins with `=`, `+`, `-`, `@`, a tab or a line break, has an apostrophe before it, unless it is a
        /// number or a telephone number in the form of E.164.
        Csv = "csv",
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Content {
    /// Of an import: whether new patients are compared with those who are there.
    pub possible_duplicates: bool,
    /// Of an import: the id that stands for the organization in its lines.
    pub former_organization_id: Option<OrganizationId>,
    /// Of an import: whether it only says what would become of its lines.
    pub dry_run: bool,
    /// Of an import: bytes that a line may have.
    pub line_limit: usize,
    /// Of an export: the kinds of resources, in the order in which they are read.
    pub types: Vec<super::kinds::BulkType>,
    /// Of an export: only what was changed at this moment or later.
    pub since: Option<Instant>,
    /// Of an export.
    pub format: ExportFormat,
}

/// How far an export has come; of an import the number of lines says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExportProgress {
    /// How many of the types are done.
    pub done: usize,
    /// The last resource of the one that is under way.
    pub after: Option<Uuid>,
    /// The files there are.
    pub files: Vec<FileInfo>,
}

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileInfo {
    /// Its name.
    #[schema(example = "patients.ndjson")]
    pub name: String,
    /// The kind of the resources in it.
    #[schema(value_type = super::kinds::BulkType, example = "patient")]
    pub r#type: super::kinds::BulkType,
    /// Resources in it.
    #[schema(example = 120)]
    pub resources: i64,
    /// Its size in bytes.
    #[schema(example = 48_200)]
    pub bytes: i64,
}

/// A row of the table `bulk_jobs`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = bulk_jobs, treat_none_as_default_value = false)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// For whom.
    pub organization_id: OrganizationId,
    /// The client that asked for it, in whose name it is done, and that alone sees it.
    pub client_id: ClientId,
    /// What its token permitted.
    pub scopes: Scopes,
    /// The person it acted for.
    pub on_behalf_of: Option<String>,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// How it stands.
    pub status: JobStatus,
    /// What was asked for.
    pub content: Json<Content>,
    /// How far an export has come.
    pub progress: Json<ExportProgress>,
    /// Lines that are done.
    pub lines: i64,
    /// Lines there are, once that is known.
    pub lines_total: Option<i64>,
    /// Bytes that are done.
    pub bytes: i64,
    /// Bytes there are, once that is known.
    pub bytes_total: Option<i64>,
    /// New resources.
    pub created: i64,
    /// Resources that have changed.
    pub updated: i64,
    /// Resources that have not.
    pub unchanged: i64,
    /// Lines that were refused.
    pub refused: i64,
    /// Why it was given up.
    pub error: Option<JobError>,
    /// When it was asked for.
    pub created_at: Instant,
    /// When it began.
    pub started_at: Option<Instant>,
    /// When it last came on.
    pub updated_at: Instant,
    /// When it ended.
    pub finished_at: Option<Instant>,
    /// The worker that runs it.
    pub leased_by: Option<Id<()>>,
    /// Until when it alone does.
    pub leased_until: Option<Instant>,
    /// How often it was taken up since it last came on, the attempt that is under way included, and without those that the database broke
    /// off.
    pub attempts: i32,
}

impl JobRow {
    /// One that this caller asks for now.
    pub fn new(caller: &Principal, kind: JobKind, status: JobStatus, content: Content) -> Self {
        Self {
            id: Id::generate(),
            kind,
            organization_id: caller.organization_id,
            client_id: caller.client_id,
            scopes: caller.scopes,
            on_behalf_of: caller.on_behalf_of.clone(),
            request_id: caller.request_id.clone(),
            status,
            content: Json(content),
            progress: Json(ExportProgress::default()),
            lines: 0,
            lines_total: None,
            bytes: 0,
            bytes_total: None,
            created: 0,
            updated: 0,
            unchanged: 0,
            refused: 0,
            error: None,
            created_at: caller.at,
            started_at: None,
            updated_at: caller.at,
            finished_at: None,
            leased_by: None,
            leased_until: None,
            attempts: 0,
        }
    }

    /// The caller in whose name it is done, who may by now do no more than these scopes.
    pub fn caller(&self, standing: Scopes, now: Instant) -> Principal {
        Principal {
            client_id: self.client_id,
            organization_id: self.organization_id,
            scopes: self.scopes.intersection(standing),
            on_behalf_of: self.on_behalf_of.clone(),
            request_id: self.request_id.clone(),
            at: now,
        }
    }

    /// Counts a line.
    pub const fn count(&mut self, outcome: LineOutcome) {
        match outcome {
            LineOutcome::Created => self.created += 1,
            LineOutcome::Updated => self.updated += 1,
            LineOutcome::Unchanged => self.unchanged += 1,
            LineOutcome::Refused => self.refused += 1,
        }
    }

    /// Whether so much of an import was refused that it is given up.
    pub const fn is_hopeless(&self) -> bool {
        let taken = self.created + self.updated + self.unchanged;
        self.refused >= MOST_REFUSED && self.refused / 10 >= taken
    }

    /// The job as it ends now.
    #[must_use]
    pub fn ended(self, status: JobStatus, now: Instant) -> Self {
        Self { status, updated_at: now, finished_at: Some(now), leased_by: None, leased_until: None, ..self }
    }

    /// Until when its results or files are kept.
    pub fn kept_until(&self) -> Option<Instant> {
        self.finished_at.map(|finished| finished.plus(KEPT))
    }
}

/// The file of what is to be imported.
pub const INPUT: &str = "input";
/// The file of what became of it.
pub const RESULTS: &str = "results";

/// A row of the table `bulk_chunks`: a piece of a file.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = bulk_chunks, treat_none_as_default_value = false)]
pub struct ChunkRow {
    /// Of which job.
    pub job_id: JobId,
    /// Of which file.
    pub file: String,
    /// The number of its first line, from 1.
    pub first_line: i64,
    /// How many it has.
    pub lines: i32,
    /// They, packed with gzip.
    pub content: Vec<u8>,
}

/// A row of the table `foreseen_resources`: what lines of a dry run would make or change, or a sign that they would.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = foreseen_resources, treat_none_as_default_value = false)]
pub struct ForeseenRow {
    /// Of which job.
    pub job_id: JobId,
    /// A digest of what it is found by.
    pub key: Id<()>,
    /// The resource.
    pub resource_id: Id<()>,
    /// Whether it is nowhere but here.
    pub is_new: bool,
    /// A digest of what its last line says.
    pub content: Option<Id<()>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_given_up_where_nearly_all_of_very_many_lines_were_refused() {
        let at = "2026-03-02T17:00:00Z".parse().unwrap();
        let caller = Principal::of_client(Id::generate(), Id::generate(), Scopes::NONE, at);
        let job = |refused, created, unchanged| {
            let job = JobRow::new(&caller, JobKind::Import, JobStatus::Running, Content::default());
            JobRow { refused, created, unchanged, ..job }
        };
        for (refused, created, unchanged, is_hopeless) in [
            (99_999, 0, 0, false),
            (100_000, 0, 0, true),
            (100_000, 10_000, 0, true),
            (100_000, 10_000, 1, false),
            (2_000_000, 0, 1_000_000, false),
        ] {
            assert_eq!(job(refused, created, unchanged).is_hopeless(), is_hopeless, "{refused} {created} {unchanged}");
        }
    }
}
