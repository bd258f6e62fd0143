//! The queries of figures, and of the referrals that they are counted from.

use std::collections::{BTreeSet, HashMap};

use diesel::dsl::{insert_into, update};
use diesel::prelude::*;
use diesel::upsert::excluded;

use super::course::{Sent, Step};
use super::model::{Figures, MOST_REFERRALS};
use crate::db::schema::{referral_transitions, referrals, responsiveness};
use crate::db::types::{Id, Instant, Json};
use crate::db::{Common, DbConn};
use crate::error::Result;
use crate::kind::{OrganizationId, ReferralId, ResourceType, ServiceId};
use crate::referrals::lifecycle::ReferralStatus;
use crate::referrals::model::{StatusReason, TransitionContent};
use crate::referrals::repository::asking;
use crate::services;

/// Whose figures they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A service's: of the referrals to it that ask whoever gives it. What others do with one that names it tells nothing of it.
    Service(ServiceId),
    /// An organization's: of all referrals that ask it, to whatever service or to itself.
    Organization(OrganizationId),
}

impl Subject {
    const fn key(self) -> (ResourceType, Id<()>) {
        match self {
            Self::Service(id) => (ResourceType::Service, id.cast()),
            Self::Organization(id) => (ResourceType::Organization, id.cast()),
        }
    }

    const fn of(kind: ResourceType, id: Id<()>) -> Self {
        match kind {
            ResourceType::Service => Self::Service(id.cast()),
            _ => Self::Organization(id.cast()),
        }
    }
}

/// Figures as they were counted last.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = responsiveness, treat_none_as_default_value = false)]
pub struct FiguresRow {
    resource_type: ResourceType,
    resource_id: Id<()>,
    /// What was counted.
    pub figures: Json<Figures>,
    /// When.
    pub counted_at: Option<Instant>,
    /// When they are to be counted again.
    pub refresh_at: Option<Instant>,
}

impl FiguresRow {
    /// Whose they are.
    pub const fn subject(&self) -> Subject {
        Subject::of(self.resource_type, self.resource_id)
    }
}

/// The figures of one, if they were ever counted.
pub fn find(conn: &mut DbConn, subject: Subject) -> Result<Option<FiguresRow>> {
    Ok(responsiveness::table.find(subject.key()).first(conn).optional()?)
}

/// Those that are to be counted by now, the longest due first.
pub fn due(conn: &mut DbConn, now: Instant, limit: i64) -> Result<Vec<FiguresRow>> {
    let due = responsiveness::table.filter(responsiveness::refresh_at.le(now)).order(responsiveness::refresh_at).limit(limit);
    Ok(due.load(conn)?)
}

/// Those that were counted at a moment or later.
pub fn counted_since(conn: &mut DbConn, since: Instant) -> Result<Vec<FiguresRow>> {
    Ok(responsiveness::table.filter(responsiveness::counted_at.ge(since)).load(conn)?)
}

/// All those of services.
pub fn of_services(conn: &mut DbConn) -> Result<Vec<FiguresRow>> {
    Ok(responsiveness::table.filter(responsiveness::resource_type.eq(ResourceType::Service)).load(conn)?)
}

/// Asks for the figures of these to be counted again.
pub fn ask_for(conn: &mut DbConn, subjects: impl IntoIterator<Item = Subject>, now: Instant) -> Result<()> {
    for subject in subjects {
        let (resource_type, resource_id) = subject.key();
        let row = FiguresRow { resource_type, resource_id, figures: Json(Figures::default()), counted_at: None, refresh_at: Some(now) };
        let columns = (responsiveness::resource_type, responsiveness::resource_id);
        let wanted = insert_into(responsiveness::table).values(&row).on_conflict(columns);
        Common(wanted.do_update().set(responsiveness::refresh_at.eq(excluded(responsiveness::refresh_at)))).execute(conn)?;
    }
    Ok(())
}

