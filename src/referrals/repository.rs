//! The queries of referrals, their transitions and their messages.

use std::cmp::Reverse;
use std::collections::HashSet;

use chrono::NaiveDate;
use diesel::dsl::{exists, insert_into, not, select, update};
use diesel::prelude::*;

use super::api::{Mailbox, ReferralQuery};
use super::lifecycle::ReferralStatus;
use super::model::{MessageRow, ReferralHead, ReferralRow, TransitionRow};
use crate::auth::{Principal, sight};
use crate::changes;
use crate::consents::model::DataCategory;
use crate::db::schema::{self, follow_ups, matches, referral_messages, referral_transitions, referrals};
use crate::db::types::Instant;
use crate::db::{DbConn, among, boxed};
use crate::error::{Error, Result};
use crate::follow_ups::model::{FollowUpStatus, Purpose};
use crate::http::page::Joined;
use crate::identifiers::{self, IdentifierToken};
use crate::kind::{self, MatchId, OrganizationId, PatientId, ReferralId, ReferralMessageId, ReferralTransitionId, ServiceId};
use crate::organizations;
use crate::types::Identifier;
use crate::{asked, each};

/// The referral, if the caller sees it, deleted drafts included.
pub fn find(conn: &mut DbConn, caller: &Principal, id: ReferralId) -> Result<Option<ReferralRow>> {
    let seen = referrals::table.filter(referrals::id.eq(id)).filter(sight::referrals(caller));
    Ok(each!(conn, |conn| seen.first(conn)).optional()?)
}

/// The referral, whoever sees it: for what follows from something that the caller was allowed to do.
pub fn find_any(conn: &mut DbConn, id: ReferralId) -> Result<Option<ReferralRow>> {
    Ok(each!(conn, |conn| referrals::table.find(id).first(conn)).optional()?)
}

/// The same, where it must be there; else [`Error::NotFound`].
pub fn get(conn: &mut DbConn, id: ReferralId) -> Result<ReferralRow> {
    find_any(conn, id)?.ok_or(Error::NotFound)
}

/// The referrals with these ids, whoever sees them, in no order.
pub fn find_all(conn: &mut DbConn, ids: &[ReferralId]) -> Result<Vec<ReferralRow>> {
    Ok(each!(conn, |conn| referrals::table.filter(among(referrals::id, ids)).load(conn))?)
}

/// The service that a referral is to, whoever sees it; `None` where it is to none.
pub fn service_of(conn: &mut DbConn, id: ReferralId) -> Result<Option<ServiceId>> {
    let found: Option<Option<ServiceId>> =
        each!(conn, |conn| referrals::table.find(id).select(referrals::service_id).first(conn)).optional()?;
    Ok(found.flatten())
}

/// What a query asks for, whoever sees it, in the dialect of the connection.
macro_rules! filtered {
    ($conn:expr, $query:expr, $before:expr, $today:expr, $are_few:expr) => {{
        let alive = referrals::table.filter(referrals::deleted_at.is_null()).select((
            referrals::id,
            (referrals::version, referrals::updated_at),
            referrals::organization_id,
            referrals::manager_id,
            referrals::performer_id,
            referrals::patient_id,
            referrals::requested_at,
        ));
        let mut rows = boxed($conn, alive.order(referrals::id.desc()).limit($query.limit.and_one()));
        match $query.status.as_slice() {
            [] => {}
            // A list of any length is a statement that SQLite reads anew each time.
            [status] => rows = rows.filter(referrals::status.eq(*status)),
            several => rows = rows.filter(referrals::status.eq_any(several.to_vec())),
        }
        if let Some(word) = $query.business_status {
            rows = asked!(rows, $are_few, referrals::business_status, word);
        }
        if let Some(organization) = $query.organization_id {
            rows = asked!(rows, $are_few, referrals::organization_id, organization);
        }
        if let Some(performer) = $query.performer_organization_id {
            rows = asked!(rows, $are_few, referrals::performer_id, performer);
        }
        if let Some(kind) = $query.kind {
            rows = rows.filter(referrals::kind.eq(kind));
        }
        if let Some(patient) = $query.patient_id {
            rows = rows.filter(referrals::patient_id.eq(patient));
        }
        if let Some(service) = $query.service_id {
            rows = rows.filter(referrals::service_id.eq(service));
        }
        if let Some(parent) = $query.parent_id {
            rows = rows.filter(referrals::parent_id.eq(parent));
        }
        if let Some(practitioner) = $query.practitioner_id {
            let asked = referrals::requester_practitioner_id.eq(practitioner);
            rows = rows.filter(asked.or(referrals::performer_practitioner_id.eq(practitioner)));
        }
        if let Some(day) = $query.due_before {
            rows = rows.filter(referrals::due_on.lt(day));
        }
        match $query.overdue.zip($today) {
            Some((true, today)) => rows = rows.filter(referrals::due_on.lt(today)),
            Some((false, today)) => rows = rows.filter(referrals::due_on.is_null().or(referrals::due_on.ge(today))),
            None => {}
        }
        if let Some(since) = $query.updated_since {
            rows = rows.filter(referrals::updated_at.ge(since));
        }
        if let Some(before) = $before {
            rows = rows.filter(referrals::id.lt(before));
        }
        rows
    }};
}

