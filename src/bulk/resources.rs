//! What bulk asks of each kind of resource besides what the common verbs do.

use std::str::FromStr;

use serde_json::Value;
use uuid::Uuid;

use super::kinds::{Bulk, ReadOnly, Window};
use super::references::echo;
use super::rows;
use crate::appointments::handlers::Appointments;
use crate::auth::{Principal, Scope, sight};
use crate::consents::handlers::{Consents, withdraw};
use crate::consents::model::ConsentRow;
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Fault, Result};
use crate::follow_ups::handlers::FollowUps;
use crate::http::etag::OptionalIfMatch;
use crate::http::{resource, schema};
use crate::instruments::handlers::Instruments;
use crate::kind::ResourceType as T;
use crate::matching::unmet::UnmetNeeds;
use crate::needs::handlers::Needs;
use crate::organizations::handlers::Organizations;
use crate::patients::api::{NavigatorInput, NeedLevelInput};
use crate::patients::care;
use crate::patients::handlers::{Patients, Seen};
use crate::patients::model::{PatientInput, PatientRow};
use crate::practitioners::handlers::Practitioners;
use crate::referrals::api::Referral;
use crate::referrals::handlers::Referrals;
use crate::referrals::model::{ReferralInput, ReferralRow};
use crate::screenings::handlers::Screenings;
use crate::services::capacity::handlers::checked as checked_key;
use crate::services::capacity::setting;
use crate::services::model::{Capacity, ServiceInput};
use crate::services::resource::Services;
use crate::services::row::ServiceRow;
use crate::slots::handlers::Slots;
use crate::{needs, patients, practitioners, referrals, services};

fn state(was: &ReadOnly, field: &str) -> Option<String> {
    was.get(field).and_then(Value::as_str).map(str::to_owned)
}

/// What stood there, in words of which each has a meaning; none where nothing did.
fn word<W: FromStr>(was: &ReadOnly, field: &str) -> Result<Option<W>> {
    let fault = |_| Error::invalid(format!("/read_only/{field}"), "not_allowed", "is not a value of this field");
    state(was, field).map(|text| text.parse().map_err(fault)).transpose()
}

/// How much room there was, with faults that point to where it says so.
fn room(value: &Value, pointer: &str) -> Result<Capacity> {
    schema::check(value.clone()).map_err(|error| match error {
        Error::Invalid(faults) => {
            let inside = |fault: Fault| Fault { pointer: format!("{pointer}{}", fault.pointer), ..fault };
            Error::Invalid(faults.into_iter().map(inside).collect())
        }
        other => other,
    })
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
    const RESTORED: &'static [&'static str] = &["capacity", "capacities"];

    /// The room that it has, as old as it was.
    fn restore(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, was: &ReadOnly) -> Result<()> {
        let mut rooms = Vec::new();
        if let Some(default) = was.get("capacity").filter(|value| !value.is_null()) {
            rooms.push((None, room(default, "/read_only/capacity")?));
        }
        let named = was.get("capacities").and_then(Value::as_array).into_iter().flatten();
        for (index, value) in named.enumerate() {
            let pointer = format!("/read_only/capacities/{index}");
            let (Some(key), Some(capacity)) = (value.get("key").and_then(Value::as_str), value.get("capacity")) else {
                return Err(Error::invalid(pointer, "required", "must have a key and a capacity"));
            };
            rooms.push((Some(checked_key(key.to_owned())?), room(capacity, &format!("{pointer}/capacity"))?));
        }
        for (key, capacity) in rooms {
            let row = setting::lock(conn, caller, id)?;
            setting::set(conn, caller, &row, key.as_deref(), &capacity)?;
        }
        Ok(())
    }

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
    const RESTORED: &'static [&'static str] = &["need_level", "primary_navigator_id"];

    /// How much support they need, as judged today, and who accompanies them, if that practitioner was loaded too.
    fn restore(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, was: &ReadOnly) -> Result<()> {
        if let Some(level) = word(was, "need_level")? {
            let input = NeedLevelInput { level, assessed_on: None, assessed_by: None, reason: None };
            care::assess(conn, caller, id, &OptionalIfMatch::ANY, &input)?;
        }
        let navigator: Option<Uuid> = word(was, "primary_navigator_id")?;
        for navigator in navigator.into_iter().flat_map(|id| [id, echo(caller.organization_id, id)]) {
            let practitioner = practitioners::repository::find_living(conn, Id::from_uuid(navigator))?;
            if let Some(found) = practitioner.filter(|found| found.is_active && found.organization_id == caller.organization_id) {
                care::assign(conn, caller, id, &OptionalIfMatch::ANY, &NavigatorInput { practitioner_id: found.id, reason: None })?;
            }
        }
        Ok(())
    }

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

    /// One that waits for an answer is brought to where it stood by sending it.
    fn permit_state(was: &ReadOnly, is_sent: bool) -> Result<()> {
        match state(was, "status").filter(|status| status != "draft" && !(is_sent && status == "requested")) {
            Some(status) => Err(not_restored("drafts of referrals, or sends them", &status)),
            None => Ok(()),
        }
    }

    fn create(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, input: ReferralInput, is_sent: bool) -> Result<()> {
        referrals::handlers::create(conn, caller, id, input, !is_sent).map(|_| ())
    }

    fn keep(conn: &mut DbConn, row: &ReferralRow, input: &mut ReferralInput) -> Result<()> {
        referrals::handlers::keep(conn, row, input)
    }

    fn send(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>) -> Result<bool> {
        referrals::transitions::send(conn, caller, id)
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

    fn permit_state(was: &ReadOnly, _: bool) -> Result<()> {
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

    fn permit_state(was: &ReadOnly, _: bool) -> Result<()> {
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
