//! A patient as matching knows them: the chart with the name taken away.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::person::{Area, AvoidReason, Avoidance, DigitalAccess, Person, PersonLocation, PersonNeed, PersonReach};
use super::place;
use crate::auth::Principal;
use crate::consents::model::Categories;
use crate::db::DbConn;
use crate::error::{Error, Result};
use crate::kind::{OrganizationId, PatientId};
use crate::needs::model::{NeedInput, NeedRow, NeedVerification};
use crate::needs::repository::Seen;
use crate::patients::equity::{AnswerStatus, EquityAnswer, EquityUse};
use crate::patients::model::{DigitalLiteracy, PatientInput, Proficiency};
use crate::patients::repository;
use crate::{needs, organizations};

/// The needs of a patient, as matching looks at them.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Those for which services are sought, of those that are seen.
    pub wanted: Vec<NeedInput>,
    /// Whether any that is seen, sought for or not, says that somebody may be violent to the person.
    pub tell_of_violence: bool,
    /// Whether any that is not seen could say so: not whether one does, or what is suggested would tell of it.
    pub may_hide_violence: bool,
}

impl Needs {
    /// Of a patient of whom the caller sees these categories; and the needs that it sees, none of which is sought for yet.
    pub fn of(conn: &mut DbConn, caller: &Principal, patient: PatientId, categories: Categories) -> Result<(Self, Vec<NeedRow>)> {
        let seen = needs::handlers::seen(caller, categories);
        let mut rows = needs::repository::of_patient(conn, patient)?;
        rows.retain(|row| seen.includes(row));
        let tell_of_violence = rows.iter().any(|row| row.content.tells_of_violence());
        Ok((Self { wanted: Vec::new(), tell_of_violence, may_hide_violence: seen != Seen::All }, rows))
    }
}

/// What matching may know of a patient of whom the caller sees these categories and these needs.
pub fn person_of(conn: &mut DbConn, id: PatientId, seen: Categories, needs: &Needs, today: NaiveDate) -> Result<Person> {
    let row = repository::find(conn, id)?.ok_or(Error::NotFound)?;
    let patient = row.content.0;
    // That there is a rule is told to everybody who may send somebody; the rule itself is not.
    let safe_contact_only = patient.safe_contact.is_some();
    let patient = patient.shown(seen);
    let mut person = Person { safe_contact_only, ..person(&patient, needs, today) };
    if !person.free_times.is_empty() {
        person.time_zone = zone(conn, &patient, row.organization_id)?.map(|zone| zone.name().to_owned());
    }
    Ok(person)
}

/// The time zone that a patient of this manager lives by, as far as it can be told.
pub fn zone(conn: &mut DbConn, patient: &PatientInput, manager: OrganizationId) -> Result<Option<Tz>> {
    let usual = organizations::repository::zone(conn, manager)?;
    Ok(place::zone(&location(patient), usual))
}

/// Where a patient's unmet needs are counted.
pub fn area(conn: &mut DbConn, id: PatientId) -> Result<Option<Area>> {
    let patient = repository::find(conn, id)?;
    Ok(patient.map(|row| Person { location: location(&row.content), ..Person::default() }.area()))
}

fn location(patient: &PatientInput) -> PersonLocation {
    let address = patient.address.clone().unwrap_or_default();
    PersonLocation {
        point: patient.point,
        postal_code: address.postal_code,
        city: address.city,
        region: address.region,
        country: address.country,
    }
}

/// What matching may know of a patient, of whom `patient` holds no more than the caller may see.
///
/// What they say of their identity is used only where they agreed to that use ([`EquityUse::Matching`]).
pub fn person(patient: &PatientInput, needs: &Needs, today: NaiveDate) -> Person {
    let mut identity = if patient.equity.permits(EquityUse::Matching) { Identity::of(patient) } else { Identity::default() };
    let mut populations = patient.populations.clone();
    populations.extend(identity.populations);
    let gender = (!identity.genders.is_empty()).then(|| identity.genders.remove(0));
    let ages = patient.ages_on(today);
    Person {
        needs: needs
            .wanted
            .iter()
            .filter(|need| need.status.is_open() && need.verification != NeedVerification::Refuted)
            .map(person_need)
            .collect(),
        what_matters: patient.what_matters_to_me.clone(),
        age: ages.map(|(least, _)| least),
        age_at_most: ages.filter(|(least, most)| least != most).map(|(_, most)| most),
        gender,
        other_genders: identity.genders,
        populations,
        not_populations: identity.not_populations,
        languages: languages(patient),
        interpreter_needed: patient.interpreter_needed,
        location: location(patient),
        reach: PersonReach {
            how: patient.reach.how,
            max_km: patient.reach.max_km,
            max_walk_from_stop_m: patient.reach.max_walk_from_stop_m,
        },
        modes: patient.preferred_modes.clone(),
        free_times: patient.free_times.clone(),
        time_zone: None,
        budget_per_month: patient.budget_per_month.clone(),
        digital_access: patient.digital.access.or((patient.digital.literacy == Some(DigitalLiteracy::None)).then_some(DigitalAccess::None)),
        accessibility: patient.accessibility.clone(),
        accommodations: patient.accommodations.iter().map(|accommodation| accommodation.kind).collect(),
        childcare_needed: patient.childcare_needed,
        cultures: patient.cultures.clone(),
        dietary: patient.dietary.clone(),
        practices: patient.practices.clone(),
        group_preferences: patient.group_preferences.clone(),
        interests: patient.interests.clone(),
        coverage: patient.coverage.clone(),
        safe_contact_only: patient.safe_contact.is_some(),
        at_risk_of_violence: needs.tell_of_violence,
        is_at_hidden_risk: needs.may_hide_violence,
        avoid: already_in_use(patient),
        must_haves: patient.must_haves.clone(),
    }
}

