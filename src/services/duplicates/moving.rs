//! What belongs to a service becomes another's, and goes back. To be of another service is a change of a resource: each has its version
//! and its entry in the journal.

use diesel::dsl::update;
use diesel::prelude::*;

use super::merges::MergeRow;
use crate::appointments::calendar::feed;
use crate::appointments::{handlers::Appointments, model::AppointmentRow};
use crate::auth::Principal;
use crate::auth::links::Purpose;
use crate::changes::{self, Action};
use crate::db::DbConn;
use crate::db::schema::{
    appointments, capacity_entries, links, referrals, service_merge_rows, service_suggestions, slots, waitlist_entries,
};
use crate::db::types::Id;
use crate::error::Result;
use crate::http::resource::{self, Resource};
use crate::kind::{ServiceId, ServiceSuggestionId};
use crate::referrals::{handlers::Referrals, model::ReferralRow};
use crate::services::{repository, suggestions};
use crate::slots::{handlers::Slots, model::SlotRow};
use crate::waitlists::queue;
use crate::waitlists::repository as waitlists;

/// Rows that are changed by one statement.
const TOGETHER: usize = 500;

/// Makes those rows of a table a service's; gives their ids.
macro_rules! give {
    ($conn:ident, $caller:ident, $to:ident, $table:ident: $resource:ident of $row:ty, $those:expr) => {{
        let ids: Vec<Id<<$resource as Resource>::Kind>> = $table::table.filter($those).select($table::id).order($table::id).load($conn)?;
        for ids in ids.chunks(TOGETHER) {
            let next = ($table::service_id.eq($to), $table::version.eq($table::version + 1), $table::updated_at.eq($caller.at));
            update($table::table.filter($table::id.eq_any(ids))).set(next).execute($conn)?;
            let rows: Vec<$row> = $table::table.filter($table::id.eq_any(ids)).order($table::id).load($conn)?;
            for row in rows.into_iter().filter(|row| row.deleted_at.is_none()) {
                resource::record::<$resource>($conn, $caller, &$resource::head(&row), Action::Updated, &$resource::shape(row))?;
            }
        }
        ids
    }};
}

/// Fails where so much belongs to a duplicate that it cannot become the survivor's in one transaction. What was said of its room counts a
/// tenth: nobody is told that it is another's.
pub fn ensure_few(conn: &mut DbConn, from: ServiceId) -> Result<()> {
    macro_rules! rows {
        ($table:ident) => {
            $table::table.filter($table::service_id.eq(from)).count().get_result::<i64>(conn)?
        };
    }
    let said = rows!(capacity_entries) / 10;
    let rows = rows!(referrals) + rows!(slots) + rows!(appointments) + rows!(waitlist_entries) + said;
    changes::ensure_few(rows, "referrals, slots, appointments and entries of waiting lists of the duplicate", "merge this service into it")
}

/// Makes all that belongs to a duplicate the survivor's; the ids of what goes back with it by itself, if the merge is taken back.
pub fn all(conn: &mut DbConn, caller: &Principal, from: ServiceId, to: ServiceId) -> Result<Vec<Id<()>>> {
    let referred = give!(conn, caller, to, referrals: Referrals of ReferralRow, referrals::service_id.eq(from));
    let offered = give!(conn, caller, to, slots: Slots of SlotRow, slots::service_id.eq(from));
    let mut came: Vec<Id<()>> = referred.into_iter().map(Id::cast).chain(offered.into_iter().map(Id::cast)).collect();
    give!(conn, caller, to, appointments: Appointments of AppointmentRow, appointments::service_id.eq(from));

    let said = capacity_entries::table.filter(capacity_entries::service_id.eq(from));
    came.extend(said.select(capacity_entries::id).load::<Id<()>>(conn)?);
    update(said).set(capacity_entries::service_id.eq(to)).execute(conn)?;

    let waiting = waitlists::all_of(conn, from)?;
    let there = repository::get(conn, to)?;
    queue::move_to(conn, &caller.actor(), waiting, &there)?;

    let suggested = service_suggestions::table.filter(service_suggestions::service_id.eq(from));
    let suggested: Vec<ServiceSuggestionId> = suggested.select(service_suggestions::id).order(service_suggestions::id).load(conn)?;
    suggestions::handlers::move_to(conn, caller, &suggested, to)?;
    came.extend(suggested.into_iter().map(Id::cast));

    let of_it = links::table.filter(links::subject_id.eq(from.cast::<()>())).filter(links::purpose.eq(Purpose::ReadServiceCalendar));
    let calendars: Vec<Id<()>> = of_it.select(links::id).order(links::id).load(conn)?;
    feed::move_to(conn, caller, &calendars, to)?;
    came.extend(calendars);
    Ok(came)
}

/// Gives a duplicate back what came with it and is still the survivor's. An appointment goes where its slot is, and who waits where their
/// referral is, whenever that was written; a suggestion that was decided on since stays with the service that it was decided for.
pub fn back(conn: &mut DbConn, caller: &Principal, merge: &MergeRow) -> Result<()> {
    let (from, to) = (merge.survivor_id, merge.duplicate_id);
    let came = || service_merge_rows::table.filter(service_merge_rows::duplicate_id.eq(to)).select(service_merge_rows::row_id);
    let those = referrals::service_id.eq(from).and(referrals::id.eq_any(came()));
    give!(conn, caller, to, referrals: Referrals of ReferralRow, those);
    let those = slots::service_id.eq(from).and(slots::id.eq_any(came()));
    give!(conn, caller, to, slots: Slots of SlotRow, those);
    let in_its_slots = slots::table.filter(slots::service_id.eq(to)).select(slots::id);
    let those = appointments::service_id.eq(from).and(appointments::slot_id.eq_any(in_its_slots));
    give!(conn, caller, to, appointments: Appointments of AppointmentRow, those);

    let said = capacity_entries::table.filter(capacity_entries::service_id.eq(from)).filter(capacity_entries::id.eq_any(came()));
    update(said).set(capacity_entries::service_id.eq(to)).execute(conn)?;

    let waiting = waitlists::of_referrals_to(conn, from, to)?;
    let there = repository::get(conn, to)?;
    queue::move_to(conn, &caller.actor(), waiting, &there)?;

    let is_its_own = service_suggestions::decided_at.is_null().or(service_suggestions::decided_at.lt(merge.merged_at));
    let suggested = service_suggestions::table
        .filter(service_suggestions::service_id.eq(from))
        .filter(service_suggestions::id.eq_any(came()))
        .filter(is_its_own);
    let suggested: Vec<ServiceSuggestionId> = suggested.select(service_suggestions::id).order(service_suggestions::id).load(conn)?;
    suggestions::handlers::move_to(conn, caller, &suggested, to)?;

    let of_it = links::table.filter(links::subject_id.eq(from.cast::<()>())).filter(links::id.eq_any(came()));
    let calendars: Vec<Id<()>> = of_it.select(links::id).order(links::id).load(conn)?;
    feed::move_to(conn, caller, &calendars, to)
}
