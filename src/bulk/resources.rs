//! What bulk asks of each kind of resource besides what the common verbs do.

use serde_json::Value;
use uuid::Uuid;

use super::history::{self, said, shape, word};
use super::kinds::{Bulk, ReadOnly, Window};
use super::references::{echo, met};
use super::rows;
use crate::appointments::api::Appointment;
use crate::appointments::handlers::Appointments;
use crate::appointments::model::{AppointmentInput, AppointmentStatus};
use crate::auth::{Principal, Scope, sight};
use crate::consents::handlers::{Consents, withdraw};
use crate::consents::model::{Categories, ConsentRow};
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::follow_ups::api::FollowUp;
use crate::follow_ups::handlers::FollowUps;
use crate::follow_ups::model::{FollowUpInput, Purpose};
use crate::http::etag::OptionalIfMatch;
use crate::http::resource::{self, Resource as _};
use crate::instruments::handlers::Instruments;
use crate::kind::{PractitionerId, ResourceType as T, SlotId};
use crate::matching::unmet::UnmetNeeds;
use crate::needs::handlers::Needs;
use crate::organizations::handlers::Organizations;
use crate::patients::api::{NavigatorInput, NeedLevelInput, Patient};
use crate::patients::care;
use crate::patients::handlers::{Patients, Seen};
use crate::patients::model::{NeedLevel, PatientInput, PatientRow};
use crate::practitioners::handlers::Practitioners;
use crate::referrals::api::Referral;
use crate::referrals::handlers::Referrals;
use crate::referrals::lifecycle::ReferralStatus;
use crate::referrals::model::{ReferralInput, ReferralRow};
use crate::screenings::handlers::Screenings;
use crate::services::capacity::handlers::checked as checked_key;
use crate::services::capacity::setting;
use crate::services::model::{Capacity, ServiceInput};
use crate::services::resource::Services;
use crate::services::row::ServiceRow;
use crate::slots::api::Slot;
use crate::slots::handlers::Slots;
use crate::{appointments, follow_ups, needs, patients, practitioners, referrals, services, slots};

