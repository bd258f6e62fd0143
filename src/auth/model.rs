//! Clients: the systems that call the API, each for one organization.

use diesel::prelude::*;

use super::scopes::Scopes;
use crate::db::schema::{clients, organizations};
use crate::db::types::Instant;
use crate::kind::{ClientId, OrganizationId};

/// What a client may do at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The organization it calls for.
    pub organization_id: OrganizationId,
    /// The scopes it may ask for.
    pub scopes: Scopes,
    /// False once the client is disabled or its organization closed.
    pub is_active: bool,
}

/// The columns of `clients` joined with `organizations` that [`Standing`] is made of.
type StandingColumns = (clients::organization_id, clients::scopes, clients::is_active, organizations::is_active, organizations::deleted_at);

impl Standing {
    /// See [`StandingColumns`].
    pub const COLUMNS: StandingColumns =
        (clients::organization_id, clients::scopes, clients::is_active, organizations::is_active, organizations::deleted_at);
}

/// What these columns hold.
pub type StandingRow = (OrganizationId, Scopes, bool, bool, Option<Instant>);

impl From<StandingRow> for Standing {
    /// A client of an organization that is closed or deleted is not active.
    fn from((organization_id, scopes, is_active, is_open, deleted_at): StandingRow) -> Self {
        Self { organization_id, scopes, is_active: is_active && is_open && deleted_at.is_none() }
    }
}

/// The hashes of a client's secrets.
#[derive(Clone, Queryable)]
pub struct SecretHashes {
    /// Of the secret it has.
    pub secret_hash: String,
    /// Of the secret it had before.
    pub previous_secret_hash: Option<String>,
    /// Until when that one is still good.
    pub previous_secret_expires_at: Option<Instant>,
}

impl SecretHashes {
    /// The hashes that count at this moment: the present secret's first.
    pub fn live_at(self, now: Instant) -> Vec<String> {
        let previous = self.previous_secret_hash.filter(|_| self.previous_secret_expires_at.is_some_and(|end| now < end));
        std::iter::once(self.secret_hash).chain(previous).collect()
    }
}

/// A client as the command line lists it; without its secrets.
#[derive(Debug, Clone, Queryable, serde::Serialize)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Its name.
    pub name: String,
    /// The organization it calls for.
    pub organization_id: OrganizationId,
    /// That organization's name.
    pub organization_name: String,
    /// The scopes it may ask for.
    pub scopes: Scopes,
    /// False once it is disabled.
    pub is_active: bool,
    /// When it was added.
    pub created_at: Instant,
}

impl Client {
    /// The columns of `clients` joined with `organizations`, in the order of the fields.
    pub(super) const COLUMNS: (
        clients::id,
        clients::name,
        clients::organization_id,
        organizations::name,
        clients::scopes,
        clients::is_active,
        clients::created_at,
    ) = (
        clients::id,
        clients::name,
        clients::organization_id,
        organizations::name,
        clients::scopes,
        clients::is_active,
        clients::created_at,
    );
}

/// A client to be added.
#[derive(Clone, Insertable)]
#[diesel(table_name = clients, treat_none_as_default_value = false)]
pub struct NewClient {
    /// Its id.
    pub id: ClientId,
    /// The organization it calls for.
    pub organization_id: OrganizationId,
    /// What its people call it.
    pub name: String,
    /// The scopes it may ask for.
    pub scopes: Scopes,
    /// The hash of its secret.
    pub secret_hash: String,
    /// None at first.
    pub previous_secret_hash: Option<String>,
    /// None at first.
    pub previous_secret_expires_at: Option<Instant>,
    /// True at first.
    pub is_active: bool,
    /// 1 at first.
    pub version: i64,
    /// Now.
    pub created_at: Instant,
    /// Now.
    pub updated_at: Instant,
}

impl NewClient {
    /// An active client with these scopes and this secret's hash.
    pub fn new(organization_id: OrganizationId, name: String, scopes: Scopes, secret_hash: String, now: Instant) -> Self {
        Self {
            id: ClientId::generate(),
            organization_id,
            name,
            scopes,
            secret_hash,
            previous_secret_hash: None,
            previous_secret_expires_at: None,
            is_active: true,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}