/// A page of what a caller sees, put together of one way of seeing after the other.
struct Sight<'a> {
    caller: &'a Principal,
    query: &'a ReferralQuery,
    before: Option<ReferralId>,
    /// The caller's day, where the overdue ones are asked for or left out.
    today: Option<NaiveDate>,
    page: Joined<ReferralHead, Reverse<ReferralId>>,
}

/// The first rows that are seen so, as far as they come before the end of a page that is full; whether they are few whatever else is asked
/// for, where the query does not say it.
macro_rules! rows {
    ($sight:ident, $conn:expr, $seen:expr) => {
        rows!($sight, $conn, $seen, $sight.is_narrow())
    };
    ($sight:ident, $conn:expr, $seen:expr, $are_few:expr) => {
        each!($conn, |conn| {
            let rows = filtered!(conn, $sight.query, $sight.before, $sight.today, $are_few).filter($seen);
            match $sight.page.end() {
                Some(end) => rows.filter(referrals::id.gt(end.id)).load(conn),
                None => rows.load(conn),
            }
        })?
    };
}

/// One page of what the caller sees, newest first, and one row more.
///
/// Each way of seeing a referral is asked for by itself, as a walk along an index from the newest on: together, an `OR` would read
/// every referral. What one way has found is left out of the next, and so is what is older than the end of a page that is full. Of a
/// patient, and of one that was referred on, there are few, and each is looked at.
pub fn list(conn: &mut DbConn, caller: &Principal, query: &ReferralQuery, before: Option<ReferralId>) -> Result<Vec<ReferralHead>> {
    let own = caller.organization_id;
    let today = |_| organizations::repository::today(conn, own, caller.at);
    let today = query.overdue.map(today).transpose()?;
    let page = Joined::new(query.limit, |row: &ReferralHead| Reverse(row.id));
    let mut seen = Sight { caller, query, before, today, page };
    if let Some(IdentifierToken(key)) = &query.identifier {
        seen.add_known_as(conn, key)?;
    } else if let Some(mailbox) = query.r#box {
        seen.add_box(conn, mailbox)?;
    } else if seen.is_narrow() {
        seen.page.add(rows!(seen, conn, sight::referrals(caller)));
    } else {
        seen.add_own(conn)?;
        if query.organization_id != Some(own) && query.performer_organization_id != Some(own) {
            seen.add_of_others(conn)?;
        }
    }
    Ok(seen.page.into_rows())
}

