//! The rule of sight: which patients a caller sees, and what of them.
//!
//! The organization that manages a patient sees all. Another one sees the patient while it holds a grant, an active consent for care
//! coordination, and of the patient what the grant names. Everything else is as if it did not exist. Consents are read at every
//! request, so that a withdrawal is effective at once.

use diesel::prelude::*;

use super::{Principal, Scope};
use crate::consents::model::{Categories, ConsentPurpose, DataCategory};
use crate::consents::repository::{self, covered};
use crate::db::DbConn;
use crate::db::schema::patients;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::kind::{OrganizationId, PatientId, ResourceType};

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
    let head = patients::table.find(id).select((patients::organization_id, patients::merged_into_id, patients::deleted_at));
    let found: Option<(OrganizationId, Option<PatientId>, Option<Instant>)> = head.first(conn).optional()?;
    let (owner, merged_into, deleted_at) = found.ok_or(Error::NotFound)?;
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

/// What an organization that receives a referral sees of the patient in it; `None` where no consent lets it.
pub fn to_performer(conn: &mut DbConn, id: PatientId, performer: OrganizationId, now: Instant) -> Result<Option<Categories>> {
    covered(conn, id, performer, ConsentPurpose::Referral, now)
}

/// The patients of others whom the caller sees, with this category, for `eq_any` in lists. The caller's own patients are found by
/// their owner: `organization_id.eq(caller.organization_id).or(patient_id.eq_any(granted(…)))`.
pub fn granted(caller: &Principal, category: DataCategory) -> repository::granted {
    repository::granted(caller.organization_id, ConsentPurpose::CareCoordination.pattern(), category.pattern(), caller.at)
}

pub use self::queries::{is_sent, of_follow_up, of_referral, taken_part_in};

/// The referrals that the caller sees: its own; those sent to it; and, once they are sent, those of the patients whom it manages or who
/// let it see their referrals. A draft is its writer's alone, also where it is called off.
pub fn referrals(caller: &Principal) -> of_referral {
    of_referral(caller.organization_id, granted(caller, DataCategory::Referrals))
}

/// The follow-ups that the caller sees: its own; those of referrals of which it is a party; those of the patients whom it manages or who
/// let it see their follow-ups.
pub fn follow_ups(caller: &Principal) -> of_follow_up {
    of_follow_up(caller.organization_id, granted(caller, DataCategory::FollowUps))
}

#[expect(missing_docs, reason = "auto_type makes type aliases without documentation")]
mod queries {
    use diesel::prelude::*;

    use crate::consents::repository::granted;
    use crate::db::schema::{follow_ups, patients, referrals};
    use crate::kind::OrganizationId;

    /// The patients whom an organization manages.
    #[diesel::dsl::auto_type]
    fn managed(organization: OrganizationId) -> _ {
        patients::table.filter(patients::organization_id.eq(organization)).select(patients::id)
    }

    /// Whether a referral was ever sent.
    #[diesel::dsl::auto_type]
    pub fn is_sent() -> _ {
        referrals::requested_at.is_not_null()
    }

    /// See [`referrals`](super::referrals).
    #[diesel::dsl::auto_type]
    pub fn of_referral(organization: OrganizationId, granted: granted) -> _ {
        let managed: managed = managed(organization);
        let is_sent: is_sent = is_sent();
        let is_received = referrals::performer_id.eq(organization);
        let is_of_patient = referrals::patient_id.eq_any(managed).or(referrals::patient_id.eq_any(granted));
        referrals::organization_id.eq(organization).or(is_sent.and(is_received.or(is_of_patient)))
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
    pub fn of_follow_up(organization: OrganizationId, granted: granted) -> _ {
        let managed: managed = managed(organization);
        let parties: taken_part_in = taken_part_in(organization);
        let is_of_patient = follow_ups::patient_id.eq_any(managed).or(follow_ups::patient_id.eq_any(granted));
        follow_ups::organization_id.eq(organization).or(is_of_patient).or(follow_ups::referral_id.eq_any(parties))
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
        ResourceType::Service => (Scope::ServicesRead, None),
        ResourceType::Patient | ResourceType::Consent | ResourceType::NavigatorAssignment => {
            (Scope::PatientsRead, Some(DataCategory::Summary))
        }
        ResourceType::Need | ResourceType::NeedLevelAssessment | ResourceType::UnmetNeed | ResourceType::Match => {
            (Scope::PatientsRead, Some(DataCategory::Needs))
        }
        ResourceType::Screening => (Scope::ScreeningsRead, Some(DataCategory::Screenings)),
        ResourceType::Referral | ResourceType::ReferralTransition | ResourceType::ReferralMessage => {
            (Scope::ReferralsRead, Some(DataCategory::Referrals))
        }
        ResourceType::FollowUp | ResourceType::ContactAttempt => (Scope::FollowUpsRead, Some(DataCategory::FollowUps)),
    }
}

/// Whether somebody who sees these categories of a patient sees a match that was made for them. What another organization knew of the
/// patient stands in its matches, so theirs are seen only by those who see all that matching looks at.
pub const fn sees_match(categories: Categories, is_own: bool, is_sensitive: bool) -> bool {
    categories.contains(DataCategory::Needs)
        && (categories.contains(DataCategory::Sensitive) || !is_sensitive)
        && (is_own || (categories.contains(DataCategory::Contact) && categories.contains(DataCategory::Demographics)))
}
