//! What a source and a run are, and when they are due.

use std::time::Duration;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::db::schema::{source_runs, sources};
use crate::db::types::{Id, Instant, Json};
use crate::http::schema::rule;
use crate::kind::{ClientId, OrganizationId, SourceId};
use crate::text_enum;

/// Marks the ids of runs, which are no resources of the journal.
#[derive(Debug, Clone, Copy)]
pub enum Run {}

/// The id of a run.
pub type SourceRunId = Id<Run>;

text_enum! {
    /// What a partner's address speaks. Values may be added.
    #[derive(Default)]
    pub enum SourceKind {
        /// The HSDS API, 3.0 or later: the URL is that under which `/services` is found.
        #[default]
        HsdsApi = "hsds_api",
    }
}

text_enum! {
    /// Whether a source is pulled.
    #[derive(Default)]
    pub enum SourceStatus {
        /// It is.
        #[default]
        Active = "active",
        /// It is not; what was pulled stays.
        Paused = "paused",
    }
}

text_enum! {
    /// What a run reads.
    #[derive(Default)]
    pub enum SourceRunKind {
        /// What has changed since the last pull; everything, the first time.
        #[default]
        Pull = "pull",
        /// Every id, for what has vanished and what was missed; and the organizations that give no service.
        Sweep = "sweep",
    }
}

text_enum! {
    /// How a run stands.
    pub enum SourceRunStatus {
        /// It is under way, or about to begin.
        Running = "running",
        /// The partner could not be read; it goes on from where it stopped.
        Waiting = "waiting",
        /// It has read all that it was to read.
        Completed = "completed",
        /// It was given up; what it had read until then is kept.
        Failed = "failed",
    }
}

text_enum! {
    /// Why a partner could not be read. Values may be added.
    pub enum SourceRunError {
        /// The URL itself names a private network, or this server: from neither anything is pulled.
        RefusedAddress = "refused_address",
        /// The name was not found, or leads into a private network: which, is not told.
        NameNotFound = "name_not_found",
        /// No connection, or one that broke.
        Connection = "connection",
        /// The certificate is not valid, or the encryption failed otherwise.
        Tls = "tls",
        /// No answer in time.
        Timeout = "timeout",
        /// Redirects that do not end.
        Redirect = "redirect",
        /// The partner answered with a status that says no.
        Status = "status",
        /// An answer larger than an import may be, or one service of more than four mebibytes.
        TooLarge = "too_large",
        /// An answer that is no page or service of HSDS.
        NotHsds = "not_hsds",
        /// The partner sent another page than was asked for, or the one before again: it does not page as HSDS says, and the rest of the list
        /// is not known.
        PageRepeated = "page_repeated",
        /// The operator has not set the credential that the source names, or not for this address.
        Credential = "credential",
        /// The client that wrote the source may no longer write services.
        ClientDisabled = "client_disabled",
        /// A sweep listed less than half of what was known; nothing was counted as missing.
        TooManyMissing = "too_many_missing",
        /// This server failed, and not the partner: its database was busy or away, or it is at fault.
        Internal = "internal",
    }
}

impl SourceRunError {
    /// Whether trying again may help.
    pub const fn passes(self) -> bool {
        matches!(self, Self::NameNotFound | Self::Connection | Self::Tls | Self::Timeout | Self::Internal)
    }
}

/// What is written of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "consistent"))]
pub struct SourceInput {
    /// The name under which its records are known, as `source` in an import: what was imported under it before is taken up. It never
    /// changes.
    #[schema(min_length = 1, max_length = 200, example = "alder-valley-211")]
    pub name: String,
    /// What its address speaks.
    #[serde(default)]
    pub kind: SourceKind,
    /// Where it is read: `https://`, on the public internet, and not of this server itself.
    #[schema(min_length = 1, max_length = 2_000, pattern = "^https?://", example = "https://directory.example.ca/hsds")]
    pub url: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 500, example = "The regional 211")]
    pub description: Option<String>,
    /// The name of the credential it is read with, which the operator of this server has set for this organization and the address in
    /// `url`; null where the partner asks for none.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_-]+$", example = "alder-valley-211")]
    pub credential: Option<String>,
    /// IANA time zone of opening hours that do not name one.
    #[serde(default)]
    #[schema(max_length = 60, example = "America/Vancouver")]
    pub time_zone: Option<String>,
    /// Minutes between pulls.
    #[serde(default = "hourly")]
    #[schema(minimum = 5, maximum = 10_080, default = 60, example = 60)]
    pub pull_every_minutes: u32,
    /// Hours between sweeps.
    #[serde(default = "daily")]
    #[schema(minimum = 1, maximum = 720, default = 24, example = 24)]
    pub sweep_every_hours: u32,
    /// How many sweeps in a row must lack a service before it is made inactive: a partner's mishap should not empty the directory.
    #[serde(default = "twice")]
    #[schema(minimum = 1, maximum = 10, default = 2, example = 2)]
    pub retire_after_sweeps: i32,
    /// Whether it is pulled.
    #[serde(default)]
    pub status: SourceStatus,
}

