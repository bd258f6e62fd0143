//! How much of the journal somebody sees, decided when it is read: the rule of sight for what once was.
//!
//! The directory is everybody's. What is about a patient is seen by the organization that manages the patient and by those who hold a
//! grant, what belongs to a referral by its two sides as well, a consent by those whom it names, and one's own always but for what
//! matching found. What others have noted of a person is for those whom the person lets in. What a referral was before it was sent is its
//! requester's alone, an unmet need that of whoever found it; how a patient or a practitioner once stood, that of the organization whose
//! they are: to others they are as they stand now.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::model::Entry;
use super::sketch::Sketch;
use crate::auth::{Principal, sight};
use crate::consents::model::{Categories, DataCategory, status_at};
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::follow_ups::{self, shown::names_needs};
use crate::http::resource::Resource as _;
use crate::kind::{NeedId, PatientId, PractitionerId, ReferralId, ResourceType};
use crate::patients::api::Patient;
use crate::patients::model::Standing;
use crate::practitioners::api::Practitioner;
use crate::screenings::handlers::Screenings;
use crate::types::find_domain;
use crate::{appointments, consents, needs, patients, practitioners, referrals};

/// How much of an entry somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// It is as if it were not there.
    Nothing,
    /// That something changed, and nothing of what it held: reading it today shows less than the journal keeps, or something else.
    Known,
    /// That something changed, and of what it holds what these categories cover.
    Part(Categories),
    /// All of it.
    Whole,
}

/// Somebody who reads the journal, with what has been found out about patients and referrals on the way.
#[derive(Debug)]
pub struct Reader<'a> {
    caller: &'a Principal,
    patients: HashMap<PatientId, Known>,
    received: HashMap<PatientId, Option<Categories>>,
    referrals: HashMap<ReferralId, bool>,
    /// The referrals of entries that come next: what is asked of one is asked of all of them.
    ahead: Vec<ReferralId>,
    needs: HashMap<NeedId, bool>,
    practitioners: HashMap<PractitionerId, Option<i64>>,
}

/// What is known of a patient.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// The one into whom they were merged.
    survivor: Option<PatientId>,
    /// What the reader sees.
    seen: Option<Categories>,
    /// Whether they were deleted.
    is_deleted: bool,
    /// The version of their record.
    version: i64,
}

impl<'a> Reader<'a> {
    /// The caller, who knows nothing yet.
    pub fn new(caller: &'a Principal) -> Self {
        Self {
            caller,
            patients: HashMap::new(),
            received: HashMap::new(),
            referrals: HashMap::new(),
            ahead: Vec::new(),
            needs: HashMap::new(),
            practitioners: HashMap::new(),
        }
    }

    /// Hears of entries that are viewed next, so that what has to be asked of many is asked once.
    pub fn look_ahead(&mut self, entries: &[Sketch]) {
        let of_others = entries.iter().filter(|entry| entry.owner_id != Some(self.caller.organization_id));
        let unknown = of_others.filter_map(|entry| entry.referral_id).filter(|id| !self.referrals.contains_key(id));
        let unknown: BTreeSet<ReferralId> = unknown.collect();
        self.ahead = unknown.into_iter().collect();
    }

