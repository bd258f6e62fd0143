//! Two records of one person made one: the survivor keeps both histories, and the other's id leads to it.

use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::api::{Patient, PatientMerge};
use super::care;
use super::contact::{RelatedPerson, SafeContact, country, joined};
use super::handlers::{Patients, Seen};
use super::health_number::ONTARIO;
use super::model::{NameUse, PatientInput, PatientRow, PatientStatus};
use super::repository;
use crate::appointments::{handlers::Appointments, model::AppointmentRow};
use crate::auth::Principal;
use crate::changes::{self, Action, Change};
use crate::consents::handlers::{Consents, withdraw_unheeded};
use crate::consents::model::ConsentRow;
use crate::consents::repository::of_patient as consents_of;
use crate::db::DbConn;
use crate::db::schema::{
    appointments, consents, follow_ups, matches, needs, patient_navigators, patient_need_levels, patients, referrals, screenings,
    unmet_needs,
};
use crate::db::types::{Id, Json};
use crate::error::{Error, Fault, Result};
use crate::follow_ups::{handlers::FollowUps, model::FollowUpRow};
use crate::http::etag::OptionalIfMatch;
use crate::http::resource::{self, Resource};
use crate::http::schema;
use crate::identifiers;
use crate::kind::{PatientId, ResourceType};
use crate::matching::{model::UnmetNeedRow, unmet::UnmetNeeds};
use crate::needs::{handlers::Needs, model::NeedRow};
use crate::referrals::{handlers::Referrals, model::ReferralRow, repository::lock_of_patients};
use crate::screenings::{handlers::Screenings, model::ScreeningRow};
use crate::text::fold;
use crate::types::Identifier;
use crate::waitlists::queue;

/// The most keys that a patient has; see [`PatientInput::identifiers`].
const MOST_IDENTIFIERS: usize = 20;

/// The most records that are merged into one: who reads its history or its timeline asks for all of them at once.
const MOST_RECORDS: usize = 500;

/// Lists the tables whose rows belong to a patient, once for the queries and once for the test that none is missing: first those of
/// resources that change, with their rows, then those of records of a moment.
macro_rules! tables_of_a_patient {
    ($($table:ident: $resource:ident of $row:ty,)+; $($record:ident,)+) => {
        /// The tables whose rows follow a merged patient to the survivor, all by a column `patient_id`.
        pub const TABLES: &[&str] = &[$(stringify!($table),)+ $(stringify!($record)),+];

        /// Makes the rows of one patient another's. To be somebody else's is a change of a resource: it has its version and its entry
        /// in the journal.
        fn move_rows(conn: &mut DbConn, caller: &Principal, from: PatientId, to: PatientId) -> Result<()> {
            let mut rows = 0;
            $(rows += $table::table.filter($table::patient_id.eq(from)).count().get_result::<i64>(conn)?;)+
            $(rows += $record::table.filter($record::patient_id.eq(from)).count().get_result::<i64>(conn)?;)+
            changes::ensure_few(rows, "rows that are about the duplicate", "merge this patient into it")?;
            $({
                let alive = $table::table.filter($table::patient_id.eq(from)).filter($table::deleted_at.is_null());
                let ids: Vec<Id<<$resource as Resource>::Kind>> = alive.select($table::id).order($table::id).load(conn)?;
                diesel::update($table::table.filter($table::patient_id.eq(from))).set($table::patient_id.eq(to)).execute(conn)?;
                if !ids.is_empty() {
                    let next = ($table::version.eq($table::version + 1), $table::updated_at.eq(caller.at));
                    diesel::update($table::table.filter($table::id.eq_any(&ids))).set(next).execute(conn)?;
                    let rows: Vec<$row> = $table::table.filter($table::id.eq_any(&ids)).order($table::id).load(conn)?;
                    for row in rows {
                        let row = <$resource as Resource>::Row::from(row);
                        resource::record::<$resource>(conn, caller, &$resource::head(&row), Action::Updated, &$resource::shape(row))?;
                    }
                }
            })+
            $(diesel::update($record::table.filter($record::patient_id.eq(from))).set($record::patient_id.eq(to)).execute(conn)?;)+
            Ok(())
        }
    };
}