impl Sight<'_> {
    /// Adds those that other systems know by such a key.
    fn add_known_as(&mut self, conn: &mut DbConn, key: &[Identifier]) -> Result<()> {
        // Each by itself: for several at once the database might rather look through all that an organization has.
        for id in identifiers::known_as::<kind::Referral>(conn, key, None)? {
            let mut found: Vec<ReferralHead> = rows!(self, conn, referrals::id.eq(id).and(sight::referrals(self.caller)));
            found.retain(|row| is_in(self.query.r#box, row, self.caller.organization_id));
            self.page.add(found);
        }
        Ok(())
    }

    /// Adds what is in a box of the caller's organization.
    fn add_box(&mut self, conn: &mut DbConn, mailbox: Mailbox) -> Result<()> {
        let own = self.caller.organization_id;
        let may_hold = match mailbox {
            Mailbox::Sent => self.may_be_sent(),
            Mailbox::Received => self.may_be_received(),
        };
        if may_hold {
            self.page.add(match (mailbox, self.is_narrow()) {
                (Mailbox::Sent, false) => rows!(self, conn, referrals::organization_id.eq(own)),
                (Mailbox::Sent, true) => rows!(self, conn, not(referrals::organization_id.ne(own))),
                (Mailbox::Received, false) => rows!(self, conn, sight::is_sent().and(referrals::performer_id.eq(own))),
                (Mailbox::Received, true) => rows!(self, conn, sight::is_sent().and(not(referrals::performer_id.ne(own)))),
            });
        }
        Ok(())
    }

    /// Adds what is in either of them: what the organization has sent to itself, once.
    fn add_own(&mut self, conn: &mut DbConn) -> Result<()> {
        let own = self.caller.organization_id;
        if self.may_be_sent() {
            self.page.add(rows!(self, conn, referrals::organization_id.eq(own)));
        }
        if self.query.organization_id != Some(own) && self.may_be_received() {
            let is_received = || sight::is_sent().and(referrals::performer_id.eq(own));
            self.page.add(rows!(self, conn, is_received().and(referrals::organization_id.ne(own))));
        }
        Ok(())
    }

    /// Adds those of others that the caller sees: of patients whom its organization manages, or who let it.
    fn add_of_others(&mut self, conn: &mut DbConn) -> Result<()> {
        let own = self.caller.organization_id;
        let is_of_others = || {
            let is_not_received = referrals::performer_id.is_null().or(referrals::performer_id.ne(own));
            sight::is_sent().and(referrals::organization_id.ne(own)).and(is_not_received)
        };
        self.page.add(rows!(self, conn, is_of_others().and(referrals::manager_id.eq(own))));
        let is_not_managed = || is_of_others().and(referrals::manager_id.ne(own));
        match sight::few_granted(conn, self.caller, DataCategory::Referrals, self.page.end().is_some())? {
            Some(patients) if patients.is_empty() => {}
            Some(patients) => {
                self.page.add(rows!(self, conn, is_not_managed().and(among(referrals::patient_id, &patients)), true));
            }
            None => self.page.add(rows!(self, conn, is_not_managed().and(sight::referrals(self.caller)))),
        }
        Ok(())
    }

    /// Whether the rows are few, whatever else is asked for and whoever sees them.
    const fn is_narrow(&self) -> bool {
        self.query.patient_id.is_some() || self.query.parent_id.is_some()
    }

    /// Of whom others are asked for, none is looked for among one's own.
    fn may_be_sent(&self) -> bool {
        self.query.organization_id.is_none_or(|id| id == self.caller.organization_id)
    }

    /// The same of those that were sent to the caller's organization.
    fn may_be_received(&self) -> bool {
        self.query.performer_organization_id.is_none_or(|id| id == self.caller.organization_id)
    }
}

/// Whether a referral is in this box of an organization.
fn is_in(mailbox: Option<Mailbox>, row: &ReferralHead, own: OrganizationId) -> bool {
    match mailbox {
        Some(Mailbox::Sent) => row.organization_id == own,
        Some(Mailbox::Received) => row.performer_id == Some(own) && row.requested_at.is_some(),
        None => true,
    }
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &ReferralRow) -> Result<()> {
    each!(conn, |conn| insert_into(referrals::table).values(row).execute(conn))?;
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
///
/// What a step changes is written by itself: a column that is named is one whose indexes are written anew, whether it changes or not,
/// and with `parent_id`, by which the table refers to itself, SQLite writes them all.
pub fn replace(conn: &mut DbConn, before: &ReferralRow, row: &ReferralRow) -> Result<bool> {
    let target = referrals::table.filter(referrals::id.eq(row.id)).filter(referrals::version.eq(before.version));
    let step = (
        referrals::status.eq(row.status),
        referrals::business_status.eq(row.business_status),
        referrals::status_reason.eq(&row.status_reason),
        referrals::outcome.eq(row.outcome),
        referrals::due_on.eq(row.due_on),
        referrals::requested_at.eq(row.requested_at),
        referrals::status_at.eq(row.status_at),
        referrals::consent_at.eq(row.consent_at),
        referrals::content.eq(&row.content),
        referrals::version.eq(row.version),
        referrals::updated_at.eq(row.updated_at),
        referrals::deleted_at.eq(row.deleted_at),
    );
    let changed = if row.names_the_same_as(before) {
        each!(conn, |conn| update(target).set(step).execute(conn))?
    } else {
        let names = (
            referrals::patient_id.eq(row.patient_id),
            referrals::manager_id.eq(row.manager_id),
            referrals::performer_id.eq(row.performer_id),
            referrals::service_id.eq(row.service_id),
            referrals::parent_id.eq(row.parent_id),
            referrals::kind.eq(row.kind),
            referrals::priority.eq(row.priority),
            referrals::requester_practitioner_id.eq(row.requester_practitioner_id),
            referrals::performer_practitioner_id.eq(row.performer_practitioner_id),
        );
        each!(conn, |conn| update(target).set((step, names)).execute(conn))?
    };
    Ok(changed == 1)
}

pub use self::queries::asking;

#[expect(missing_docs, reason = "auto_type makes type aliases without documentation")]
mod queries {
    use diesel::prelude::*;

    use crate::db::schema::referrals;
    use crate::kind::OrganizationId;

    /// Whether a referral asks an organization; see [`ReferralRow::asked`](crate::referrals::model::ReferralRow::asked).
    #[diesel::dsl::auto_type]
    pub fn asking(organization: OrganizationId) -> _ {
        let names_nobody = referrals::performer_id.is_null();
        referrals::performer_id.eq(organization).or(names_nobody.and(referrals::organization_id.eq(organization)))
    }
}

/// True where the organization sent the referral or received it.
pub fn is_party(conn: &mut DbConn, organization: OrganizationId, id: ReferralId) -> Result<bool> {
    Ok(!parties_among(conn, organization, &[id])?.is_empty())
}

/// Those of these referrals that the organization sent or received.
pub fn parties_among(conn: &mut DbConn, organization: OrganizationId, ids: &[ReferralId]) -> Result<HashSet<ReferralId>> {
    let is_received = sight::is_sent().and(referrals::performer_id.eq(organization));
    let is_own = not(referrals::organization_id.ne(organization));
    let its = referrals::table.filter(among(referrals::id, ids)).filter(is_own.or(is_received));
    let found: Vec<ReferralId> = each!(conn, |conn| its.select(referrals::id).load(conn))?;
    Ok(found.into_iter().collect())
}

/// True where the organization had sent or received a referral of the patient before a moment.
pub fn had_part(conn: &mut DbConn, organization: OrganizationId, patient: PatientId, before: Instant) -> Result<bool> {
    let sent = referrals::table.filter(referrals::patient_id.eq(patient)).filter(referrals::requested_at.lt(before));
    let its = sent.filter(referrals::organization_id.eq(organization).or(referrals::performer_id.eq(organization)));
    Ok(its.select(referrals::id).first::<ReferralId>(conn).optional()?.is_some())
}

/// The latest referrals of a patient that the caller sees, its own drafts among them, the newest first.
pub fn latest_of_patient(conn: &mut DbConn, caller: &Principal, patient: PatientId, limit: i64) -> Result<Vec<ReferralRow>> {
    let alive = referrals::table.filter(referrals::patient_id.eq(patient)).filter(referrals::deleted_at.is_null());
    let seen = alive.filter(sight::referrals(caller)).order(referrals::id.desc()).limit(limit);
    Ok(each!(conn, |conn| seen.load(conn))?)
}

/// Whether the caller sees another open referral of the patient to a service.
pub fn is_referred_elsewhere(
    conn: &mut DbConn,
    caller: &Principal,
    patient: PatientId,
    service: ServiceId,
    by: ReferralId,
) -> Result<bool> {
    let to_service = referrals::table.filter(referrals::patient_id.eq(patient)).filter(not(referrals::service_id.ne(service)));
    let others = to_service.filter(referrals::id.ne(by)).filter(sight::is_sent()).filter(sight::referrals(caller));
    let statuses: Vec<ReferralStatus> = each!(conn, |conn| others.select(referrals::status).load(conn))?;
    Ok(statuses.into_iter().any(ReferralStatus::is_open))
}

/// True where the match was made for the patient, by the organization or by whomever.
pub fn is_match_of(conn: &mut DbConn, id: MatchId, patient: PatientId, by: Option<OrganizationId>) -> Result<bool> {
    let mut found = matches::table.filter(matches::id.eq(id)).filter(matches::patient_id.eq(patient)).into_boxed();
    if let Some(organization) = by {
        found = found.filter(matches::organization_id.eq(organization));
    }
    Ok(found.filter(matches::deleted_at.is_null()).select(matches::id).first::<MatchId>(conn).optional()?.is_some())
}

/// Waits until nobody else is changing the referral, and keeps others waiting until the transaction ends: what is read of it afterwards
/// is how it stands. On SQLite whoever writes is alone.
pub fn lock(conn: &mut DbConn, id: ReferralId) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        referrals::table.find(id).select(referrals::id).for_no_key_update().execute(conn)?;
    }
    Ok(())
}

