//! What a screening is, and how it moves from draft to completion.

use chrono::NaiveDate;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::findings::{Answer, Findings};
use super::scoring;
use crate::db::schema::screenings;
use crate::db::types::{Instant, Json};
use crate::error::{Error, Fault, Result};
use crate::instruments::definition::InstrumentInput;
use crate::kind::{InstrumentId, OrganizationId, PatientId, PractitionerId, ScreeningId};
use crate::text_enum;
use crate::types::Identifier;

text_enum! {
    /// How a screening stands.
    #[derive(Default)]
    pub enum ScreeningStatus {
        /// Answers may still come.
        #[default]
        Draft = "draft",
        /// It is finished and scored.
        Completed = "completed",
        /// The person declined the whole of it.
        Declined = "declined",
        /// It was recorded by mistake.
        EnteredInError = "entered_in_error",
    }
}

text_enum! {
    /// On what occasion the questions were put.
    #[derive(Default)]
    pub enum ScreeningMethod {
        /// As part of a clinical assessment.
        ClinicalAssessment = "clinical_assessment",
        /// In an interview with the person.
        Interview = "interview",
        /// With the instrument by itself, on paper or a screen.
        #[default]
        StandardizedTool = "standardized_tool",
    }
}

text_enum! {
    /// Who gave the answers.
    #[derive(Default)]
    pub enum CompletedBy {
        /// The person alone.
        #[default]
        SelfAnswered = "self",
        /// The person, with somebody's help.
        Assisted = "assisted",
        /// Somebody else for the person.
        Proxy = "proxy",
        /// The person, to somebody who asked and wrote.
        Interview = "interview",
    }
}

/// A screening as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ScreeningInput {
    /// Who was screened. It never changes.
    pub patient_id: PatientId,
    /// The instrument's code. It never changes.
    #[schema(min_length = 1, max_length = 60, example = "phq-9")]
    pub instrument: String,
    /// The instrument's edition; where absent, the one that the organization or the server's operator loaded last. It never changes.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 60, example = "2001")]
    pub instrument_edition: Option<String>,
    /// How it stands. `completed` scores it; `entered_in_error` is reached by `POST …/retract`.
    #[serde(default)]
    pub status: ScreeningStatus,
    /// The answers, as far as there are any.
    #[serde(default)]
    #[schema(max_items = 200)]
    pub answers: Vec<Answer>,
    /// On what occasion the questions were put.
    #[serde(default)]
    pub method: ScreeningMethod,
    /// Who gave the answers.
    #[serde(default)]
    pub completed_by: CompletedBy,
    /// Who helped, answered for the person or asked, in words.
    #[serde(default)]
    #[schema(max_length = 200, example = "Her daughter")]
    pub assisted_by: Option<String>,
    /// The practitioner who screened.
    #[serde(default)]
    pub practitioner_id: Option<PractitionerId>,
    /// BCP 47 tag of the language that the questions were put in. Alerts quote them in it, where the instrument is worded in it.
    #[serde(default)]
    #[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length = 35, example = "fr")]
    pub language: Option<String>,
    /// When the answers were given, if earlier than they are recorded, as with paper forms.
    #[serde(default)]
    pub answered_at: Option<Instant>,
    /// The day on which to ask again.
    #[serde(default)]
    #[schema(example = "2026-09-01")]
    pub rescreen_on: Option<NaiveDate>,
    /// Why the person declined, or the screening was entered in error.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Not today; in pain.")]
    pub status_reason: Option<String>,
    /// The screening, entered in error, that this one stands for.
    #[serde(default)]
    pub replaces_id: Option<ScreeningId>,
    /// What else is to be said.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "Tired; we took a break in the middle.")]
    pub note: Option<String>,
    /// Keys under which other systems know it.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub identifiers: Vec<Identifier>,
}

impl ScreeningInput {
    /// What the answers mean by this instrument; nothing where there are none to read.
    pub fn findings(&self, instrument: &InstrumentInput) -> Findings {
        match self.status {
            ScreeningStatus::Draft | ScreeningStatus::Completed => scoring::score_in(instrument, &self.answers, self.language.as_deref()),
            ScreeningStatus::Declined | ScreeningStatus::EnteredInError => Findings::default(),
        }
    }

    /// Every fault of the content that only the instrument and the time show.
    pub fn faults(&self, instrument: &InstrumentInput, now: Instant) -> Vec<Fault> {
        let mut faults = scoring::faults(instrument, &self.answers);
        if self.status == ScreeningStatus::Completed && self.answers.is_empty() {
            faults.push(Fault::new("/answers", "required", "a completed screening has answers"));
        }
        if self.status == ScreeningStatus::Declined && !self.answers.is_empty() {
            faults.push(Fault::new("/answers", "not_allowed", "a screening that was declined as a whole has no answers"));
        }
        if instrument.is_self_answer_only && self.completed_by == CompletedBy::Proxy {
            faults.push(Fault::new("/completed_by", "self_answer_only", "nobody may answer this instrument for the person"));
        }
        if self.answered_at.is_some_and(|moment| moment > now) {
            faults.push(Fault::new("/answered_at", "in_the_future", "must not be later than now"));
        }
        faults
    }

