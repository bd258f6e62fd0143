//! What of a consent is shown to the organization that it was given to: all of it while it stands, and once it was withdrawn or deleted
//! that it was, and nothing more. Whoever manages the patient or wrote the consent down sees what it said and why it ended.

use serde_json::{Value, json};

use super::api::{Consent, ConsentContent};
use super::model::ConsentStatus;
use super::repository;
use crate::db::DbConn;
use crate::error::{Error, Result};
use crate::kind::{ConsentId, OrganizationId};

/// The lists that are empty in a consent of which nothing more is shown.
const LISTS: [&str; 2] = ["purposes", "categories"];
/// The fields that are null in it.
const NULLS: [&str; 9] =
    ["withdrawal_reason", "form", "given_by", "given_by_name", "given_by_relationship", "recorded_by", "valid_from", "valid_until", "note"];

impl Consent {
    /// As this organization, one of those that the consent names, may see it.
    #[must_use]
    pub fn shown_to(self, reader: OrganizationId) -> Self {
        if self.withdrawn_at.is_none() || [self.organization_id, self.recorder_id].contains(&reader) {
            return self;
        }
        let content = ConsentContent {
            purposes: Vec::new(),
            categories: Vec::new(),
            form: None,
            given_by: None,
            given_by_name: None,
            given_by_relationship: None,
            recorded_by: None,
            valid_from: None,
            valid_until: None,
            note: None,
            ..self.content
        };
        Self { withdrawal_reason: None, content, ..self }
    }
}

/// The same of a consent out of the journal, as it once stood, for whom it was given to: what it said before it was withdrawn is shown as
/// little as what it says now. One that was deleted, as never given, is shown as one that was withdrawn at that moment.
pub fn recorded(conn: &mut DbConn, id: ConsentId, mut consent: Value) -> Result<Value> {
    let ended_at = repository::find(conn, id)?.and_then(|row| row.withdrawn_at.or(row.deleted_at));
    if let (Some(moment), Some(members)) = (ended_at, consent.as_object_mut()) {
        members.insert("withdrawn_at".into(), serde_json::to_value(moment).map_err(Error::internal)?);
        members.insert("status".into(), json!(ConsentStatus::Withdrawn));
        members.extend(LISTS.map(|field| (field.into(), json!([]))));
        members.extend(NULLS.map(|field| (field.into(), Value::Null)));
    }
    Ok(consent)
}