    /// Who reads.
    pub const fn caller(&self) -> &'a Principal {
        self.caller
    }

    /// Whether anything about patients is among what the reader's scopes let it read.
    pub fn follows_patients(&self) -> bool {
        let mut guards = ResourceType::ALL.iter().map(|kind| sight::guard(*kind));
        guards.any(|(scope, category)| category.is_some() && self.caller.has(scope))
    }

    /// How much the reader sees of an entry.
    pub fn view(&mut self, conn: &mut DbConn, entry: &Entry) -> Result<View> {
        let (scope, category) = sight::guard(entry.resource_type);
        if !self.caller.has(scope) {
            return Ok(View::Nothing);
        }
        let is_own = entry.owner_id == Some(self.caller.organization_id);
        if entry.resource_type == ResourceType::UnmetNeed && !is_own {
            return Ok(View::Nothing);
        }
        let (Some(category), Some(patient)) = (category, entry.patient_id) else {
            return self.of_nobody(conn, entry, category.is_none(), is_own);
        };
        if is_own && !is_seen_with_the_patient(entry.resource_type) && !self.holds_words_of_others(entry)? {
            return Ok(View::Whole);
        }
        let body = body(entry)?;
        if is_unsent(entry.resource_type, &body) {
            return Ok(View::Nothing);
        }
        let Known { survivor, seen, is_deleted, version } = self.patient(conn, patient)?;
        if is_deleted && is_of_the_chart(entry.resource_type) {
            return Ok(View::Nothing);
        }
        if entry.resource_type == ResourceType::Patient && entry.version != version {
            return Ok(seen.map_or(View::Nothing, |_| View::Known));
        }
        if seen == Some(Categories::ALL) {
            return Ok(View::Whole);
        }
        Ok(match entry.resource_type {
            ResourceType::Consent if self.is_in(&body, &["recorder_id"]) => View::Whole,
            // Less once it was withdrawn.
            ResourceType::Consent if self.is_in(&body, &["grantee_id"]) => View::Part(Categories::SUMMARY),
            ResourceType::Consent => View::Nothing,
            ResourceType::Patient => seen.map_or(View::Nothing, View::Part),
            ResourceType::FollowUp | ResourceType::ContactAttempt | ResourceType::Appointment => {
                let is_covered = is_own || (!is_deleted && seen.is_some_and(|seen| seen.contains(category)));
                self.of_others(conn, entry, &body, (survivor.unwrap_or(patient), seen), is_covered)?
            }
            // Less of the person once the consent to it has ended.
            ResourceType::Referral if self.is_party(conn, entry)? => View::Part(match seen.filter(|_| !is_deleted) {
                Some(seen) => seen,
                None => self.received(conn, survivor.unwrap_or(patient))?.unwrap_or(Categories::NONE),
            }),
            _ if self.is_party(conn, entry)? => View::Whole,
            // Nobody is let in by a patient who was deleted.
            _ => {
                let seen = seen.filter(|seen| seen.contains(category) && (is_own || !is_deleted));
                self.by_consent(conn, entry, &body, seen, is_own)?
            }
        })
    }

    /// How much the reader sees of an entry by what has been agreed to: `seen`, where the entry's category is among that.
    fn by_consent(&mut self, conn: &mut DbConn, entry: &Entry, body: &Value, seen: Option<Categories>, is_own: bool) -> Result<View> {
        let kind = entry.resource_type;
        Ok(match seen {
            None => View::Nothing,
            Some(_) if is_own && kind == ResourceType::UnmetNeed => View::Whole,
            Some(seen) if kind == ResourceType::Match => {
                if sight::sees_match(seen, is_own, is_sensitive(body)) {
                    View::Part(seen)
                } else {
                    View::Nothing
                }
            }
            Some(seen) if seen.contains(DataCategory::Sensitive) => View::Part(seen),
            // What was told of a need before it was called sensitive is as hidden now as the need itself.
            Some(seen) if !is_sensitive(body) => {
                let is_hidden = kind == ResourceType::Need && self.is_sensitive_now(conn, entry.resource_id.cast())?;
                if is_hidden { View::Nothing } else { View::Part(seen) }
            }
            // Its answers are read without the sensitive ones.
            Some(_) if kind == ResourceType::Screening => View::Known,
            Some(_) => View::Nothing,
        })
    }

    /// The resource as it then stood, as far as the reader sees it today: what the feed tells of it. A screening of which a part is
    /// withheld is told once it stands as it does now.
    pub fn shown(&mut self, conn: &mut DbConn, entry: &Entry, view: View) -> Result<Option<Box<RawValue>>> {
        let value = match (view, entry.resource_type) {
            (View::Nothing, _) => return Ok(None),
            (View::Known, ResourceType::Screening) => match self.screening(conn, entry)? {
                Some(value) => value,
                None => return Ok(None),
            },
            (View::Known, _) => return Ok(None),
            (_, ResourceType::Consent) => {
                let consent = self.narrowed(conn, entry, view)?.map_or_else(|| body(entry), Ok)?;
                consent_at(consent, self.caller.at)?
            }
            _ => match self.narrowed(conn, entry, view)? {
                Some(value) => value,
                None => return Ok(Some(entry.body.0.clone())),
            },
        };
        to_raw_value(&value).map(Some).map_err(Error::internal)
    }

    /// A screening as reading it shows it, where the entry tells how it stands now.
    fn screening(&self, conn: &mut DbConn, entry: &Entry) -> Result<Option<Value>> {
        let found = Screenings::find(conn, self.caller, entry.resource_id.cast())?;
        let Some(row) = found.filter(|row| row.version == entry.version) else { return Ok(None) };
        let shown = Screenings::view(conn, self.caller, Screenings::shape(row))?;
        serde_json::to_value(shown).map(Some).map_err(Error::internal)
    }

    fn is_sensitive_now(&mut self, conn: &mut DbConn, id: NeedId) -> Result<bool> {
        if let Some(known) = self.needs.get(&id) {
            return Ok(*known);
        }
        let is_sensitive = needs::repository::find(conn, id)?.is_some_and(|row| row.is_sensitive);
        self.needs.insert(id, is_sensitive);
        Ok(is_sensitive)
    }

    /// The resource as it then stood, as far as the reader sees it.
    pub fn resource(&mut self, conn: &mut DbConn, entry: &Entry) -> Result<Option<Value>> {
        match self.view(conn, entry)? {
            View::Nothing | View::Known => Ok(None),
            view => match self.narrowed(conn, entry, view)? {
                Some(value) => Ok(Some(value)),
                None => body(entry).map(Some),
            },
        }
    }

    /// Whether the reader sees that a screening raises alarm: what is withheld of it alarms nobody from whom it is withheld.
    pub fn sees_alerts(&mut self, conn: &mut DbConn, entry: &Entry) -> Result<bool> {
        match self.view(conn, entry)? {
            View::Nothing => Ok(false),
            View::Part(_) | View::Whole => Ok(true),
            View::Known => {
                let Some(row) = Screenings::find(conn, self.caller, entry.resource_id.cast())? else { return Ok(false) };
                let shown = Screenings::view(conn, self.caller, Screenings::shape(row))?;
                Ok(!shown.findings.safety_alerts.is_empty())
            }
        }
    }

    /// Without a patient, the directory is everybody's, and the rest (an anonymous match, a client) its owner's.
    fn of_nobody(&mut self, conn: &mut DbConn, entry: &Entry, is_directory: bool, is_own: bool) -> Result<View> {
        Ok(match entry.resource_type {
            _ if is_own => View::Whole,
            ResourceType::ServiceSuggestion if self.is_in(&body(entry)?, &["keeper_id"]) => View::Whole,
            ResourceType::ServiceSuggestion => View::Nothing,
            ResourceType::CalendarLink | ResourceType::Client | ResourceType::Source | ResourceType::WebhookEndpoint => View::Nothing,
            ResourceType::Practitioner if self.practitioner(conn, entry.resource_id.cast())? == Some(entry.version) => {
                View::Part(Categories::SUMMARY)
            }
            ResourceType::Practitioner => View::Known,
            _ if is_directory => View::Whole,
            _ => View::Nothing,
        })
    }

    /// What another organization has noted of a person, of whom the reader sees so much, be it in what is the reader's own: without its
    /// words to whom the person does not let in, and without the needs that the reader does not see.
    fn of_others(
        &mut self,
        conn: &mut DbConn,
        entry: &Entry,
        body: &Value,
        (person, seen): (PatientId, Option<Categories>),
        is_covered: bool,
    ) -> Result<View> {
        let is_with_reader = entry.resource_type == ResourceType::Appointment && self.is_in(body, &["provider_id"]);
        if !(is_covered || is_with_reader || self.is_party(conn, entry)?) {
            return Ok(View::Nothing);
        }
        if self.received(conn, person)?.is_none() {
            return Ok(View::Part(Categories::NONE));
        }
        let in_referral = match entry.referral_id {
            Some(referral) if entry.resource_type == ResourceType::FollowUp && names_needs(body) => {
                sight::as_performer(conn, self.caller, referral)?
            }
            _ => None,
        };
        Ok(View::Part([seen, in_referral].into_iter().flatten().fold(Categories::SUMMARY, Categories::union)))
    }

    /// The version of a practitioner's record.
    fn practitioner(&mut self, conn: &mut DbConn, id: PractitionerId) -> Result<Option<i64>> {
        if let Some(known) = self.practitioners.get(&id) {
            return Ok(*known);
        }
        let version = practitioners::repository::find(conn, id)?.map(|row| row.version);
        self.practitioners.insert(id, version);
        Ok(version)
    }

    /// Whether others may have written of the person in what is the reader's own: whom an appointment is with says how it ended.
    fn holds_words_of_others(&self, entry: &Entry) -> Result<bool> {
        let is_shared = entry.resource_type == ResourceType::Appointment;
        Ok(is_shared && appointments::shown::has_words_of_others(&body(entry)?, self.caller.organization_id))
    }

    /// Whether the reader's organization stands in one of these fields.
    fn is_in(&self, body: &Value, fields: &[&str]) -> bool {
        let own = Value::String(self.caller.organization_id.to_string());
        fields.iter().any(|field| body.get(*field) == Some(&own))
    }

    /// Whether the entry belongs to a referral that the reader's organization sent or received.
    fn is_party(&mut self, conn: &mut DbConn, entry: &Entry) -> Result<bool> {
        let Some(id) = entry.referral_id else { return Ok(false) };
        if let Some(known) = self.referrals.get(&id) {
            return Ok(*known);
        }
        let mut asked = std::mem::take(&mut self.ahead);
        asked.push(id);
        let parties = referrals::repository::parties_among(conn, self.caller.organization_id, &asked)?;
        self.referrals.extend(asked.into_iter().map(|id| (id, parties.contains(&id))));
        Ok(parties.contains(&id))
    }

    fn patient(&mut self, conn: &mut DbConn, id: PatientId) -> Result<Known> {
        if let Some(known) = self.patients.get(&id) {
            return Ok(*known);
        }
        let found = match patients::repository::standing(conn, id)? {
            Some(Standing { organization_id, merged_into_id: survivor, deleted_at, version }) => {
                let is_deleted = match survivor {
                    Some(survivor) => patients::repository::standing(conn, survivor)?.is_some_and(|its| its.deleted_at.is_some()),
                    None => deleted_at.is_some(),
                };
                let seen = sight::of(conn, self.caller, organization_id, survivor.unwrap_or(id))?;
                Known { survivor, seen, is_deleted, version }
            }
            None => Known::default(),
        };
        self.patients.insert(id, found);
        Ok(found)
    }

    /// What the reader sees of a patient in the referrals that it received; `None` where nothing.
    fn received(&mut self, conn: &mut DbConn, id: PatientId) -> Result<Option<Categories>> {
        if let Some(known) = self.received.get(&id) {
            return Ok(*known);
        }
        let seen = sight::to_performer(conn, id, self.caller.organization_id, self.caller.at)?;
        self.received.insert(id, seen);
        Ok(seen)
    }

    /// What the reader sees of a patient; `None` where nothing.
    pub fn seen(&mut self, conn: &mut DbConn, id: PatientId) -> Result<Option<Categories>> {
        Ok(self.patient(conn, id)?.seen)
    }

    /// The resource of an entry that is seen in part, where that is less than what the journal holds.
    fn narrowed(&self, conn: &mut DbConn, entry: &Entry, view: View) -> Result<Option<Value>> {
        let View::Part(seen) = view else { return Ok(None) };
        match entry.resource_type {
            ResourceType::Patient => Patient::recorded(body(entry)?, seen).map(Some),
            ResourceType::FollowUp => follow_ups::shown::recorded(conn, body(entry)?, seen).map(Some),
            ResourceType::ContactAttempt => Ok(follow_ups::shown::recorded_attempt(body(entry)?, seen)),
            ResourceType::Appointment => Ok(appointments::shown::recorded(body(entry)?, seen, self.caller.organization_id)),
            ResourceType::Referral => Ok(referrals::shown::recorded(body(entry)?, seen)),
            ResourceType::Practitioner => Practitioner::recorded(body(entry)?).map(Some),
            ResourceType::Consent => consents::shown::recorded(conn, entry.resource_id.cast(), body(entry)?).map(Some),
            _ => Ok(None),
        }
    }
}

