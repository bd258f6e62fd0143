//! The rule of sight: which patients a caller sees, and what of them.
//!
//! The organization that manages a patient sees all. Another one sees the patient while it holds a grant, an active consent for care
//! coordination, and of the patient what the grant names. Everything else is as if it did not exist. Consents are read at every
//! request, so that a withdrawal is effective at once.

use std::collections::{HashMap, HashSet};

use diesel::dsl::not;
use diesel::prelude::*;

use super::{Principal, Scope};
use crate::consents::model::{Categories, ConsentPurpose, DataCategory};
use crate::consents::repository::{self, covered, standing};
use crate::db::schema::{consents, patients, referrals};
use crate::db::types::Instant;
use crate::db::{DbConn, among};
use crate::each;
use crate::error::{Error, Result};
use crate::kind::{OrganizationId, PatientId, ReferralId, ResourceType};
use crate::patients::model::Standing;
use crate::patients::repository as records;

/// A patient as somebody sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// The patient.
    pub patient_id: PatientId,
    /// The organization that manages the patient.
    pub owner: OrganizationId,
    /// What is seen of them.
    pub categories: Categories,
}

impl Sight {
    /// Fails with [`Error::NotFound`] where this category is not seen.
    pub fn require(&self, category: DataCategory) -> Result<()> {
        if self.categories.contains(category) { Ok(()) } else { Err(Error::NotFound) }
    }

    /// Whether this is the sight of the organization that manages the patient.
    pub fn is_owners(&self, caller: &Principal) -> bool {
        self.owner == caller.organization_id
    }
}

/// What the caller sees of a patient: [`Error::NotFound`] where nothing, [`Error::Gone`] where the patient was deleted,
/// [`Error::Merged`] where the patient was merged into another whom the caller sees.
pub fn patient(conn: &mut DbConn, caller: &Principal, id: PatientId) -> Result<Sight> {
    let standing = records::standing(conn, id)?.ok_or(Error::NotFound)?;
    let Standing { organization_id: owner, merged_into_id: merged_into, deleted_at, .. } = standing;
    let categories = of(conn, caller, owner, merged_into.unwrap_or(id))?.ok_or(Error::NotFound)?;
    match merged_into {
        Some(survivor) => Err(Error::Merged { into: format!("/v1/patients/{survivor}") }),
        None if deleted_at.is_some() => Err(Error::Gone),
        None => Ok(Sight { patient_id: id, owner, categories }),
    }
}

/// The same, and [`Error::NotFound`] where the caller does not see this category.
pub fn require(conn: &mut DbConn, caller: &Principal, id: PatientId, category: DataCategory) -> Result<Sight> {
    let sight = patient(conn, caller, id)?;
    sight.require(category)?;
    Ok(sight)
}

/// The same for a patient whom a request's body names at `pointer`: one whom the caller does not see is a fault there.
pub fn referenced(conn: &mut DbConn, caller: &Principal, id: PatientId, pointer: &str) -> Result<Sight> {
    patient(conn, caller, id).map_err(|error| match error {
        Error::NotFound | Error::Gone | Error::Merged { .. } => {
            Error::invalid(pointer, "not_found", "is not a patient whom this client sees")
        }
        other => other,
    })
}

/// What the caller sees of a patient of this owner; `None` where nothing.
pub fn of(conn: &mut DbConn, caller: &Principal, owner: OrganizationId, id: PatientId) -> Result<Option<Categories>> {
    if owner == caller.organization_id {
        return Ok(Some(Categories::ALL));
    }
    covered(conn, id, caller.organization_id, ConsentPurpose::CareCoordination, caller.at)
}

/// The same of many patients, each with its owner, in few statements; of those of whom nothing is seen, nothing is given.
pub fn of_all(
    conn: &mut DbConn,
    caller: &Principal,
    patients: impl IntoIterator<Item = (OrganizationId, PatientId)>,
) -> Result<HashMap<PatientId, Categories>> {
    let own = caller.organization_id;
    let (ours, others): (Vec<_>, Vec<_>) = patients.into_iter().partition(|(owner, _)| *owner == own);
    let others: Vec<PatientId> = others.into_iter().map(|(_, id)| id).collect();
    let mut seen = repository::covered_among(conn, &others, own, ConsentPurpose::CareCoordination, caller.at)?;
    seen.extend(ours.into_iter().map(|(_, id)| (id, Categories::ALL)));
    Ok(seen)
}

