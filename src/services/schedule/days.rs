//! The days on which a recurrence rule falls.
//!
//! Directories write nearly always "every Tuesday and Thursday" or "the first Saturday of the month". Those rules are answered by
//! arithmetic on the date; every other rule is expanded once by the `rrule` crate and kept as a list of days.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Weekday};
use rrule::{RRule, RRuleSet, Unvalidated};

use crate::error::Fault;
use crate::types::DateSpan;

/// A rule that is expanded to a list gives at most this many days. Also the highest COUNT.
const MOST_DAYS: u16 = 2_000;

/// Rules that depend on no first day are expanded from here.
const EPOCH: NaiveDate = match NaiveDate::from_ymd_opt(2020, 1, 1) {
    Some(date) => date,
    None => NaiveDate::MIN,
};

/// The code of a rule that falls on no day.
pub(super) const NEVER: &str = "never_falls";

/// The weeks of a mean year.
const WEEKS_A_YEAR: f64 = 365.2425 / 7.0;

/// The days of a rule, between its first and last day.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Days {
    /// The days outside which it never falls.
    within: DateSpan,
    /// Bit 0 is January. Zero: any month.
    months: u16,
    on: On,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum On {
    /// `WEEKLY`, and `DAILY` with `BYDAY`: bit 0 is Monday; every so many weeks from the week that starts on `monday`.
    Weekdays { days: u8, every: u16, monday: NaiveDate },
    /// `DAILY;INTERVAL=n`.
    EveryNthDay { every: u16, first: NaiveDate },
    /// `MONTHLY;BYDAY`: the ordinal counts from the end where negative, 0 is each.
    NthWeekdays { days: Vec<(i8, Weekday)>, every: u16, month: i32 },
    /// `MONTHLY;BYMONTHDAY`: negative counts from the end.
    MonthDays { days: Vec<i8>, every: u16, month: i32 },
    /// Any other rule, in rising order.
    Listed(Vec<NaiveDate>),
}