/// The same of every referral to a service, always in one order, so that no two wait for each other.
pub fn lock_all_to(conn: &mut DbConn, service: ServiceId) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        let to_it = referrals::table.filter(referrals::service_id.eq(service)).order(referrals::id);
        to_it.select(referrals::id).for_no_key_update().execute(conn)?;
    }
    Ok(())
}

/// The same of one where nobody else is changing it; false where somebody is, whom nobody waits for.
pub fn try_lock(conn: &mut DbConn, id: ReferralId) -> Result<bool> {
    let DbConn::Pg(conn) = conn else { return Ok(true) };
    let free = referrals::table.find(id).select(referrals::id).for_no_key_update().skip_locked();
    Ok(free.first::<ReferralId>(conn).optional()?.is_some())
}

/// Locks all referrals of these patients, in order of id; see [`lock`].
pub fn lock_of_patients(conn: &mut DbConn, patients: &[PatientId]) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        let theirs = referrals::table.filter(referrals::patient_id.eq_any(patients)).order(referrals::id);
        theirs.select(referrals::id).for_no_key_update().execute(conn)?;
    }
    Ok(())
}

/// Waits until nobody else says from which other referral a draft of the organization goes on, and keeps others waiting until the
/// transaction ends: each of two might see no circle and both together close one. What was sent does not change that any more, and
/// nobody else names the organization's drafts. On SQLite whoever writes is alone.
pub fn lock_drafts(conn: &mut DbConn, owner: OrganizationId) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        schema::organizations::table.find(owner).select(schema::organizations::id).for_no_key_update().execute(conn)?;
    }
    Ok(())
}

