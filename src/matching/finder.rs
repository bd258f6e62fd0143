//! Matching against the directory: a shortlist from its index, the listed services in full, then the engine.

use std::collections::HashMap;

use super::api::{EligibilityCheckInput, MatchInput};
use super::candidate::Candidate;
use super::eligibility::{self, EligibilityChecklist};
use super::engine::{self, Helpline, Setting};
use super::memory;
use super::patient::{self, Needs};
use super::person::{Area, Person, PersonNeed};
use super::report::Suggestions;
use super::subject::Subject;
use super::weights::Weights;
use crate::app::State;
use crate::auth::{DirectoryReader, Principal, Scope, sight};
use crate::changes::Demand;
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::kind::{NeedId, PatientId, ServiceId};
use crate::needs::model::NeedInput;
use crate::responsiveness::Known;
use crate::services::Directory;
use crate::services::brief::Brief;
use crate::services::search::Wish;
use crate::types::find_domain;
use crate::{postal_codes, provinces};

/// Services that are read in full. What the index thinks less likely than so many others is not among the best ten, unless rules that the
/// index does not know leave these out.
const READ_FIRST: usize = 250;
/// The most that are read where that is not enough. Each time as many are read again as were before.
const MOST_READ: usize = 2_000;

/// What is wanted of a run beside the person.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// How many results.
    pub limit: usize,
    /// Whether to list what was left out.
    pub include_excluded: bool,
    /// The moment.
    pub at: Instant,
    /// What must be found.
    pub demand: Demand,
    /// Whom to call at the last.
    pub helpline: &'a Helpline,
    /// How services answer referrals; for who may refer.
    pub responsiveness: Option<&'a Known>,
}

/// Suggests services of the directory. Call it in a read.
pub fn suggest(conn: &mut DbConn, directory: &Directory, person: &Person, ask: &Ask<'_>) -> Result<Suggestions> {
    let weights = Weights::standard();
    let subject = Subject::new(person, weights, ask.at);
    let words = person.own_words();
    let postal_code = person.location.postal_code.as_deref();
    let wish = Wish {
        needs: subject.wanted.iter().map(|wanted| (wanted.domain, wanted.importance)).collect(),
        words: &words,
        words_suffice_from: weights.text.relevant_from,
        activities: &person.interests,
        populations: &person.populations,
        languages: &person.languages,
        ages: person.ages(),
        from: person.location.point,
        range_km: subject.range_km(),
        max_km: Some(subject.farthest_km()),
        postal_code,
    };
    directory.refresh(conn, ask.demand)?;
    let list = directory.shortlist(&wish, MOST_READ);
    let text_fits: HashMap<ServiceId, f64> = list.services.iter().map(|listed| (listed.id, listed.text_fit)).collect();
    let track_record = |id: ServiceId| ask.responsiveness.and_then(|known| known.of(id));
    let setting = Setting { weights, at: ask.at, limit: ask.limit, include_excluded: ask.include_excluded, helpline: ask.helpline };
    let programs = directory.briefs(conn, &list.programs)?;
    let (mut services, mut read) = (Vec::new(), 0);
    loop {
        let until = (read * 2).max(READ_FIRST).min(list.services.len());
        let ids: Vec<ServiceId> = list.services.get(read..until).unwrap_or_default().iter().map(|listed| listed.id).collect();
        services.extend(directory.briefs(conn, &ids)?);
        read = until;
        let candidates = services.iter().chain(&programs).map(|service| Candidate {
            text_fit: text_fits.get(&service.id).copied(),
            track_record: track_record(service.id),
            ..candidate(service, person)
        });
        let found = engine::rank(person, candidates, &setting);
        let unread = list.services.get(read..).unwrap_or_default();
        let to_come = unread.iter().fold(0, |all, listed| all | listed.needs);
        let may_come = |domain: Option<&str>| match domain {
            Some(domain) => (0..).zip(&wish.needs).any(|(need, (code, _))| *code == domain && to_come & (1_u64 << need) != 0),
            None => true,
        };
        // What a rule seems to stand against is read for a need that nothing answers, not for more of the same.
        let is_enough = found.results.len() >= ask.limit || unread.first().is_none_or(|listed| listed.is_against_a_rule);
        if unread.is_empty() || (is_enough && !found.unanswered.iter().any(|need| may_come(need.domain.as_deref()))) {
            return Ok(Suggestions { considered: u32::try_from(services.len()).unwrap_or(u32::MAX), ..found });
        }
    }
}

/// A service with the room that it has for this person.
pub(super) fn candidate<'a>(service: &'a Brief, person: &Person) -> Candidate<'a> {
    let capacity = service.room_for(&person.populations);
    Candidate { id: service.id, service: &service.content, capacity, text_fit: None, track_record: None }
}

/// Somebody, what was suggested to them, and whether a sensitive need is among those asked about.
#[derive(Debug)]
pub struct About {
    pub(super) person: Person,
    pub(super) suggestions: Suggestions,
    /// Where what stays unmet is counted.
    pub(super) area: Area,
    pub(super) is_sensitive: bool,
}

impl About {
    /// What of it is kept: all of a patient; of somebody without a record nothing personal; of what a stranger tells no words either.
    pub(super) fn kept(&self, is_of_patient: bool, is_strangers: bool) -> (Person, Suggestions) {
        if is_of_patient {
            return (self.person.clone(), self.suggestions.clone());
        }
        let (person, suggestions) = (self.person.without_traces(&self.area), self.suggestions.without_traces());
        if is_strangers { (person.in_known_codes(), suggestions.in_known_codes()) } else { (person, suggestions) }
    }
}

