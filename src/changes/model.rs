//! What the journal keeps.

use diesel::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::db::schema::changes;
use crate::db::types::{Id, Instant, Json};
use crate::error::{Error, Result};
use crate::kind::{ClientId, Kind, OrganizationId, PatientId, ReferralId, ResourceType};
use crate::text_enum;

text_enum! {
    /// What was done. Values may be added.
    pub enum Action {
        /// It was made.
        Created = "created",
        /// It was changed.
        Updated = "updated",
        /// It was deleted; a tombstone remains.
        Deleted = "deleted",
        /// It was merged into another.
        Merged = "merged",
        /// In the feed only: how it stands now, told to one who has begun to see it, or sees it still.
        Snapshot = "snapshot",
        /// In the feed only, of a patient: what the caller sees of the patient has changed or ended. Remove all that you hold of the
        /// patient but for consents; what you see follows as `snapshot`.
        Reset = "reset",
        /// In the feed only, of a referral: it goes to another service than the one that is asked for. Remove it, and all that you hold
        /// with its `referral_id`.
        Left = "left",
        /// In the feed only, of a consent: the moment from which it holds has come.
        Began = "began",
        /// In the feed only, of a consent: the moment until which it held has come.
        Expired = "expired",
    }
}

/// The rows that one request changes: while it does, all others who write wait on SQLite.
const MOST_AT_ONCE: i64 = 20_000;

/// Fails where one request would change so many rows.
///
/// # Errors
/// [`Error::Conflict`] `too_much_at_once`, with what there are too many of, and what can be done instead.
pub fn ensure_few(rows: i64, what: &str, instead: &str) -> Result<()> {
    if rows <= MOST_AT_ONCE {
        return Ok(());
    }
    Err(Error::conflict("too_much_at_once", format!("There are more than {MOST_AT_ONCE} {what}; {instead}.")))
}

/// Who does something, as far as the journal keeps it, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The organization that the client belongs to; absent for the command line.
    pub organization_id: Option<OrganizationId>,
    /// The calling client; absent for the command line.
    pub client_id: Option<ClientId>,
    /// The person acting in the client's system, as the client asserts.
    pub on_behalf_of: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// The moment that everything of one request bears.
    pub at: Instant,
}

impl Actor {
    /// The operator at the command line.
    pub const fn operator(at: Instant) -> Self {
        Self { organization_id: None, client_id: None, on_behalf_of: None, request_id: None, at }
    }
}

/// A change to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a, T> {
    /// What kind of resource.
    pub resource_type: ResourceType,
    /// The id of the resource.
    pub resource_id: Uuid,
    /// The organization that owns it.
    pub owner_id: Option<OrganizationId>,
    /// Its version after the change.
    pub version: i64,
    /// What was done.
    pub action: Action,
    /// The patient it is about.
    pub patient_id: Option<PatientId>,
    /// The referral it belongs to.
    pub referral_id: Option<ReferralId>,
    /// The resource as it now stands.
    pub body: &'a T,
}

impl<'a, T> Change<'a, T> {
    /// A change of what nobody owns and what is about nobody, as long as nothing else is said.
    pub const fn of<K: Kind>(id: Id<K>, version: i64, action: Action, body: &'a T) -> Self {
        let (owner_id, patient_id, referral_id) = (None, None, None);
        Self { resource_type: K::RESOURCE_TYPE, resource_id: id.uuid(), owner_id, version, action, patient_id, referral_id, body }
    }

    /// The organization that owns it.
    pub fn owned_by(self, owner: impl Into<Option<OrganizationId>>) -> Self {
        Self { owner_id: owner.into(), ..self }
    }

    /// The patient it is about.
    pub fn about(self, patient: impl Into<Option<PatientId>>) -> Self {
        Self { patient_id: patient.into(), ..self }
    }

    /// The referral it belongs to.
    pub fn within(self, referral: impl Into<Option<ReferralId>>) -> Self {
        Self { referral_id: referral.into(), ..self }
    }
}

/// A resource as the journal keeps it.
pub type Body = Json<Box<RawValue>>;

/// A line of the journal.
#[derive(Debug, Clone, Queryable)]
pub struct Entry<B = Body> {
    /// Its number. Numbers are unique and not in the order of the feed, which is [`Position`]'s.
    pub sequence: i64,
    /// The transaction that wrote it, where transactions overlap; else 0.
    pub transaction_id: i64,
    /// When it happened.
    pub at: Instant,
    /// The organization that did it.
    pub organization_id: Option<OrganizationId>,
    /// The client that did it.
    pub client_id: Option<ClientId>,
    /// The person in the client's system.
    pub on_behalf_of: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// What kind of resource was changed.
    pub resource_type: ResourceType,
    /// The id of the resource.
    pub resource_id: Id<()>,
    /// The organization that owns it.
    pub owner_id: Option<OrganizationId>,
    /// Its version after the change.
    pub version: i64,
    /// What was done.
    pub action: Action,
    /// The patient it is about.
    pub patient_id: Option<PatientId>,
    /// The referral it belongs to.
    pub referral_id: Option<ReferralId>,
    /// The resource as it then stood.
    pub body: B,
}

impl<B> Entry<B> {
    /// Its place in the feed.
    pub const fn position(&self) -> Position {
        Position { transaction_id: self.transaction_id, sequence: self.sequence }
    }
}

/// A place in the feed: after it come the entries that are greater, and none will ever appear before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, serde::Deserialize)]
pub struct Position {
    /// The transaction's.
    pub transaction_id: i64,
    /// Within the transaction.
    pub sequence: i64,
}

impl Position {
    /// The place that two columns hold, where they hold one.
    pub fn of(transaction_id: Option<i64>, sequence: Option<i64>) -> Option<Self> {
        transaction_id.zip(sequence).map(|(transaction_id, sequence)| Self { transaction_id, sequence })
    }
}

#[derive(Insertable)]
#[diesel(table_name = changes, treat_none_as_default_value = false)]
pub(super) struct NewEntry<'a> {
    pub(super) at: Instant,
    pub(super) organization_id: Option<OrganizationId>,
    pub(super) client_id: Option<ClientId>,
    pub(super) on_behalf_of: Option<&'a str>,
    pub(super) request_id: Option<&'a str>,
    pub(super) resource_type: ResourceType,
    pub(super) resource_id: Id<()>,
    pub(super) owner_id: Option<OrganizationId>,
    pub(super) version: i64,
    pub(super) action: Action,
    pub(super) patient_id: Option<PatientId>,
    pub(super) referral_id: Option<ReferralId>,
    pub(super) body: Body,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_too_much_of_is_told_with_what_can_be_done() {
        assert!(ensure_few(MOST_AT_ONCE, "messages", "read some").is_ok());
        let problem = ensure_few(MOST_AT_ONCE + 1, "messages", "read some").unwrap_err().problem();
        assert_eq!((&*problem.code, &*problem.detail), ("too_much_at_once", "There are more than 20000 messages; read some."));
    }
}
