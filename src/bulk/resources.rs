//! What bulk asks of each kind of resource besides what the common verbs do.

use serde_json::Value;

use super::kinds::{Bulk, ReadOnly, Window};
use super::rows;
use crate::appointments::handlers::Appointments;
use crate::auth::{Principal, Scope, sight};
use crate::consents::handlers::{Consents, withdraw};
use crate::consents::model::ConsentRow;
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::follow_ups::handlers::FollowUps;
use crate::http::resource;
use crate::instruments::handlers::Instruments;
use crate::kind::ResourceType as T;
use crate::matching::unmet::UnmetNeeds;
use crate::needs::handlers::Needs;
use crate::organizations::handlers::Organizations;
use crate::patients::handlers::{Patients, Seen};
use crate::patients::model::{PatientInput, PatientRow};
use crate::practitioners::handlers::Practitioners;
use crate::referrals::api::Referral;
use crate::referrals::handlers::Referrals;
use crate::screenings::handlers::Screenings;
use crate::services::model::ServiceInput;
use crate::services::resource::Services;
use crate::services::row::ServiceRow;
use crate::slots::handlers::Slots;
use crate::{needs, patients, services};

fn state(was: &ReadOnly, field: &str) -> Option<String> {
    was.get(field).and_then(Value::as_str).map(str::to_owned)
}

/// The refusal of what an import cannot bring to where it stood.
fn not_restored(what: &str, status: &str) -> Error {
    Error::conflict("state_not_loaded", format!("An import makes {what}; it does not load one that is {status}."))
}

impl Bulk for Organizations {
    const WRITE: Scope = Scope::OrganizationsWrite;
    const SCHEMA: &'static str = "Organization";
    const REFERENCES: &'static [(&'static str, T)] = &[("/parent_id", T::Organization)];

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::organizations(conn, caller, window)
    }
}

impl Bulk for Practitioners {
    const WRITE: Scope = Scope::OrganizationsWrite;
    const SCHEMA: &'static str = "Practitioner";

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::practitioners(conn, caller, window)
    }
}

impl Bulk for Services {
    const WRITE: Scope = Scope::ServicesWrite;
    const SCHEMA: &'static str = "Service";
    const REFERENCES: &'static [(&'static str, T)] = &[("/provider_id", T::Organization)];
    const BATCHED: bool = true;

    fn row(caller: &Principal, id: Id<Self::Kind>, input: ServiceInput) -> Result<ServiceRow> {
        Ok(ServiceRow::new(id, caller.organization_id, input, caller.at))
    }

    fn insert_rows(conn: &mut DbConn, rows: &[ServiceRow]) -> Result<()> {
        services::repository::insert_all(conn, rows)
    }

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::services(conn, caller, window)
    }
}

impl Bulk for Instruments {
    const WRITE: Scope = Scope::Admin;
    const SCHEMA: &'static str = "Instrument";

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::instruments(conn, caller, window)
    }
}

impl Bulk for Patients {
    const WRITE: Scope = Scope::PatientsWrite;
    const SCHEMA: &'static str = "Patient";
    const REFERENCES: &'static [(&'static str, T)] = &[("/supports/*/service_id", T::Service)];
    const BATCHED: bool = true;

    fn row(caller: &Principal, id: Id<Self::Kind>, input: PatientInput) -> Result<Seen> {
        Ok(Seen::new(PatientRow::new(id, caller.organization_id, input, caller.at)))
    }

    fn insert_rows(conn: &mut DbConn, rows: &[Seen]) -> Result<()> {
        patients::repository::insert_all(conn, &rows.iter().map(|seen| &seen.row).collect::<Vec<_>>())
    }

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        let rows = rows::patients(conn, caller, window)?.into_iter();
        let seen = rows.map(|row| Ok(sight::of(conn, caller, row.organization_id, row.id)?.map(|categories| Seen { row, categories })));
        seen.filter_map(Result::transpose).collect()
    }
}

impl Bulk for Consents {
    const WRITE: Scope = Scope::PatientsWrite;
    const SCHEMA: &'static str = "Consent";
    const REFERENCES: &'static [(&'static str, T)] = &[("/patient_id", T::Patient), ("/grantee_id", T::Organization)];

    /// One that was taken back is taken back from the start: it lets nobody see anything in between.
    fn restore(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, was: &ReadOnly) -> Result<()> {
        if was.get("withdrawn_at").is_some_and(|moment| !moment.is_null()) {
            let row: ConsentRow = resource::get_row::<Self>(conn, caller, id)?;
            withdraw(conn, caller, row, state(was, "withdrawal_reason"))?;
        }
        Ok(())
    }

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::consents(conn, caller, window)
    }
}

