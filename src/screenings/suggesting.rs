//! The services that a completed screening brings at once: suggested for the needs that it raises and those that were open already.

use super::api::{ScreeningCompletion, SuggestQuery};
use super::handlers::Screenings;
use super::model::{ScreeningInput, ScreeningRow, ScreeningStatus};
use super::recording;
use crate::app::State;
use crate::auth::{Principal, Scope, sight};
use crate::consents::model::DataCategory;
use crate::db::DbConn;
use crate::error::{Error, Result};
use crate::http::resource::{self, Resource as _};
use crate::kind::{PatientId, ScreeningId};
use crate::matching::api::{Match, MatchInput};
use crate::matching::{finder, handlers as matches};

/// The screening that is about to be completed.
#[derive(Debug, Clone)]
pub enum Completing {
    /// A new one.
    New(Box<ScreeningInput>),
    /// A draft, by these last answers.
    Draft(ScreeningId, ScreeningCompletion),
}

impl Completing {
    /// The draft, if it is one, and the content that it is to have.
    fn read(self, conn: &mut DbConn, caller: &Principal) -> Result<(Option<ScreeningRow>, ScreeningInput)> {
        match self {
            Self::New(input) => Ok((None, *input)),
            Self::Draft(id, completion) => {
                let row = resource::get_row::<Screenings>(conn, caller, id)?;
                let input = completion.laid_over(Screenings::input(&row));
                Ok((Some(row), input))
            }
        }
    }
}

/// What was asked of matching and what it found, not yet kept.
#[derive(Debug)]
pub struct Found {
    asked: MatchInput,
    about: finder::About,
}

impl Found {
    /// Writes the match down, beside the screening of this patient that it belongs to.
    pub fn keep(&self, conn: &mut DbConn, caller: &Principal, patient: PatientId) -> Result<Match> {
        // The draft was another record's when it was read, and followed it into a merge. Asked again, it is matched as it now is.
        if self.asked.patient_id != Some(patient) {
            return Err(Error::Busy);
        }
        matches::keep(conn, &caller.actor(), &self.asked, &self.about)
    }
}

/// Suggests services, where that is asked for and the screening will be complete.
///
/// It reads only, and is done before the write that completes the screening: on SQLite all writes wait for each other. What is wrong
/// with the screening is left for that write to say.
pub async fn find(app: &State, caller: &Principal, query: &SuggestQuery, completing: Completing) -> Result<Option<Found>> {
    let Some(limit) = query.suggest else { return Ok(None) };
    caller.require(Scope::PatientsRead)?;
    caller.require(Scope::ServicesRead)?;
    let (state, caller) = (app.clone(), caller.clone());
    app.read_matching(move |conn| {
        let (draft, mut input) = completing.read(conn, &caller)?;
        let is_to_complete = input.status == ScreeningStatus::Completed
            && draft.as_ref().is_none_or(|row| row.status == ScreeningStatus::Draft)
            && recording::check(conn, &caller, draft.as_ref(), &mut input).is_ok();
        if !is_to_complete {
            return Ok(None);
        }
        if !sight::patient(conn, &caller, input.patient_id)?.categories.contains(DataCategory::Needs) {
            let message = "The patient's consent does not let this organization see the needs by which services are suggested.";
            return Err(Error::Forbidden(message.into()));
        }
        let raised = recording::needs_to_raise(conn, &caller, draft.as_ref(), &input)?;
        let asked = MatchInput { patient_id: Some(input.patient_id), limit: Some(limit), ..MatchInput::default() };
        let about = finder::about_patient(conn, &state, &caller, &asked, &raised)?;
        Ok(Some(Found { asked, about }))
    })
    .await
}