impl Bulk for Organizations {
    const WRITE: Scope = Scope::OrganizationsWrite;
    const SCHEMA: &'static str = "Organization";
    const REFERENCES: &'static [(&'static str, T)] = &[("/parent_id", T::Organization)];
    const AT_ONCE: i64 = 20;

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
    const AT_ONCE: i64 = 20;
    const CUT: bool = true;

    /// The room that it has, as old as it was: an older word than what is known changes nothing.
    fn restore(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, was: &ReadOnly) -> Result<bool> {
        let mut is_changed = false;
        for (key, capacity, pointer) in rooms(was)? {
            let row = setting::lock(conn, caller, id)?;
            let capacity = capacity.stated(row.has_list(key.as_deref()));
            if row.room_of(key.as_deref()).is_none_or(|known| is_news(&capacity, known)) {
                setting::say(conn, caller, &row, key.as_deref(), &capacity, &pointer, false)?;
                is_changed = true;
            }
        }
        Ok(is_changed)
    }

    fn check_restored(was: &ReadOnly) -> Result<()> {
        rooms(was).map(|_| ())
    }

    fn listed(conn: &mut DbConn, caller: &Principal, shapes: Vec<Self::Shape>) -> Result<Vec<Self::Shape>> {
        services::providers::named(conn, shapes.into_iter().map(|shape| shape.at(caller.at)).collect())
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

/// The rooms of which a line says something, each with its key and where that is said.
fn rooms(was: &ReadOnly) -> Result<Vec<(Option<String>, Capacity, String)>> {
    let mut rooms = Vec::new();
    if let Some(default) = said(was, "capacity") {
        let pointer = "/read_only/capacity";
        let default = room(default, pointer)?;
        // Who waits elsewhere for a room of which nobody has said anything does not wait here.
        if !default.is_unsaid() {
            rooms.push((None, default, pointer.to_owned()));
        }
    }
    let named = was.get("capacities").and_then(Value::as_array).into_iter().flatten();
    for (index, value) in named.enumerate() {
        let pointer = format!("/read_only/capacities/{index}");
        let (Some(key), Some(capacity)) = (value.get("key").and_then(Value::as_str), value.get("capacity")) else {
            return Err(Error::invalid(pointer, "required", "must have a key and a capacity"));
        };
        let pointer = format!("{pointer}/capacity");
        rooms.push((Some(checked_key(key.to_owned())?), room(capacity, &pointer)?, pointer));
    }
    Ok(rooms)
}

/// A room as a line says it. Of one that is full or closed and has free places its status is certain, and not how many.
fn room(value: &Value, pointer: &str) -> Result<Capacity> {
    let mut value = value.clone();
    if serde_json::from_value::<Capacity>(value.clone()).is_ok_and(|room| room.contradicts_itself())
        && let Some(members) = value.as_object_mut()
    {
        members.remove("available");
    }
    shape(&value, pointer)
}

/// Whether what is said of a room is newer than what is known of it. What does not say as of when is true now, and news if it is something
/// else.
fn is_news(capacity: &Capacity, known: &Capacity) -> bool {
    match capacity.as_of {
        Some(as_of) => known.as_of.is_none_or(|known| known < as_of),
        None => Capacity { as_of: None, ..known.said() } != capacity.said(),
    }
}

impl Bulk for Instruments {
    const WRITE: Scope = Scope::Admin;
    const SCHEMA: &'static str = "Instrument";
    const AT_ONCE: i64 = 20;

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

    fn check_restored(was: &ReadOnly) -> Result<()> {
        let _: (Option<NeedLevel>, Option<Uuid>) = (word(was, "need_level")?, word(was, "primary_navigator_id")?);
        Ok(())
    }

    /// How much support they need, as judged today, and who accompanies them, if that practitioner was loaded too.
    fn restore(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, was: &ReadOnly) -> Result<bool> {
        let (level, navigator): (Option<NeedLevel>, Option<Uuid>) = (word(was, "need_level")?, word(was, "primary_navigator_id")?);
        if level.is_none() && navigator.is_none() {
            return Ok(false);
        }
        let known = resource::get_row::<Self>(conn, caller, id)?.row;
        let level = level.filter(|level| known.need_level != Some(*level));
        if let Some(level) = level {
            let input = NeedLevelInput { level, assessed_on: None, assessed_by: None, reason: None };
            care::assess(conn, caller, id, &OptionalIfMatch::ANY, &input)?;
        }
        let navigator = navigator.map(|navigator| loaded_navigator(conn, caller, navigator)).transpose()?.flatten();
        let navigator = navigator.filter(|navigator| known.primary_navigator_id != Some(*navigator));
        if let Some(practitioner_id) = navigator {
            care::assign(conn, caller, id, &OptionalIfMatch::ANY, &NavigatorInput { practitioner_id, reason: None })?;
        }
        Ok(level.is_some() || navigator.is_some())
    }

    /// What may be used today is not said in what is read later.
    fn listed(_: &mut DbConn, _: &Principal, shapes: Vec<Patient>) -> Result<Vec<Patient>> {
        let shown = |shape: Patient| {
            let categories = Categories::without(&shape.withheld);
            shape.shown(categories)
        };
        Ok(shapes.into_iter().map(shown).collect())
    }

    fn row(caller: &Principal, id: Id<Self::Kind>, input: PatientInput) -> Result<Seen> {
        Ok(Seen::new(PatientRow::new(id, caller.organization_id, input, caller.at)))
    }

    fn insert_rows(conn: &mut DbConn, rows: &[Seen]) -> Result<()> {
        patients::repository::insert_all(conn, &rows.iter().map(|seen| &seen.row).collect::<Vec<_>>())
    }

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        let rows = rows::patients(conn, caller, window)?;
        let seen = sight::of_all(conn, caller, rows.iter().map(|row| (row.organization_id, row.id)))?;
        Ok(rows.into_iter().filter_map(|row| Some(Seen { categories: *seen.get(&row.id)?, row })).collect())
    }
}

/// The active practitioner of the organization who was loaded from an id, has it, or was named by it.
fn loaded_navigator(conn: &mut DbConn, caller: &Principal, id: Uuid) -> Result<Option<PractitionerId>> {
    let own = caller.organization_id;
    let met = met(conn, own, T::Practitioner, &[id])?.remove(&id);
    for id in [Some(echo(own, id)), Some(id), met].into_iter().flatten() {
        let found = practitioners::repository::find_living(conn, Id::from_uuid(id))?;
        if let Some(found) = found.filter(|found| found.is_active && found.organization_id == own) {
            return Ok(Some(found.id));
        }
    }
    Ok(None)
}

