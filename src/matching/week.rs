//! The usual week: free times and opening times as quarters of an hour, so that comparing them is counting bits.
//!
//! Matching asks "is it usually open when the person is free", not "is it open at this instant": exceptions, holidays and the first
//! Saturday of the month are for `services::schedule`. A day that a rule names at all counts as a day of the usual week.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};

use crate::services::model::{Schedule, ScheduleKind};
use crate::types::{Weekday, WeeklyWindow};

const SLOT_MINUTES: u32 = 15;
const SLOTS_PER_DAY: u32 = 24 * 60 / SLOT_MINUTES;
const SLOTS: u32 = 7 * SLOTS_PER_DAY;
const WORDS: usize = SLOTS.div_ceil(u64::BITS) as usize;

/// A set of quarters of an hour of a week that begins on Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Week([u64; WORDS]);

impl Week {
    /// The week of these windows.
    pub(super) fn of_windows(windows: &[WeeklyWindow]) -> Self {
        let mut week = Self::default();
        for window in windows {
            week.mark(day_number(window.day), window.from, window.until);
        }
        week
    }

    /// The usual week of these opening times on a day; `None` where none of them can be read or is in force.
    pub(super) fn of_schedules(schedules: &[Schedule], today: NaiveDate) -> Option<Self> {
        let mut week = None;
        for schedule in schedules.iter().filter(|schedule| schedule.kind != ScheduleKind::Closed && !is_past(schedule, today)) {
            let Some(days) = days_of(schedule) else { continue };
            let week = week.get_or_insert_with(Self::default);
            for day in (0..7).filter(|day| days & (1 << day) != 0) {
                match (schedule.opens_at, schedule.closes_at) {
                    (Some(opens), Some(closes)) => week.mark(day, opens, closes),
                    (opens, closes) => week.mark_slots(day, opens.map_or(0, first_slot), closes.map_or(SLOTS_PER_DAY, last_slot)),
                }
            }
        }
        week
    }

    /// Minutes that both weeks have.
    pub(super) fn common_minutes(&self, other: &Self) -> u32 {
        self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones()).sum::<u32>() * SLOT_MINUTES
    }

    /// From one time to another, past midnight where the second is not later.
    fn mark(&mut self, day: u32, from: NaiveTime, until: NaiveTime) {
        let next_day = if until <= from { SLOTS_PER_DAY } else { 0 };
        self.mark_slots(day, first_slot(from), last_slot(until) + next_day);
    }

    fn mark_slots(&mut self, day: u32, first: u32, end: u32) {
        for slot in (first..end).map(|slot| (day * SLOTS_PER_DAY + slot) % SLOTS) {
            if let Some(word) = self.0.get_mut((slot / u64::BITS) as usize) {
                *word |= 1 << (slot % u64::BITS);
            }
        }
    }
}

fn minutes(time: NaiveTime) -> u32 {
    time.hour() * 60 + time.minute()
}

fn first_slot(time: NaiveTime) -> u32 {
    minutes(time).div_ceil(SLOT_MINUTES)
}

fn last_slot(time: NaiveTime) -> u32 {
    // 23:59 is how many sources write midnight.
    if minutes(time) == 24 * 60 - 1 { SLOTS_PER_DAY } else { minutes(time) / SLOT_MINUTES }
}

const fn day_number(day: Weekday) -> u32 {
    match day {
        Weekday::Monday => 0,
        Weekday::Tuesday => 1,
        Weekday::Wednesday => 2,
        Weekday::Thursday => 3,
        Weekday::Friday => 4,
        Weekday::Saturday => 5,
        Weekday::Sunday => 6,
    }
}

fn is_past(schedule: &Schedule, today: NaiveDate) -> bool {
    schedule.valid.until.is_some_and(|until| until < today)
}

/// The days of the week that a rule names, Monday as bit 0.
fn days_of(schedule: &Schedule) -> Option<u8> {
    let rule = schedule.rrule.trim().trim_start_matches("RRULE:");
    let part = |name: &str| rule.split(';').find_map(|part| part.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value));
    if let Some(days) = part("BYDAY") {
        let names = days.split(',').map(|day| day.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')));
        return names.map(day_bit).try_fold(0, |days, day| Some(days | day?));
    }
    match part("FREQ")? {
        "DAILY" => Some(0b111_1111),
        "WEEKLY" => schedule.starts_on.map(|date| 1 << date.weekday().num_days_from_monday()),
        _ => None,
    }
}

fn day_bit(day: &str) -> Option<u8> {
    Some(1 << ["MO", "TU", "WE", "TH", "FR", "SA", "SU"].iter().position(|known| *known == day)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schedule(rule: &str, opens: &str, closes: &str) -> Schedule {
        serde_json::from_value(json!({ "rrule": rule, "opens_at": opens, "closes_at": closes, "time_zone": "America/Vancouver" })).unwrap()
    }

    fn free(day: &str, from: &str, until: &str) -> Week {
        Week::of_windows(&[serde_json::from_value(json!({ "day": day, "from": from, "until": until })).unwrap()])
    }

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, 2).unwrap()
    }

    #[test]
    fn common_minutes_are_those_of_both() {
        let open = Week::of_schedules(&[schedule("FREQ=WEEKLY;BYDAY=TU,TH", "09:00", "12:30")], today()).unwrap();
        assert_eq!(open.common_minutes(&free("tuesday", "11:00", "15:00")), 90);
        assert_eq!(open.common_minutes(&free("wednesday", "09:00", "17:00")), 0);
    }

    #[test]
    fn opening_past_midnight_reaches_the_next_day() {
        let open = Week::of_schedules(&[schedule("FREQ=WEEKLY;BYDAY=SU", "22:00", "02:00")], today()).unwrap();
        assert_eq!(open.common_minutes(&free("monday", "00:00", "06:00")), 120);
    }

    #[test]
    fn monthly_days_count_and_repeated_days_count_once() {
        let open = Week::of_schedules(&[schedule("FREQ=MONTHLY;BYDAY=1SA,3SA", "10:00", "12:00")], today()).unwrap();
        assert_eq!(open.common_minutes(&free("saturday", "00:00", "23:59")), 120);
    }

    #[test]
    fn what_cannot_be_read_is_not_known() {
        assert_eq!(Week::of_schedules(&[schedule("FREQ=YEARLY;BYMONTH=5", "10:00", "12:00")], today()), None);
        assert_eq!(Week::of_schedules(&[], today()), None);
    }
}
