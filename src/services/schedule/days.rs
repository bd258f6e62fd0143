//! The days on which a recurrence rule falls.
//!
//! Directories write nearly always "every Tuesday and Thursday" or "the first Saturday of the month". Those rules are answered by a little
//! arithmetic on the date; any other by asking its parts.

use std::collections::BTreeMap;

use chrono::{Datelike, Days as DayCount, NaiveDate, Weekday};

use super::recurrence::{Frequency, Parts, Recurrence, month_number};
use crate::error::Fault;
use crate::types::DateSpan;

/// The highest COUNT.
const MOST_DAYS: u16 = 2_000;
/// A rule is looked at for so long after its first day, 200 years, for whether it ever falls and for where COUNT ends it. One that has not
/// ended by then goes on.
const REACH: DayCount = DayCount::new(73_049);

/// Rules that depend on no first day are counted from here.
const EPOCH: NaiveDate = match NaiveDate::from_ymd_opt(2020, 1, 1) {
    Some(date) => date,
    None => NaiveDate::MIN,
};
/// Their days are counted in the four years from there, in which there are as many of each as in any.
const FOUR_YEARS: u16 = 4 * 365 + 1;

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
    /// Whether its days had to be counted when it was read.
    is_counted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum On {
    /// `WEEKLY`, and `DAILY` or `YEARLY` with `BYDAY`: bit 0 is Monday; every so many weeks from the one that starts on `start`.
    Weekdays { days: u8, every: u16, start: NaiveDate },
    /// `DAILY;INTERVAL=n`.
    EveryNthDay { every: u16, first: NaiveDate },
    /// `MONTHLY;BYDAY`: the ordinal counts from the end where negative, 0 is each.
    NthWeekdays { days: Vec<(i16, Weekday)>, every: u16, month: i32 },
    /// `MONTHLY;BYMONTHDAY`: negative counts from the end.
    MonthDays { days: Vec<i16>, every: u16, month: i32 },
    /// Any other rule, with how often it falls on each weekday in [`FOUR_YEARS`] of which every period is in turn.
    Other { rule: Box<Recurrence>, falls: [u16; 7] },
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
        let last = parts.remove("UNTIL").map(parse_until).transpose().map_err(invalid)?;
        let count = match parts.get("COUNT").map(|count| count.parse::<u16>()) {
            None => None,
            Some(Ok(count @ 1..=MOST_DAYS)) if last.is_none() => Some(usize::from(count)),
            Some(Ok(1..=MOST_DAYS)) => return Err(invalid("COUNT and UNTIL exclude each other".into())),
            Some(_) => return Err(invalid(format!("COUNT must be a whole number from 1 to {MOST_DAYS}"))),
        };
        let anchor = first.unwrap_or(EPOCH);
        let rule = Recurrence::parse(&parts, anchor).map_err(invalid)?;
        if first.is_none() && counts_from_first_day(&parts, &rule) {
            return Err(("required", "is required by this rule, which counts from its first day".into()));
        }
        let until = last.or(end(&rule, count).ok_or((NEVER, "falls on no day in 200 years".into()))?);
        let months = rule.months;
        let (on, is_other) = match by_arithmetic(&rule) {
            Some(on) => (on, false),
            None => (On::Other { falls: falls(&rule), rule: Box::new(rule) }, true),
        };
        Ok(Self { within: DateSpan { from: first, until }, months, on, is_counted: is_other || count.is_some() })
    }

    /// Whether the rule falls on this day.
    pub(super) fn contains(&self, date: NaiveDate) -> bool {
        self.within.contains(date)
            && (self.months == 0 || self.months & (1 << date.month0()) != 0)
            && match &self.on {
                On::Weekdays { days, every, start } => {
                    days & (1 << date.weekday().num_days_from_monday()) != 0
                        && (*every == 1 || (date - *start).num_days().div_euclid(7) % i64::from(*every) == 0)
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
                On::Other { rule, .. } => rule.contains(date),
            }
    }

    /// The days on which the rule falls between two days, both included, in rising order.
    pub(super) fn between(&self, from: NaiveDate, until: NaiveDate) -> Box<dyn Iterator<Item = NaiveDate> + '_> {
        match &self.on {
            // Asked of each day by itself, it would look through the day's whole period each time.
            On::Other { rule, .. } => Box::new(rule.days(from, until).filter(|date| self.within.contains(*date))),
            _ => Box::new(from.iter_days().take_while(move |date| *date <= until).filter(|date| self.contains(*date))),
        }
    }

    /// Whether its days had to be counted when it was read, which is slow.
    pub(super) const fn is_counted(&self) -> bool {
        self.is_counted
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
                    if let Some(sum) = shares.get_mut(weekday.num_days_from_monday() as usize) {
                        *sum += share;
                    }
                }
            }
            On::MonthDays { days, every, .. } => {
                let share = days.len() as f64 * 12.0 / 365.2425 / f64::from(*every);
                shares = [share.min(1.0); 7];
            }
            On::Other { rule, falls } => {
                let weeks = f64::from(FOUR_YEARS) / 7.0 * f64::from(rule.every);
                shares = falls.map(|days| f64::from(days) / weeks);
            }
        }
        shares.map(|share| share.min(1.0))
    }

    /// Whether it falls in every month and has neither first nor last day.
    pub(super) const fn is_unlimited(&self) -> bool {
        self.months == 0 && self.within.from.is_none() && self.within.until.is_none()
    }
}

