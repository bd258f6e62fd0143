//! The queries of matches and unmet needs.

use chrono::{Duration, NaiveTime};
use diesel::dsl::{count, count_star, exists, not};
use diesel::prelude::*;

use super::api::{UnmetNeedCount, UnmetNeedCountQuery, UnmetNeedQuery};
use super::counts::{self, Counted};
use super::model::{MatchRow, UnmetNeedRow};
use crate::auth::{Principal, sight};
use crate::consents::model::DataCategory;
use crate::db::schema::{consents, matches, patients, unmet_needs};
use crate::db::types::Instant;
use crate::db::{DbConn, MultiBackend, among, boxed};
use crate::each;
use crate::error::Result;
use crate::kind::{MatchId, OrganizationId, PatientId, UnmetNeedId};
use crate::organizations::repository::with_parts;

/// Matched again within this time, the same need of the same patient is still the same unmet need.
const SAME_UNMET_NEED: Duration = Duration::days(30);

/// The match with this id.
pub fn find(conn: &mut DbConn, id: MatchId) -> Result<Option<MatchRow>> {
    Ok(matches::table.find(id).first(conn).optional()?)
}

/// Adds a match.
pub fn insert(conn: &mut DbConn, row: &MatchRow) -> Result<()> {
    diesel::insert_into(matches::table).values(row).execute(conn)?;
    Ok(())
}

/// Deletes the two oldest matches of strangers, if they were made before a moment. Done with each that is made, it leaves no more of them
/// than are made in the time for which they are kept.
pub fn forget_strangers(conn: &mut DbConn, before: Instant) -> Result<()> {
    let oldest = matches::table.filter(matches::organization_id.is_null()).order(matches::id).limit(2);
    let oldest: Vec<(MatchId, Instant)> = oldest.select((matches::id, matches::created_at)).load(conn)?;
    let past: Vec<MatchId> = oldest.into_iter().filter(|(_, made_at)| *made_at <= before).map(|(id, _)| id).collect();
    if !past.is_empty() {
        diesel::delete(matches::table.filter(matches::id.eq_any(past))).execute(conn)?;
    }
    Ok(())
}

/// One page of a patient's matches, the latest first, and one row more: those of one organization or of all, those of sensitive needs only
/// where asked for.
pub fn list_of_patient(
    conn: &mut DbConn,
    patient: PatientId,
    (only_of, with_sensitive): (Option<OrganizationId>, bool),
    before: Option<MatchId>,
    limit: i64,
) -> Result<Vec<MatchRow>> {
    let rows = matches::table.filter(matches::patient_id.eq(patient)).filter(matches::deleted_at.is_null());
    let mut rows = rows.order(matches::id.desc()).limit(limit).into_boxed();
    if !with_sensitive {
        rows = rows.filter(matches::is_sensitive.eq(false));
    }
    if let Some(organization) = only_of {
        rows = rows.filter(matches::organization_id.eq(organization));
    }
    if let Some(before) = before {
        rows = rows.filter(matches::id.lt(before));
    }
    Ok(rows.load(conn)?)
}

/// The unmet need with this id, if the caller may see it, tombstones included.
pub fn find_unmet(conn: &mut DbConn, caller: &Principal, id: UnmetNeedId) -> Result<Option<UnmetNeedRow>> {
    Ok(visible(caller).filter(unmet_needs::id.eq(id)).first(conn).optional()?)
}

/// Those that the caller's organization found, of patients whose needs it still sees or of nobody named.
pub fn visible(caller: &Principal) -> unmet_needs::BoxedQuery<'static, MultiBackend> {
    // Asked row by row: a list of everybody whom the organization sees would be made anew for every question.
    let is_named = patients::id.nullable().eq(unmet_needs::patient_id);
    let own = patients::table.filter(is_named).filter(patients::organization_id.eq(caller.organization_id));
    let granted = sight::granted(caller, DataCategory::Needs).filter(consents::patient_id.nullable().eq(unmet_needs::patient_id));
    let found = unmet_needs::table.filter(unmet_needs::organization_id.eq(caller.organization_id)).into_boxed();
    found.filter(unmet_needs::patient_id.is_null().or(exists(own)).or(exists(granted)))
}

