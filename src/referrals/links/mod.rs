//! Links by which an agency without a system answers a referral: whoever holds one sees what the performer sees of it, accepts it or
//! declines it with a reason, and says how much room the service has, on a small page of the binary's own.
//!
//! The holder acts for the performer, through the same rules as its systems would: the referral's table of steps, its versions, the
//! patient's consent. The token in the page's address is all that lets somebody in: no cookie is set, so no other page can send a form in
//! somebody's name; and reading changes nothing, so that a mail program that looks at links beforehand does no harm.

pub mod answering;
pub mod handlers;
pub mod holder;
pub mod page;
pub mod texts;
pub mod zones;

use chrono::Duration;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::db::types::Instant;
use crate::kind::{ReferralId, ReferralLinkId};
use crate::links::LinkRow;

/// The routes of the page, which are no operations of the API.
pub fn pages(routes: &mut actix_web::web::ServiceConfig) {
    routes
        .service(answering::show_referral)
        .service(answering::accept_referral)
        .service(answering::decline_referral)
        .service(answering::set_capacity);
}

/// How a referral's link is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ReferralLinkInput {
    /// For how many minutes it opens the referral: from five minutes to thirty days; a week unless told.
    #[serde(default = "ReferralLinkInput::a_week")]
    #[schema(minimum = 5, maximum = 43_200, example = 10_080)]
    pub valid_minutes: u32,
    /// For whom it is, to know it again: it stands with the link, and not on the page.
    #[serde(default)]
    #[schema(max_length = 200, example = "Mina at the Lunch Club, by e-mail")]
    pub recipient: Option<String>,
}

impl ReferralLinkInput {
    const fn a_week() -> u32 {
        7 * 24 * 60
    }

    /// For how long.
    pub fn lifetime(&self) -> Duration {
        Duration::minutes(self.valid_minutes.into())
    }
}

/// A link by which a referral is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReferralLink {
    /// Its id.
    pub id: ReferralLinkId,
    /// The referral that it opens.
    pub referral_id: ReferralId,
    /// For whom the link was made, as its maker noted.
    #[schema(example = "Mina at the Lunch Club, by e-mail")]
    pub recipient: Option<String>,
    /// Version, from 1.
    #[schema(example = 1)]
    pub version: i64,
    /// When it runs out.
    pub expires_at: Instant,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
    /// When it was made.
    pub created_at: Instant,
}

impl From<&LinkRow> for ReferralLink {
    fn from(row: &LinkRow) -> Self {
        Self {
            id: row.id.cast(),
            referral_id: row.subject_id.cast(),
            recipient: row.recipient.clone(),
            version: row.version,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            created_at: row.created_at,
        }
    }
}

/// A link that was just made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NewReferralLink {
    /// The link.
    #[serde(flatten)]
    pub link: ReferralLink,
    /// The page, to be sent to whoever answers for the performer, and to nobody else: whoever has it answers. It is shown this once.
    /// Relative where the server does not know its own address.
    #[schema(example = "https://kith.example.ca/r/eyJ0eXAiOiJraXRoLWxpbmsrand0In0.eyJzdWIiOiIwMTkzMWY0ZSJ9.c2lnbmF0dXJl")]
    pub url: String,
}