const fn hourly() -> u32 {
    60
}

const fn daily() -> u32 {
    24
}

const fn twice() -> i32 {
    2
}

fn consistent(input: &SourceInput) -> Result<(), ValidationError> {
    match &input.time_zone {
        Some(zone) if zone.parse::<chrono_tz::Tz>().is_err() => {
            Err(rule("/time_zone", "unknown_time_zone", "is not an IANA time zone such as America/Vancouver"))
        }
        _ => Ok(()),
    }
}

impl SourceInput {
    /// How long after its last run a run of this kind is due, where so many have failed since one last succeeded: up to eight times as
    /// long.
    pub fn rest(&self, kind: SourceRunKind, failures: i32) -> chrono::Duration {
        let usual = match kind {
            SourceRunKind::Pull => chrono::Duration::minutes(i64::from(self.pull_every_minutes)),
            SourceRunKind::Sweep => chrono::Duration::hours(i64::from(self.sweep_every_hours)),
        };
        usual * (1 << failures.clamp(0, 3))
    }
}

/// A row of the table `sources`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = sources, treat_none_as_default_value = false)]
pub struct SourceRow {
    /// Its id.
    pub id: SourceId,
    /// Whose directory it goes into.
    pub organization_id: OrganizationId,
    /// The client that last wrote it: what is pulled is written in its name.
    pub client_id: ClientId,
    /// See [`SourceInput::name`].
    pub name: String,
    /// See [`SourceStatus`].
    pub status: SourceStatus,
    /// The content as written.
    pub content: Json<SourceInput>,
    /// Version, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
    /// What the partner has changed up to this moment of its own clock has been pulled.
    pub pulled_to: Option<Instant>,
    /// When the next pull is due.
    pub next_pull_at: Instant,
    /// When the next sweep is due.
    pub next_sweep_at: Instant,
    /// When there is something to do.
    pub wake_at: Option<Instant>,
    /// How many runs in a row have failed.
    pub failures: i32,
    /// The worker that pulls.
    pub leased_by: Option<Id<()>>,
    /// Until when it alone does.
    pub leased_until: Option<Instant>,
}

impl SourceRow {
    /// Which run is due first, and when. A pull goes first: to a sweep of what was never pulled, everything would be new.
    pub fn due(&self) -> (SourceRunKind, Instant) {
        if self.pulled_to.is_none() || self.next_pull_at <= self.next_sweep_at {
            (SourceRunKind::Pull, self.next_pull_at)
        } else {
            (SourceRunKind::Sweep, self.next_sweep_at)
        }
    }

    /// From which moment on a pull that begins now asks for changes; `None` for everything, also where that moment has not come yet: a
    /// partner whose clock was ahead would not be asked for what it changes until then.
    pub fn pulled_before(&self, now: Instant) -> Option<Instant> {
        self.pulled_to.filter(|to| *to <= now)
    }

    /// When there is something to do, where no run is unfinished.
    pub fn wakes_at(&self) -> Option<Instant> {
        (self.status == SourceStatus::Active && self.deleted_at.is_none()).then(|| self.due().1)
    }

    /// The row after a run of this kind that ended now, with so many failures in a row.
    #[must_use]
    pub fn after(&self, kind: SourceRunKind, failures: i32, now: Instant) -> Self {
        let next = now.plus(self.content.rest(kind, failures));
        match kind {
            SourceRunKind::Pull => Self { failures, next_pull_at: next, ..self.clone() },
            SourceRunKind::Sweep => Self { failures, next_sweep_at: next, ..self.clone() },
        }
    }
}