/// What an organization that receives a referral sees of the patient in it; `None` where no consent lets it. Nobody sees one who was
/// deleted.
pub fn to_performer(conn: &mut DbConn, id: PatientId, performer: OrganizationId, now: Instant) -> Result<Option<Categories>> {
    repository::covered_of_living(conn, id, performer, ConsentPurpose::Referral, now)
}

/// The same of many patients for the caller, as one that receives referrals; of those who let it see nothing, nothing is given.
pub fn to_performer_among(conn: &mut DbConn, caller: &Principal, ids: &[PatientId]) -> Result<HashMap<PatientId, Categories>> {
    let mut seen = repository::covered_among(conn, ids, caller.organization_id, ConsentPurpose::Referral, caller.at)?;
    let asked: Vec<PatientId> = seen.keys().copied().collect();
    for ids in asked.chunks(500) {
        let gone = patients::table.filter(among(patients::id, ids)).filter(patients::deleted_at.is_not_null()).select(patients::id);
        let gone: Vec<PatientId> = each!(conn, |conn| gone.load(conn))?;
        seen.retain(|id, _| !gone.contains(id));
    }
    Ok(seen)
}

fn is_living(conn: &mut DbConn, id: PatientId) -> Result<bool> {
    let alive = patients::table.find(id).filter(patients::deleted_at.is_null()).select(patients::id);
    Ok(each!(conn, |conn| alive.first::<PatientId>(conn)).optional()?.is_some())
}

/// Those of these patients who do not let the caller in: it does not manage them, and sees them neither by itself nor in a referral. What
/// others have written of them, in whatever it reads all the same, is not shown to it.
pub fn shut_out_by(conn: &mut DbConn, caller: &Principal, ids: &[PatientId]) -> Result<HashSet<PatientId>> {
    let mut left: HashSet<PatientId> = ids.iter().copied().collect();
    if left.is_empty() {
        return Ok(left);
    }
    let is_managed = not(patients::organization_id.ne(caller.organization_id));
    let managed = patients::table.filter(among(patients::id, ids)).filter(is_managed);
    let managed: Vec<PatientId> = each!(conn, |conn| managed.select(patients::id).load(conn))?;
    left.retain(|id| !managed.contains(id));
    let asked: Vec<PatientId> = left.iter().copied().collect();
    if !asked.is_empty() {
        // Whoever takes part in the care may be sent referrals: a consent to the one is a consent to the other.
        let let_in = to_performer_among(conn, caller, &asked)?;
        left.retain(|id| !let_in.contains_key(id));
    }
    Ok(left)
}

/// Whether an organization that is asked to take on a patient of this manager sees them at this moment. Nobody sees one who was deleted.
/// Whoever takes part in the care may be sent referrals: a consent to the one is a consent to the other.
pub fn may_take_on(conn: &mut DbConn, id: PatientId, (performer, manager): (OrganizationId, OrganizationId), now: Instant) -> Result<bool> {
    if performer == manager { is_living(conn, id) } else { Ok(to_performer(conn, id, performer, now)?.is_some()) }
}

/// The same as a condition on referrals: whether whoever is asked may take the person on. Where nobody is named, nobody has to be let in.
pub fn taken_on(now: Instant) -> of_asked {
    of_asked(repository::holding(ConsentPurpose::Referral.pattern(), now))
}

/// What the caller sees of the patient of a referral as its performer; `None` where it is not, or no consent lets it.
pub fn as_performer(conn: &mut DbConn, caller: &Principal, referral: ReferralId) -> Result<Option<Categories>> {
    let own = caller.organization_id;
    let received = referrals::table.find(referral).filter(referrals::performer_id.eq(own)).filter(is_sent());
    let patient: Option<PatientId> = each!(conn, |conn| received.select(referrals::patient_id).first(conn)).optional()?;
    patient.map_or(Ok(None), |patient| to_performer(conn, patient, own, caller.at))
}