impl Days {
    /// Reads a rule. `first` is the day it counts from, where one is given.
    ///
    /// # Errors
    /// The code and the sentence of what is wrong with the rule.
    pub(super) fn parse(rule: &str, first: Option<NaiveDate>) -> Result<Self, (&'static str, String)> {
        let invalid = |message: String| ("invalid_rrule", message);
        let rule = rule.strip_prefix("RRULE:").unwrap_or(rule).to_ascii_uppercase();
        let mut parts = BTreeMap::new();
        for part in rule.split(';').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| invalid(format!("{part} is not of the form NAME=VALUE")))?;
            if parts.insert(key, value).is_some() {
                return Err(invalid(format!("{key} is given twice")));
            }
        }
        if let Some(key) = ["BYHOUR", "BYMINUTE", "BYSECOND"].into_iter().find(|key| parts.contains_key(key)) {
            return Err(invalid(format!("{key} is not taken: the rule names days, opens_at and closes_at the times")));
        }
        let frequency = parts.get("FREQ").copied().unwrap_or_default();
        if !["DAILY", "WEEKLY", "MONTHLY", "YEARLY"].contains(&frequency) {
            return Err(invalid("FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY".into()));
        }
        let last = parts.remove("UNTIL").map(parse_until).transpose().map_err(invalid)?;
        let every = match parts.get("INTERVAL").map(|value| value.parse::<u16>()) {
            None => 1,
            Some(Ok(every @ 1..=1000)) => every,
            Some(_) => return Err(invalid("INTERVAL must be a whole number from 1 to 1000".into())),
        };
        if let Some(count) = parts.get("COUNT") {
            match count.parse::<u16>() {
                Ok(1..=MOST_DAYS) if last.is_none() => {}
                Ok(1..=MOST_DAYS) => return Err(invalid("COUNT and UNTIL exclude each other".into())),
                _ => return Err(invalid(format!("COUNT must be a whole number from 1 to {MOST_DAYS}"))),
            }
        }
        if first.is_none() && counts_from_first_day(&parts, frequency, every) {
            return Err(("required", "is required by this rule, which counts from its first day".into()));
        }
        let anchor = first.unwrap_or(EPOCH);
        let within = DateSpan { from: first, until: last };
        if let Some((months, on)) = by_arithmetic(&parts, frequency, every, anchor) {
            return Ok(Self { within, months, on });
        }
        let text = parts.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(";");
        let listed = expand(&text, anchor).map_err(invalid)?;
        if listed.is_empty() {
            return Err((NEVER, "never falls on any day".into()));
        }
        Ok(Self { within, months: 0, on: On::Listed(listed) })
    }

    /// Whether the rule falls on this day.
    pub(super) fn contains(&self, date: NaiveDate) -> bool {
        self.within.contains(date)
            && (self.months == 0 || self.months & (1 << date.month0()) != 0)
            && match &self.on {
                On::Weekdays { days, every, monday } => {
                    let weekday = date.weekday().num_days_from_monday();
                    days & (1 << weekday) != 0
                        && (*every == 1 || ((date - *monday).num_days() - i64::from(weekday)) / 7 % i64::from(*every) == 0)
                }
                On::EveryNthDay { every, first } => (date - *first).num_days() % i64::from(*every) == 0,
                On::NthWeekdays { days, every, month } => {
                    let forth = date.day0() / 7 + 1;
                    let back = (u32::from(date.num_days_in_month()) - date.day()) / 7 + 1;
                    (month_number(date) - month) % i32::from(*every) == 0
                        && days.iter().any(|&(nth, weekday)| {
                            weekday == date.weekday()
                                && match nth {
                                    0 => true,
                                    1.. => u32::from(nth.unsigned_abs()) == forth,
                                    _ => u32::from(nth.unsigned_abs()) == back,
                                }
                        })
                }
                On::MonthDays { days, every, month } => {
                    let back = i64::from(date.day()) - i64::from(date.num_days_in_month()) - 1;
                    (month_number(date) - month) % i32::from(*every) == 0
                        && days.iter().any(|&day| i64::from(day) == i64::from(date.day()) || i64::from(day) == back)
                }
                On::Listed(days) => days.binary_search(&date).is_ok(),
            }
    }

    /// Whether the rule was expanded to a list.
    pub(super) const fn is_listed(&self) -> bool {
        matches!(self.on, On::Listed(_))
    }

    /// In what share of weeks the rule falls on each weekday, Monday first, while it is in force. 1 is every week.
    pub(super) fn share_of_weeks(&self) -> [f64; 7] {
        let mut shares = [0.0; 7];
        match &self.on {
            On::Weekdays { days, every, .. } => {
                for (weekday, share) in shares.iter_mut().enumerate() {
                    *share = f64::from(days >> weekday & 1) / f64::from(*every);
                }
            }
            On::EveryNthDay { every, .. } => shares = [1.0 / f64::from(*every); 7],
            On::NthWeekdays { days, every, .. } => {
                for (nth, weekday) in days {
                    let share = if *nth == 0 { 1.0 } else { 12.0 / WEEKS_A_YEAR } / f64::from(*every);
                    add(&mut shares, *weekday, share);
                }
            }
            On::MonthDays { days, every, .. } => {
                let share = days.len() as f64 * 12.0 / 365.2425 / f64::from(*every);
                shares = [share.min(1.0); 7];
            }
            On::Listed(days) => {
                let (Some(first), Some(last)) = (days.first(), days.last()) else { return shares };
                let weeks = ((*last - *first).num_days() / 7 + 1) as f64;
                for day in days {
                    add(&mut shares, day.weekday(), 1.0 / weeks);
                }
            }
        }
        shares.map(|share| share.min(1.0))
    }

    /// Whether it falls in every month and has neither first nor last day.
    pub(super) const fn is_unlimited(&self) -> bool {
        self.months == 0 && self.within.from.is_none() && self.within.until.is_none()
    }
}

fn add(shares: &mut [f64; 7], weekday: Weekday, share: f64) {
    if let Some(sum) = shares.get_mut(weekday.num_days_from_monday() as usize) {
        *sum += share;
    }
}

fn month_number(date: NaiveDate) -> i32 {
    date.year() * 12 + date.month0() as i32
}

