//! What callers read of suggestions, and how they decide.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::model::{ServiceSuggestionInput, SuggestionRow, SuggestionStatus};
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::kind::{ClientId, OrganizationId, ServiceId, ServiceSuggestionId};
use crate::text_enum;

/// A change of a service that somebody suggests.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServiceSuggestion {
    /// Its id.
    pub id: ServiceSuggestionId,
    /// Which service should change.
    pub service_id: ServiceId,
    /// The organization that suggests it.
    pub organization_id: OrganizationId,
    /// The client that wrote it.
    pub client_id: ClientId,
    /// The organization that keeps the record, and decides.
    pub keeper_id: OrganizationId,
    /// What became of the suggestion.
    pub status: SuggestionStatus,
    /// What was said with the decision.
    #[schema(example = "Thank you; it is right.")]
    pub decision_note: Option<String>,
    /// When it was decided or withdrawn.
    pub decided_at: Option<Instant>,
    /// The version of the service that came of it.
    #[schema(example = 4)]
    pub applied_version: Option<i64>,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// What is suggested.
    #[serde(flatten)]
    pub content: ServiceSuggestionInput,
}

impl From<SuggestionRow> for ServiceSuggestion {
    fn from(row: SuggestionRow) -> Self {
        Self {
            id: row.id,
            service_id: row.service_id,
            organization_id: row.organization_id,
            client_id: row.client_id,
            keeper_id: row.keeper_id,
            status: row.status,
            decision_note: row.decision_note,
            decided_at: row.decided_at,
            applied_version: row.applied_version,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            content: row.content.0,
        }
    }
}

/// What is said with a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub struct SuggestionDecision {
    /// A word to the other side.
    #[schema(max_length = 2_000, example = "Thank you; it is right.")]
    pub note: Option<String>,
}

text_enum! {
    /// Which side the caller's organization is on.
    #[derive(Default)]
    pub enum SuggestionSide {
        /// Suggestions about records that it keeps.
        #[default]
        Received = "received",
        /// Its own suggestions.
        Made = "made",
    }
}

/// Which suggestions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct SuggestionQuery {
    /// Those received, where absent, or those made.
    #[param(inline)]
    pub side: SuggestionSide,
    /// In this status.
    #[param(inline)]
    pub status: Option<SuggestionStatus>,
    /// Items of a page.
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoiMDE5MzFmNGUifQ")]
    pub cursor: Option<String>,
}

/// Which suggestions of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct SuggestionOfServiceQuery {
    /// Items of a page.
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoiMDE5MzFmNGUifQ")]
    pub cursor: Option<String>,
}