/// What the caller sees of a patient, by itself or as the performer of a referral; `None` where nothing.
pub fn in_referral(conn: &mut DbConn, caller: &Principal, id: PatientId, referral: Option<ReferralId>) -> Result<Option<Categories>> {
    let owner: Option<OrganizationId> =
        each!(conn, |conn| patients::table.find(id).select(patients::organization_id).first(conn)).optional()?;
    owner.map_or(Ok(None), |owner| in_referral_of(conn, caller, (owner, id), referral))
}

/// The same of a patient of this owner.
pub fn in_referral_of(
    conn: &mut DbConn,
    caller: &Principal,
    (owner, id): (OrganizationId, PatientId),
    referral: Option<ReferralId>,
) -> Result<Option<Categories>> {
    let of_patient = of(conn, caller, owner, id)?;
    let of_referral = referral.map_or(Ok(None), |referral| as_performer(conn, caller, referral))?;
    Ok([of_patient, of_referral].into_iter().flatten().reduce(Categories::union))
}

/// One thing, shown as the rule shows many.
pub fn one<T>(
    conn: &mut DbConn,
    caller: &Principal,
    thing: T,
    shown: impl FnOnce(&mut DbConn, &Principal, Vec<T>) -> Result<Vec<T>>,
) -> Result<T> {
    shown(conn, caller, vec![thing])?.pop().ok_or_else(|| Error::internal("one that was shown as none"))
}

/// The patients of others whom the caller sees, with this category, for `eq_any` in lists. The caller's own patients are found by
/// their owner: `organization_id.eq(caller.organization_id).or(patient_id.eq_any(granted(…)))`.
pub fn granted(caller: &Principal, category: DataCategory) -> repository::granted {
    repository::granted(caller.organization_id, ConsentPurpose::CareCoordination.pattern(), category.pattern(), caller.at)
}

/// The consents by which patients of others are seen at all, whatever they let the caller see.
pub fn taking_part(caller: &Principal) -> repository::active {
    repository::active(caller.organization_id, ConsentPurpose::CareCoordination.pattern(), caller.at)
}

/// The next of the patients who let the caller see this category, in order of id; one may stand there more than once.
pub fn next_granted(
    conn: &mut DbConn,
    caller: &Principal,
    category: DataCategory,
    after: Option<PatientId>,
    limit: i64,
) -> Result<Vec<PatientId>> {
    let after = after.unwrap_or(PatientId::from_uuid(uuid::Uuid::nil()));
    let next = granted(caller, category).filter(consents::patient_id.gt(after)).order(consents::patient_id).limit(limit);
    Ok(each!(conn, |conn| next.load(conn))?)
}

/// So many are asked for by name for a page that is full; of more, the rows that may still stand in it, which are few, are looked at one by
/// one.
const FEW: i64 = 500;
/// So many, where the page is not full: one by one, all rows of everybody would be looked at.
const MANY: i64 = 5_000;

/// The patients who let the caller see this category, where they are few enough to be asked for by name, one as often as they have let it.
/// For a page that `is_full` all consents to the caller have to be few, which is asked at less cost. Nobody is let in by a patient who was
/// deleted.
pub fn few_granted(conn: &mut DbConn, caller: &Principal, category: DataCategory, is_full: bool) -> Result<Option<Vec<PatientId>>> {
    let beyond: Option<PatientId> = if is_full {
        let standing = standing(caller.organization_id).offset(FEW).select(consents::patient_id);
        each!(conn, |conn| standing.first(conn)).optional()?
    } else {
        let granted = granted(caller, category).offset(MANY);
        each!(conn, |conn| granted.first(conn)).optional()?
    };
    if beyond.is_some() {
        return Ok(None);
    }
    Ok(Some(each!(conn, |conn| of_living(granted(caller, category)).load(conn))?))
}

/// The referrals of which the caller is a party, drafts sent to it included, where they are few enough to be asked for by name for a page
/// that `is_full` or is not.
pub fn few_taken_part_in(conn: &mut DbConn, caller: &Principal, is_full: bool) -> Result<Option<Vec<ReferralId>>> {
    let most = if is_full { FEW / 2 } else { MANY / 2 };
    let mut ids = Vec::new();
    macro_rules! add {
        ($party:expr) => {
            let taken_part_in = referrals::table.filter($party.eq(caller.organization_id)).select(referrals::id);
            // Of many no more is asked than that they are many.
            let beyond: Option<ReferralId> = each!(conn, |conn| taken_part_in.offset(most).first(conn)).optional()?;
            if beyond.is_some() {
                return Ok(None);
            }
            ids.extend(each!(conn, |conn| taken_part_in.load::<ReferralId>(conn))?);
        };
    }
    add!(referrals::organization_id);
    add!(referrals::performer_id);
    Ok(Some(ids))
}