tables_of_a_patient!(
    appointments: Appointments of AppointmentRow,
    consents: Consents of ConsentRow,
    follow_ups: FollowUps of FollowUpRow,
    needs: Needs of NeedRow,
    referrals: Referrals of ReferralRow,
    screenings: Screenings of ScreeningRow,
    unmet_needs: UnmetNeeds of UnmetNeedRow,;
    matches, patient_navigators, patient_need_levels,
);

/// What the journal keeps of the record that goes.
#[derive(Serialize)]
struct Merged<'a> {
    #[serde(flatten)]
    patient: &'a Patient,
    merged_into_id: PatientId,
    merge_reason: Option<&'a str>,
}

/// Merges the named duplicate into the survivor; the survivor as it then is.
///
/// The survivor's own facts stand; what it lacks is taken over, and lists are united. What protects the person in either record does so
/// in the one, and who is helped under either still is. Identifiers, and every row that belongs to the duplicate, become the survivor's in
/// the same transaction.
///
/// # Errors
/// [`Error::Invalid`] where the duplicate is none of the organization's, or the two say more than one record takes or stand for more than it
/// can.
pub fn merge(conn: &mut DbConn, caller: &Principal, id: PatientId, input: &PatientMerge, version: &OptionalIfMatch) -> Result<Patient> {
    let both = [id, input.duplicate_id];
    // In the order in which whoever moves a referral or a waiting list comes to them.
    lock_of_patients(conn, &both)?;
    queue::lock_lists(conn, &both)?;
    // Otherwise what is recorded about the duplicate at the same moment would stay with it, and nobody would see it any more.
    repository::close(conn, caller.organization_id, &both)?;
    let survivor = resource::get_row::<Patients>(conn, caller, id)?;
    Patients::permit(caller, &survivor)?;
    version.check(survivor.row.version)?;
    let duplicate = duplicate(conn, caller, id, input.duplicate_id)?;
    ensure_few_records(conn, both)?;

    // Whatever is still said of the duplicate stands in the journal before it is merged: nothing is about it any more after that.
    let owner = survivor.row.organization_id;
    carry_withdrawals(conn, caller, id, duplicate.row.id)?;
    if survivor.row.primary_navigator_id.is_some() {
        care::end_assignment(conn, caller, owner, duplicate.row.id)?;
    }
    let gone = PatientRow {
        merged_into_id: Some(id),
        primary_navigator_id: None,
        version: duplicate.row.version + 1,
        updated_at: caller.at,
        ..duplicate.row.clone()
    };
    save(conn, &duplicate.row, &gone)?;
    identifiers::replace(conn, owner, ResourceType::Patient, gone.id.uuid(), &[])?;
    let merged = Merged { patient: &Patient::whole(gone.clone()), merged_into_id: id, merge_reason: input.reason.as_deref() };
    let change = Change::of(gone.id, gone.version, Action::Merged, &merged).owned_by(owner).about(gone.id);
    changes::record(conn, &caller.actor(), change)?;

    move_rows(conn, caller, gone.id, id)?;
    // Who may be taken on is known only now that the consents of both are of one patient.
    queue::heed_consent(conn, caller.at, id)?;
    let earlier = patients::table.filter(patients::merged_into_id.eq(gone.id));
    diesel::update(earlier).set(patients::merged_into_id.eq(id)).execute(conn)?;

    let content = united(&survivor.row.content, &duplicate.row.content)?;
    identifiers::replace(conn, owner, ResourceType::Patient, id.uuid(), &content.identifiers)?;
    let row = PatientRow {
        status: content.status,
        need_level: care::current_level(conn, id)?,
        primary_navigator_id: survivor.row.primary_navigator_id.or(duplicate.row.primary_navigator_id),
        content: Json(content),
        version: survivor.row.version + 1,
        updated_at: caller.at,
        ..survivor.row.clone()
    };
    save(conn, &survivor.row, &row)?;
    let next = Seen { row, ..survivor };
    let head = Patients::head(&next);
    let patient = Patient::whole(next.row);
    resource::record::<Patients>(conn, caller, &head, Action::Updated, &patient)?;
    Ok(patient)
}

