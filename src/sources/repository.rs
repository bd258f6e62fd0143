//! The queries of sources and runs.

use std::collections::{HashMap, HashSet};

use diesel::dsl::{delete, exists, insert_into, max, select, update};
use diesel::prelude::*;
use diesel::upsert::excluded;
use serde_json::value::{RawValue, to_raw_value};

use super::api::SourceQuery;
use super::model::{RunRow, SourceRow, SourceRunId, SourceRunStatus, Unread};
use crate::background::Leased;
use crate::db::DbConn;
use crate::db::schema::{organizations, services, source_absences, source_kin, source_run_lines, source_runs, source_unread, sources};
use crate::db::types::{Id, Instant, Json};
use crate::each;
use crate::error::{Error, Result};
use crate::import::kin::Kin;
use crate::import::report::Line;
use crate::kind::{OrganizationId, ServiceId, SourceId};

/// The source of an organization, tombstones included.
pub fn find(conn: &mut DbConn, organization: OrganizationId, id: SourceId) -> Result<Option<SourceRow>> {
    Ok(sources::table.filter(sources::id.eq(id)).filter(sources::organization_id.eq(organization)).first(conn).optional()?)
}

/// Which of these are services of this server, whoever keeps them, tombstones included; at most 1,000.
pub fn services_among(conn: &mut DbConn, ids: &[ServiceId]) -> Result<HashSet<ServiceId>> {
    let found: Vec<ServiceId> = services::table.filter(services::id.eq_any(ids)).select(services::id).load(conn)?;
    Ok(found.into_iter().collect())
}

/// The same of organizations.
pub fn organizations_among(conn: &mut DbConn, ids: &[OrganizationId]) -> Result<HashSet<OrganizationId>> {
    let found: Vec<OrganizationId> = organizations::table.filter(organizations::id.eq_any(ids)).select(organizations::id).load(conn)?;
    Ok(found.into_iter().collect())
}

/// The living source of this name.
pub fn find_named(conn: &mut DbConn, organization: OrganizationId, name: &str) -> Result<Option<SourceId>> {
    let named = sources::table.filter(sources::organization_id.eq(organization)).filter(sources::name.eq(name));
    Ok(named.filter(sources::deleted_at.is_null()).select(sources::id).first(conn).optional()?)
}