/// One page of unmet needs in order of id, and one row more.
pub fn list_unmet(conn: &mut DbConn, caller: &Principal, query: &UnmetNeedQuery, after: Option<UnmetNeedId>) -> Result<Vec<UnmetNeedRow>> {
    let mut rows = visible(caller).filter(unmet_needs::deleted_at.is_null()).order(unmet_needs::id).limit(query.limit.and_one());
    if let Some(domain) = &query.domain {
        rows = rows.filter(unmet_needs::domain.eq(domain.clone()));
    }
    if let Some(reason) = query.reason {
        rows = rows.filter(unmet_needs::reason.eq(reason));
    }
    if let Some(prefix) = &query.postal_prefix {
        rows = rows.filter(unmet_needs::postal_prefix.eq(prefix.clone()));
    }
    if let Some(since) = query.since {
        rows = rows.filter(unmet_needs::created_at.ge(since));
    }
    if let Some(since) = query.updated_since {
        rows = rows.filter(unmet_needs::updated_at.ge(since));
    }
    if let Some(after) = after {
        rows = rows.filter(unmet_needs::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// Adds an unmet need.
pub fn insert_unmet(conn: &mut DbConn, row: &UnmetNeedRow) -> Result<()> {
    diesel::insert_into(unmet_needs::table).values(row).execute(conn)?;
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
pub fn update_unmet(conn: &mut DbConn, row: &UnmetNeedRow) -> Result<bool> {
    let before = unmet_needs::table.filter(unmet_needs::id.eq(row.id)).filter(unmet_needs::version.eq(row.version - 1));
    let changed = diesel::update(before)
        .set((
            unmet_needs::domain.eq(&row.domain),
            unmet_needs::reason.eq(row.reason),
            unmet_needs::postal_prefix.eq(&row.postal_prefix),
            unmet_needs::city.eq(&row.city),
            unmet_needs::region.eq(&row.region),
            unmet_needs::content.eq(&row.content),
            unmet_needs::version.eq(row.version),
            unmet_needs::updated_at.eq(row.updated_at),
            unmet_needs::deleted_at.eq(row.deleted_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// The domains of a patient that an organization found unmet so lately that another match of its finds nothing new.
pub fn lately_unmet(conn: &mut DbConn, finder: Option<OrganizationId>, patient: PatientId, now: Instant) -> Result<Vec<String>> {
    let lately = unmet_needs::table
        .filter(unmet_needs::patient_id.eq(patient))
        .filter(unmet_needs::organization_id.eq(finder))
        .filter(unmet_needs::created_at.gt(now.plus(-SAME_UNMET_NEED)))
        .filter(unmet_needs::deleted_at.is_null());
    Ok(lately.select(unmet_needs::domain).load(conn)?)
}

/// Whether so many strangers have been found since the day of a moment began to have a need of a domain unmet.
pub fn are_so_many_strangers(conn: &mut DbConn, domain: &str, at: Instant, many: i64) -> Result<bool> {
    let of_domain = unmet_needs::table.filter(unmet_needs::domain.eq(domain)).filter(unmet_needs::created_at.ge(beginning_of_day(at)));
    let last = of_domain.filter(unmet_needs::organization_id.is_null()).offset(many - 1).select(unmet_needs::id);
    let last: Option<UnmetNeedId> = each!(conn, |conn| last.first(conn)).optional()?;
    Ok(last.is_some())
}

/// The people of whom a need was found unmet, by domain, area and reason: by the caller's organization and its parts, and by strangers.
/// Of each person and domain what was found last counts; of those whom no record names, all.
pub fn count_unmet(conn: &mut DbConn, caller: &Principal, query: &UnmetNeedCountQuery) -> Result<Vec<UnmetNeedCount>> {
    let within = with_parts(conn, caller.organization_id)?;
    // With no end given, all that there is.
    let until = query.until.map_or(caller.at.plus(Duration::days(1)), beginning_of_day);
    let later = diesel::alias!(unmet_needs as later_found);
    let finder = later.field(unmet_needs::organization_id);
    let is_within = finder.is_null().or(among(finder.assume_not_null(), &within));
    let found_later = later
        .filter(later.field(unmet_needs::patient_id).eq(unmet_needs::patient_id))
        .filter(later.field(unmet_needs::domain).eq(unmet_needs::domain))
        .filter(later.field(unmet_needs::id).gt(unmet_needs::id))
        .filter(later.field(unmet_needs::deleted_at).is_null())
        .filter(later.field(unmet_needs::created_at).lt(until))
        .filter(is_within)
        .select(later.field(unmet_needs::id));
    let area = (unmet_needs::postal_prefix, unmet_needs::city, unmet_needs::region);
    let is_counted = among(unmet_needs::organization_id.assume_not_null(), &within);
    let counted = unmet_needs::table
        .group_by((unmet_needs::domain, area, unmet_needs::reason))
        .select((unmet_needs::domain, area, unmet_needs::reason, count(unmet_needs::patient_id), count_star()))
        .filter(unmet_needs::deleted_at.is_null())
        .filter(unmet_needs::organization_id.is_null().or(is_counted))
        .filter(unmet_needs::created_at.lt(until))
        .filter(not(exists(found_later)));
    let counted = each!(conn, |conn| {
        let mut counted = boxed(conn, counted);
        if let Some(domain) = &query.domain {
            counted = counted.filter(unmet_needs::domain.eq(domain.clone()));
        }
        if let Some(since) = query.since {
            counted = counted.filter(unmet_needs::created_at.ge(beginning_of_day(since)));
        }
        counted.load::<Counted>(conn)
    })?;
    Ok(counts::shown(counted))
}

/// A shorter time than a day would tell of single people.
fn beginning_of_day(moment: Instant) -> Instant {
    Instant::from_utc(moment.utc().date_naive().and_time(NaiveTime::MIN).and_utc())
}