/// Adds to what is written by a key of a patient the keys that came with records that were merged into it.
///
/// # Errors
/// [`Error::Merged`] where the key is one of those and no other is written with it that is the patient's own: what is told of the record that
/// went is not meant for the one that stands for both. [`Error::Invalid`] where a patient cannot have so many keys.
pub fn sync(conn: &mut DbConn, row: &PatientRow, key: Option<&Identifier>, input: &mut PatientInput) -> Result<()> {
    let present = &row.content.identifiers;
    let mut came = repository::absorbed_keys(conn, row.id)?;
    came.retain(|key| present.contains(key));
    let is_own = |key: &Identifier| present.contains(key) && !came.contains(key);
    if key.is_some_and(|key| came.contains(key)) && !input.identifiers.iter().any(is_own) {
        return Err(Error::Merged { into: resource::location::<Patients>(row.id) });
    }
    came.retain(|key| !input.identifiers.contains(key));
    if input.identifiers.len() + came.len() > MOST_IDENTIFIERS {
        let message = format!("are more than {MOST_IDENTIFIERS} with those that came to the patient with a merge");
        return Err(Error::invalid("/identifiers", "too_many", message));
    }
    input.identifiers.append(&mut came);
    Ok(())
}

fn duplicate(conn: &mut DbConn, caller: &Principal, survivor: PatientId, id: PatientId) -> Result<Seen> {
    let fault = |code, message| Error::invalid("/duplicate_id", code, message);
    if id == survivor {
        return Err(fault("not_allowed", "is the survivor itself"));
    }
    let found = resource::get_row::<Patients>(conn, caller, id).map_err(|error| match error {
        Error::NotFound | Error::Gone | Error::Merged { .. } => fault("not_found", "is not a patient whom this client sees"),
        other => other,
    })?;
    if found.row.organization_id != caller.organization_id {
        return Err(fault("not_allowed", "is managed by another organization"));
    }
    Ok(found)
}

fn ensure_few_records(conn: &mut DbConn, both: [PatientId; 2]) -> Result<()> {
    let mut records = 1;
    for id in both {
        records += repository::absorbed(conn, id)?.len();
    }
    if records <= MOST_RECORDS {
        return Ok(());
    }
    let message = format!("would be one of more than {MOST_RECORDS} records that were merged into one");
    Err(Error::invalid("/duplicate_id", "too_many", message))
}

/// One person has taken back what they once allowed, whichever record it was noted in: what the other record still allows the same
/// organization for the same purposes, and was written down before, is withdrawn with it.
fn carry_withdrawals(conn: &mut DbConn, caller: &Principal, one: PatientId, other: PatientId) -> Result<()> {
    let records = [consents_of(conn, one)?, consents_of(conn, other)?];
    let [first, second] = &records;
    for (consents_here, consents_there) in [(first, second), (second, first)] {
        for consent in consents_here.iter().filter(|consent| consent.withdrawn_at.is_none()) {
            let is_taken_back = |there: &ConsentRow| {
                there.grantee_id == consent.grantee_id
                    && there.withdrawn_at.is_some_and(|moment| moment >= consent.created_at)
                    && there.content.purposes.iter().any(|purpose| consent.content.purposes.contains(purpose))
            };
            if consents_there.iter().any(is_taken_back) {
                let reason = "Withdrawn in the other of two records of the patient, which were merged.";
                withdraw_unheeded(conn, caller, consent.clone(), Some(reason.into()))?;
            }
        }
    }
    Ok(())
}

/// A record that somebody else has changed meanwhile is merged as they left it, when the transaction is run again.
fn save(conn: &mut DbConn, before: &PatientRow, row: &PatientRow) -> Result<()> {
    if repository::update(conn, before, row)? { Ok(()) } else { Err(Error::Busy) }
}