fn person_need(need: &NeedInput) -> PersonNeed {
    PersonNeed {
        domain: need.domain.clone(),
        severity: need.severity,
        wants_help: need.wants_help,
        readiness: need.readiness,
        // The note is the recorder's, not the person's.
        words: None,
    }
}

/// The languages they can be helped in: the one they prefer first, single words left out.
fn languages(patient: &PatientInput) -> Vec<String> {
    let mut spoken: Vec<_> = patient
        .languages
        .iter()
        .filter(|language| language.spoken != Some(false) && (language.preferred || language.proficiency != Some(Proficiency::Basic)))
        .collect();
    spoken.sort_by_key(|language| (!language.preferred, std::cmp::Reverse(language.proficiency)));
    spoken.into_iter().map(|language| language.language.clone()).collect()
}

fn already_in_use(patient: &PatientInput) -> Vec<Avoidance> {
    let services = patient.supports.iter().filter_map(|support| support.service_id);
    services.map(|id| Avoidance { service_id: Some(id), organization_id: None, reason: AvoidReason::AlreadyInUse }).collect()
}

/// What they say of themselves, in the codes of services.
#[derive(Debug, Default)]
struct Identity {
    genders: Vec<String>,
    populations: Vec<String>,
    not_populations: Vec<String>,
}

impl Identity {
    fn of(patient: &PatientInput) -> Self {
        let equity = &patient.equity;
        let mut identity = Self { genders: codes(equity.gender_identity.as_ref()).to_vec(), ..Self::default() };
        identity.take("indigenous", codes(equity.indigenous_identity.as_ref()), "no");
        identity.take("disability", codes(equity.disability.as_ref()), "none");
        let settling = codes(equity.immigration.as_ref()).iter();
        identity.populations.extend(settling.filter(|code| !matches!(code.as_str(), "citizen" | "permanent_resident")).cloned());
        let is_any = |answer: Option<&EquityAnswer>, of: &[&str]| codes(answer).iter().any(|code| of.contains(&code.as_str()));
        let is_2slgbtqi = is_any(equity.transgender.as_ref(), &["yes"])
            || is_any(equity.gender_identity.as_ref(), &["non_binary", "two_spirit"])
            || is_any(equity.sexual_orientation.as_ref(), &["lesbian", "gay", "bisexual", "asexual", "queer", "two_spirit"]);
        if is_2slgbtqi {
            identity.populations.push("2slgbtqi".into());
        }
        identity
    }

    /// Belongs to the population and those named within it, or is known not to.
    fn take(&mut self, population: &str, codes: &[String], no: &str) {
        if codes.iter().any(|code| code != no) {
            self.populations.push(population.into());
            self.populations.extend(codes.iter().filter(|code| *code != no).cloned());
        } else if !codes.is_empty() {
            self.not_populations.push(population.into());
        }
    }
}

fn codes(answer: Option<&EquityAnswer>) -> &[String] {
    answer.filter(|answer| answer.status == AnswerStatus::Answered).map_or(&[], |answer| &answer.codes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(patient: serde_json::Value) -> Person {
        person(&serde_json::from_value(patient).unwrap(), &Needs::default(), NaiveDate::default())
    }

    #[test]
    fn identity_is_used_only_where_that_was_agreed_to() {
        let with_uses = |uses: serde_json::Value| {
            let equity = json!({
                "permitted_uses": uses,
                "gender_identity": { "status": "answered", "codes": ["woman", "two_spirit"] },
                "indigenous_identity": { "status": "answered", "codes": ["metis"] },
                "disability": { "status": "answered", "codes": ["none"] },
                "immigration": { "status": "declined" },
                "sexual_orientation": { "status": "answered", "codes": ["lesbian"] }
            });
            told(json!({ "names": [], "equity": equity, "populations": ["caregiver"] }))
        };
        let silent = with_uses(json!([]));
        assert_eq!((silent.gender, silent.populations), (None, vec!["caregiver".to_owned()]));
        let open = with_uses(json!(["matching"]));
        assert_eq!(open.genders().collect::<Vec<_>>(), ["woman", "two_spirit"]);
        assert_eq!(open.populations, ["caregiver", "indigenous", "metis", "2slgbtqi"]);
        assert_eq!(open.not_populations, ["disability"]);
    }

    #[test]
    fn the_preferred_language_comes_first_and_single_words_do_not_count() {
        let languages = json!([
            { "language": "en", "proficiency": "conversational" },
            { "language": "pa", "proficiency": "native" },
            { "language": "fr", "proficiency": "basic" },
            { "language": "hi", "preferred": true },
            { "language": "la", "spoken": false }
        ]);
        let person = told(json!({ "names": [], "languages": languages }));
        assert_eq!(person.languages, ["hi", "pa", "en"]);
    }

    #[test]
    fn what_already_helps_is_not_suggested_again() {
        let service = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10";
        let supports = json!([{ "kind": "service", "name": "Lunch club", "service_id": service }, { "kind": "person", "name": "Sister" }]);
        let person = told(json!({ "names": [], "supports": supports }));
        assert_eq!(person.avoid.len(), 1);
        assert_eq!(person.avoid[0].service_id, service.parse().ok());
        assert_eq!(person.avoid[0].reason, AvoidReason::AlreadyInUse);
    }
}
