//! The numbers of matching, as data: one profile, embedded, published with every answer.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text_enum;

text_enum! {
    /// What a service is ranked by.
    pub enum Criterion {
        /// Answers the person's needs.
        Need = "need",
        /// Fits the person's own words.
        Text = "text",
        /// Is for people like them.
        Eligibility = "eligibility",
        /// Distance, or help without travel.
        Reach = "reach",
        /// Speaks their language.
        Language = "language",
        /// Costs what they can pay.
        Cost = "cost",
        /// Is open when they are free.
        Hours = "hours",
        /// Is given in a way they like and can use.
        Mode = "mode",
        /// Has what they need to take part.
        Accessibility = "accessibility",
        /// Culture, diet, practices and company.
        Culture = "culture",
        /// Offers what they like to do.
        Interests = "interests",
        /// Has room.
        Capacity = "capacity",
        /// Was checked lately.
        Freshness = "freshness",
        /// How earlier referrals there went.
        TrackRecord = "track_record",
    }
}

/// How many criteria there are.
pub const CRITERIA: usize = Criterion::ALL.len();

/// One number for each criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PerCriterion {
    /// For `need`.
    pub need: f64,
    /// For `text`.
    pub text: f64,
    /// For `eligibility`.
    pub eligibility: f64,
    /// For `reach`.
    pub reach: f64,
    /// For `language`.
    pub language: f64,
    /// For `cost`.
    pub cost: f64,
    /// For `hours`.
    pub hours: f64,
    /// For `mode`.
    pub mode: f64,
    /// For `accessibility`.
    pub accessibility: f64,
    /// For `culture`.
    pub culture: f64,
    /// For `interests`.
    pub interests: f64,
    /// For `capacity`.
    pub capacity: f64,
    /// For `freshness`.
    pub freshness: f64,
    /// For `track_record`.
    pub track_record: f64,
}

impl PerCriterion {
    /// The number for this criterion.
    pub const fn of(&self, criterion: Criterion) -> f64 {
        match criterion {
            Criterion::Need => self.need,
            Criterion::Text => self.text,
            Criterion::Eligibility => self.eligibility,
            Criterion::Reach => self.reach,
            Criterion::Language => self.language,
            Criterion::Cost => self.cost,
            Criterion::Hours => self.hours,
            Criterion::Mode => self.mode,
            Criterion::Accessibility => self.accessibility,
            Criterion::Culture => self.culture,
            Criterion::Interests => self.interests,
            Criterion::Capacity => self.capacity,
            Criterion::Freshness => self.freshness,
            Criterion::TrackRecord => self.track_record,
        }
    }
}

/// How needs are weighed and answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NeedNumbers {
    /// Value of a direct answer that the source states.
    pub direct_stated: f64,
    /// Value of a direct answer that was inferred.
    pub direct_inferred: f64,
    /// Value of a partial answer that the source states.
    pub partial_stated: f64,
    /// Value of a partial answer that was inferred.
    pub partial_inferred: f64,
    /// Importance of a severe need.
    pub severity_high: f64,
    /// Importance of a middling need, and of one whose severity is not known.
    pub severity_medium: f64,
    /// Importance of a slight need.
    pub severity_low: f64,
    /// What the importance of a basic need is multiplied by.
    pub basic_factor: f64,
    /// What the importance of a need is multiplied by that the person is not ready for.
    pub not_ready_factor: f64,
    /// The share of the value that goes to covering several needs.
    pub several_share: f64,
}

/// When words alone suffice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TextNumbers {
    /// The text fit from which on a service is suggested without a need domain.
    pub relevant_from: f64,
}

/// How distance counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReachNumbers {
    /// Kilometres that count half for a person who walks.
    pub walk_km: f64,
    /// Kilometres that count half for a person who takes the bus, and where it is not known how they travel.
    pub transit_km: f64,
    /// Kilometres that count half for a person who is driven.
    pub driven_km: f64,
    /// Kilometres that count half for a person with a car.
    pub car_km: f64,
    /// Metres from a stop beyond which the bus is of little use.
    pub walk_from_stop_m: i32,
    /// Kilometres beyond which a service is left out that is given only there, where the person names no limit of their own.
    pub farthest_km: f64,
    /// Value of the same town, the distance unknown.
    pub same_town: f64,
    /// Value of help without travel.
    pub remote: f64,
}

/// How prices become months.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CostNumbers {
    /// Visits in a month where the price is for one.
    pub visits_per_month: i64,
}

/// How opening hours count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoursNumbers {
    /// Common minutes a week that count fully.
    pub enough_minutes: u32,
}

/// How room and waiting count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CapacityNumbers {
    /// Days after which what was said of the capacity counts half.
    pub stale_days: i64,
    /// Value of a waiting list without a wait.
    pub waitlist_best: f64,
    /// Value of the longest wait.
    pub waitlist_worst: f64,
    /// Days of the longest wait.
    pub waitlist_worst_days: f64,
}

/// How the age of a record counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FreshnessNumbers {
    /// Days since the last check up to which a record is fresh.
    pub fresh_days: i64,
    /// Days from which on it is stale.
    pub stale_days: i64,
}

/// How earlier referrals count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackRecordNumbers {
    /// Days to a reply that count as prompt.
    pub prompt_days: f64,
    /// Days to a reply that count as slow.
    pub slow_days: f64,
}

/// A profile: every number that matching uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MatchingProfile)]
pub struct Weights {
    /// Its name.
    #[schema(example = "standard")]
    pub profile: String,
    /// Counts the changes of its numbers.
    #[schema(example = 1)]
    pub revision: i32,
    /// How many times its weight a must-have counts.
    pub must_have_factor: f64,
    /// How much each criterion counts.
    pub weight: PerCriterion,
    /// What "not known" is worth, 0 to 1.
    pub neutral: PerCriterion,
    /// Needs.
    pub need: NeedNumbers,
    /// Words.
    pub text: TextNumbers,
    /// Distance.
    pub reach: ReachNumbers,
    /// Prices.
    pub cost: CostNumbers,
    /// Hours.
    pub hours: HoursNumbers,
    /// Room.
    pub capacity: CapacityNumbers,
    /// Age of the record.
    pub freshness: FreshnessNumbers,
    /// Earlier referrals.
    pub track_record: TrackRecordNumbers,
}

impl Weights {
    /// The profile that ships with Kith.
    pub fn standard() -> &'static Self {
        static STANDARD: LazyLock<Weights> = LazyLock::new(|| {
            #[expect(clippy::expect_used, reason = "the file is compiled in and a test reads it")]
            toml::from_str(include_str!("weights.toml")).expect("weights.toml is a profile")
        });
        &STANDARD
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::model::Capacity;

    #[test]
    fn the_standard_profile_keeps_every_value_between_0_and_1() {
        let standard = Weights::standard();
        for &criterion in Criterion::ALL {
            assert!(standard.weight.of(criterion) > 0.0, "{criterion}");
            assert!((0.0..=1.0).contains(&standard.neutral.of(criterion)), "{criterion}");
        }
        assert_eq!(standard.capacity.stale_days, Capacity::BELIEVED_DAYS as i64, "matching and the directory call the same room stale");
        assert!(standard.capacity.waitlist_worst < standard.capacity.waitlist_best);
        assert!(standard.capacity.waitlist_best < 1.0);
        assert!(standard.freshness.fresh_days < standard.freshness.stale_days);
    }
}
