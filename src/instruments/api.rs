//! What callers read of an instrument, and how they list them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::definition::{Coding, InstrumentInput, Licence};
use super::model::InstrumentRow;
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::kind::{InstrumentId, OrganizationId};

/// An instrument.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Instrument {
    /// Its id.
    pub id: InstrumentId,
    /// The organization whose client loaded it; null for those that came with Kith or by the command line, which nobody can change.
    pub organization_id: Option<OrganizationId>,
    /// Version of this record, from 1; the `ETag`. Which form of the instrument it is says `edition`.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was loaded.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// The instrument in full.
    #[serde(flatten)]
    pub content: InstrumentInput,
}

impl From<InstrumentRow> for Instrument {
    fn from(row: InstrumentRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            content: row.content.0,
        }
    }
}

/// An instrument in brief.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InstrumentSummary {
    /// Its id.
    pub id: InstrumentId,
    /// Its name for machines.
    #[schema(example = "phq-9")]
    pub code: String,
    /// Which form of the instrument it is.
    #[schema(example = "2001")]
    pub edition: String,
    /// Its name for people.
    #[schema(example = "Patient Health Questionnaire 9 item (PHQ-9)")]
    pub title: String,
    /// BCP 47 tags of the languages it is worded in.
    #[schema(example = json!(["en"]))]
    pub languages: Vec<String>,
    /// The terms it may be used under.
    pub licence: Licence,
    /// The panel's code in a foreign system.
    pub panel: Option<Coding>,
    /// How many questions it asks.
    #[schema(minimum = 0, example = 10)]
    pub question_count: usize,
    /// The need domains that its answers can raise.
    #[schema(example = json!(["food-insecurity"]))]
    pub need_domains: Vec<String>,
    /// When it was loaded. Of several editions, the one that the caller's organization or the server's operator loaded last is used where a
    /// screening names none.
    pub created_at: Instant,
}

impl From<InstrumentRow> for InstrumentSummary {
    fn from(row: InstrumentRow) -> Self {
        let content = row.content.0;
        let mut need_domains: Vec<_> = content.need_rules.iter().flat_map(|rule| rule.raises.iter().cloned()).collect();
        need_domains.sort();
        need_domains.dedup();
        Self {
            id: row.id,
            question_count: content.items.iter().filter(|item| item.is_asked()).count(),
            code: content.code,
            edition: content.edition,
            title: content.title,
            languages: content.languages,
            licence: content.licence,
            panel: content.panel,
            need_domains,
            created_at: row.created_at,
        }
    }
}

/// The filters of the list of instruments.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InstrumentQuery {
    /// Only editions of this instrument.
    #[param(max_length = 60, example = "phq-9")]
    pub code: Option<String>,
    /// Only this edition.
    #[param(max_length = 60, example = "2001")]
    pub edition: Option<String>,
    /// Items of a page.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}