/// The referrals that one goes on from, over each other: whoever adds one has all of them looked at.
pub const LONGEST_CHAIN: usize = 100;

/// What comes of it where a referral goes on from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// An end: at most [`LONGEST_CHAIN`] are before it.
    Ends,
    /// It would go on from itself, or does so already.
    Circle,
    /// More are before it.
    TooLong,
}

/// What comes of it where a referral, a new one where none is named, goes on from this parent.
pub fn chain(conn: &mut DbConn, parent: ReferralId, child: Option<ReferralId>) -> Result<Chain> {
    let mut met: HashSet<ReferralId> = child.into_iter().collect();
    let (mut at, mut before) = (Some(parent), 0);
    while let Some(id) = at {
        if !met.insert(id) {
            return Ok(Chain::Circle);
        }
        before += 1;
        if before > LONGEST_CHAIN {
            return Ok(Chain::TooLong);
        }
        at = referrals::table.find(id).select(referrals::parent_id).first(conn)?;
    }
    Ok(Chain::Ends)
}

/// True where the message is one of the referral's.
pub fn is_message_of(conn: &mut DbConn, id: ReferralMessageId, referral: ReferralId) -> Result<bool> {
    let found = referral_messages::table.find(id).filter(referral_messages::referral_id.eq(referral));
    Ok(select(exists(found)).get_result(conn)?)
}

/// Adds a transition.
pub fn insert_transition(conn: &mut DbConn, row: &TransitionRow) -> Result<()> {
    each!(conn, |conn| insert_into(referral_transitions::table).values(row).execute(conn))?;
    Ok(())
}