/// The day on which a rule ends that falls so many times; `None` where it never falls.
fn end(rule: &Recurrence, count: Option<usize>) -> Option<Option<NaiveDate>> {
    let reach = rule.anchor.checked_add_days(REACH).unwrap_or(NaiveDate::MAX);
    let (last, number) = rule.days(rule.anchor, reach).take(count.unwrap_or(1)).zip(1..).last()?;
    Some((count == Some(number)).then_some(last))
}

/// How often a rule falls on each weekday in four years of which every period is in turn.
fn falls(rule: &Recurrence) -> [u16; 7] {
    let rule = Recurrence { every: 1, ..rule.clone() };
    let last = EPOCH.checked_add_days(DayCount::new(u64::from(FOUR_YEARS) - 1)).unwrap_or(EPOCH);
    let mut falls = [0_u16; 7];
    for day in rule.days(EPOCH, last) {
        if let Some(count) = falls.get_mut(day.weekday().num_days_from_monday() as usize) {
            *count += 1;
        }
    }
    falls
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
fn counts_from_first_day(parts: &Parts<'_>, rule: &Recurrence) -> bool {
    let has = |key| parts.contains_key(key);
    rule.every > 1
        || has("COUNT")
        || match rule.frequency {
            Frequency::Daily => false,
            Frequency::Weekly => !has("BYDAY"),
            Frequency::Monthly => !has("BYDAY") && !has("BYMONTHDAY"),
            Frequency::Yearly => !["BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"].into_iter().any(has),
        }
}

/// The days of a rule that arithmetic can answer.
fn by_arithmetic(rule: &Recurrence) -> Option<On> {
    if !rule.positions.is_empty() || !rule.weeks.is_empty() || !rule.year_days.is_empty() {
        return None;
    }
    let Recurrence { frequency, every, anchor, months, .. } = *rule;
    let month = month_number(anchor);
    let of_month = frequency == Frequency::Monthly || frequency == Frequency::Yearly && every == 1;
    let nth_of_month = frequency == Frequency::Monthly || months != 0;
    match (rule.weekdays.as_slice(), rule.month_days.as_slice()) {
        ([], []) if frequency == Frequency::Daily => Some(On::EveryNthDay { every, first: anchor }),
        (days, []) if frequency == Frequency::Weekly || every == 1 && mask(days).is_some_and(|days| days != 0) => {
            let since = anchor.weekday().days_since(rule.week_start);
            let start = anchor.checked_sub_days(DayCount::new(since.into())).unwrap_or(anchor);
            Some(On::Weekdays { days: mask(days)?, every, start })
        }
        (days @ [_, ..], []) if of_month && nth_of_month => Some(On::NthWeekdays { days: days.to_vec(), every, month }),
        ([], days @ [_, ..]) if of_month => Some(On::MonthDays { days: days.to_vec(), every, month }),
        _ => None,
    }
}

/// The weekdays as bits; none where one has an ordinal.
fn mask(weekdays: &[(i16, Weekday)]) -> Option<u8> {
    weekdays.iter().try_fold(0, |mask, (nth, weekday)| (*nth == 0).then_some(mask | 1 << weekday.num_days_from_monday()))
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
    use rrule::{RRule, RRuleSet, Unvalidated};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// The same by the `rrule` crate, counted in UTC, where every day has 24 hours.
    fn expand(rule: &str, anchor: NaiveDate) -> Vec<NaiveDate> {
        let start = anchor.and_time(chrono::NaiveTime::MIN).and_utc().with_timezone(&rrule::Tz::UTC);
        let set: RRuleSet = rule.parse::<RRule<Unvalidated>>().and_then(|rule| rule.build(start)).unwrap();
        set.all(2_000).dates.into_iter().map(|date| date.date_naive()).collect()
    }

    fn between(days: &Days, from: &str, until: &str) -> Vec<String> {
        let all = day(from).iter_days().take_while(|date| *date <= day(until));
        all.filter(|date| days.contains(*date)).map(|date| date.to_string()).collect()
    }

    #[test]
    fn a_rule_says_what_is_wrong_with_it() {
        for (rule, code) in [
            ("every tuesday", "invalid_rrule"),
            ("FREQ=HOURLY", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=XX", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=1MO", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=MO;BYDAY=TU", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=MO;BYHOUR=9", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=MO;BYMONTHDAY=1", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=MO;UNTIL=soon", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=MO;INTERVAL=0", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=MO;WKST=XX", "invalid_rrule"),
            ("FREQ=MONTHLY;BYDAY=6MO", "invalid_rrule"),
            ("FREQ=MONTHLY;BYMONTHDAY=32", "invalid_rrule"),
            ("FREQ=MONTHLY;BYYEARDAY=1", "invalid_rrule"),
            ("FREQ=MONTHLY;BYSETPOS=0;BYDAY=MO", "invalid_rrule"),
            ("FREQ=DAILY;BYSETPOS=1", "invalid_rrule"),
            ("FREQ=YEARLY;BYEASTER=0", "invalid_rrule"),
            ("FREQ=YEARLY;BYMONTH=13", "invalid_rrule"),
            ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO", "invalid_rrule"),
            ("FREQ=WEEKLY;BYDAY=MO;INTERVAL=2", "required"),
            ("FREQ=DAILY;COUNT=5", "required"),
            ("FREQ=WEEKLY", "required"),
            ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", NEVER),
            ("FREQ=YEARLY;BYYEARDAY=1;BYMONTH=2", NEVER),
            ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6", NEVER),
            // As much work as a rule can make.
            ("FREQ=YEARLY;BYSETPOS=366;BYMONTHDAY=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28", NEVER),
        ] {
            assert_eq!(Days::parse(rule, None).unwrap_err().0, code, "{rule}");
        }
    }

    #[test]
    fn what_a_rule_names_twice_counts_once() {
        for (rule, once) in [
            ("FREQ=MONTHLY;BYMONTHDAY=15,1,15,1,15", "FREQ=MONTHLY;BYMONTHDAY=1,15"),
            ("FREQ=MONTHLY;BYDAY=1SA,-1FR,1SA,1SA,1SA,1SA,1SA", "FREQ=MONTHLY;BYDAY=-1FR,1SA"),
            ("FREQ=YEARLY;BYYEARDAY=1,1,-1", "FREQ=YEARLY;BYYEARDAY=-1,1"),
        ] {
            let (days, expected) = (Days::parse(rule, None).unwrap(), Days::parse(once, None).unwrap());
            assert_eq!((&days, days.share_of_weeks()), (&expected, expected.share_of_weeks()), "{rule}");
        }
    }

    #[test]
    fn until_is_the_last_day() {
        let days = Days::parse("FREQ=DAILY;UNTIL=20260105T000000Z", None).unwrap();
        assert!(days.contains(day("2026-01-05")));
        assert!(!days.contains(day("2026-01-06")));
    }

    #[test]
    fn a_rule_that_arithmetic_cannot_answer_is_asked_by_its_parts() {
        let last_workday = Days::parse("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", None).unwrap();
        assert!(last_workday.contains(day("2026-01-30")));
        assert!(!last_workday.contains(day("2026-01-31")));
        let three = Days::parse("FREQ=WEEKLY;BYDAY=TU;COUNT=3", Some(day("2026-01-06"))).unwrap();
        assert!(three.contains(day("2026-01-20")));
        assert!(!three.contains(day("2026-01-27")));
        let fridays = Days::parse("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", None).unwrap();
        assert_eq!(between(&fridays, "2026-01-01", "2026-12-31"), ["2026-02-13", "2026-03-13", "2026-11-13"]);
    }

    #[test]
    fn a_rule_goes_on_for_as_long_as_it_says() {
        // On each Tuesday for ever, whichever way that is said, however long ago it began.
        for (rule, first) in [
            ("FREQ=WEEKLY;BYDAY=TU", None),
            ("FREQ=YEARLY;BYDAY=TU", None),
            ("FREQ=YEARLY;BYDAY=TU", Some("1970-01-01")),
            ("FREQ=YEARLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12;BYDAY=TU", None),
            ("FREQ=DAILY;BYDAY=TU;BYSETPOS=1", Some("1900-01-01")),
            ("FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=-1", None),
        ] {
            let days = Days::parse(rule, first.map(day)).unwrap();
            assert_eq!(between(&days, "2126-01-01", "2126-01-16"), ["2126-01-01", "2126-01-08", "2126-01-15"], "{rule}");
            assert!((days.share_of_weeks()[1] - 1.0).abs() < 0.01, "{rule}: {:?}", days.share_of_weeks());
        }
        let fortnightly = Days::parse("FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU,MO", Some(day("1950-01-01"))).unwrap();
        assert_eq!(between(&fortnightly, "2026-11-22", "2026-12-13").len(), 4);
        let counted = Days::parse("FREQ=YEARLY;COUNT=2000", Some(day("1600-02-29"))).unwrap();
        assert_eq!(between(&counted, "2024-01-01", "2028-12-31"), ["2024-02-29", "2028-02-29"], "it has not ended yet");
        let ended = Days::parse("FREQ=DAILY;COUNT=2000", Some(day("2020-01-01"))).unwrap();
        assert_eq!(between(&ended, "2025-06-20", "2026-06-30"), ["2025-06-20", "2025-06-21", "2025-06-22"]);
        let rare = Days::parse("FREQ=YEARLY;INTERVAL=3;BYYEARDAY=-1", Some(day("2020-06-01"))).unwrap();
        assert_eq!(between(&rare, "2020-01-01", "2027-12-31"), ["2020-12-31", "2023-12-31", "2026-12-31"]);
        assert!((rare.share_of_weeks().iter().sum::<f64>() * WEEKS_A_YEAR - 1.0 / 3.0).abs() < 0.01);
    }

    #[test]
    fn weeks_are_numbered_as_the_calendar_does() {
        // 2020 has 53 weeks, the last of which ends on 2021-01-03 (ISO 8601).
        let last = Days::parse("FREQ=YEARLY;BYWEEKNO=53", None).unwrap();
        assert_eq!(between(&last, "2020-12-20", "2021-01-31").len(), 7);
        assert!(last.contains(day("2021-01-03")) && !last.contains(day("2021-01-04")));
        // From Sunday to Saturday, 2025 has 53 weeks, and 2026 has 52.
        let of_sundays = Days::parse("FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU,SA;WKST=SU", None).unwrap();
        assert_eq!(between(&of_sundays, "2025-06-01", "2027-06-01"), ["2025-12-28", "2026-01-03"]);
        let first = Days::parse("FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO", None).unwrap();
        assert_eq!(between(&first, "2018-06-01", "2020-06-01"), ["2018-12-31", "2019-12-30"]);
    }

    fn rules() -> impl Strategy<Value = String> {
        let weekdays = prop::sample::subsequence(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"], 1..5);
        // The crate drops a plain weekday beside one with an ordinal, so the two are not mixed here.
        let ordinals = prop::sample::subsequence(vec!["1SA", "2TU", "-1FR", "5MO", "-2SU"], 1..4);
        let month_days = prop::sample::subsequence(vec!["1", "15", "31", "-1", "-30"], 1..4);
        let months = prop::sample::select(vec!["", ";BYMONTH=6", ";BYMONTH=1,2,11"]);
        let starts = prop::sample::select(vec!["", ";WKST=SU", ";WKST=WE"]);
        (0..14, weekdays, ordinals, month_days, months, starts, 1u16..5).prop_map(
            |(kind, weekdays, ordinals, month_days, months, starts, every)| {
                let (weekdays, ordinals, month_days) = (weekdays.join(","), ordinals.join(","), month_days.join(","));
                let base = match kind {
                    0 => format!("FREQ=WEEKLY;BYDAY={weekdays}"),
                    1 => "FREQ=WEEKLY".into(),
                    2 => "FREQ=DAILY".into(),
                    3 => format!("FREQ=MONTHLY;BYDAY={ordinals}"),
                    4 => format!("FREQ=MONTHLY;BYMONTHDAY={month_days}"),
                    5 => format!("FREQ=YEARLY;BYDAY={weekdays}"),
                    6 => format!("FREQ=YEARLY;BYMONTHDAY={month_days}"),
                    7 => "FREQ=YEARLY".into(),
                    8 => "FREQ=YEARLY;BYYEARDAY=1,100,-1,-366".into(),
                    // The crate counts a 53rd week that is none where weeks begin on a Sunday.
                    9 => format!("FREQ=YEARLY;BYWEEKNO=1,20;BYDAY={weekdays}"),
                    10 => format!("FREQ=MONTHLY;BYDAY={weekdays};BYSETPOS=1,-2"),
                    11 => format!("FREQ=MONTHLY;BYDAY={weekdays};BYMONTHDAY={month_days}"),
                    12 => format!("FREQ=WEEKLY;BYDAY={weekdays};BYSETPOS=-1"),
                    _ => format!("FREQ=DAILY;BYDAY={weekdays}"),
                };
                format!("{base};INTERVAL={every}{months}{starts}")
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn a_rule_falls_where_the_crate_says(rule in rules(), offset in 0i64..800, count in prop::option::of(1u16..40)) {
            let first = day("2024-01-01") + chrono::Duration::days(offset);
            let rule = count.map_or(rule.clone(), |count| format!("{rule};COUNT={count}"));
            let until = day("2029-01-01");
            let wanted: Vec<_> = expand(&rule, first).into_iter().filter(|date| *date <= until).collect();
            let parsed = Days::parse(&rule, Some(first));
            prop_assume!(parsed.is_ok() || !wanted.is_empty());
            let days = parsed.unwrap();
            let found: Vec<_> = first.iter_days().take_while(|date| *date <= until).filter(|date| days.contains(*date)).collect();
            prop_assert_eq!(&found, &wanted, "{}", rule);
            prop_assert_eq!(days.between(first, until).collect::<Vec<_>>(), wanted, "{}", rule);
        }
    }
}
