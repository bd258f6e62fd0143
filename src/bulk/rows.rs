//! The rows that an export reads: those that the caller's own lists show, in order of id.
//!
//! Of the directory that is what the organization itself keeps. Where others' resources are seen too, each way of seeing is asked for by
//! itself, as a walk along an index: together, an `OR` would read every row of everybody. Only where those who let the organization in are
//! too many to be named, the rule of sight is asked of every row, in a walk along the ids that goes through the table once for all pages.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;

use super::kinds::Window;
use crate::appointments::model::AppointmentRow;
use crate::auth::{Principal, sight};
use crate::consents::model::{ConsentRow, DataCategory};
use crate::db::DbConn;
use crate::db::schema::{
    appointments, consents, follow_ups, instruments, needs, organizations, practitioners, referrals, screenings, services, slots,
    unmet_needs,
};
use crate::db::types::Id;
use crate::error::Result;
use crate::follow_ups::model::FollowUpRow;
use crate::http::page::{Joined, Limit};
use crate::instruments::model::InstrumentRow;
use crate::matching::model::UnmetNeedRow;
use crate::matching::repository::visible;
use crate::matching::unmet::Owned;
use crate::needs::model::NeedRow;
use crate::organizations::model::OrganizationRow;
use crate::patients;
use crate::patients::api::PatientQuery;
use crate::patients::model::PatientRow;
use crate::practitioners::model::PractitionerRow;
use crate::referrals::model::ReferralRow;
use crate::screenings::model::ScreeningRow;
use crate::services::row::ServiceRow;
use crate::slots::model::SlotRow;

/// What sources say of the services of a page takes no more bytes of memory than this, but for that of the last.
const MOST_BEYOND: usize = 4 << 20;

/// The query of a page of a table: living rows for which a condition holds.
macro_rules! query {
    ($table:ident, $window:expr, $condition:expr) => {{
        let alive = $table::table.filter($table::deleted_at.is_null()).filter($condition);
        let mut rows = alive.order($table::id).limit($window.limit).into_boxed();
        if let Some(since) = $window.since {
            rows = rows.filter($table::updated_at.ge(since));
        }
        if let Some(after) = $window.after {
            rows = rows.filter($table::id.gt(Id::<()>::from_uuid(after)));
        }
        if let Some(until) = $window.until {
            rows = rows.filter($table::id.le(Id::<()>::from_uuid(until)));
        }
        rows
    }};
}

/// The page.
macro_rules! page {
    ($conn:expr, $table:ident, $window:expr, $condition:expr) => {
        query!($table, $window, $condition).load($conn)?
    };
}

/// Adds to a page what another way of seeing shows of a table; what comes behind a full page is asked for no more.
macro_rules! add {
    ($page:ident, $conn:expr, $table:ident, $window:expr, $condition:expr) => {{
        let window = Window { until: $page.end().map(|row| row.id.uuid()), ..$window };
        $page.add(page!($conn, $table, window, $condition));
    }};
}

/// An empty page, to which several ways of seeing [add](Joined::add).
fn joined<R, K>(window: Window, id: fn(&R) -> Id<K>) -> Joined<R, Id<K>> {
    Joined::of(usize::try_from(window.limit).unwrap_or(usize::MAX), id)
}