/// Writes down what was counted, unless it was asked for again since it was read that it is due.
pub fn set(conn: &mut DbConn, row: &FiguresRow, figures: Figures, now: Instant, refresh_at: Option<Instant>) -> Result<()> {
    let read = responsiveness::table.find((row.resource_type, row.resource_id)).filter(responsiveness::refresh_at.eq(row.refresh_at));
    let counted = (responsiveness::figures.eq(Json(figures)), responsiveness::counted_at.eq(Some(now)));
    update(read).set((counted, responsiveness::refresh_at.eq(refresh_at))).execute(conn)?;
    Ok(())
}

/// The services and organizations that referrals ask.
pub fn asked_by(conn: &mut DbConn, ids: &[ReferralId]) -> Result<BTreeSet<Subject>> {
    let asked: Vec<(Option<ServiceId>, Option<OrganizationId>)> =
        referrals::table.filter(referrals::id.eq_any(ids)).select((referrals::service_id, referrals::performer_id)).load(conn)?;
    let subjects = asked.into_iter().flat_map(|(service, performer)| [service.map(Subject::Service), performer.map(Subject::Organization)]);
    Ok(subjects.flatten().collect())
}

/// The latest referrals that were sent to somebody, at most [`MOST_REFERRALS`], each with its transitions, oldest first.
pub fn latest(conn: &mut DbConn, subject: Subject, since: Instant) -> Result<Vec<(Sent, Vec<Step>)>> {
    type Row = (
        ReferralId,
        OrganizationId,
        Option<OrganizationId>,
        ReferralStatus,
        Json<StatusReason>,
        Option<chrono::NaiveDate>,
        Option<Instant>,
    );
    // By id, which rises with time, and the rest looked at here: what is read has an end however many there were before.
    let mut rows = referrals::table
        .order(referrals::id.desc())
        .limit(MOST_REFERRALS)
        .select((
            referrals::id,
            referrals::organization_id,
            referrals::performer_id,
            referrals::status,
            referrals::status_reason,
            referrals::due_on,
            referrals::requested_at,
        ))
        .into_boxed();
    rows = match subject {
        Subject::Service(id) => match services::repository::find(conn, id)? {
            Some(service) => rows.filter(referrals::service_id.eq(id)).filter(asking(service.given_by())),
            None => return Ok(Vec::new()),
        },
        Subject::Organization(id) => rows.filter(referrals::performer_id.eq(id)),
    };
    let rows: Vec<Row> = rows.load(conn)?;
    let sent = rows.into_iter().filter_map(|(id, requester, performer, status, reason, due_on, sent_at)| {
        let sent_at = sent_at.filter(|at| *at >= since)?;
        Some(Sent { id, requester, performer, status, reason: reason.0.code, due_on, sent_at })
    });
    let sent: Vec<Sent> = sent.collect();
    let mut steps = steps_of(conn, &sent)?;
    Ok(sent.into_iter().map(|sent| (steps.remove(&sent.id).unwrap_or_default(), sent)).map(|(steps, sent)| (sent, steps)).collect())
}

/// The transitions of these referrals, oldest first.
fn steps_of(conn: &mut DbConn, sent: &[Sent]) -> Result<HashMap<ReferralId, Vec<Step>>> {
    let mut steps: HashMap<ReferralId, Vec<Step>> = HashMap::with_capacity(sent.len());
    for sent in sent.chunks(500) {
        let ids: Vec<ReferralId> = sent.iter().map(|sent| sent.id).collect();
        let taken: Vec<(ReferralId, OrganizationId, ReferralStatus, Json<TransitionContent>, Instant)> = referral_transitions::table
            .filter(referral_transitions::referral_id.eq_any(ids))
            .order((referral_transitions::referral_id, referral_transitions::id))
            .select((
                referral_transitions::referral_id,
                referral_transitions::organization_id,
                referral_transitions::to_status,
                referral_transitions::content,
                referral_transitions::created_at,
            ))
            .load(conn)?;
        for (id, by, to, content, at) in taken {
            let step = Step { by, to, word: content.0.business_status, reason: content.0.reason.code, at };
            steps.entry(id).or_default().push(step);
        }
    }
    Ok(steps)
}