/// Whether these are read with the patient's chart, which goes with the patient.
const fn is_of_the_chart(kind: ResourceType) -> bool {
    matches!(
        kind,
        ResourceType::Need
            | ResourceType::NeedLevelAssessment
            | ResourceType::NavigatorAssignment
            | ResourceType::Screening
            | ResourceType::Match
    )
}

/// Whether these are the owner's only as long as it sees the patient, or there is one to be seen.
const fn is_seen_with_the_patient(kind: ResourceType) -> bool {
    matches!(kind, ResourceType::Match | ResourceType::UnmetNeed | ResourceType::NeedLevelAssessment | ResourceType::NavigatorAssignment)
}

/// A consent as it is at a moment: it begins and ends though nobody writes that down.
pub fn consent_at(mut consent: Value, now: Instant) -> Result<Value> {
    let moment = |field: &str| -> Result<Option<Instant>> {
        let value = consent.get(field).cloned().unwrap_or_default();
        serde_json::from_value(value).map_err(Error::internal)
    };
    let created_at = moment("created_at")?.unwrap_or(now);
    let status = status_at(now, moment("valid_from")?.unwrap_or(created_at), moment("valid_until")?, moment("withdrawn_at")?);
    if let Some(members) = consent.as_object_mut() {
        members.insert("status".into(), serde_json::to_value(status).map_err(Error::internal)?);
    }
    Ok(consent)
}

pub(super) fn body(entry: &Entry) -> Result<Value> {
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
pub(super) fn is_sensitive(body: &Value) -> bool {
    let domain = |value: &Value| value.get("domain").and_then(Value::as_str).and_then(find_domain);
    let is_of_sensitive_domain = |value: &Value| domain(value).is_some_and(|domain| domain.is_sensitive);
    let matched = body.pointer("/person/needs").and_then(Value::as_array);
    body.get("is_sensitive") == Some(&Value::Bool(true))
        || is_of_sensitive_domain(body)
        || matched.is_some_and(|needs| needs.iter().any(is_of_sensitive_domain))
}
