//! What is asked for and answered.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::kinds::BulkType;
use super::model::{ExportFormat, JobError, JobId, JobRow, JobStatus, LineOutcome};
use crate::clock::OVERLAP;
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::kind::OrganizationId;

/// How an import is done.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportOptions {
    /// Tell of each new patient who they may be already, as `POST /v1/patients` does. It makes the import slower.
    #[serde(default)]
    #[param(example = false)]
    pub possible_duplicates: bool,
    /// The id that the calling organization has where the lines come from. Wherever a line names an organization by it, the calling one is
    /// meant; the line of that organization itself is the calling one's own.
    #[param(example = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")]
    pub former_organization_id: Option<OrganizationId>,
    /// Say what would become of each line, and write nothing.
    #[serde(default)]
    #[param(example = false)]
    pub dry_run: bool,
}

/// An import.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Import {
    /// Its id.
    pub id: JobId,
    /// How it stands.
    pub status: JobStatus,
    /// Whether it only says what would become of its lines: then nothing was written, and the numbers are of what would be.
    #[schema(example = false)]
    pub dry_run: bool,
    /// Why it was given up.
    pub error: Option<JobError>,
    /// Lines that are done, blank ones among them.
    #[schema(example = 12_000)]
    pub lines: i64,
    /// Lines there are.
    #[schema(example = 1_000_000)]
    pub lines_total: i64,
    /// Bytes that are done.
    #[schema(example = 4_800_000)]
    pub bytes: i64,
    /// Bytes there are, unpacked.
    #[schema(example = 402_000_000)]
    pub bytes_total: i64,
    /// New resources.
    #[schema(example = 11_400)]
    pub created: i64,
    /// Resources that have changed.
    #[schema(example = 540)]
    pub updated: i64,
    /// Resources that were there as the lines have them.
    #[schema(example = 58)]
    pub unchanged: i64,
    /// Lines that were refused; the results say why.
    #[schema(example = 2)]
    pub refused: i64,
    /// When it was asked for.
    pub created_at: Instant,
    /// When it began.
    pub started_at: Option<Instant>,
    /// When it last came on.
    pub updated_at: Instant,
    /// When it ended.
    pub finished_at: Option<Instant>,
    /// Until when it and its results are kept, once it has ended.
    pub kept_until: Option<Instant>,
}

impl From<JobRow> for Import {
    fn from(row: JobRow) -> Self {
        Self {
            id: row.id,
            status: row.status,
            dry_run: row.content.dry_run,
            error: row.error,
            lines: row.lines,
            lines_total: row.lines_total.unwrap_or(row.lines),
            bytes: row.bytes,
            bytes_total: row.bytes_total.unwrap_or(row.bytes),
            created: row.created,
            updated: row.updated,
            unchanged: row.unchanged,
            refused: row.refused,
            created_at: row.created_at,
            started_at: row.started_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
            kept_until: row.kept_until(),
        }
    }
}

/// Which jobs are listed.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobQuery {
    /// Items of a page.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}

/// Which results are told.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ResultQuery {
    /// Only of lines of which this became.
    #[param(inline)]
    pub outcome: Option<LineOutcome>,
}

/// That a job is to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct JobCancellation {}

/// What is to be exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ExportInput {
    /// The kinds of resources; all that the client's scopes let it read where absent.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub types: Vec<BulkType>,
    /// Only what was changed at this moment or later: `next_since` of the export before. What was deleted since is not told; the change feed
    /// tells it, and misses nothing.
    #[serde(default)]
    #[schema(example = "2026-03-01T00:00:00Z")]
    pub since: Option<Instant>,
    /// The form of the files.
    #[serde(default)]
    pub format: ExportFormat,
}

/// A file that can be downloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExportFile {
    /// Its name.
    #[schema(example = "patients.ndjson")]
    pub name: String,
    /// The kind of the resources in it.
    pub r#type: BulkType,
    /// Resources in it.
    #[schema(example = 120)]
    pub resources: i64,
    /// Its size in bytes.
    #[schema(example = 48_200)]
    pub bytes: i64,
    /// Where it is downloaded, without a token: whoever has the address reads the file. Null until the export is completed, and where
    /// the token's scopes do not read what is in it. Relative where the server does not know its own address.
    #[schema(
        example = "https://kith.example.ca/exports/eyJ0eXAiOiJraXRoLWxpbmsrand0In0.eyJzdWIiOiIwMTkzMWY0ZSJ9.c2lnbmF0dXJl/patients.ndjson"
    )]
    pub url: Option<String>,
    /// When the address runs out; reading the export again gives a new one.
    pub expires_at: Option<Instant>,
}

/// An export.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Export {
    /// Its id.
    pub id: JobId,
    /// How it stands.
    pub status: JobStatus,
    /// Why it was given up.
    pub error: Option<JobError>,
    /// The kinds of resources.
    pub types: Vec<BulkType>,
    /// Only what was changed at this moment or later.
    pub since: Option<Instant>,
    /// `since` of the next export: five minutes before this one was asked for, since a change bears the moment at which it was being
    /// written. What has been exported in these minutes is exported again.
    pub next_since: Instant,
    /// The form of the files.
    pub format: ExportFormat,
    /// Resources that were read.
    #[schema(example = 120)]
    pub resources: i64,
    /// Their size in bytes.
    #[schema(example = 48_200)]
    pub bytes: i64,
    /// The files, in the order in which they can be imported.
    pub files: Vec<ExportFile>,
    /// When it was asked for.
    pub created_at: Instant,
    /// When it began.
    pub started_at: Option<Instant>,
    /// When it last came on.
    pub updated_at: Instant,
    /// When it ended.
    pub finished_at: Option<Instant>,
    /// Until when it and its files are kept, once it has ended.
    pub kept_until: Option<Instant>,
}

impl From<JobRow> for Export {
    fn from(row: JobRow) -> Self {
        let kept_until = row.kept_until();
        let content = row.content.0;
        let file = |file: super::model::FileInfo| ExportFile {
            name: file.name,
            r#type: file.r#type,
            resources: file.resources,
            bytes: file.bytes,
            url: None,
            expires_at: None,
        };
        Self {
            id: row.id,
            status: row.status,
            error: row.error,
            types: content.types,
            since: content.since,
            next_since: row.created_at.plus(-OVERLAP),
            format: content.format,
            resources: row.lines,
            bytes: row.bytes,
            files: row.progress.0.files.into_iter().map(file).collect(),
            created_at: row.created_at,
            started_at: row.started_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
            kept_until,
        }
    }
}