impl Bulk for Screenings {
    const WRITE: Scope = Scope::ScreeningsWrite;
    const SCHEMA: &'static str = "Screening";
    const REFERENCES: &'static [(&'static str, T)] =
        &[("/patient_id", T::Patient), ("/practitioner_id", T::Practitioner), ("/replaces_id", T::Screening)];

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::screenings(conn, caller, window)
    }
}

impl Bulk for Needs {
    const WRITE: Scope = Scope::PatientsWrite;
    const SCHEMA: &'static str = "Need";
    const REFERENCES: &'static [(&'static str, T)] = &[("/patient_id", T::Patient), ("/screening_id", T::Screening)];

    /// The one that its screening has raised.
    fn same(conn: &mut DbConn, caller: &Principal, input: &Self::Input) -> Result<Option<Id<Self::Kind>>> {
        let Some(screening) = input.screening_id else { return Ok(None) };
        let raised = needs::repository::raised_by(conn, caller.organization_id, screening, &input.domain)?;
        Ok(raised.filter(|row| row.patient_id == input.patient_id).map(|row| row.id))
    }

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::needs(conn, caller, window)
    }
}

impl Bulk for Referrals {
    const WRITE: Scope = Scope::ReferralsWrite;
    const SCHEMA: &'static str = "Referral";
    const REFERENCES: &'static [(&'static str, T)] = &[
        ("/patient_id", T::Patient),
        ("/performer_organization_id", T::Organization),
        ("/service_id", T::Service),
        ("/parent_id", T::Referral),
        ("/requester_practitioner_id", T::Practitioner),
        ("/performer_practitioner_id", T::Practitioner),
        ("/need_ids/*", T::Need),
        ("/screening_id", T::Screening),
        ("/offered/*/service_id", T::Service),
    ];

    fn permit_state(was: &ReadOnly) -> Result<()> {
        match state(was, "status").filter(|status| status != "draft") {
            Some(status) => Err(not_restored("drafts of referrals", &status)),
            None => Ok(()),
        }
    }

    /// Without the patient, who is a line of their own, and without what the day brings.
    fn listed(_: &mut DbConn, _: &Principal, shape: Referral) -> Result<Referral> {
        Ok(shape)
    }

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::referrals(conn, caller, window)
    }
}

impl Bulk for FollowUps {
    const WRITE: Scope = Scope::FollowUpsWrite;
    const SCHEMA: &'static str = "FollowUp";
    const REFERENCES: &'static [(&'static str, T)] =
        &[("/patient_id", T::Patient), ("/referral_id", T::Referral), ("/practitioner_id", T::Practitioner)];

    fn permit_state(was: &ReadOnly) -> Result<()> {
        match state(was, "status").filter(|status| status != "open") {
            Some(status) => Err(not_restored("open follow-ups", &status)),
            None => Ok(()),
        }
    }

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::follow_ups(conn, caller, window)
    }
}

impl Bulk for Slots {
    const WRITE: Scope = Scope::ServicesWrite;
    const SCHEMA: &'static str = "Slot";
    const REFERENCES: &'static [(&'static str, T)] = &[("/service_id", T::Service), ("/practitioner_id", T::Practitioner)];

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::slots(conn, caller, window)
    }
}

impl Bulk for Appointments {
    const WRITE: Scope = Scope::AppointmentsWrite;
    const SCHEMA: &'static str = "Appointment";
    const REFERENCES: &'static [(&'static str, T)] = &[("/slot_id", T::Slot), ("/patient_id", T::Patient), ("/referral_id", T::Referral)];

    fn permit_state(was: &ReadOnly) -> Result<()> {
        match state(was, "status").filter(|status| status != "booked") {
            Some(status) => Err(not_restored("booked appointments", &status)),
            None => Ok(()),
        }
    }

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::appointments(conn, caller, window)
    }
}

impl Bulk for UnmetNeeds {
    const WRITE: Scope = Scope::ReferralsWrite;
    const SCHEMA: &'static str = "UnmetNeed";
    const REFERENCES: &'static [(&'static str, T)] = &[("/patient_id", T::Patient), ("/tried_service_ids/*", T::Service)];

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::unmet_needs(conn, caller, window)
    }
}