/// The survivor's content with what only the duplicate knows, and with all that protects the person in either.
fn united(survivor: &PatientInput, duplicate: &PatientInput) -> Result<PatientInput> {
    let (mut mine, mut other) = (survivor.clone(), duplicate.clone());
    for name in other.names.iter_mut().filter(|name| !survivor.names.contains(name)) {
        name.name_use = if name.name_use == NameUse::Former { NameUse::Former } else { NameUse::Alias };
    }
    leave_out_contradictions(&mut mine, &mut other);
    leave_out_forbidden(&mut mine, duplicate.safe_contact.as_ref());
    leave_out_forbidden(&mut other, survivor.safe_contact.as_ref());
    let json = |content: &PatientInput| serde_json::to_value(content).map_err(Error::internal);
    let (mut whole, empty) = (json(&mine)?, json(&PatientInput::default())?);
    let Value::Object(members) = json(&other)? else { return Ok(mine) };
    for (key, value) in members {
        match (whole.get_mut(&key), value) {
            (Some(present), value) if Some(&*present) == empty.get(&key) => *present = value,
            (Some(Value::Array(items)), Value::Array(others)) => {
                let added: Vec<Value> = others.into_iter().filter(|item| !items.contains(item)).collect();
                items.extend(added);
            }
            _ => {}
        }
    }
    let mut content: PatientInput = serde_json::from_value(whole).map_err(Error::internal)?;
    protect(&mut content, survivor, duplicate)?;
    content.status = status(survivor.status, duplicate.status);
    content.normalise();
    // What does not fit is refused, for nobody would know of what is cut.
    schema::check(json(&content)?).map_err(|error| match error {
        Error::Invalid(faults) => Error::Invalid(faults.into_iter().map(of_both).collect()),
        other => other,
    })
}

fn of_both(fault: Fault) -> Fault {
    let message = format!("cannot be merged as it stands: {} of both together {}; change one of them first", fault.pointer, fault.message);
    Fault::new("/duplicate_id", fault.code, message)
}

/// What says one thing together is not taken over in part: beside what the survivor says of the rest it would be of something else. Nor does
/// the survivor keep a part of what it takes over.
fn leave_out_contradictions(mine: &mut PatientInput, other: &mut PatientInput) {
    // A date and a year that contradict each other would make one record that contradicts itself.
    if mine.year_of_birth().is_some_and(|year| other.year_of_birth() != Some(year)) {
        other.birth_date = None;
        other.birth_year = None;
    }
    if mine.address.is_some() && mine.address != other.address {
        other.point = None;
    } else if mine.address.is_none() && other.address.is_some() {
        mine.point = None;
    }
    // Each card has a version of its own.
    let has_number = |content: &PatientInput| content.identifiers.iter().any(|identifier| identifier.system == ONTARIO);
    let mut numbers = mine.identifiers.iter().filter(|identifier| identifier.system == ONTARIO);
    if numbers.any(|number| !other.identifiers.contains(number)) {
        other.health_card_version = None;
    } else if !has_number(mine) && has_number(other) {
        mine.health_card_version = None;
    }
}

/// A number or address that one record forbids is no way to reach the person because the other has it, nor one to reach them by way of
/// somebody else.
fn leave_out_forbidden(content: &mut PatientInput, safe_contact: Option<&SafeContact>) {
    let Some(safe_contact) = safe_contact else { return };
    let country = country(content.address.as_ref());
    let of_others = content.related_persons.iter_mut().map(|person| &mut person.contact_points);
    for points in of_others.chain([&mut content.contact_points]) {
        points.retain(|point| !safe_contact.forbids(point, country));
    }
}

/// Whoever is helped under one of two records is helped, whichever survives, and nobody is who has died by one of them.
fn status(survivor: PatientStatus, duplicate: PatientStatus) -> PatientStatus {
    let either = [survivor, duplicate];
    let told = [PatientStatus::Deceased, PatientStatus::Active].into_iter().find(|status| either.contains(status));
    told.unwrap_or(survivor)
}

