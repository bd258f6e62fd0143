//! How a person's scores move: each result of an instrument against the first one.

use serde::Serialize;
use utoipa::ToSchema;

use super::findings::ScoreResult;
use crate::db::types::Instant;
use crate::instruments::definition::{BetterScore, ReliableChange, ScoreRule};
use crate::instruments::number;
use crate::kind::ScreeningId;
use crate::text_enum;

text_enum! {
    /// What a change of score means for the person.
    pub enum ChangeDirection {
        /// BetterScore than at baseline.
        Improved = "improved",
        /// As at baseline.
        Unchanged = "unchanged",
        /// Worse than at baseline.
        Worsened = "worsened",
    }
}

/// One score of one completed screening.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ScorePoint {
    /// The screening.
    pub screening_id: ScreeningId,
    /// When it was completed.
    pub completed_at: Instant,
    /// The edition of the instrument that scored it.
    #[schema(example = "2001")]
    pub instrument_edition: String,
    /// The score; null where it could not be computed.
    #[serde(serialize_with = "number::option")]
    #[schema(example = 9)]
    pub value: Option<f64>,
    /// The band it fell in.
    #[schema(example = "mild")]
    pub band: Option<String>,
    /// Whether it reached the cut-off.
    #[schema(example = false)]
    pub is_positive: Option<bool>,
    /// Whether this is the first value, against which the others are read.
    #[schema(example = false)]
    pub is_baseline: bool,
    /// The value less that of the baseline.
    #[serde(serialize_with = "number::option")]
    #[schema(example = -7)]
    pub change: Option<f64>,
    /// What the change means; null where the instrument does not say which way is better.
    pub direction: Option<ChangeDirection>,
    /// Whether the change is more than the instrument's own error; null where no figure for that has been published.
    #[schema(example = true)]
    pub is_reliable_change: Option<bool>,
}

/// One score of an instrument over time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ScoreSeries {
    /// The score's key in the instrument.
    #[schema(example = "total")]
    pub code: String,
    /// Its name.
    #[schema(example = "PHQ-9 total")]
    pub title: String,
    /// Which way is better.
    pub better: Option<BetterScore>,
    /// What change is reliable, and who says so.
    pub reliable_change: Option<ReliableChange>,
    /// The points, oldest first.
    pub points: Vec<ScorePoint>,
}

/// A completed screening's result for one score.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The screening.
    pub screening_id: ScreeningId,
    /// When it was completed.
    pub completed_at: Instant,
    /// The edition that scored it.
    pub instrument_edition: &'a str,
    /// The result.
    pub result: &'a ScoreResult,
}

/// The series of one score: `readings` oldest first, read by the rule of the newest edition.
pub fn series<'a>(rule: &ScoreRule, readings: impl Iterator<Item = Reading<'a>>) -> ScoreSeries {
    let mut baseline = None;
    let points = readings
        .map(|reading| {
            let value = reading.result.value;
            let is_baseline = baseline.is_none() && value.is_some();
            baseline = baseline.or(value);
            let change = value.zip(baseline).map(|(value, baseline)| value - baseline).filter(|_| !is_baseline);
            ScorePoint {
                screening_id: reading.screening_id,
                completed_at: reading.completed_at,
                instrument_edition: reading.instrument_edition.to_owned(),
                value,
                band: reading.result.band.clone(),
                is_positive: reading.result.is_positive,
                is_baseline,
                change,
                direction: change.zip(rule.better).map(|(change, better)| direction(change, better)),
                is_reliable_change: change.zip(rule.reliable_change.as_ref()).map(|(change, reliable)| change.abs() >= reliable.points),
            }
        })
        .collect();
    ScoreSeries {
        code: rule.code.clone(),
        title: rule.title.clone(),
        better: rule.better,
        reliable_change: rule.reliable_change.clone(),
        points,
    }
}

fn direction(change: f64, better: BetterScore) -> ChangeDirection {
    if change == 0.0 {
        ChangeDirection::Unchanged
    } else if (change > 0.0) == (better == BetterScore::Higher) {
        ChangeDirection::Improved
    } else {
        ChangeDirection::Worsened
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::shipped;
    use crate::screenings::findings::Answer;
    use crate::screenings::scoring::score;

    fn points(instrument: &str, values: &[Option<f64>]) -> Vec<ScorePoint> {
        let instrument = shipped::find(instrument).unwrap();
        let template = score(instrument, &Vec::<Answer>::new()).scores.remove(0);
        let results: Vec<_> = values.iter().map(|value| ScoreResult { value: *value, ..template.clone() }).collect();
        let readings = results.iter().map(|result| Reading {
            screening_id: ScreeningId::generate(),
            completed_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            instrument_edition: &instrument.edition,
            result,
        });
        series(&instrument.scores[0], readings).points
    }

    #[test]
    fn change_is_read_against_the_first_value() {
        let points = points("phq-9", &[None, Some(16.0), Some(11.0), None, Some(10.0), Some(18.0), Some(16.0)]);
        let changes: Vec<_> = points.iter().map(|point| (point.is_baseline, point.change, point.is_reliable_change)).collect();
        assert_eq!(
            changes,
            [
                (false, None, None),
                (true, None, None),
                (false, Some(-5.0), Some(false)),
                (false, None, None),
                (false, Some(-6.0), Some(true)),
                (false, Some(2.0), Some(false)),
                (false, Some(0.0), Some(false)),
            ]
        );
        use ChangeDirection::{Improved, Unchanged, Worsened};
        let directions: Vec<_> = points.iter().filter_map(|point| point.direction).collect();
        assert_eq!(directions, [Improved, Improved, Worsened, Unchanged]);
    }

    #[test]
    fn without_a_published_figure_no_change_is_called_reliable() {
        let points = points("ons4", &[Some(3.0), Some(8.0)]);
        assert_eq!(points[1].direction, Some(ChangeDirection::Improved));
        assert_eq!(points[1].is_reliable_change, None);
    }
}
