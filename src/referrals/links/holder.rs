//! Whoever holds a link to a referral: what it lets them see, and as whom they act.

use crate::app::App;
use crate::auth::links::{Link, Purpose};
use crate::auth::{Principal, Scope};
use crate::clock::Clock;
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Error, Result};
use crate::kind::{OrganizationId, ReferralId};
use crate::links::{self, LinkRow, repository};
use crate::organizations::model::OrganizationRow;
use crate::referrals::model::ReferralRow;
use crate::referrals::workflow;
use crate::{organizations, referrals};

/// Why a link does not open what it once did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Its time is over.
    Expired,
    /// It was revoked, or whoever made it may not let others in any more.
    Revoked,
    /// The performer has a system of its own now.
    Connected,
}

/// A link that was read: signed by this server, though it may not open anything any more.
#[derive(Debug, Clone)]
pub struct Holder {
    link: Link,
    request_id: Option<String>,
    at: Instant,
}

/// What a link opens.
#[derive(Debug)]
pub struct Opened {
    /// The link.
    pub row: LinkRow,
    /// The referral.
    pub referral: ReferralRow,
    /// Who asks, and whom to call.
    pub requester: Option<OrganizationRow>,
    /// The organization for which the holder answers, once the link is known to stand; else why it does not.
    pub performer: Result<OrganizationId, Closed>,
}

impl Holder {
    /// The holder of a token; [`Error::Unauthenticated`] where it is none of ours, or of another purpose.
    pub async fn of(app: &App, token: &str, request_id: Option<String>) -> Result<Self> {
        let link = app.authority.read_link(&app.db, &app.clock, Purpose::AnswerReferral, token).await?;
        Ok(Self { link, request_id, at: app.clock.now() })
    }

    /// The same holder at this moment, at which a transaction begins.
    pub fn now(&self, clock: &Clock) -> Self {
        Self { at: clock.now(), ..self.clone() }
    }

    /// The link.
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// The referral.
    pub const fn referral_id(&self) -> ReferralId {
        Id::from_uuid(self.link.subject)
    }

    /// What the link opens, and whether it still does; [`Error::Unauthenticated`] where there is no such link.
    pub fn open(&self, conn: &mut DbConn) -> Result<Opened> {
        let row = repository::find(conn, Id::from_uuid(self.link.id))?.filter(|row| row.purpose == Purpose::AnswerReferral);
        let row = row.ok_or(Error::Unauthenticated("there is no such link"))?;
        let referral = referrals::repository::find_any(conn, row.subject_id.cast())?.ok_or(Error::NotFound)?;
        let requester = organizations::repository::find(conn, referral.organization_id)?;
        let performer = self.standing(conn, &row, &referral)?;
        Ok(Opened { row, referral, requester, performer })
    }

    fn standing(&self, conn: &mut DbConn, row: &LinkRow, referral: &ReferralRow) -> Result<Result<OrganizationId, Closed>> {
        if self.at >= self.link.expires_at {
            return Ok(Err(Closed::Expired));
        }
        let is_revoked = row.revoked_at.is_some() || !row.is_vouched_for(conn, Scope::ReferralsWrite)?;
        let Some(performer) = referral.performer_id.filter(|_| !is_revoked && referral.deleted_at.is_none()) else {
            return Ok(Err(Closed::Revoked));
        };
        // The requester speaks for a performer that cannot, and only as long as it cannot.
        if row.organization_id != performer && !workflow::performer_is_unconnected(conn, referral)? {
            return Ok(Err(Closed::Connected));
        }
        Ok(Ok(performer))
    }

    /// The holder as the one who acts for the performer, under the name that they gave. The client is the one that made the link.
    pub fn acting(&self, row: &LinkRow, performer: OrganizationId, name: Option<&str>) -> Principal {
        let by_link = by_link(row);
        let scopes = [Scope::ReferralsRead, Scope::ReferralsWrite, Scope::ServicesRead, Scope::ServicesWrite];
        Principal {
            client_id: row.client_id,
            organization_id: performer,
            scopes: scopes.into_iter().collect(),
            on_behalf_of: Some(match name {
                Some(name) => format!("{name}, by {by_link}"),
                None => by_link,
            }),
            request_id: self.request_id.clone(),
            at: self.at,
        }
    }
}

/// How the journal names a link that somebody acts by.
pub fn by_link(row: &LinkRow) -> String {
    links::name("referral", row.id)
}
