//! What callers read of sources and runs, and how they ask for a run.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::model::{RunRow, SourceInput, SourceRow, SourceRunError, SourceRunId, SourceRunKind, SourceRunStatus, SourceStatus};
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::http::schema::rule;
use crate::import::report::Line;
use crate::kind::{ClientId, OrganizationId, SourceId};

/// A partner's directory that is pulled.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// Whose directory it goes into.
    pub organization_id: OrganizationId,
    /// The client that last wrote it: what is pulled is written in its name.
    pub client_id: ClientId,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// The run that began last, as long as runs are kept; null before the first, and in the journal.
    pub last_run: Option<SourceRun>,
    /// When the next run is due. Null where one is not over yet or the source is paused, and in the journal.
    pub next_run_at: Option<Instant>,
    /// What is written of it.
    #[serde(flatten)]
    pub content: SourceInput,
}

impl Source {
    /// Of a row and the run of it that began last: how it stands.
    pub fn standing(row: SourceRow, last_run: Option<RunRow>) -> Self {
        let is_under_way = last_run.as_ref().is_some_and(|run| run.finished_at.is_none());
        let next_run_at = row.wakes_at().filter(|_| !is_under_way);
        Self { last_run: last_run.map(SourceRun::from), next_run_at, ..row.into() }
    }
}

impl From<SourceRow> for Source {
    fn from(row: SourceRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            client_id: row.client_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_run: None,
            next_run_at: None,
            content: SourceInput { status: row.status, ..row.content.0 },
        }
    }
}

/// One reading of a source.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SourceRun {
    /// Its id.
    pub id: SourceRunId,
    /// Of which source.
    pub source_id: SourceId,
    /// What it reads.
    pub kind: SourceRunKind,
    /// How it stands.
    pub status: SourceRunStatus,
    /// Whether somebody asked for it; else it was due.
    pub is_requested: bool,
    /// A pull asks for what was changed at this moment or later; for everything where null.
    pub modified_after: Option<Instant>,
    /// When it began.
    pub started_at: Instant,
    /// When something last came of it.
    pub updated_at: Instant,
    /// When it ended.
    pub finished_at: Option<Instant>,
    /// When it goes on, where it waits.
    pub next_attempt_at: Option<Instant>,
    /// What stopped it last, also where it went on later; null where nothing has.
    pub error: Option<SourceRunError>,
    /// What went wrong, in words.
    #[schema(example = "GET /services?page=3: status 503")]
    pub error_detail: Option<String>,
    /// Records that were read; for a sweep those that it listed. Of a page that is read again, since a process died while it was writing a
    /// part of it, that part counts twice, here and among what is unchanged.
    #[schema(example = 310)]
    pub records: i32,
    /// New services.
    #[schema(example = 12)]
    pub created: i32,
    /// Services that have changed.
    #[schema(example = 3)]
    pub updated: i32,
    /// Services that have not.
    #[schema(example = 294)]
    pub unchanged: i32,
    /// Records that could not be taken.
    #[schema(example = 1)]
    pub refused: i32,
    /// Services that are inactive now, since they have vanished.
    #[schema(example = 0)]
    pub retired: i32,
    /// Organizations that were not known.
    #[schema(example = 7)]
    pub organizations_created: i32,
}

impl From<RunRow> for SourceRun {
    fn from(row: RunRow) -> Self {
        Self {
            id: row.id,
            source_id: row.source_id,
            kind: row.kind,
            status: row.status,
            is_requested: row.is_requested,
            modified_after: row.modified_after,
            started_at: row.started_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
            next_attempt_at: row.next_attempt_at,
            error: row.error,
            error_detail: row.error_detail,
            records: row.records,
            created: row.created,
            updated: row.updated,
            unchanged: row.unchanged,
            refused: row.refused,
            retired: row.retired,
            organizations_created: row.organizations_created,
        }
    }
}

/// A run, with what is to be said of its records.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SourceRunReport {
    /// The run.
    #[serde(flatten)]
    pub run: SourceRun,
    /// The records of which something must be said: why they were refused, what was left out or not understood, which have vanished. The
    /// first thousand; after the first five hundred those of records that were refused alone.
    #[schema(value_type = Vec<Line>)]
    pub lines: Vec<Box<RawValue>>,
    /// How many more such records there are.
    #[schema(example = 0)]
    pub lines_left_out: i32,
}

/// Asks for a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "is_of_a_pull"))]
pub struct SourceRunInput {
    /// What it is to read; a pull unless told otherwise.
    #[serde(default)]
    pub kind: SourceRunKind,
    /// For a pull: everything, whatever was pulled before.
    #[serde(default)]
    #[schema(example = false)]
    pub full: bool,
}

fn is_of_a_pull(input: &SourceRunInput) -> Result<(), ValidationError> {
    if input.full && input.kind == SourceRunKind::Sweep {
        return Err(rule("/full", "not_allowed", "is of a pull; a sweep reads every id"));
    }
    Ok(())
}

/// Which sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct SourceQuery {
    /// In this status.
    #[param(inline)]
    pub status: Option<SourceStatus>,
    /// Items of a page.
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoiMDE5MzFmNGUifQ")]
    pub cursor: Option<String>,
}

/// Which runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct SourceRunQuery {
    /// Items of a page.
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoiMDE5MzFmNGUifQ")]
    pub cursor: Option<String>,
}