    /// Whether this content may follow on `before`: a draft may change; what is finished keeps its answers, and only what is said
    /// about it may be added.
    pub fn may_follow(&self, before: &Self) -> Result<()> {
        let unchangeable = [
            ("/patient_id", self.patient_id != before.patient_id),
            ("/instrument", self.instrument != before.instrument),
            ("/instrument_edition", self.instrument_edition != before.instrument_edition),
        ];
        let changed = unchangeable.iter().filter(|(_, is_changed)| *is_changed);
        let faults: Vec<_> = changed.map(|(pointer, _)| Fault::new(*pointer, "immutable", "never changes")).collect();
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        if self.status == ScreeningStatus::EnteredInError && before.status != ScreeningStatus::EnteredInError {
            return Err(Error::invalid("/status", "not_allowed", "is reached by POST …/retract"));
        }
        if before.status == ScreeningStatus::Draft {
            return Ok(());
        }
        let said_about =
            Self { note: before.note.clone(), rescreen_on: before.rescreen_on, identifiers: before.identifiers.clone(), ..self.clone() };
        if said_about == *before { Ok(()) } else { Err(closed()) }
    }

    /// Lays answers over those that are there: each replaces the one to the same item.
    pub fn lay_over(&mut self, answers: &[Answer]) {
        self.answers.retain(|answer| answers.iter().all(|newer| newer.link_id != answer.link_id));
        self.answers.extend(answers.iter().cloned());
    }
}

/// What is no longer a draft stays what it is.
pub fn closed() -> Error {
    let detail = "It is no longer a draft: only note, rescreen_on and identifiers can change. To correct answers, retract it and record \
                  another with replaces_id.";
    Error::conflict("screening_closed", detail)
}

/// A row of the table `screenings`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = screenings, treat_none_as_default_value = false)]
pub struct ScreeningRow {
    /// Its id.
    pub id: ScreeningId,
    /// The organization that recorded it.
    pub organization_id: OrganizationId,
    /// See [`ScreeningInput::patient_id`].
    pub patient_id: PatientId,
    /// The edition of the instrument that scored it.
    pub instrument_id: InstrumentId,
    /// See [`ScreeningInput::instrument`].
    pub instrument_code: String,
    /// See [`ScreeningInput::status`].
    pub status: ScreeningStatus,
    /// When the answers of a completed one were given.
    pub completed_at: Option<Instant>,
    /// See [`ScreeningInput::rescreen_on`].
    pub rescreen_on: Option<NaiveDate>,
    /// The whole content.
    pub content: Json<ScreeningInput>,
    /// What the server found in the answers. Never computed again once it is completed.
    pub findings: Json<Findings>,
    /// Version, from 1.
    pub version: i64,
    /// When it was recorded.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::shipped;

    fn draft() -> ScreeningInput {
        let body = serde_json::json!({ "patient_id": PatientId::generate(), "instrument": "phq-2", "instrument_edition": "2003" });
        serde_json::from_value(body).unwrap()
    }

    fn answer(link_id: &str, code: &str) -> Answer {
        serde_json::from_value(serde_json::json!({ "link_id": link_id, "codes": [code] })).unwrap()
    }

    fn with(status: ScreeningStatus, base: &ScreeningInput) -> ScreeningInput {
        ScreeningInput { status, ..base.clone() }
    }

    #[test]
    fn only_a_draft_moves_on() {
        use ScreeningStatus::{Completed, Declined, Draft, EnteredInError};
        for from in [Draft, Completed, Declined, EnteredInError] {
            for to in [Draft, Completed, Declined, EnteredInError] {
                let is_open = from == to || (from == Draft && to != EnteredInError);
                let base = draft();
                assert_eq!(with(to, &base).may_follow(&with(from, &base)).is_ok(), is_open, "{from} to {to}");
            }
        }
    }

    #[test]
    fn a_completed_screening_keeps_its_answers_and_takes_a_note() {
        let before = with(ScreeningStatus::Completed, &draft());
        let noted = ScreeningInput { note: Some("Called back.".into()), ..before.clone() };
        assert!(noted.may_follow(&before).is_ok());
        let answered = ScreeningInput { answers: vec![answer("/44250-9", "LA6568-5")], ..before.clone() };
        assert!(matches!(answered.may_follow(&before), Err(Error::Conflict { code: "screening_closed", .. })));
    }

    #[test]
    fn a_draft_completed_later_means_what_it_means_completed_at_once() {
        let instrument = shipped::find("phq-2").unwrap();
        let mut later = draft();
        later.lay_over(&[answer("/44250-9", "LA6568-5")]);
        later.lay_over(&[answer("/44255-8", "LA6570-1")]);
        later.lay_over(&[answer("/44250-9", "LA6571-9")]);
        let at_once = ScreeningInput { answers: vec![answer("/44255-8", "LA6570-1"), answer("/44250-9", "LA6571-9")], ..draft() };
        assert_eq!(later.findings(instrument), at_once.findings(instrument));
        assert_eq!(later.findings(instrument).scores[0].value, Some(5.0));
    }

    #[test]
    fn nobody_answers_for_the_person_where_the_instrument_forbids_it() {
        let proxy = ScreeningInput { completed_by: CompletedBy::Proxy, ..draft() };
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let codes =
            |instrument| proxy.faults(shipped::find(instrument).unwrap(), now).into_iter().map(|fault| fault.code).collect::<Vec<_>>();
        assert_eq!(codes("ons4"), ["self_answer_only"]);
        assert!(codes("phq-2").is_empty());
    }
}