/// One page of an organization's sources in order of id, and one row more.
pub fn list(conn: &mut DbConn, organization: OrganizationId, query: &SourceQuery, after: Option<SourceId>) -> Result<Vec<SourceRow>> {
    let own = sources::table.filter(sources::organization_id.eq(organization)).filter(sources::deleted_at.is_null());
    let mut rows = own.order(sources::id).limit(query.limit.and_one()).into_boxed();
    if let Some(status) = query.status {
        rows = rows.filter(sources::status.eq(status));
    }
    if let Some(after) = after {
        rows = rows.filter(sources::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// How many sources an organization has.
pub fn count(conn: &mut DbConn, organization: OrganizationId) -> Result<i64> {
    let own = sources::table.filter(sources::organization_id.eq(organization)).filter(sources::deleted_at.is_null());
    Ok(own.count().get_result(conn)?)
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &SourceRow) -> Result<()> {
    insert_into(sources::table).values(row).execute(conn)?;
    Ok(())
}

/// A source as it now stands, held until the transaction ends: on PostgreSQL a worker may be about to take it or to end its run.
pub fn lock(conn: &mut DbConn, id: SourceId) -> Result<Option<SourceRow>> {
    let source = sources::table.find(id);
    Ok(match conn {
        DbConn::Pg(conn) => source.for_update().first(conn).optional()?,
        DbConn::Sqlite(conn) => source.first(conn).optional()?,
    })
}

/// Writes what is said of a source over the version before it; false where that is no longer there. The lease is not touched.
pub fn replace(conn: &mut DbConn, row: &SourceRow) -> Result<bool> {
    let before = sources::table.filter(sources::id.eq(row.id)).filter(sources::version.eq(row.version - 1));
    let changed = update(before)
        .set((
            sources::client_id.eq(row.client_id),
            sources::status.eq(row.status),
            sources::content.eq(&row.content),
            sources::version.eq(row.version),
            sources::updated_at.eq(row.updated_at),
            sources::deleted_at.eq(row.deleted_at),
            sources::pulled_to.eq(row.pulled_to),
            sources::next_pull_at.eq(row.next_pull_at),
            sources::next_sweep_at.eq(row.next_sweep_at),
            sources::wake_at.eq(row.wake_at),
            sources::failures.eq(row.failures),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// So many sources that are due are looked at, the first: an organization has a hundred at most.
const MOST_DUE: i64 = 1_000;

/// Sources that have something to do, each of another organization, of which no source is being read. Those come first that have waited
/// longest.
pub fn awake(conn: &mut DbConn, now: Instant, most: usize) -> Result<Vec<SourceId>> {
    let busy = sources::table.filter(sources::leased_until.ge(now)).select(sources::organization_id);
    let busy: Vec<OrganizationId> = busy.load(conn)?;
    let due = sources::table.filter(sources::wake_at.le(now)).filter(sources::organization_id.ne_all(busy));
    let due = due.order((sources::wake_at, sources::id)).limit(MOST_DUE).select((sources::id, sources::organization_id));
    let due: Vec<(SourceId, OrganizationId)> = due.load(conn)?;
    let mut organizations = HashSet::new();
    Ok(due.into_iter().filter(|(_, owner)| organizations.insert(*owner)).map(|(id, _)| id).take(most).collect())
}

/// Whether a source of the same organization as this one is being read, it included.
fn is_busy(conn: &mut DbConn, id: SourceId, now: Instant) -> Result<bool> {
    let owner = sources::table.find(id).select(sources::organization_id).first::<OrganizationId>(conn).optional()?;
    let Some(owner) = owner else { return Ok(false) };
    let read = sources::table.filter(sources::organization_id.eq(owner)).filter(sources::leased_until.ge(now)).select(sources::id);
    Ok(select(exists(read)).get_result(conn)?)
}

impl Leased for SourceId {
    const WHAT: &'static str = "source";

    type Row = SourceRow;

    fn take(self, conn: &mut DbConn, worker: Id<()>, now: Instant, until: Instant) -> Result<Option<SourceRow>> {
        if is_busy(conn, self, now)? {
            return Ok(None);
        }
        let is_free = sources::leased_until.is_null().or(sources::leased_until.lt(now));
        let due = sources::table.filter(sources::id.eq(self)).filter(sources::wake_at.le(now)).filter(is_free);
        let changed = update(due).set((sources::leased_by.eq(Some(worker)), sources::leased_until.eq(Some(until)))).execute(conn)?;
        if changed == 1 { Ok(sources::table.find(self).first(conn).optional()?) } else { Ok(None) }
    }

    fn prolong(self, conn: &mut DbConn, worker: Id<()>, until: Instant) -> Result<Option<SourceRow>> {
        let held = sources::table.filter(sources::id.eq(self)).filter(sources::leased_by.eq(worker));
        let changed = update(held).set(sources::leased_until.eq(Some(until))).execute(conn)?;
        if changed == 1 { Ok(sources::table.find(self).first(conn).optional()?) } else { Ok(None) }
    }
}

/// Ends the lease: there is something to do again at `wake_at`.
pub fn release(conn: &mut DbConn, id: SourceId, wake_at: Option<Instant>) -> Result<()> {
    update(sources::table.find(id))
        .set((sources::leased_by.eq(None::<Id<()>>), sources::leased_until.eq(None::<Instant>), sources::wake_at.eq(wake_at)))
        .execute(conn)?;
    Ok(())
}

/// Says that there is something to do now.
pub fn wake(conn: &mut DbConn, id: SourceId, now: Instant) -> Result<()> {
    update(sources::table.find(id)).set(sources::wake_at.eq(Some(now))).execute(conn)?;
    Ok(())
}

/// Notes how it went with a source, and when it is due again.
pub fn settle(conn: &mut DbConn, row: &SourceRow) -> Result<()> {
    update(sources::table.find(row.id))
        .set((
            sources::pulled_to.eq(row.pulled_to),
            sources::next_pull_at.eq(row.next_pull_at),
            sources::next_sweep_at.eq(row.next_sweep_at),
            sources::failures.eq(row.failures),
        ))
        .execute(conn)?;
    Ok(())
}

/// Adds a run.
pub fn insert_run(conn: &mut DbConn, row: &RunRow) -> Result<()> {
    insert_into(source_runs::table).values(row).execute(conn)?;
    Ok(())
}

/// The run of a source that has not ended.
pub fn unfinished(conn: &mut DbConn, source: SourceId) -> Result<Option<RunRow>> {
    let open = source_runs::table.filter(source_runs::source_id.eq(source)).filter(source_runs::finished_at.is_null());
    Ok(open.first(conn).optional()?)
}

/// Writes how a run stands; false where it has been ended meanwhile. Once it ends nothing more is to be asked for.
pub fn update_run(conn: &mut DbConn, row: &RunRow) -> Result<bool> {
    let open = source_runs::table.filter(source_runs::id.eq(row.id)).filter(source_runs::finished_at.is_null());
    let changed = update(open)
        .set((
            (
                source_runs::status.eq(row.status),
                source_runs::as_of.eq(row.as_of),
                source_runs::next_page.eq(row.next_page),
                source_runs::attempts.eq(row.attempts),
                source_runs::next_attempt_at.eq(row.next_attempt_at),
                source_runs::error.eq(row.error),
                source_runs::error_detail.eq(&row.error_detail),
                source_runs::updated_at.eq(row.updated_at),
                source_runs::finished_at.eq(row.finished_at),
            ),
            (
                source_runs::records.eq(row.records),
                source_runs::created.eq(row.created),
                source_runs::updated.eq(row.updated),
                source_runs::unchanged.eq(row.unchanged),
                source_runs::refused.eq(row.refused),
                source_runs::retired.eq(row.retired),
                source_runs::organizations_created.eq(row.organizations_created),
                source_runs::lines.eq(row.lines),
                source_runs::lines_left_out.eq(row.lines_left_out),
                source_runs::has_listed.eq(row.has_listed),
            ),
        ))
        .execute(conn)?;
    if row.finished_at.is_some() {
        forget_unread(conn, row.id, i32::MAX)?;
    }
    Ok(changed == 1)
}

/// Ends the run that is under way, if one is, whose worker finds out with its next page, and says when the source is due again.
pub fn end_run(conn: &mut DbConn, source: &SourceRow, why: &str, now: Instant) -> Result<()> {
    if let Some(mut run) = unfinished(conn, source.id)? {
        (run.status, run.next_attempt_at, run.error_detail) = (SourceRunStatus::Failed, None, Some(why.to_owned()));
        (run.updated_at, run.finished_at) = (now, Some(now));
        update_run(conn, &run)?;
    }
    release(conn, source.id, source.wakes_at())
}

/// The first of what a run asks for one by one and has not read yet.
pub fn unread(conn: &mut DbConn, run: SourceRunId, most: i64) -> Result<Vec<Unread>> {
    let of_run = source_unread::table.filter(source_unread::run_id.eq(run)).order(source_unread::number).limit(most);
    Ok(of_run.select((source_unread::number, source_unread::record_id)).load(conn)?)
}

#[derive(Insertable)]
#[diesel(table_name = source_unread, treat_none_as_default_value = false)]
struct UnreadRow<'a> {
    run_id: SourceRunId,
    number: i32,
    record_id: &'a str,
}

/// Adds to that, behind all that is there.
pub fn put_off(conn: &mut DbConn, run: SourceRunId, ids: &[String]) -> Result<()> {
    let last = source_unread::table.filter(source_unread::run_id.eq(run)).select(max(source_unread::number));
    let last = last.first::<Option<i32>>(conn)?.unwrap_or_default();
    let numbered = (last.saturating_add(1)..).zip(ids);
    let rows: Vec<UnreadRow<'_>> = numbered.map(|(number, id)| UnreadRow { run_id: run, number, record_id: id }).collect();
    for rows in rows.chunks(500) {
        each!(conn, |conn| insert_into(source_unread::table).values(rows).execute(conn))?;
    }
    Ok(())
}

/// Takes away from that what stands up to this number.
pub fn forget_unread(conn: &mut DbConn, run: SourceRunId, to: i32) -> Result<()> {
    let of_run = source_unread::table.filter(source_unread::run_id.eq(run));
    delete(of_run.filter(source_unread::number.le(to))).execute(conn)?;
    Ok(())
}

/// A run of a source.
pub fn find_run(conn: &mut DbConn, source: SourceId, id: SourceRunId) -> Result<Option<RunRow>> {
    Ok(source_runs::table.filter(source_runs::id.eq(id)).filter(source_runs::source_id.eq(source)).first(conn).optional()?)
}

/// Runs of a source before one, the latest first.
pub fn list_runs(conn: &mut DbConn, source: SourceId, before: Option<SourceRunId>, limit: i64) -> Result<Vec<RunRow>> {
    let mut rows = source_runs::table.filter(source_runs::source_id.eq(source)).order(source_runs::id.desc()).limit(limit).into_boxed();
    if let Some(before) = before {
        rows = rows.filter(source_runs::id.lt(before));
    }
    Ok(rows.load(conn)?)
}

/// The run of a source that began last.
pub fn last_run(conn: &mut DbConn, source: SourceId) -> Result<Option<RunRow>> {
    Ok(list_runs(conn, source, None, 1)?.pop())
}

#[derive(Insertable)]
#[diesel(table_name = source_run_lines, treat_none_as_default_value = false)]
struct LineRow {
    run_id: SourceRunId,
    number: i32,
    line: Json<Box<RawValue>>,
}

/// Adds what is said of records, numbered from `first`.
pub fn insert_lines(conn: &mut DbConn, run: SourceRunId, first: i32, lines: &[Line]) -> Result<()> {
    let row = |(number, line)| Ok(LineRow { run_id: run, number, line: Json(to_raw_value(line).map_err(Error::internal)?) });
    let rows: Vec<LineRow> = (first..).zip(lines).map(row).collect::<Result<_>>()?;
    for rows in rows.chunks(500) {
        each!(conn, |conn| insert_into(source_run_lines::table).values(rows).execute(conn))?;
    }
    Ok(())
}

/// What is said of a run's records.
pub fn lines(conn: &mut DbConn, run: SourceRunId) -> Result<Vec<Box<RawValue>>> {
    let of_run = source_run_lines::table.filter(source_run_lines::run_id.eq(run)).order(source_run_lines::number);
    let lines: Vec<Json<Box<RawValue>>> = of_run.select(source_run_lines::line).load(conn)?;
    Ok(lines.into_iter().map(|line| line.0).collect())
}

/// Deletes runs that ended before a moment, at most 500; how many.
pub fn purge(conn: &mut DbConn, before: Instant) -> Result<usize> {
    let old = source_runs::table.filter(source_runs::finished_at.lt(before)).order(source_runs::finished_at).limit(500);
    let ids: Vec<SourceRunId> = old.select(source_runs::id).load(conn)?;
    Ok(delete(source_runs::table.filter(source_runs::id.eq_any(ids))).execute(conn)?)
}

/// How many sweeps in a row have lacked which services.
pub fn absences(conn: &mut DbConn, source: SourceId) -> Result<HashMap<ServiceId, i32>> {
    let of_source = source_absences::table.filter(source_absences::source_id.eq(source));
    let rows: Vec<(ServiceId, i32)> = of_source.select((source_absences::service_id, source_absences::sweeps)).load(conn)?;
    Ok(rows.into_iter().collect())
}

#[derive(Insertable)]
#[diesel(table_name = source_absences, treat_none_as_default_value = false)]
struct Absence {
    source_id: SourceId,
    service_id: ServiceId,
    sweeps: i32,
}

/// Writes the same anew.
pub fn set_absences(conn: &mut DbConn, source: SourceId, absences: &HashMap<ServiceId, i32>) -> Result<()> {
    delete(source_absences::table.filter(source_absences::source_id.eq(source))).execute(conn)?;
    let row = |(id, sweeps): (&ServiceId, &i32)| Absence { source_id: source, service_id: *id, sweeps: *sweeps };
    let rows: Vec<Absence> = absences.iter().map(row).collect();
    for rows in rows.chunks(500) {
        each!(conn, |conn| insert_into(source_absences::table).values(rows).execute(conn))?;
    }
    Ok(())
}

/// Takes services out of them that a sweep has come upon after all.
pub fn forget_absences(conn: &mut DbConn, source: SourceId, found: &[ServiceId]) -> Result<()> {
    let of_source = source_absences::table.filter(source_absences::source_id.eq(source));
    for found in found.chunks(500) {
        delete(of_source.filter(source_absences::service_id.eq_any(found))).execute(conn)?;
    }
    Ok(())
}

/// The services that so many sweeps in a row have lacked, or more.
pub fn long_absent(conn: &mut DbConn, source: SourceId, sweeps: i32) -> Result<Vec<ServiceId>> {
    let of_source = source_absences::table.filter(source_absences::source_id.eq(source));
    Ok(of_source.filter(source_absences::sweeps.ge(sweeps)).select(source_absences::service_id).load(conn)?)
}

#[derive(Insertable)]
#[diesel(table_name = source_kin, treat_none_as_default_value = false)]
struct KinRow<'a> {
    source_id: SourceId,
    part: &'a str,
    whole: &'a str,
}

/// Remembers which organizations are part of which, until they are joined.
pub fn add_kin(conn: &mut DbConn, source: SourceId, kin: &Kin) -> Result<()> {
    let rows: Vec<KinRow<'_>> = kin.iter().map(|(part, whole)| KinRow { source_id: source, part, whole }).collect();
    let key = (source_kin::source_id, source_kin::part);
    for rows in rows.chunks(500) {
        let whole = source_kin::whole.eq(excluded(source_kin::whole));
        each!(conn, |conn| insert_into(source_kin::table).values(rows).on_conflict(key).do_update().set(whole).execute(conn))?;
    }
    Ok(())
}

/// Gives back so much of what was remembered, and forgets it.
pub fn take_kin(conn: &mut DbConn, source: SourceId, most: usize) -> Result<Kin> {
    let of_source = source_kin::table.filter(source_kin::source_id.eq(source));
    let first = of_source.order(source_kin::part).limit(i64::try_from(most).unwrap_or(i64::MAX));
    let rows: Vec<(String, String)> = first.select((source_kin::part, source_kin::whole)).load(conn)?;
    let parts: Vec<&str> = rows.iter().map(|(part, _)| part.as_str()).collect();
    delete(of_source.filter(source_kin::part.eq_any(parts))).execute(conn)?;
    Ok(rows.into_iter().collect())
}
