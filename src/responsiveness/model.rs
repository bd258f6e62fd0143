//! What many referrals tell together.

use serde::{Deserialize, Serialize};

use super::course::Course;

/// The referrals that count were sent within so many days: long enough for most services to have some, short enough to be about those who
/// work there now.
pub const WINDOW_DAYS: i32 = 365;

/// Of more, the latest so many are looked at: more would not move a median or a percentage that is rounded, and what counting costs has
/// an end.
pub const MOST_REFERRALS: i64 = 2_000;

/// No figure is made of fewer referrals than this. With fewer, what became of one person's referral could be told from the figure by
/// somebody who knows of the others, and one case would move a percentage by more than ten points: that judges nobody.
pub const LEAST_REFERRALS: i32 = 10;

/// What is shown is rounded to steps of this: percentages, and the counts behind them. Otherwise the figure before and after one
/// referral would tell what became of it, and so would that of an organization beside those of its services.
pub const STEP: i32 = 5;

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Referrals that have an answer or should have.
    pub waits: i32,
    /// The median of their waits, in minutes.
    pub median_minutes: Option<i64>,
    /// Referrals that were accepted, refused, or are overdue.
    pub decided: i32,
    /// Of these, accepted.
    pub accepted: i32,
    /// Referrals that were accepted and have come to an end.
    pub ended: i32,
    /// Of these, completed.
    pub completed: i32,
}

impl Figures {
    /// Of referrals, in no order.
    pub fn of(courses: &[Course]) -> Self {
        let mut waits: Vec<i64> = courses.iter().filter_map(|course| course.wait_minutes).collect();
        let count = |tells: &dyn Fn(&Course) -> bool| count(courses.iter().filter(|course| tells(course)).count());
        Self {
            waits: self::count(waits.len()),
            median_minutes: median(&mut waits),
            decided: count(&|course| course.is_accepted.is_some()),
            accepted: count(&|course| course.is_accepted == Some(true)),
            ended: count(&|course| course.is_completed.is_some()),
            completed: count(&|course| course.is_completed == Some(true)),
        }
    }

    /// Whether anything of it may be shown.
    pub const fn says_anything(&self) -> bool {
        self.waits >= LEAST_REFERRALS || self.decided >= LEAST_REFERRALS || self.ended >= LEAST_REFERRALS
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The middle one; of an even number, halfway between the two in the middle, rounded down.
fn median(waits: &mut [i64]) -> Option<i64> {
    waits.sort_unstable();
    let upper = *waits.get(waits.len() / 2)?;
    let is_even = waits.len().is_multiple_of(2);
    let lower = if is_even { *waits.get(waits.len() / 2 - 1)? } else { upper };
    Some(lower + (upper - lower) / 2)
}

/// A share in percent, rounded to the nearest [`STEP`]; `None` where it is of too few.
pub fn percent(part: i32, whole: i32) -> Option<i32> {
    let steps = 100 / STEP;
    (whole >= LEAST_REFERRALS).then(|| (2 * part * steps + whole) / (2 * whole) * STEP)
}

/// How many there are at least, in steps of [`STEP`]; `None` where there are too few.
pub fn at_least(number: i32) -> Option<i32> {
    (number >= LEAST_REFERRALS).then(|| number / STEP * STEP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_course() -> impl Strategy<Value = Course> {
        let flag = || proptest::option::of(any::<bool>());
        (proptest::option::of(0_i64..1_000_000), flag(), flag()).prop_map(|(wait_minutes, is_accepted, is_completed)| Course {
            wait_minutes,
            is_accepted,
            is_completed: is_completed.filter(|_| is_accepted == Some(true)),
        })
    }

    proptest! {
        #[test]
        fn half_of_all_wait_no_longer_than_the_median_and_half_no_less(courses in proptest::collection::vec(any_course(), 0..80)) {
            let figures = Figures::of(&courses);
            let waits: Vec<i64> = courses.iter().filter_map(|course| course.wait_minutes).collect();
            prop_assert_eq!(figures.median_minutes.is_some(), !waits.is_empty());
            if let Some(median) = figures.median_minutes {
                let (shorter, longer) = (waits.iter().filter(|wait| **wait < median), waits.iter().filter(|wait| **wait > median + 1));
                prop_assert!(shorter.count() * 2 <= waits.len() && longer.count() * 2 <= waits.len());
            }
        }

        #[test]
        fn no_order_of_referrals_changes_a_figure(mut courses in proptest::collection::vec(any_course(), 0..60)) {
            let before = Figures::of(&courses);
            courses.reverse();
            prop_assert_eq!(before, Figures::of(&courses));
            prop_assert!(before.accepted <= before.decided && before.completed <= before.ended && before.ended <= before.accepted);
        }

        #[test]
        fn a_percentage_is_near_the_share_and_of_few_there_is_none((whole, part) in (0_i32..3_000).prop_flat_map(|whole| (Just(whole), 0..=whole))) {
            match percent(part, whole) {
                None => prop_assert!(whole < LEAST_REFERRALS),
                Some(percent) => {
                    prop_assert!((0..=100).contains(&percent) && percent % STEP == 0);
                    let exact = 100.0 * f64::from(part) / f64::from(whole);
                    prop_assert!((f64::from(percent) - exact).abs() <= f64::from(STEP) / 2.0);
                }
            }
            prop_assert!(at_least(whole).is_none_or(|least| least <= whole && whole - least < STEP));
        }
    }
}