/// A row of the table `source_runs`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = source_runs, treat_none_as_default_value = false)]
pub struct RunRow {
    /// Its id.
    pub id: SourceRunId,
    /// Of which source.
    pub source_id: SourceId,
    /// What it reads.
    pub kind: SourceRunKind,
    /// How it stands.
    pub status: SourceRunStatus,
    /// Whether somebody asked for it.
    pub is_requested: bool,
    /// A pull asks for what was changed at this moment or later; for everything where absent.
    pub modified_after: Option<Instant>,
    /// The partner's clock when it began, as far as it is known, and not ahead of ours.
    pub as_of: Option<Instant>,
    /// The page that is read next, from 1: of services by a pull; by a sweep of organizations, once their turn has come.
    pub next_page: i32,
    /// Attempts since a page last arrived, the one that is under way included.
    pub attempts: i32,
    /// When it goes on, where it waits.
    pub next_attempt_at: Option<Instant>,
    /// What stopped it last.
    pub error: Option<SourceRunError>,
    /// What went wrong, in words.
    pub error_detail: Option<String>,
    /// Records that were read.
    pub records: i32,
    /// New services.
    pub created: i32,
    /// Services that have changed.
    pub updated: i32,
    /// Services that have not.
    pub unchanged: i32,
    /// Records that could not be taken.
    pub refused: i32,
    /// Services that are inactive now, since they have vanished.
    pub retired: i32,
    /// Organizations that were not known.
    pub organizations_created: i32,
    /// Records of which something is said.
    pub lines: i32,
    /// How many more there are.
    pub lines_left_out: i32,
    /// When it began.
    pub started_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When it ended.
    pub finished_at: Option<Instant>,
    /// Whether the list has been read to its end; what a sweep lacks is counted with that, once. What is left of either is to be asked for
    /// one by one.
    pub has_listed: bool,
}

impl RunRow {
    /// One that begins now.
    pub fn new(source: SourceId, kind: SourceRunKind, is_requested: bool, modified_after: Option<Instant>, now: Instant) -> Self {
        Self {
            id: Id::generate(),
            source_id: source,
            kind,
            status: SourceRunStatus::Running,
            is_requested,
            modified_after,
            as_of: None,
            next_page: 1,
            attempts: 0,
            next_attempt_at: None,
            error: None,
            error_detail: None,
            records: 0,
            created: 0,
            updated: 0,
            unchanged: 0,
            refused: 0,
            retired: 0,
            organizations_created: 0,
            lines: 0,
            lines_left_out: 0,
            started_at: now,
            updated_at: now,
            finished_at: None,
            has_listed: false,
        }
    }
}

/// What a run has found listed and asks for by itself.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Unread {
    /// Its place among those that wait.
    pub number: i32,
    /// Its id, as the partner says it.
    pub record_id: String,
}

/// A run that fails so often in a row is given up.
pub const MOST_ATTEMPTS: i32 = 6;

/// How long a run waits after so many failures: `first`, four times as long each time.
pub fn patience(first: Duration, attempts: i32) -> Duration {
    first.saturating_mul(4_u32.saturating_pow(attempts.saturating_sub(1).clamp(0, 8).unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_fails_is_asked_less_often_and_never_given_up() {
        let input: SourceInput = serde_json::from_str(r#"{"name": "a", "url": "https://a.example"}"#).unwrap();
        let minutes = |failures| input.rest(SourceRunKind::Pull, failures).num_minutes();
        assert_eq!([0, 1, 2, 3, 4, 1_000].map(minutes), [60, 120, 240, 480, 480, 480]);
        assert_eq!(input.rest(SourceRunKind::Sweep, 0), chrono::Duration::days(1));
    }

    #[test]
    fn a_run_waits_longer_each_time() {
        let waits: Vec<u64> = (1..MOST_ATTEMPTS).map(|attempts| patience(Duration::from_secs(30), attempts).as_secs()).collect();
        assert_eq!(waits, [30, 120, 480, 1_920, 7_680]);
        assert!(patience(Duration::from_secs(600), i32::MAX) > Duration::from_secs(7_680));
    }
}