/// Of what two records say, that which protects the person: rules of safe contact and remarks of both, help that one of them knows to be
/// needed, and no more agreed to than in both.
fn protect(content: &mut PatientInput, survivor: &PatientInput, duplicate: &PatientInput) -> Result<()> {
    if let (Some(one), Some(other)) = (&survivor.safe_contact, &duplicate.safe_contact) {
        let message = "has no safe time in common with the survivor; settle in one of them first when contact is safe";
        content.safe_contact = Some(one.and(other).ok_or_else(|| Error::invalid("/duplicate_id", "not_allowed", message))?);
    }
    content.notes = joined(survivor.notes.as_deref(), duplicate.notes.as_deref(), "\n");
    content.interpreter_needed = survivor.interpreter_needed.max(duplicate.interpreter_needed);
    content.childcare_needed = survivor.childcare_needed.max(duplicate.childcare_needed);
    content.equity = survivor.equity.and(&duplicate.equity);
    let told = std::mem::take(&mut content.related_persons);
    let is_same = |one: &RelatedPerson, other: &RelatedPerson| {
        let may_be = one.relationship.is_none() || other.relationship.is_none() || one.relationship == other.relationship;
        may_be && fold(&one.name) == fold(&other.name)
    };
    for person in &told {
        let may_not_act = told.iter().any(|other| is_same(person, other) && other.may_act == Some(false));
        let person = RelatedPerson { may_act: if may_not_act { Some(false) } else { person.may_act }, ..person.clone() };
        if !content.related_persons.contains(&person) {
            content.related_persons.push(person);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::model::PatientName;
    use super::super::model::tests::person;
    use super::*;
    use crate::types::{Address, Point};

    #[test]
    fn the_survivors_facts_stand_and_what_it_lacks_is_taken_over() {
        let identifier = |value: &str| Identifier { system: "https://emr.example.ca".into(), value: value.into() };
        let survivor = PatientInput {
            identifiers: vec![identifier("A")],
            notes: Some("Mine.".into()),
            safe_contact: Some(SafeContact { no_voicemail: Some(true), do_not_contact: vec!["1".into()], ..SafeContact::default() }),
            ..person("Marie", "Tremblay", None)
        };
        let duplicate = PatientInput {
            identifiers: vec![identifier("B"), identifier("A")],
            notes: Some("Theirs.".into()),
            what_matters_to_me: Some("My garden.".into()),
            safe_contact: Some(SafeContact { code_word: Some("rose".into()), do_not_contact: vec!["2".into()], ..SafeContact::default() }),
            ..person("Marie-Ève", "Tremblay", Some("1954-03-18"))
        };
        let united = united(&survivor, &duplicate).unwrap();
        assert_eq!(united.identifiers, [identifier("A"), identifier("B")]);
        assert_eq!(united.notes.as_deref(), Some("Mine.\nTheirs."));
        assert_eq!(united.what_matters_to_me.as_deref(), Some("My garden."));
        assert_eq!(united.birth_date, duplicate.birth_date);
        let uses: Vec<NameUse> = united.names.iter().map(|name: &PatientName| name.name_use).collect();
        assert_eq!(uses, [NameUse::Official, NameUse::Alias]);
        let safe = united.safe_contact.unwrap();
        assert_eq!((safe.no_voicemail, safe.code_word.as_deref()), (Some(true), Some("rose")));
        assert_eq!(safe.do_not_contact, ["1", "2"]);
    }

    #[test]
    fn who_is_helped_under_either_record_is_helped_unless_one_of_them_knows_of_a_death() {
        let with = |status| PatientInput { status, ..person("Marie", "Tremblay", None) };
        use PatientStatus::{Active, Deceased, Inactive};
        for (one, two, together) in
            [(Active, Deceased, Deceased), (Inactive, Deceased, Deceased), (Inactive, Active, Active), (Inactive, Inactive, Inactive)]
        {
            assert_eq!(united(&with(one), &with(two)).unwrap().status, together, "{one} and {two}");
            assert_eq!(united(&with(two), &with(one)).unwrap().status, together, "{two} and {one}");
        }
    }

    #[test]
    fn a_point_goes_with_its_address_and_the_version_of_a_card_with_its_number() {
        let number = |value: &str| vec![Identifier { system: ONTARIO.into(), value: value.into() }];
        let at = |line: Option<&str>| line.map(|line| Address { line1: Some(line.into()), ..Address::default() });
        let one = |line, value| PatientInput { address: at(line), identifiers: number(value), ..person("Marie", "Tremblay", None) };
        let point = Some(Point { latitude: 49.888, longitude: -119.496 });
        let whole = PatientInput { point, health_card_version: Some("JK".into()), ..one(Some("120 Mill Street"), "9876543217") };
        for (line, value, is_point_taken, is_version_taken) in [
            (Some("120 Mill Street"), "9876543217", true, true),
            (None, "9876543217", true, true),
            (Some("8 River Road"), "9876543217", false, true),
            (Some("120 Mill Street"), "1234567897", true, false),
        ] {
            let united = united(&one(line, value), &whole).unwrap();
            assert_eq!(
                (united.point.is_some(), united.health_card_version.is_some()),
                (is_point_taken, is_version_taken),
                "{line:?} {value}"
            );
        }
        let unnumbered = PatientInput { identifiers: Vec::new(), ..one(None, "") };
        assert_eq!(united(&unnumbered, &whole).unwrap().health_card_version.as_deref(), Some("JK"));
        // What the survivor has without its number or address was of something else, if of anything.
        let elsewhere = Some(Point { latitude: 43.651, longitude: -79.347 });
        let loose = PatientInput { point: elsewhere, health_card_version: Some("AB".into()), ..unnumbered };
        for (duplicate, point, version) in [
            (whole.clone(), point, Some("JK")),
            (PatientInput { point: None, health_card_version: None, ..whole }, None, None),
            (person("Marie", "Tremblay", None), elsewhere, Some("AB")),
        ] {
            let united = united(&loose, &duplicate).unwrap();
            assert_eq!((united.point, united.health_card_version.as_deref()), (point, version), "{:?}", duplicate.address);
        }
    }

    #[test]
    fn a_forbidden_number_is_not_taken_over_by_way_of_somebody_else() {
        let son = |numbers: &[&str]| -> Vec<RelatedPerson> {
            let points: Vec<Value> = numbers.iter().map(|value| json!({ "kind": "phone", "value": value })).collect();
            serde_json::from_value(json!([{ "name": "Luc", "contact_points": points }])).unwrap()
        };
        let forbidding = |number: &str| Some(SafeContact { do_not_contact: vec![number.into()], ..SafeContact::default() });
        let with = |numbers: &[&str], forbidden: &str| {
            let (related_persons, safe_contact) = (son(numbers), forbidding(forbidden));
            let mut content = PatientInput { related_persons, safe_contact, ..person("Marie", "Tremblay", None) };
            content.normalise();
            content
        };
        let united = united(&with(&["250-861-5511", "250-861-5533"], "250-861-5522"), &with(&["(250) 861-5522"], "250-861-5511")).unwrap();
        let points = united.related_persons.iter().flat_map(|person| &person.contact_points);
        assert_eq!(points.map(|point| point.value.as_str()).collect::<Vec<_>>(), ["250-861-5533"]);
        assert_eq!(united.related_persons.len(), 2);
    }

    #[test]
    fn a_birth_that_contradicts_the_survivors_is_not_taken() {
        let survivor = PatientInput { birth_year: Some(1950), ..person("Marie", "Tremblay", None) };
        let united = united(&survivor, &person("Marie", "Tremblay", Some("1954-03-18"))).unwrap();
        assert_eq!((united.birth_date, united.birth_year), (None, Some(1950)));
    }
}