impl Bulk for Consents {
    const WRITE: Scope = Scope::PatientsWrite;
    const SCHEMA: &'static str = "Consent";
    const REFERENCES: &'static [(&'static str, T)] = &[("/patient_id", T::Patient), ("/grantee_id", T::Organization)];

    /// One that was taken back is: a new one from the start, so that it lets nobody see anything in between.
    fn restore(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, was: &ReadOnly) -> Result<bool> {
        if said(was, "withdrawn_at").is_none() {
            return Ok(false);
        }
        let row: ConsentRow = resource::get_row::<Self>(conn, caller, id)?;
        if row.withdrawn_at.is_some() {
            return Ok(false);
        }
        Self::permit(caller, &row)?;
        withdraw(conn, caller, row, word(was, "withdrawal_reason")?)?;
        Ok(true)
    }

    fn check_restored(was: &ReadOnly) -> Result<()> {
        if said(was, "withdrawn_at").is_some() {
            word::<String>(was, "withdrawal_reason")?;
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

    /// A draft, or one that is sent; else one that stands where it stood.
    fn create(
        conn: &mut DbConn,
        caller: &Principal,
        id: Id<Self::Kind>,
        input: ReferralInput,
        was: &ReadOnly,
        is_sent: bool,
    ) -> Result<()> {
        match stood(was, is_sent)? {
            None => referrals::handlers::create(conn, caller, id, input, !is_sent).map(|_| ()),
            Some(status) => {
                let stood = history::referral(caller, was, status)?;
                referrals::loading::load(conn, caller, id, input, &stood, history::first_contact(caller, id))
            }
        }
    }

    fn check_created(_: &mut DbConn, caller: &Principal, _: &ReferralInput, was: &ReadOnly, is_sent: bool) -> Result<()> {
        match stood(was, is_sent)? {
            None => Ok(()),
            Some(status) => history::referral(caller, was, status).map(|_| ()),
        }
    }

    fn keep(conn: &mut DbConn, row: &ReferralRow, input: &mut ReferralInput) -> Result<()> {
        referrals::handlers::keep(conn, row, input)
    }

    fn send(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>) -> Result<bool> {
        referrals::transitions::send(conn, caller, id)
    }

    /// Without the patient, who is a line of their own, and without what the day brings.
    fn listed(conn: &mut DbConn, caller: &Principal, shapes: Vec<Referral>) -> Result<Vec<Referral>> {
        referrals::shown::shown(conn, caller, shapes)
    }

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::referrals(conn, caller, window)
    }
}

/// Where a referral stood that is loaded so; `None` of a draft, and of one that is sent by its line.
fn stood(was: &ReadOnly, is_sent: bool) -> Result<Option<ReferralStatus>> {
    let status = word(was, "status")?.unwrap_or(ReferralStatus::Draft);
    let is_written_anew = status == ReferralStatus::Draft || (status == ReferralStatus::Requested && is_sent);
    Ok(Some(status).filter(|_| !is_written_anew))
}