/// Whether a transition, another than this one where one is named, has led a referral to where the person is taken on.
pub fn was_taken_on(conn: &mut DbConn, referral: ReferralId, besides: Option<ReferralTransitionId>) -> Result<bool> {
    let made = referral_transitions::table.filter(referral_transitions::referral_id.eq(referral));
    let made = made.select((referral_transitions::id, referral_transitions::to_status));
    let made: Vec<(ReferralTransitionId, ReferralStatus)> = each!(conn, |conn| made.load(conn))?;
    Ok(made.into_iter().any(|(id, status)| Some(id) != besides && status.takes_on()))
}

/// The referrals that ask an organization, are under way, and in which somebody else has a first contact to make, in order of id.
pub fn with_first_contact_of_others(conn: &mut DbConn, performer: OrganizationId) -> Result<Vec<ReferralId>> {
    const UNDER_WAY: [ReferralStatus; 3] = [ReferralStatus::Accepted, ReferralStatus::InProgress, ReferralStatus::OnHold];
    let planned = follow_ups::table
        .filter(follow_ups::referral_id.eq(referrals::id.nullable()))
        // Asked for with whoever wrote the referral, all that it has to do would be looked through for each.
        .filter(follow_ups::organization_id.ne(performer))
        .filter(follow_ups::purpose.eq(Purpose::FirstContact))
        .filter(follow_ups::status.eq(FollowUpStatus::Open))
        .filter(follow_ups::deleted_at.is_null());
    let asked = referrals::table.filter(referrals::performer_id.eq(performer)).filter(referrals::status.eq_any(UNDER_WAY));
    let asked = asked.filter(exists(planned)).order(referrals::id).select(referrals::id);
    Ok(each!(conn, |conn| asked.load(conn))?)
}

/// The transitions of a referral, oldest first.
pub fn list_transitions(
    conn: &mut DbConn,
    referral: ReferralId,
    after: Option<ReferralTransitionId>,
    limit: i64,
) -> Result<Vec<TransitionRow>> {
    let mut rows = referral_transitions::table
        .filter(referral_transitions::referral_id.eq(referral))
        .order(referral_transitions::id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        rows = rows.filter(referral_transitions::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// The transition of a referral with this id.
pub fn find_transition(conn: &mut DbConn, referral: ReferralId, id: ReferralTransitionId) -> Result<Option<TransitionRow>> {
    let found = referral_transitions::table.find(id).filter(referral_transitions::referral_id.eq(referral));
    Ok(found.first(conn).optional()?)
}

/// Adds a message.
pub fn insert_message(conn: &mut DbConn, row: &MessageRow) -> Result<()> {
    each!(conn, |conn| insert_into(referral_messages::table).values(row).execute(conn))?;
    Ok(())
}

/// The messages of a referral, oldest first.
pub fn list_messages(conn: &mut DbConn, referral: ReferralId, after: Option<ReferralMessageId>, limit: i64) -> Result<Vec<MessageRow>> {
    let mut rows =
        referral_messages::table.filter(referral_messages::referral_id.eq(referral)).order(referral_messages::id).limit(limit).into_boxed();
    if let Some(after) = after {
        rows = rows.filter(referral_messages::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// The message of a referral with this id.
pub fn find_message(conn: &mut DbConn, referral: ReferralId, id: ReferralMessageId) -> Result<Option<MessageRow>> {
    let found = referral_messages::table.find(id).filter(referral_messages::referral_id.eq(referral));
    Ok(found.first(conn).optional()?)
}

/// Marks the other side's messages as read, up to one of them; returns those that were not yet.
///
/// # Errors
/// [`Error::Conflict`] where there are too many of them.
pub fn acknowledge(
    conn: &mut DbConn,
    referral: ReferralId,
    reader: OrganizationId,
    up_to: ReferralMessageId,
    at: Instant,
) -> Result<Vec<MessageRow>> {
    let unread = || {
        let others = referral_messages::table.filter(referral_messages::referral_id.eq(referral));
        let others = others.filter(referral_messages::organization_id.ne(reader)).filter(referral_messages::id.le(up_to));
        others.filter(referral_messages::acknowledged_at.is_null())
    };
    changes::ensure_few(unread().count().get_result(conn)?, "messages that were not read", "acknowledge them up to an earlier one")?;
    let read = update(unread())
        .set((referral_messages::acknowledged_at.eq(at), referral_messages::version.eq(referral_messages::version + 1)))
        .returning(referral_messages::all_columns);
    Ok(read.get_results(conn)?)
}
