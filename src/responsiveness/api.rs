//! What callers read of it.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::model::{Figures, LEAST_REFERRALS, WINDOW_DAYS, at_least, percent};
use crate::db::types::Instant;

/// How soon and how well referrals are answered.
///
/// Of those sent within a year, the latest 2,000 at most. Null is what fewer than ten referrals tell. Percentages and counts are in steps
/// of five, so that nobody's referral can be told from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Responsiveness {
    /// Hours from sending to the answer, rounded up: the median. An answer accepts, rejects, puts on hold or on a waiting list, or calls
    /// off; that a referral was received is none. One without an answer whose day is past counts with the time that it has waited so far.
    #[schema(minimum = 0, example = 26)]
    pub median_answer_hours: Option<i64>,
    /// How many of a hundred are accepted. Those without an answer whose day is past count as not accepted; those that ended because of
    /// the person or were called off by the requester do not count.
    #[schema(minimum = 0, maximum = 100, multiple_of = 5, example = 85)]
    pub acceptance_percent: Option<i32>,
    /// How many of a hundred that were accepted, and have ended, were completed, whatever the outcome. Those that ended because of the
    /// person or were called off by the requester do not count.
    #[schema(minimum = 0, maximum = 100, multiple_of = 5, example = 70)]
    pub completion_percent: Option<i32>,
    /// How many referrals the figures are made of.
    pub based_on: ResponsivenessBasis,
    /// The referrals were sent within so many days.
    #[schema(example = 365)]
    pub window_days: i32,
    /// When it was counted: soon after a referral has moved, and daily. Null where that has not been done yet.
    #[schema(example = "2026-03-01")]
    pub as_of: Option<NaiveDate>,
}

/// How many referrals the figures are made of, at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResponsivenessBasis {
    /// Those that have an answer or should have.
    #[schema(minimum = 10, multiple_of = 5, example = 40)]
    pub answers: Option<i32>,
    /// Those that were accepted, refused, or are overdue.
    #[schema(minimum = 10, multiple_of = 5, example = 40)]
    pub decisions: Option<i32>,
    /// Those that were accepted and have ended.
    #[schema(minimum = 10, multiple_of = 5, example = 25)]
    pub endings: Option<i32>,
}

impl Responsiveness {
    /// What may be shown of figures counted at a moment.
    pub fn of(figures: &Figures, counted_at: Option<Instant>) -> Self {
        let median = figures.median_minutes.filter(|_| figures.waits >= LEAST_REFERRALS);
        Self {
            median_answer_hours: median.map(|minutes| minutes / 60 + i64::from(minutes % 60 > 0)),
            acceptance_percent: percent(figures.accepted, figures.decided),
            completion_percent: percent(figures.completed, figures.ended),
            based_on: ResponsivenessBasis {
                answers: at_least(figures.waits),
                decisions: at_least(figures.decided),
                endings: at_least(figures.ended),
            },
            window_days: WINDOW_DAYS,
            as_of: counted_at.map(|at| at.utc().date_naive()),
        }
    }
}
