//! Links for people who are no clients: each lets its holder do one thing with one resource until one moment, unless it is revoked.
//!
//! What a link says is signed ([`auth::links`](crate::auth::links)); whether it still stands, its row here says, and whether the client
//! that made it may still do what the holder does with it. What is done by a link is in the journal as done by that client, on behalf
//! of the link.
//!
//! Nobody else says that a link did something: who calls cannot be named so ([`is_named_in`]).

pub mod repository;

use std::fmt::Display;
use std::sync::LazyLock;

use chrono::Duration;
use diesel::prelude::*;
use regex::Regex;

use crate::auth::links::{Link, Purpose};
use crate::auth::{self, Principal, Scope};
use crate::db::DbConn;
use crate::db::schema::links;
use crate::db::types::{Id, Instant};
use crate::error::Result;
use crate::kind::{ClientId, OrganizationId};
use crate::text::fold;

/// A row of the table `links`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = links, treat_none_as_default_value = false)]
pub struct LinkRow {
    /// Its id.
    pub id: Id<()>,
    /// The organization whose client made it.
    pub organization_id: OrganizationId,
    /// What it is for.
    pub purpose: Purpose,
    /// What it opens.
    pub subject_id: Id<()>,
    /// The client that made it.
    pub client_id: ClientId,
    /// The person it acted for.
    pub on_behalf_of: Option<String>,
    /// For whom it is, in words.
    pub recipient: Option<String>,
    /// When it runs out.
    pub expires_at: Instant,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
    /// Version, from 1.
    pub version: i64,
    /// When it was made.
    pub created_at: Instant,
}

impl LinkRow {
    /// A new link of the caller's, for so long.
    pub fn new(caller: &Principal, purpose: Purpose, subject_id: Id<()>, recipient: Option<String>, lifetime: Duration) -> Self {
        Self {
            id: Id::generate(),
            organization_id: caller.organization_id,
            purpose,
            subject_id,
            client_id: caller.client_id,
            on_behalf_of: caller.on_behalf_of.clone(),
            recipient,
            expires_at: expiry(caller.at, lifetime),
            revoked_at: None,
            version: 1,
            created_at: caller.at,
        }
    }

    /// What is signed of it.
    pub fn link(&self) -> Link {
        Link { id: self.id.uuid(), subject: self.subject_id.uuid(), expires_at: self.expires_at }
    }

    /// Whether the client that made it may still call, and do this.
    pub fn is_vouched_for(&self, conn: &mut DbConn, scope: Scope) -> Result<bool> {
        let standing = auth::repository::find_standing(conn, self.client_id)?;
        Ok(standing.is_some_and(|standing| standing.is_active && standing.scopes.contains(scope)))
    }
}

/// How the journal names a link that somebody acts by.
pub fn name(what: &str, id: impl Display) -> String {
    format!("{what} link {id}")
}

/// Whether a text has, or could be read as having, the [name] of a link in it: a kind of link with an id, however it is written.
pub fn is_named_in(text: &str) -> bool {
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("(referral|screening)links?[0-9a-f]{32}").ok());
    let plain: String = fold(text).chars().filter(char::is_ascii_alphanumeric).collect();
    NAME.as_ref().is_none_or(|name| name.is_match(&plain))
}

/// When a link that is made at this moment runs out: at a whole second, which is what a token says.
pub fn expiry(now: Instant, lifetime: Duration) -> Instant {
    let end = now.plus(lifetime);
    Instant::from_timestamp(end.utc().timestamp()).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_link_is_known_however_it_is_written_and_link_workers_keep_theirs() {
        let id = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10";
        for text in [
            format!("Ann Lee, by {}", name("referral", id)),
            name("screening", id),
            format!("REFERRAL  LINK {}", id.to_uppercase()),
            format!("by référral-link: {} again", id.replace('-', "")),
            format!("referral\u{200b} link {id}."),
        ] {
            assert!(is_named_in(&text), "{text}");
        }
        for text in ["Dana Whitford, referral link worker", id, &format!("link {id}"), "screening links", "Dr. Éloïse Tremblay"] {
            assert!(!is_named_in(text), "{text}");
        }
    }
}
