//! What a service costs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text_enum;
use crate::types::Money;

text_enum! {
    /// What the service asks for.
    pub enum CostKind {
        /// Nothing.
        Free = "free",
        /// A gift, if one can.
        Donation = "donation",
        /// By income.
        SlidingScale = "sliding_scale",
        /// A price.
        Fixed = "fixed",
        /// A membership.
        Membership = "membership",
        /// Paid by insurance.
        Insured = "insured",
    }
}

text_enum! {
    /// What a price is for.
    pub enum CostPer {
        /// One visit, session or item.
        Visit = "visit",
        /// A week.
        Week = "week",
        /// A month.
        Month = "month",
        /// A year.
        Year = "year",
        /// The whole course or programme.
        Course = "course",
    }
}

/// A price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CostOption {
    /// Whom or what the price is for.
    #[serde(default)]
    #[schema(max_length = 300, example = "Seniors")]
    pub option: Option<String>,
    /// The price.
    pub amount: Money,
    /// What it buys; one visit where absent.
    #[serde(default)]
    pub per: Option<CostPer>,
}

/// What the service costs the person. Absent altogether: unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cost {
    /// What it asks for; unknown where absent.
    pub kind: Option<CostKind>,
    /// Prices.
    #[schema(max_items = 50)]
    pub options: Vec<CostOption>,
    /// Where a subsidy can be asked for.
    #[schema(max_length = 1_000, example = "https://alderfalls.example.ca/subsidy")]
    pub subsidy_url: Option<String>,
    /// The price in words.
    #[schema(max_length = 2_000, example = "Free; donations welcome.")]
    pub text: Option<String>,
}