/// Makes the suggestions that a request asks for.
///
/// It reads only, and is done before the write that keeps the match: on SQLite all writes wait for each other.
pub(super) async fn about(app: &State, reader: &DirectoryReader, input: &MatchInput) -> Result<About> {
    let (state, reader, input) = (app.clone(), reader.clone(), input.clone());
    app.read_matching(move |conn| {
        let (person, is_sensitive) = somebody(conn, &reader, input.patient_id, input.person.as_ref(), &input.need_ids, &[])?;
        answer(conn, &state, &reader, &input, person, is_sensitive)
    })
    .await
}

/// Makes the suggestions for a patient whose open needs are about to be joined by others, as by those that a screening raises.
pub fn about_patient(conn: &mut DbConn, app: &State, caller: &Principal, input: &MatchInput, raised: &[NeedInput]) -> Result<About> {
    let reader = DirectoryReader { principal: Some(caller.clone()), at: caller.at };
    let (person, is_sensitive) = somebody(conn, &reader, input.patient_id, None, &input.need_ids, raised)?;
    answer(conn, app, &reader, input, person, is_sensitive)
}

fn answer(
    conn: &mut DbConn,
    app: &State,
    reader: &DirectoryReader,
    input: &MatchInput,
    mut person: Person,
    is_sensitive: bool,
) -> Result<About> {
    input.add_to(&mut person);
    if let (Some(patient), Some(caller)) = (input.patient_id, &reader.principal) {
        person.avoid.extend(memory::avoidances(conn, caller, patient)?);
    }
    let helpline = app.config.helpline();
    let ask = Ask {
        limit: input.limit(),
        include_excluded: input.include_excluded,
        at: reader.at,
        demand: reader.demand(),
        helpline: &helpline,
        responsiveness: app.responsiveness_for(reader),
    };
    let suggestions = suggest(conn, &app.directory, &person, &ask)?;
    let is_asked = |need: &PersonNeed| find_domain(&need.domain).is_some_and(|domain| domain.is_sensitive);
    // What is left out, and what is to be checked, tells of the risk.
    let is_sensitive = is_sensitive || person.at_risk_of_violence || person.needs.iter().any(is_asked);
    let area = match &reader.principal {
        Some(_) => person.area(),
        None => known_area(conn, &app.directory, person.area())?,
    };
    Ok(About { person, suggestions, area, is_sensitive })
}

/// What there is of an area that a stranger tells: no words of their own stand in what others read.
fn known_area(conn: &mut DbConn, directory: &Directory, told: Area) -> Result<Area> {
    let city = told.city.map_or(Ok(None), |city| directory.city(conn, &city))?;
    let postal_prefix = told.postal_prefix.filter(|prefix| postal_codes::is_canadian_prefix(prefix));
    let region = told.region.and_then(|region| provinces::named(&region)).map(|province| province.code.to_owned());
    Ok(Area { postal_prefix, city, region })
}

/// Holds somebody against the rules of a service.
pub(super) fn checklist(
    conn: &mut DbConn,
    app: &State,
    reader: &DirectoryReader,
    input: &EligibilityCheckInput,
) -> Result<EligibilityChecklist> {
    let (person, _) = somebody(conn, reader, input.patient_id, input.person.as_ref(), &[], &[])?;
    app.directory.refresh(conn, reader.demand())?;
    let services = app.directory.briefs(conn, &[input.service_id])?;
    let service = services.first().ok_or_else(|| Error::invalid("/service_id", "not_found", "is not a service of the directory"))?;
    let helpline = app.config.helpline();
    let setting = Setting { weights: Weights::standard(), at: reader.at, limit: 1, include_excluded: false, helpline: &helpline };
    Ok(eligibility::check_eligibility(&person, &candidate(service, &person), &setting))
}

/// The patient as matching knows them, or the person that the request describes; and whether one of the patient's needs is sensitive.
fn somebody(
    conn: &mut DbConn,
    reader: &DirectoryReader,
    patient: Option<PatientId>,
    described: Option<&Person>,
    named: &[NeedId],
    raised: &[NeedInput],
) -> Result<(Person, bool)> {
    let Some(id) = patient else { return Ok((described.cloned().unwrap_or_default(), false)) };
    let caller = reader.principal.as_ref().ok_or(Error::NoToken("a patient is matched for those who may see them"))?;
    caller.require(Scope::PatientsRead)?;
    let sight = sight::referenced(conn, caller, id, "/patient_id")?;
    if !sight.categories.contains(DataCategory::Needs) {
        return Err(Error::invalid("/patient_id", "not_found", "is not a patient whose needs this client sees"));
    }
    let mut needs = needs_of(conn, caller, id, sight.categories, named)?;
    needs.tell_of_violence |= raised.iter().any(NeedInput::tells_of_violence);
    needs.wanted.extend(raised.iter().cloned());
    let is_sensitive = needs.wanted.iter().any(NeedInput::is_sensitive);
    Ok((patient::person_of(conn, id, sight.categories, &needs, reader.at.utc().date_naive())?, is_sensitive))
}

/// The patient's needs: sought for are the open ones that the caller sees, and only those that are named where any are.
fn needs_of(conn: &mut DbConn, caller: &Principal, patient: PatientId, categories: Categories, named: &[NeedId]) -> Result<Needs> {
    let (needs, mut rows) = Needs::of(conn, caller, patient, categories)?;
    rows.retain(|row| row.status.is_open());
    if let Some(index) = named.iter().position(|id| rows.iter().all(|row| row.id != *id)) {
        return Err(Error::invalid(format!("/need_ids/{index}"), "not_found", "is not an open need of this patient that this client sees"));
    }
    rows.retain(|row| named.is_empty() || named.contains(&row.id));
    Ok(Needs { wanted: rows.into_iter().map(|row| row.content.0).collect(), ..needs })
}
