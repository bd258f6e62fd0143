//! Writing screenings down: their rows, the needs they raise, and how both are taken back.

use super::api::Screening;
use super::findings::{Findings, RaisedNeed};
use super::model::{ScreeningInput, ScreeningRow, ScreeningStatus};
use super::{handlers::Screenings, repository};
use crate::auth::{Principal, sight};
use crate::changes::Action;
use crate::consents::model::DataCategory;
use crate::db::DbConn;
use crate::db::types::Json;
use crate::error::{Error, Fault, Result};
use crate::http::resource::{self, Head, Resource as _};
use crate::instruments::model::InstrumentRow;
use crate::instruments::{self, definition::InstrumentInput};
use crate::kind::{self, NeedId, PatientId, ScreeningId};
use crate::needs::handlers::{self, Needs};
use crate::needs::model::{NeedInput, NeedRow, NeedSource, NeedStatus, NeedVerification};
use crate::needs::repository as needs;
use crate::{patients, practitioners};

/// The instrument of a screening: that of the row, or the edition that a new one asks for.
fn instrument(conn: &mut DbConn, caller: &Principal, current: Option<&ScreeningRow>, input: &ScreeningInput) -> Result<InstrumentRow> {
    match current {
        Some(row) => {
            instruments::repository::find(conn, row.instrument_id)?.ok_or_else(|| Error::internal("a screening without instrument"))
        }
        None => {
            instruments::repository::find_by_code(conn, caller.organization_id, &input.instrument, input.instrument_edition.as_deref())?
                .ok_or_else(|| Error::invalid("/instrument", "not_found", "is not an instrument of this server, or has no such edition"))
        }
    }
}