pub use self::queries::{is_sent, of_appointment, of_asked, of_follow_up, of_living, of_referral, taken_part_in};

/// The referrals that the caller sees: its own; those sent to it; and, once they are sent, those of the patients whom it manages or who
/// let it see their referrals. A draft is its writer's alone, also where it is called off. Nobody is let in by a patient who was deleted.
pub fn referrals(caller: &Principal) -> of_referral {
    of_referral(caller.organization_id, of_living(granted(caller, DataCategory::Referrals)))
}

/// The follow-ups that the caller sees: its own; those of referrals of which it is a party; those of the patients whom it manages or who
/// let it see their follow-ups and were not deleted.
pub fn follow_ups(caller: &Principal) -> of_follow_up {
    of_follow_up(caller.organization_id, of_living(granted(caller, DataCategory::FollowUps)))
}

/// The appointments that the caller sees: those that it made; those with it; those of referrals of which it is a party; those of the
/// patients whom it manages or who let it see their referrals and were not deleted.
pub fn appointments(caller: &Principal) -> of_appointment {
    of_appointment(caller.organization_id, of_living(granted(caller, DataCategory::Referrals)))
}

#[expect(missing_docs, reason = "auto_type makes type aliases without documentation")]
mod queries {
    use diesel::dsl::exists;
    use diesel::prelude::*;

    use crate::consents::repository::{granted, holding};
    use crate::db::schema::{appointments, consents, follow_ups, patients, referrals};
    use crate::kind::OrganizationId;

    // Consents and parties are asked row by row: a list of everybody who has let an organization in would be made anew for every question.

    /// Whether a referral was ever sent.
    #[diesel::dsl::auto_type]
    pub fn is_sent() -> _ {
        referrals::requested_at.is_not_null()
    }

    /// See [`taken_on`](super::taken_on).
    #[diesel::dsl::auto_type]
    pub fn of_asked(holding: holding) -> _ {
        let alive = patients::table.filter(patients::id.eq(referrals::patient_id)).filter(patients::deleted_at.is_null());
        let of_patient = holding.filter(consents::patient_id.eq(referrals::patient_id));
        let let_in = of_patient.filter(consents::grantee_id.nullable().eq(referrals::performer_id));
        let manages = referrals::performer_id.eq(referrals::manager_id.nullable());
        referrals::performer_id.is_null().or(exists(alive).and(manages.or(exists(let_in))))
    }

    /// The patients among those whom an organization sees who were not deleted. Asked inside the question for the consent, it is asked of few.
    #[diesel::dsl::auto_type]
    pub fn of_living(granted: granted) -> _ {
        let alive = patients::table.filter(patients::id.eq(consents::patient_id)).filter(patients::deleted_at.is_null());
        granted.filter(exists(alive))
    }

    /// See [`referrals`](super::referrals).
    #[diesel::dsl::auto_type]
    pub fn of_referral(organization: OrganizationId, granted: of_living) -> _ {
        let is_sent: is_sent = is_sent();
        let let_in = granted.filter(consents::patient_id.eq(referrals::patient_id));
        let is_received = referrals::performer_id.eq(organization);
        let is_seen = is_received.or(referrals::manager_id.eq(organization)).or(exists(let_in));
        referrals::organization_id.eq(organization).or(is_sent.and(is_seen))
    }

    /// The referrals of which an organization is a party.
    #[diesel::dsl::auto_type]
    pub fn taken_part_in(organization: OrganizationId) -> _ {
        let is_sent: is_sent = is_sent();
        let is_received = is_sent.and(referrals::performer_id.eq(organization));
        referrals::table.filter(referrals::organization_id.eq(organization).or(is_received)).select(referrals::id.nullable())
    }