pub(super) fn organizations(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<OrganizationRow>> {
    Ok(page!(conn, organizations, window, organizations::organization_id.eq(caller.organization_id)))
}

pub(super) fn practitioners(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<PractitionerRow>> {
    Ok(page!(conn, practitioners, window, practitioners::organization_id.eq(caller.organization_id)))
}

/// Fewer where their sources say very much of them: what is made of that may take sixty times as much memory as its text.
pub(super) fn services(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<ServiceRow>> {
    let query = query!(services, window, services::organization_id.eq(caller.organization_id));
    let (mut page, mut weight) = (Vec::new(), 0);
    for row in query.load_iter::<ServiceRow, DefaultLoadingMode>(conn)? {
        let row = row?;
        weight += row.weight_beyond();
        page.push(row);
        if weight >= MOST_BEYOND {
            break;
        }
    }
    Ok(page)
}

pub(super) fn instruments(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<InstrumentRow>> {
    Ok(page!(conn, instruments, window, instruments::organization_id.eq(caller.organization_id)))
}

/// A page is no longer than one of the list, or one longer.
pub(super) fn patients(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<PatientRow>> {
    let query = PatientQuery { updated_since: window.since, limit: Limit::of(window.limit), ..PatientQuery::default() };
    let heads = patients::repository::list(conn, caller, &query, window.after.map(Id::from_uuid))?;
    let ids: Vec<_> = heads.iter().map(|head| head.id).collect();
    patients::repository::find_all(conn, &ids)
}

pub(super) fn consents(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<ConsentRow>> {
    let (own, mut page) = (caller.organization_id, joined(window, |row: &ConsentRow| row.id));
    add!(page, conn, consents, window, consents::organization_id.eq(own));
    add!(page, conn, consents, window, consents::grantee_id.eq(own));
    add!(page, conn, consents, window, consents::recorder_id.eq(own));
    Ok(page.into_rows())
}

pub(super) fn screenings(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<ScreeningRow>> {
    Ok(page!(conn, screenings, window, screenings::organization_id.eq(caller.organization_id)))
}

pub(super) fn needs(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<NeedRow>> {
    Ok(page!(conn, needs, window, needs::organization_id.eq(caller.organization_id)))
}

pub(super) fn referrals(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<ReferralRow>> {
    let (own, mut page) = (caller.organization_id, joined(window, |row: &ReferralRow| row.id));
    add!(page, conn, referrals, window, referrals::organization_id.eq(own));
    add!(page, conn, referrals, window, sight::is_sent().and(referrals::performer_id.eq(own)));
    add!(page, conn, referrals, window, sight::is_sent().and(referrals::manager_id.eq(own)));
    match sight::few_granted(conn, caller, DataCategory::Referrals, page.end().is_some())? {
        Some(patients) if patients.is_empty() => {}
        Some(patients) => add!(page, conn, referrals, window, sight::is_sent().and(referrals::patient_id.eq_any(patients))),
        None => add!(page, conn, referrals, window, sight::referrals(caller)),
    }
    Ok(page.into_rows())
}

pub(super) fn follow_ups(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<FollowUpRow>> {
    let (own, mut page) = (caller.organization_id, joined(window, |row: &FollowUpRow| row.id));
    add!(page, conn, follow_ups, window, follow_ups::organization_id.eq(own));
    add!(page, conn, follow_ups, window, follow_ups::manager_id.eq(own));
    let is_full = page.end().is_some();
    let granted = sight::few_granted(conn, caller, DataCategory::FollowUps, is_full)?;
    let Some((patients, referrals)) = granted.zip(sight::few_taken_part_in(conn, caller, is_full)?) else {
        add!(page, conn, follow_ups, window, sight::follow_ups(caller));
        return Ok(page.into_rows());
    };
    if !patients.is_empty() {
        add!(page, conn, follow_ups, window, follow_ups::patient_id.eq_any(patients));
    }
    if !referrals.is_empty() {
        let is_of_these = follow_ups::referral_id.eq_any(referrals.into_iter().map(Some)).assume_not_null();
        add!(page, conn, follow_ups, window, is_of_these.and(sight::follow_ups(caller)));
    }
    Ok(page.into_rows())
}

pub(super) fn slots(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<SlotRow>> {
    Ok(page!(conn, slots, window, slots::organization_id.eq(caller.organization_id)))
}

pub(super) fn appointments(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<AppointmentRow>> {
    let (own, mut page) = (caller.organization_id, joined(window, |row: &AppointmentRow| row.id));
    add!(page, conn, appointments, window, appointments::organization_id.eq(own));
    add!(page, conn, appointments, window, appointments::provider_id.eq(own));
    add!(page, conn, appointments, window, appointments::manager_id.eq(own));
    let is_full = page.end().is_some();
    let granted = sight::few_granted(conn, caller, DataCategory::Referrals, is_full)?;
    let Some((patients, referrals)) = granted.zip(sight::few_taken_part_in(conn, caller, is_full)?) else {
        add!(page, conn, appointments, window, sight::appointments(caller));
        return Ok(page.into_rows());
    };
    if !patients.is_empty() {
        add!(page, conn, appointments, window, appointments::patient_id.eq_any(patients));
    }
    if !referrals.is_empty() {
        let is_of_these = appointments::referral_id.eq_any(referrals.into_iter().map(Some)).assume_not_null();
        add!(page, conn, appointments, window, is_of_these.and(sight::appointments(caller)));
    }
    Ok(page.into_rows())
}

/// Those of patients whom the organization sees no more are not read by it either.
pub(super) fn unmet_needs(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Owned>> {
    let mut rows = visible(caller).filter(unmet_needs::deleted_at.is_null()).order(unmet_needs::id).limit(window.limit);
    if let Some(since) = window.since {
        rows = rows.filter(unmet_needs::updated_at.ge(since));
    }
    if let Some(after) = window.after {
        rows = rows.filter(unmet_needs::id.gt(Id::<()>::from_uuid(after)));
    }
    let rows: Vec<UnmetNeedRow> = rows.load(conn)?;
    Ok(rows.into_iter().map(|row| Owned { owner: caller.organization_id, row }).collect())
}