/// Checks a screening against its instrument, the one before it and the patient's consent; names the edition where none is named.
pub fn check(conn: &mut DbConn, caller: &Principal, current: Option<&ScreeningRow>, input: &mut ScreeningInput) -> Result<()> {
    // A draft is finished only while the patient still lets the organization take part.
    if current.is_none_or(|row| row.status == ScreeningStatus::Draft) {
        let patient = current.map_or(input.patient_id, |row| row.patient_id);
        let sight = sight::referenced(conn, caller, patient, "/patient_id")?;
        if !sight.categories.contains(DataCategory::Screenings) {
            return Err(Error::Forbidden("The patient's consent does not let this organization see their screenings.".into()));
        }
    }
    let instrument = instrument(conn, caller, current, input)?;
    input.instrument_edition.get_or_insert(instrument.edition);
    let mut faults = Vec::new();
    let known = current.and_then(|row| row.content.practitioner_id);
    if let Some(practitioner) = input.practitioner_id.filter(|practitioner| known != Some(*practitioner)) {
        practitioners::repository::check_own(conn, caller.organization_id, practitioner, "/practitioner_id", &mut faults)?;
    }
    match current {
        Some(row) => input.may_follow(&Screenings::input(row))?,
        None if input.status == ScreeningStatus::EnteredInError => {
            faults.push(Fault::new("/status", "not_allowed", "is reached by POST …/retract"));
        }
        None => {}
    }
    if current.is_none_or(|row| row.status == ScreeningStatus::Draft) {
        faults.extend(input.faults(&instrument.content, caller.at));
        if let Some(replaced) = input.replaces_id {
            let is_replaceable = repository::find(conn, replaced)?.is_some_and(|row| {
                row.patient_id == input.patient_id
                    && row.instrument_code == input.instrument
                    && row.status == ScreeningStatus::EnteredInError
            });
            if !is_replaceable {
                let message = "is not a screening of this patient with this instrument that was entered in error";
                faults.push(Fault::new("/replaces_id", "not_found", message));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

/// The needs that a screening raises, under their ids, and the findings that name them.
type Raised = (Findings, Vec<(NeedId, NeedInput)>);

/// The needs that a screening of this content would add to those that are open.
pub fn needs_to_raise(
    conn: &mut DbConn,
    caller: &Principal,
    current: Option<&ScreeningRow>,
    input: &ScreeningInput,
) -> Result<Vec<NeedInput>> {
    let instrument = instrument(conn, caller, current, input)?;
    let (_, raised) = raise(conn, caller, ScreeningId::generate(), input, &instrument.content)?;
    Ok(raised.into_iter().map(|(_, need)| need).collect())
}

/// What the answers mean; of a completed screening with the needs to record. A need that the patient has already is not raised again;
/// of needs that the caller does not see nothing is told, not even that they are there.
fn raise(conn: &mut DbConn, caller: &Principal, id: ScreeningId, input: &ScreeningInput, instrument: &InstrumentInput) -> Result<Raised> {
    let mut findings = input.findings(instrument);
    let mut raised = Vec::new();
    if input.status != ScreeningStatus::Completed || findings.needs.is_empty() {
        return Ok((findings, raised));
    }
    let seen = handlers::seen(caller, sight::patient(conn, caller, input.patient_id)?.categories);
    let mut open = needs::open_of_patient(conn, input.patient_id)?;
    open.retain(|row| seen.includes(row));
    for need in &mut findings.needs {
        let known = open.iter().find(|row| row.domain == need.domain && row.content.label == need.label);
        let need_id = known.map_or_else(NeedId::generate, |row| row.id);
        need.need_id = Some(need_id);
        if known.is_none() {
            let content = as_raised(input.patient_id, id, need);
            raised.push((need_id, content));
        }
    }
    Ok((findings, raised))
}

/// A need as a screening raises it.
fn as_raised(patient_id: PatientId, screening: ScreeningId, need: &RaisedNeed) -> NeedInput {
    NeedInput {
        patient_id,
        domain: need.domain.clone(),
        label: need.label.clone(),
        source: NeedSource::Screening,
        screening_id: Some(screening),
        severity: None,
        wants_help: None,
        readiness: None,
        status: NeedStatus::Active,
        verification: NeedVerification::Unconfirmed,
        treat_as_sensitive: need.is_sensitive,
        onset_on: None,
        note: None,
        identifiers: Vec::new(),
    }
}

/// Otherwise two that are completed at once would each raise the same need.
fn await_other_needs(conn: &mut DbConn, input: &ScreeningInput) -> Result<()> {
    if input.status == ScreeningStatus::Completed { patients::repository::lock(conn, input.patient_id) } else { Ok(()) }
}

fn record_needs(conn: &mut DbConn, caller: &Principal, raised: Vec<(NeedId, NeedInput)>) -> Result<()> {
    raised.into_iter().try_for_each(|(id, need)| resource::insert_with_id::<Needs>(conn, caller, id, need).map(|_| ()))
}

/// Adds a screening and the needs it raises.
pub fn insert(conn: &mut DbConn, caller: &Principal, id: ScreeningId, input: ScreeningInput) -> Result<ScreeningRow> {
    let instrument = instrument(conn, caller, None, &input)?;
    await_other_needs(conn, &input)?;
    let (findings, raised) = raise(conn, caller, id, &input, &instrument.content)?;
    let row = ScreeningRow {
        id,
        organization_id: caller.organization_id,
        patient_id: input.patient_id,
        instrument_id: instrument.id,
        instrument_code: instrument.code,
        status: input.status,
        completed_at: completed_at(caller, &input),
        rescreen_on: input.rescreen_on,
        content: Json(input),
        findings: Json(findings),
        version: 1,
        created_at: caller.at,
        updated_at: caller.at,
        deleted_at: None,
    };
    repository::insert(conn, &row)?;
    record_needs(conn, caller, raised)?;
    Ok(row)
}

/// Writes another content over a screening; a draft is scored anew, and raises its needs when it is completed.
pub fn update(conn: &mut DbConn, caller: &Principal, row: &ScreeningRow, input: ScreeningInput) -> Result<Option<ScreeningRow>> {
    let mut next = ScreeningRow {
        status: input.status,
        rescreen_on: input.rescreen_on,
        version: row.version + 1,
        updated_at: caller.at,
        ..row.clone()
    };
    let mut raised = Vec::new();
    if row.status == ScreeningStatus::Draft {
        let instrument = instrument(conn, caller, Some(row), &input)?;
        await_other_needs(conn, &input)?;
        let (findings, needs) = raise(conn, caller, row.id, &input, &instrument.content)?;
        next.findings = Json(findings);
        next.completed_at = completed_at(caller, &input);
        raised = needs;
    }
    next.content = Json(input);
    if !repository::update(conn, &next)? {
        return Ok(None);
    }
    record_needs(conn, caller, raised)?;
    Ok(Some(next))
}

fn completed_at(caller: &Principal, input: &ScreeningInput) -> Option<crate::db::types::Instant> {
    (input.status == ScreeningStatus::Completed).then(|| input.answered_at.unwrap_or(caller.at))
}

/// Marks a screening as entered in error, and with it the needs that stand on it and that nobody has said anything of since. A need that
/// another screening found too stands on that one from then on. What organizations have recorded themselves because of it is theirs.
pub fn retract(conn: &mut DbConn, caller: &Principal, row: &ScreeningRow, reason: &str) -> Result<(Head<kind::Screening>, Screening)> {
    let status = ScreeningStatus::EnteredInError;
    if row.status == status {
        return Err(Error::IllegalTransition { from: row.status.as_str(), to: status.as_str(), leads_to: Vec::new() });
    }
    patients::repository::lock(conn, row.patient_id)?;
    take_back_needs(conn, caller, row)?;
    let content = ScreeningInput { status, status_reason: Some(reason.to_owned()), ..Screenings::input(row) };
    let next = ScreeningRow { status, content: Json(content), version: row.version + 1, updated_at: caller.at, ..row.clone() };
    if !repository::update(conn, &next)? {
        return Err(Error::Busy);
    }
    let head = Screenings::head(&next);
    let shape = Screening::from(next);
    resource::record::<Screenings>(conn, caller, &head, Action::Updated, &shape)?;
    Ok((head, shape))
}

fn take_back_needs(conn: &mut DbConn, caller: &Principal, row: &ScreeningRow) -> Result<()> {
    // Whether it is secret says nothing of whether it is there.
    let is_untouched = |need: &NeedRow| {
        let content = Needs::input(need);
        let raised = row.findings.of_need(need.id).map(|found| as_raised(row.patient_id, row.id, found));
        raised.is_some_and(|raised| content == NeedInput { treat_as_sensitive: content.treat_as_sensitive, ..raised })
    };
    let mut raised = needs::active_of_screening(conn, row.id)?;
    raised.retain(is_untouched);
    if raised.is_empty() {
        return Ok(());
    }
    let mut others = repository::all_completed(conn, row.patient_id)?;
    others.retain(|other| other.id != row.id);
    others.sort_by_key(|other| other.organization_id != row.organization_id);
    for need in raised {
        let found_too = others.iter().find_map(|other| Some((other, other.findings.of_need(need.id)?)));
        let content = match found_too {
            Some((other, found)) => {
                let raised = as_raised(row.patient_id, other.id, found);
                NeedInput { treat_as_sensitive: raised.treat_as_sensitive || need.content.treat_as_sensitive, ..raised }
            }
            None => NeedInput { status: NeedStatus::EnteredInError, ..Needs::input(&need) },
        };
        // Neither is for the caller to decide: it follows from what was found.
        resource::replace_prepared::<Needs>(conn, caller, &need, content)?;
    }
    Ok(())
}
