//! How much of the journal somebody sees, decided when it is read: the rule of sight for what once was.
//!
//! The directory is everybody's. What is about a patient is seen by the organization that manages the patient and by those who hold a
//! grant, what belongs to a referral by its two sides as well, a consent by those whom it names, and one's own always. What a referral
//! was before it was sent is its requester's alone.

use std::collections::HashMap;

use serde_json::Value;

use super::model::Entry;
use crate::auth::{Principal, sight};
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::error::{Error, Result};
use crate::kind::{PatientId, ReferralId, ResourceType};
use crate::patients::api::Patient;
use crate::types::find_domain;
use crate::{patients, referrals};

/// How much of an entry somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// It is as if it were not there.
    Nothing,
    /// That something changed, and nothing of what it held: reading it today withholds a part that the journal keeps.
    Known,
    /// That something changed, and of what it holds what these categories cover.
    Part(Categories),
    /// All of it.
    Whole,
}

impl View {
    /// Whether anything of what the entry holds is seen.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Part(_) | Self::Whole)
    }
}

/// Somebody who reads the journal, with what has been found out about patients and referrals on the way.
#[derive(Debug)]
pub struct Reader<'a> {
    caller: &'a Principal,
    patients: HashMap<PatientId, Option<Categories>>,
    referrals: HashMap<ReferralId, bool>,
}

impl<'a> Reader<'a> {
    /// The caller, who knows nothing yet.
    pub fn new(caller: &'a Principal) -> Self {
        Self { caller, patients: HashMap::new(), referrals: HashMap::new() }
    }

    /// How much the reader sees of an entry.
    pub fn view(&mut self, conn: &mut DbConn, entry: &Entry) -> Result<View> {
        let (scope, category) = sight::guard(entry.resource_type);
        if !self.caller.has(scope) {
            return Ok(View::Nothing);
        }
        let is_own = entry.owner_id == Some(self.caller.organization_id);
        let (Some(category), Some(patient)) = (category, entry.patient_id) else {
            return Ok(self.of_nobody(entry, category.is_none(), is_own));
        };
        if is_own && !matches!(entry.resource_type, ResourceType::Patient | ResourceType::Consent | ResourceType::Match) {
            return Ok(View::Whole);
        }
        let body = body(entry)?;
        if is_unsent(entry.resource_type, &body) {
            return Ok(View::Nothing);
        }
        let seen = self.patient(conn, patient)?;
        if seen == Some(Categories::ALL) {
            return Ok(View::Whole);
        }
        Ok(match entry.resource_type {
            ResourceType::Consent if self.is_named(&body) => View::Whole,
            ResourceType::Consent => View::Nothing,
            ResourceType::Patient => seen.map_or(View::Nothing, View::Part),
            _ if self.is_party(conn, entry)? => View::Whole,
            kind => match seen.filter(|seen| seen.contains(category)) {
                None => View::Nothing,
                Some(seen) if kind == ResourceType::Match => {
                    if sight::sees_match(seen, is_own, is_sensitive(&body)) {
                        View::Part(seen)
                    } else {
                        View::Nothing
                    }
                }
                Some(seen) if seen.contains(DataCategory::Sensitive) || !is_sensitive(&body) => View::Part(seen),
                // Its answers are read without the sensitive ones.
                Some(_) if kind == ResourceType::Screening => View::Known,
                Some(_) => View::Nothing,
            },
        })
    }

    /// The resource as it then stood, as far as the reader sees it.
    pub fn resource(&mut self, conn: &mut DbConn, entry: &Entry) -> Result<Option<Value>> {
        match self.view(conn, entry)? {
            View::Nothing | View::Known => Ok(None),
            View::Part(seen) if entry.resource_type == ResourceType::Patient => Patient::recorded(body(entry)?, seen).map(Some),
            View::Part(_) | View::Whole => body(entry).map(Some),
        }
    }

    /// Without a patient, the directory is everybody's, and the rest (an anonymous match, a client) its owner's.
    fn of_nobody(&self, entry: &Entry, is_directory: bool, is_own: bool) -> View {
        match entry.resource_type {
            _ if is_own => View::Whole,
            ResourceType::Client | ResourceType::WebhookEndpoint => View::Nothing,
            ResourceType::Practitioner => View::Part(Categories::SUMMARY),
            _ if is_directory => View::Whole,
            _ => View::Nothing,
        }
    }

    /// Whether a consent is given to the reader's organization or was recorded by it.
    fn is_named(&self, consent: &Value) -> bool {
        let own = Value::String(self.caller.organization_id.to_string());
        ["grantee_id", "recorder_id"].iter().any(|field| consent.get(*field) == Some(&own))
    }

    /// Whether the entry belongs to a referral that the reader's organization sent or received.
    fn is_party(&mut self, conn: &mut DbConn, entry: &Entry) -> Result<bool> {
        let Some(id) = entry.referral_id else { return Ok(false) };
        if let Some(known) = self.referrals.get(&id) {
            return Ok(*known);
        }
        let is_party = referrals::repository::is_party(conn, self.caller.organization_id, id)?;
        self.referrals.insert(id, is_party);
        Ok(is_party)
    }

    fn patient(&mut self, conn: &mut DbConn, id: PatientId) -> Result<Option<Categories>> {
        if let Some(known) = self.patients.get(&id) {
            return Ok(*known);
        }
        let found = match patients::repository::find(conn, id)? {
            Some(row) => sight::of(conn, self.caller, row.organization_id, row.merged_into_id.unwrap_or(id))?,
            None => None,
        };
        self.patients.insert(id, found);
        Ok(found)
    }
}

fn body(entry: &Entry) -> Result<Value> {
    serde_json::from_str(entry.body.get()).map_err(Error::internal)
}

/// Whether this is of a referral that was being written, or was called off before it was sent.
fn is_unsent(kind: ResourceType, body: &Value) -> bool {
    let is = |field: &str, status: &str| body.get(field).and_then(Value::as_str) == Some(status);
    match kind {
        ResourceType::Referral => body.get("requested_at") == Some(&Value::Null),
        ResourceType::ReferralTransition => is("to", "draft") || (is("from", "draft") && !is("to", "requested")),
        _ => false,
    }
}

/// Whether a need, a screening or a match touches what only a consent to sensitive data shows.
fn is_sensitive(body: &Value) -> bool {
    let domain = |value: &Value| value.get("domain").and_then(Value::as_str).and_then(find_domain);
    let is_of_sensitive_domain = |value: &Value| domain(value).is_some_and(|domain| domain.is_sensitive);
    let matched = body.pointer("/person/needs").and_then(Value::as_array);
    body.get("is_sensitive") == Some(&Value::Bool(true))
        || is_of_sensitive_domain(body)
        || matched.is_some_and(|needs| needs.iter().any(is_of_sensitive_domain))
}