impl Bulk for FollowUps {
    const WRITE: Scope = Scope::FollowUpsWrite;
    const SCHEMA: &'static str = "FollowUp";
    const REFERENCES: &'static [(&'static str, T)] =
        &[("/patient_id", T::Patient), ("/referral_id", T::Referral), ("/practitioner_id", T::Practitioner)];

    /// An open one, or one as it ended. A first contact takes the place of the one that was planned when its referral was loaded.
    fn create(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, input: FollowUpInput, was: &ReadOnly, _: bool) -> Result<()> {
        let planned = input.referral_id.filter(|_| input.purpose == Purpose::FirstContact);
        let patient = input.patient_id;
        match history::follow_up(conn, caller, &input, was)? {
            Some(ended) => follow_ups::loading::load(conn, caller, id, input, ended)?,
            None => resource::insert_with_id::<Self>(conn, caller, id, input).map(|_| ())?,
        }
        follow_ups::loading::follow(conn, caller, id, patient)?;
        match planned {
            Some(referral) => follow_ups::loading::take_back(conn, caller, history::first_contact(caller, referral)),
            None => Ok(()),
        }
    }

    fn check_created(conn: &mut DbConn, caller: &Principal, input: &FollowUpInput, was: &ReadOnly, _: bool) -> Result<()> {
        history::follow_up(conn, caller, input, was).map(|_| ())
    }

    fn check_restored(was: &ReadOnly) -> Result<()> {
        word::<Uuid>(was, "next_follow_up_id").map(|_| ())
    }

    /// The one that was planned after it, whichever of the two is loaded first.
    fn restore(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, was: &ReadOnly) -> Result<bool> {
        match word::<Uuid>(was, "next_follow_up_id")? {
            Some(next) => {
                let loaded = echo(caller.organization_id, next);
                follow_ups::loading::precede(conn, caller, id, [loaded, next].map(Id::from_uuid))
            }
            None => Ok(false),
        }
    }

    fn listed(conn: &mut DbConn, caller: &Principal, shapes: Vec<FollowUp>) -> Result<Vec<FollowUp>> {
        follow_ups::shown::shown(conn, caller, shapes)
    }

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::follow_ups(conn, caller, window)
    }
}

impl Bulk for Slots {
    const WRITE: Scope = Scope::ServicesWrite;
    const SCHEMA: &'static str = "Slot";
    const REFERENCES: &'static [(&'static str, T)] = &[("/service_id", T::Service), ("/practitioner_id", T::Practitioner)];

    fn listed(conn: &mut DbConn, caller: &Principal, shapes: Vec<Slot>) -> Result<Vec<Slot>> {
        let ids: Vec<SlotId> = shapes.iter().map(|shape| shape.id).collect();
        let taken = slots::repository::taken(conn, &ids, caller.at)?;
        let at = |shape: Slot| {
            let taken = taken.get(&shape.id).copied().unwrap_or(0);
            shape.at(caller.at, taken)
        };
        Ok(shapes.into_iter().map(at).collect())
    }

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::slots(conn, caller, window)
    }
}

impl Bulk for Appointments {
    const WRITE: Scope = Scope::AppointmentsWrite;
    const SCHEMA: &'static str = "Appointment";
    const REFERENCES: &'static [(&'static str, T)] = &[("/slot_id", T::Slot), ("/patient_id", T::Patient), ("/referral_id", T::Referral)];

    /// Books a place; else one as it ended, or is still to be concluded.
    fn create(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, input: AppointmentInput, was: &ReadOnly, _: bool) -> Result<()> {
        match ended(was)? {
            None => resource::insert_with_id::<Self>(conn, caller, id, input).map(|_| ()),
            Some(AppointmentStatus::Booked) if !slots::repository::has_begun(conn, input.slot_id, caller.at)? => {
                resource::insert_with_id::<Self>(conn, caller, id, input).map(|_| ())
            }
            Some(status) => appointments::loading::load(conn, caller, id, input, status, history::appointment(caller, was, status)?),
        }
    }

    fn check_created(_: &mut DbConn, caller: &Principal, _: &AppointmentInput, was: &ReadOnly, _: bool) -> Result<()> {
        match ended(was)? {
            None | Some(AppointmentStatus::Booked) => Ok(()),
            Some(status) => history::appointment(caller, was, status).map(|_| ()),
        }
    }

    fn listed(conn: &mut DbConn, caller: &Principal, shapes: Vec<Appointment>) -> Result<Vec<Appointment>> {
        appointments::shown::shown(conn, caller, shapes.into_iter().map(|shape| shape.at(caller.at)).collect())
    }

    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>> {
        rows::appointments(conn, caller, window)
    }
}

/// How an appointment stood that was booked or is over; `None` where that is not said.
fn ended(was: &ReadOnly) -> Result<Option<AppointmentStatus>> {
    match word(was, "status")? {
        Some(status @ (AppointmentStatus::Held | AppointmentStatus::Expired)) => {
            let detail = format!("An import books places and loads appointments that are over; none that is {status}.");
            Err(Error::conflict("state_not_loaded", detail))
        }
        status => Ok(status),
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