/// `UNTIL` as a date: its time of day says nothing here.
fn parse_until(text: &str) -> Result<NaiveDate, String> {
    let (date, time) = text.split_at_checked(8).unwrap_or((text, ""));
    let has_time = time.strip_prefix('T').map(|time| time.strip_suffix('Z').unwrap_or(time));
    let is_time = has_time.is_some_and(|time| time.len() == 6 && time.bytes().all(|byte| byte.is_ascii_digit()));
    match NaiveDate::parse_from_str(date, "%Y%m%d") {
        Ok(date) if time.is_empty() || is_time => Ok(date),
        _ => Err("UNTIL must be a date such as 20261231".into()),
    }
}

/// Whether other days come out when the rule is counted from another day.
fn counts_from_first_day(parts: &BTreeMap<&str, &str>, frequency: &str, every: u16) -> bool {
    let has = |key| parts.contains_key(key);
    every > 1
        || has("COUNT")
        || match frequency {
            "WEEKLY" => !has("BYDAY"),
            "MONTHLY" => !has("BYDAY") && !has("BYMONTHDAY"),
            "YEARLY" => !["BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYEASTER"].into_iter().any(has),
            _ => false,
        }
}

/// The months and days of a rule that arithmetic can answer.
fn by_arithmetic(parts: &BTreeMap<&str, &str>, frequency: &str, every: u16, anchor: NaiveDate) -> Option<(u16, On)> {
    const UNDERSTOOD: [&str; 6] = ["FREQ", "INTERVAL", "BYDAY", "BYMONTH", "BYMONTHDAY", "WKST"];
    let weeks_start_on_monday = parts.get("WKST").is_none_or(|day| *day == "MO");
    if parts.keys().any(|key| !UNDERSTOOD.contains(key)) || !(every == 1 || weeks_start_on_monday) {
        return None;
    }
    let mut months = 0;
    if let Some(list) = parts.get("BYMONTH") {
        for month in list.split(',') {
            months |= 1 << month.parse::<u16>().ok().filter(|month| (1..=12).contains(month))?.checked_sub(1)?;
        }
    }
    let weekdays = match parts.get("BYDAY") {
        Some(list) => Some(list.split(',').map(parse_weekday).collect::<Option<Vec<_>>>()?),
        None => None,
    };
    let month_days = match parts.get("BYMONTHDAY") {
        Some(list) => {
            let day = |text: &str| text.parse::<i8>().ok().filter(|day| *day != 0 && day.unsigned_abs() <= 31);
            Some(list.split(',').map(day).collect::<Option<Vec<_>>>()?)
        }
        None => None,
    };
    let month = month_number(anchor);
    let on = match (frequency, weekdays, month_days) {
        ("DAILY", None, None) => On::EveryNthDay { every, first: anchor },
        ("DAILY", Some(list), None) if every == 1 => weekly(mask(&list)?, 1, anchor),
        ("WEEKLY", Some(list), None) => weekly(mask(&list)?, every, anchor),
        ("WEEKLY", None, None) => weekly(1 << anchor.weekday().num_days_from_monday(), every, anchor),
        ("MONTHLY", Some(days), None) => On::NthWeekdays { days, every, month },
        ("MONTHLY", None, Some(days)) => On::MonthDays { days, every, month },
        _ => return None,
    };
    Some((months, on))
}

fn weekly(days: u8, every: u16, anchor: NaiveDate) -> On {
    let week = anchor.week(Weekday::Mon);
    On::Weekdays { days, every, monday: week.checked_first_day().unwrap_or(anchor) }
}

/// The weekdays as bits; none where one has an ordinal.
fn mask(weekdays: &[(i8, Weekday)]) -> Option<u8> {
    weekdays.iter().try_fold(0, |mask, (nth, weekday)| (*nth == 0).then_some(mask | 1 << weekday.num_days_from_monday()))
}

/// `MO`, `1SA`, `-1FR`.
fn parse_weekday(text: &str) -> Option<(i8, Weekday)> {
    let (ordinal, day) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let weekday = match day {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return None,
    };
    let nth = if ordinal.is_empty() { 0 } else { ordinal.parse().ok().filter(|nth: &i8| *nth != 0 && nth.unsigned_abs() <= 5)? };
    Some((nth, weekday))
}

