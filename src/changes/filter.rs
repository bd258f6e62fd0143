//! Which changes a reader of the feed asks for.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::api::ChangeQuery;
use super::model::{Action, Entry};
use super::repository::Condition;
use crate::auth::sight;
use crate::db::DbConn;
use crate::db::schema::{changes, referrals};
use crate::db::types::Id;
use crate::error::Result;
use crate::http::page;
use crate::kind::{OrganizationId, PatientId, ResourceType, ServiceId};
use crate::patients;
use crate::referrals::repository;

/// What a reader asks for; everything where nothing is named.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of these kinds.
    pub types: Vec<ResourceType>,
    /// Of this owner.
    pub owner: Option<OrganizationId>,
    /// Of this service and the referrals to it.
    pub service: Option<ServiceId>,
    /// Of this patient.
    pub patient: Option<PatientId>,
}

impl Filter {
    /// What a query asks for.
    pub fn of(query: &ChangeQuery) -> Self {
        Self { types: query.resource_type.clone(), owner: query.organization_id, service: query.service_id, patient: query.patient_id }
    }

    /// By which its cursors are known.
    pub fn fingerprint(&self) -> u64 {
        match (self.owner, self.service, self.patient) {
            // As it was when there was nothing else to ask for: whoever has kept a cursor goes on from it.
            (None, None, None) => page::fingerprint(&("changes", &self.types)),
            others => page::fingerprint(&("changes", &self.types, others)),
        }
    }

    /// The filter with what it takes to apply it.
    pub fn resolve(&self, conn: &mut DbConn) -> Result<Resolved> {
        let patients = match self.patient {
            Some(patient) => {
                let mut patients = patients::repository::absorbed(conn, patient)?;
                patients.push(patient);
                Some(patients)
            }
            None => None,
        };
        Ok(Resolved { filter: self.clone(), patients })
    }
}

/// A filter that is being applied.
#[derive(Debug, Clone)]
pub struct Resolved {
    filter: Filter,
    /// The records of the patient who is asked for, those that were merged into theirs among them.
    pub patients: Option<Vec<PatientId>>,
}

impl Resolved {
    /// Whether anything that is about patients may be among what is asked for. If so, what turns the reader's sight must be read too.
    pub fn is_about_patients(&self) -> bool {
        let types = &self.filter.types;
        types.is_empty() || types.iter().any(|kind| sight::guard(*kind).1.is_some())
    }

    /// Whether a patient is among those who are asked for.
    pub fn has_patient(&self, patient: PatientId) -> bool {
        self.patients.as_ref().is_none_or(|patients| patients.contains(&patient))
    }

    /// Whether an entry that [`Self::read`] finds is one that is asked for, and not only read for what follows from it.
    pub fn asks_for(&self, entry: &Entry) -> bool {
        !is_turning(entry.resource_type, entry.action) || self.asks_for_record(entry.resource_type, entry.owner_id)
    }

    /// The same of what is of a patient who is asked for and belongs to no referral.
    pub fn asks_for_record(&self, kind: ResourceType, owner: Option<OrganizationId>) -> bool {
        let Filter { types, owner: asked, service, .. } = &self.filter;
        (types.is_empty() || types.contains(&kind)) && (asked.is_none() || *asked == owner) && service.is_none()
    }

    /// Whether an entry that [`Self::read`] finds is of a referral that goes to another service than the one that is asked for. Only a
    /// change can have been found by that.
    pub fn has_left(&self, conn: &mut DbConn, entry: &Entry) -> Result<bool> {
        match self.filter.service {
            Some(service) if entry.resource_type == ResourceType::Referral && entry.version > 1 => {
                Ok(repository::service_of(conn, entry.resource_id.cast())? != Some(service))
            }
            _ => Ok(false),
        }
    }

    /// What is asked for, as a condition; `None` where that is everything.
    pub fn condition(&self) -> Option<Condition> {
        let of_patients = self
            .patients
            .clone()
            .map(|patients| -> Condition { Box::new(changes::patient_id.eq_any(patients.into_iter().map(Some)).assume_not_null()) });
        [of_patients, self.narrow()].into_iter().flatten().reduce(|one, other| Box::new(one.and(other)))
    }

    /// What is to be read: what is asked for, what turns the reader's sight of the patients whom it may be about, and what leaves it.
    pub fn read(&self) -> Option<Condition> {
        let Some(narrow) = self.narrow().filter(|_| self.is_about_patients()) else { return self.condition() };
        let of_consent = kind().eq(ResourceType::Consent);
        let is_over = changes::action.eq_any([Action::Merged, Action::Deleted]);
        let turns = of_consent.or(kind().eq(ResourceType::Patient).and(is_over));
        let mut wide: Condition = Box::new(narrow.or(turns));
        if let Some(service) = self.filter.service {
            wide = Box::new(wide.or(leaves(service)));
        }
        let of_patients = Self { filter: Filter::default(), patients: self.patients.clone() }.condition();
        Some(match of_patients {
            Some(of_patients) => Box::new(of_patients.and(wide)),
            None => wide,
        })
    }

    /// What is asked for, whoever the patient is.
    fn narrow(&self) -> Option<Condition> {
        let Filter { types, owner, service, .. } = &self.filter;
        let types = (!types.is_empty()).then(|| -> Condition { Box::new(kind().eq_any(types.clone())) });
        let owner = owner.map(|owner| -> Condition { Box::new(changes::owner_id.eq(owner).assume_not_null()) });
        let service = service.map(|service| -> Condition {
            let of_service = referrals::table.filter(referrals::service_id.eq(service)).select(referrals::id.nullable());
            let id: Id<()> = service.cast();
            let is_service = kind().eq(ResourceType::Service).and(changes::resource_id.eq(id));
            Box::new(is_service.or(changes::referral_id.eq_any(of_service).assume_not_null()))
        });
        [types, owner, service].into_iter().flatten().reduce(|one, other| Box::new(one.and(other)))
    }
}

/// The kind of a resource, in a form that no index has: the entries are read in the order of the feed, a window at a time, and would be
/// sorted where each kind is looked for by itself.
#[diesel::dsl::auto_type]
fn kind() -> _ {
    let nothing: &'static str = "";
    changes::resource_type.concat(nothing)
}

/// Whether an entry is the first of a referral that went to the service before it. What the entries say of a service is compared, since
/// the referral itself says only where it goes now.
fn leaves(service: ServiceId) -> Condition {
    let went_there = sql::<Bool>(
        "EXISTS (SELECT 1 FROM changes AS earlier WHERE earlier.resource_type = 'referral' \
         AND earlier.resource_id = changes.resource_id AND earlier.version = changes.version - 1 \
         AND earlier.body ->> 'service_id' = ",
    );
    Box::new(kind().eq(ResourceType::Referral).and(went_there.bind::<Text, _>(service.to_string()).sql(")")))
}

/// Whether an entry is of those that are read though nobody asks for them; see [`Resolved::read`].
fn is_turning(kind: ResourceType, action: Action) -> bool {
    match kind {
        ResourceType::Consent => true,
        ResourceType::Patient => matches!(action, Action::Merged | Action::Deleted),
        _ => false,
    }
}