    /// See [`follow_ups`](super::follow_ups).
    #[diesel::dsl::auto_type]
    pub fn of_follow_up(organization: OrganizationId, granted: of_living) -> _ {
        let is_sent: is_sent = is_sent();
        let let_in = granted.filter(consents::patient_id.eq(follow_ups::patient_id));
        let is_received = is_sent.and(referrals::performer_id.eq(organization));
        let is_party = referrals::organization_id.eq(organization).or(is_received);
        let taken_part_in = referrals::table.filter(referrals::id.nullable().eq(follow_ups::referral_id)).filter(is_party);
        let is_seen = follow_ups::organization_id.eq(organization).or(follow_ups::manager_id.eq(organization));
        is_seen.or(exists(let_in)).or(exists(taken_part_in))
    }

    /// See [`appointments`](super::appointments).
    #[diesel::dsl::auto_type]
    pub fn of_appointment(organization: OrganizationId, granted: of_living) -> _ {
        let is_sent: is_sent = is_sent();
        let let_in = granted.filter(consents::patient_id.eq(appointments::patient_id));
        let is_received = is_sent.and(referrals::performer_id.eq(organization));
        let is_party = referrals::organization_id.eq(organization).or(is_received);
        let taken_part_in = referrals::table.filter(referrals::id.nullable().eq(appointments::referral_id)).filter(is_party);
        let is_taker = appointments::organization_id.eq(organization).or(appointments::provider_id.eq(organization));
        is_taker.or(appointments::manager_id.eq(organization)).or(exists(let_in)).or(exists(taken_part_in))
    }
}

/// What the caller sees of the patient behind a record of this category: everything where the caller's own organization made the
/// record, `None` where the record is hidden.
pub fn record(
    conn: &mut DbConn,
    caller: &Principal,
    recorder: OrganizationId,
    patient_id: PatientId,
    category: DataCategory,
) -> Result<Option<Categories>> {
    if recorder == caller.organization_id {
        return Ok(Some(Categories::ALL));
    }
    match patient(conn, caller, patient_id) {
        Ok(sight) => Ok(Some(sight.categories).filter(|categories| categories.contains(category))),
        Err(Error::NotFound | Error::Gone | Error::Merged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The scope that reads a kind of resource, and the category that a consent must name for it; `None` for what is not about a patient.
pub const fn guard(kind: ResourceType) -> (Scope, Option<DataCategory>) {
    match kind {
        ResourceType::Organization | ResourceType::Practitioner | ResourceType::Client => (Scope::OrganizationsRead, None),
        ResourceType::Instrument => (Scope::ScreeningsRead, None),
        ResourceType::Service | ResourceType::ServiceSuggestion | ResourceType::Slot | ResourceType::Source => (Scope::ServicesRead, None),
        ResourceType::CalendarLink => (Scope::AppointmentsRead, None),
        ResourceType::Appointment => (Scope::AppointmentsRead, Some(DataCategory::Referrals)),
        ResourceType::WebhookEndpoint => (Scope::WebhooksRead, None),
        ResourceType::Patient | ResourceType::Consent | ResourceType::NavigatorAssignment => {
            (Scope::PatientsRead, Some(DataCategory::Summary))
        }
        ResourceType::Need | ResourceType::NeedLevelAssessment | ResourceType::Match => (Scope::PatientsRead, Some(DataCategory::Needs)),
        ResourceType::UnmetNeed => (Scope::ReferralsRead, Some(DataCategory::Needs)),
        ResourceType::Screening | ResourceType::ScreeningLink => (Scope::ScreeningsRead, Some(DataCategory::Screenings)),
        ResourceType::Referral
        | ResourceType::ReferralTransition
        | ResourceType::ReferralMessage
        | ResourceType::ReferralLink
        | ResourceType::WaitlistEntry => (Scope::ReferralsRead, Some(DataCategory::Referrals)),
        ResourceType::FollowUp | ResourceType::ContactAttempt => (Scope::FollowUpsRead, Some(DataCategory::FollowUps)),
    }
}

/// Whether somebody who sees these categories of a patient sees a match that was made for them. What another organization knew of the
/// patient stands in its matches, so theirs are seen only by those who see all that matching looks at.
pub const fn sees_match(categories: Categories, is_own: bool, is_sensitive: bool) -> bool {
    categories.contains(DataCategory::Needs)
        && (categories.contains(DataCategory::Sensitive) || !is_sensitive)
        && (is_own
            || (categories.contains(DataCategory::Contact)
                && categories.contains(DataCategory::Demographics)
                && categories.contains(DataCategory::Referrals)))
}