/// The days of any rule, counted in UTC, where every day has 24 hours.
fn expand(rule: &str, anchor: NaiveDate) -> Result<Vec<NaiveDate>, String> {
    let start = anchor.and_time(chrono::NaiveTime::MIN).and_utc().with_timezone(&rrule::Tz::UTC);
    let set: RRuleSet = rule.parse::<RRule<Unvalidated>>().and_then(|rule| rule.build(start)).map_err(|error| error.to_string())?;
    Ok(set.all(MOST_DAYS).dates.into_iter().map(|date| date.date_naive()).collect())
}

/// The fault of a rule, at the member of a schedule that has to change.
pub(super) fn fault(pointer: &str, (code, message): (&'static str, String)) -> Fault {
    let field = if code == "required" { "starts_on" } else { "rrule" };
    Fault::new(format!("{pointer}/{field}"), code, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_rule_says_what_is_wrong_with_it() {
        for (rule, code) in [
            ("every tuesday", "invalid_rrule"),
            ("FREQ=HOURLY", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=XX", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=MO;BYDAY=TU", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=MO;BYHOUR=9", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=MO;UNTIL=soon", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=MO;INTERVAL=0", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=MO;INTERVAL=2", "required"),
            ("FREQ=DAILY;COUNT=5", "required"),
            ("FREQ=WEEKLY", "required"),
            ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", NEVER),
        ] {
            assert_eq!(Days::parse(rule, None).unwrap_err().0, code, "{rule}");
        }
    }

    #[test]
    fn until_is_the_last_day() {
        let days = Days::parse("FREQ=DAILY;UNTIL=20260105T000000Z", None).unwrap();
        assert!(days.contains(day("2026-01-05")));
        assert!(!days.contains(day("2026-01-06")));
    }

    #[test]
    fn a_rule_that_arithmetic_cannot_answer_is_listed() {
        let last_workday = Days::parse("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", None).unwrap();
        assert!(last_workday.contains(day("2026-01-30")));
        assert!(!last_workday.contains(day("2026-01-31")));
        let three = Days::parse("FREQ=WEEKLY;BYDAY=TU;COUNT=3", Some(day("2026-01-06"))).unwrap();
        assert!(three.contains(day("2026-01-20")));
        assert!(!three.contains(day("2026-01-27")));
    }

    fn rules() -> impl Strategy<Value = String> {
        let weekdays = prop::sample::subsequence(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"], 1..5);
        // The crate drops a plain weekday beside one with an ordinal, so the two are not mixed here.
        let ordinals = prop::sample::subsequence(vec!["1SA", "2TU", "-1FR", "5MO", "-2SU"], 1..4);
        let month_days = prop::sample::subsequence(vec!["1", "15", "31", "-1", "-30"], 1..4);
        let months = prop::sample::select(vec!["", ";BYMONTH=6", ";BYMONTH=1,2,11"]);
        let every = 1u16..5;
        (0..5, weekdays, ordinals, month_days, months, every).prop_map(|(kind, weekdays, ordinals, month_days, months, every)| {
            let base = match kind {
                0 => format!("FREQ=WEEKLY;BYDAY={}", weekdays.join(",")),
                1 => "FREQ=WEEKLY".into(),
                2 => "FREQ=DAILY".into(),
                3 => format!("FREQ=MONTHLY;BYDAY={}", ordinals.join(",")),
                _ => format!("FREQ=MONTHLY;BYMONTHDAY={}", month_days.join(",")),
            };
            format!("{base};INTERVAL={every}{months}")
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn arithmetic_agrees_with_expansion(rule in rules(), offset in 0i64..800) {
            let first = day("2024-01-01") + chrono::Duration::days(offset);
            let days = Days::parse(&rule, Some(first)).unwrap();
            prop_assert!(!matches!(days.on, On::Listed(_)), "{}", rule);
            let expanded = expand(&rule, first).unwrap();
            let last = *expanded.last().unwrap_or(&first);
            let found: Vec<_> = first.iter_days().take_while(|date| *date <= last.min(day("2028-01-01"))).filter(|date| days.contains(*date)).collect();
            let wanted: Vec<_> = expanded.into_iter().filter(|date| *date <= day("2028-01-01")).collect();
            prop_assert_eq!(found, wanted, "{}", rule);
        }
    }
}
