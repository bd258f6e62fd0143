//! Recurrence rules of days (RFC 5545 §3.3.10), of which any day can be asked by itself: nothing is counted from a first day that may be
//! long past, but for `COUNT`, and no list ends before the rule does.
//!
//! A rule divides time into periods, of which each so many-th is in turn. The days of a period are those that pass every part that the
//! rule names; `BYSETPOS` picks some of these.
//!
//! The `rrule` crate, against which this is held in tests, is not used for it: it only lists the days of a rule, one after the other from
//! a first day that it must be given. Matching asks for one day, of many services, whose rules mostly name no first day at all.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Days as DayCount, NaiveDate, Weekday};

/// The parts of a rule that name days, by name.
pub(super) type Parts<'a> = BTreeMap<&'a str, &'a str>;

const TAKEN: [&str; 10] = ["FREQ", "INTERVAL", "WKST", "BYMONTH", "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY", "BYSETPOS", "COUNT"];

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// The days of a rule. An empty list names nothing; a number counts from the end where it is negative.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Recurrence {
    pub(super) frequency: Frequency,
    pub(super) every: u16,
    /// A day of a period that is in turn.
    pub(super) anchor: NaiveDate,
    /// The day on which weeks begin.
    pub(super) week_start: Weekday,
    /// Bit 0 is January. Zero: any month.
    pub(super) months: u16,
    pub(super) weeks: Vec<i16>,
    pub(super) year_days: Vec<i16>,
    pub(super) month_days: Vec<i16>,
    /// Which of those in the month, or in the year where the rule names no month; 0 is each.
    pub(super) weekdays: Vec<(i16, Weekday)>,
    pub(super) positions: Vec<i16>,
}

impl Recurrence {
    /// Reads a rule that counts from a day; its errors are sentences.
    pub(super) fn parse(parts: &Parts<'_>, anchor: NaiveDate) -> Result<Self, String> {
        if let Some(name) = parts.keys().find(|name| !TAKEN.contains(name)) {
            return Err(format!("{name} is no part of a rule that names days"));
        }
        let frequency = match parts.get("FREQ").copied() {
            Some("DAILY") => Frequency::Daily,
            Some("WEEKLY") => Frequency::Weekly,
            Some("MONTHLY") => Frequency::Monthly,
            Some("YEARLY") => Frequency::Yearly,
            _ => return Err("FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY".into()),
        };
        let every = match parts.get("INTERVAL").map(|value| value.parse::<u16>()) {
            None => 1,
            Some(Ok(every @ 1..=1000)) => every,
            Some(_) => return Err("INTERVAL must be a whole number from 1 to 1000".into()),
        };
        let week_start = parts.get("WKST").map_or(Some(Weekday::Mon), |day| weekday(day)).ok_or("WKST must be a weekday such as SU")?;
        let list = |name: &str| parts.get(name).map_or_else(Vec::new, |list| list.split(',').collect());
        let mut months = 0;
        for month in list("BYMONTH") {
            match month.parse::<u16>() {
                Ok(month @ 1..=12) => months |= 1 << (month - 1),
                _ => return Err("BYMONTH must be whole numbers from 1 to 12".into()),
            }
        }
        let numbers = |name: &str, most: i16| {
            let number = |text: &str| text.parse::<i16>().ok().filter(|number| *number != 0 && number.abs() <= most);
            // Each once: every day is held against all of them.
            let all: Option<BTreeSet<i16>> = list(name).into_iter().map(number).collect();
            all.map(Vec::from_iter)
                .ok_or_else(|| format!("{name} must be whole numbers from 1 to {most}, or from -1 to -{most} to count from the end"))
        };
        let nth = if frequency == Frequency::Yearly && months == 0 { 53 } else { 5 };
        let weekdays: Option<Vec<_>> = list("BYDAY").into_iter().map(|text| nth_weekday(text, nth)).collect();
        let mut weekdays = weekdays.ok_or("BYDAY must be weekdays such as TU, 1SA or -1FR")?;
        weekdays.sort_unstable_by_key(|(nth, weekday)| (*nth, weekday.num_days_from_monday()));
        weekdays.dedup();
        let mut rule = Self {
            frequency,
            every,
            anchor,
            week_start,
            months,
            weeks: numbers("BYWEEKNO", 53)?,
            year_days: numbers("BYYEARDAY", 366)?,
            month_days: numbers("BYMONTHDAY", 31)?,
            weekdays,
            positions: numbers("BYSETPOS", 366)?,
        };
        rule.check()?;
        rule.fill();
        Ok(rule)
    }

    /// Fails where parts stand together that say nothing together.
    fn check(&self) -> Result<(), String> {
        let by_year = self.frequency == Frequency::Yearly;
        let has_ordinals = self.weekdays.iter().any(|(nth, _)| *nth != 0);
        let names_nothing = self.months == 0 && self.names_no_days();
        let faults = [
            (!by_year && !self.weeks.is_empty(), "BYWEEKNO needs FREQ=YEARLY"),
            (!by_year && !self.year_days.is_empty(), "BYYEARDAY needs FREQ=YEARLY"),
            (self.frequency == Frequency::Weekly && !self.month_days.is_empty(), "BYMONTHDAY does not go with FREQ=WEEKLY"),
            (
                has_ordinals && !matches!(self.frequency, Frequency::Monthly | Frequency::Yearly),
                "BYDAY with a number, such as 1SA, needs FREQ=MONTHLY or FREQ=YEARLY",
            ),
            (has_ordinals && !self.weeks.is_empty(), "BYDAY with a number, such as 1SA, does not go with BYWEEKNO"),
            (names_nothing && !self.positions.is_empty(), "BYSETPOS needs another part to pick from, such as BYDAY"),
        ];
        faults.into_iter().find(|(is_so, _)| *is_so).map_or(Ok(()), |(_, sentence)| Err(sentence.into()))
    }

    fn names_no_days(&self) -> bool {
        self.weekdays.is_empty() && self.month_days.is_empty() && self.year_days.is_empty() && self.weeks.is_empty()
    }

    /// What a rule does not name it takes from its first day.
    fn fill(&mut self) {
        if !self.names_no_days() {
            return;
        }
        match self.frequency {
            Frequency::Daily => {}
            Frequency::Weekly => self.weekdays.push((0, self.anchor.weekday())),
            Frequency::Monthly | Frequency::Yearly => {
                if self.frequency == Frequency::Yearly && self.months == 0 {
                    self.months = 1 << self.anchor.month0();
                }
                self.month_days.push(self.anchor.day() as i16);
            }
        }
    }

    /// Whether the rule falls on this day. The work is that of the days of one period at most.
    pub(super) fn contains(&self, date: NaiveDate) -> bool {
        if !self.is_in_turn(date) || !self.passes(date) {
            return false;
        }
        self.positions.is_empty() || self.days_of_period(date).contains(&date)
    }

    /// The days on which the rule falls between two days, both included, in rising order. The work grows with the days between.
    pub(super) fn days(&self, from: NaiveDate, until: NaiveDate) -> impl Iterator<Item = NaiveDate> + '_ {
        let mut next = Some(self.period(from).0);
        let periods = std::iter::from_fn(move || {
            let first = next.filter(|first| *first <= until)?;
            next = self.period(first).1.succ_opt();
            Some(first)
        });
        let in_turn = periods.filter(|first| self.is_in_turn(*first));
        in_turn.flat_map(|first| self.days_of_period(first)).filter(move |date| (from..=until).contains(date))
    }

    /// The days on which the rule falls in the period that this day is of, which is in turn.
    fn days_of_period(&self, date: NaiveDate) -> Vec<NaiveDate> {
        let (first, last) = self.period(date);
        let passing: Vec<NaiveDate> = first.iter_days().take_while(|day| *day <= last).filter(|day| self.passes(*day)).collect();
        if self.positions.is_empty() {
            return passing;
        }
        let places = (1_i16..).zip(&passing);
        let all = i16::try_from(passing.len()).unwrap_or(i16::MAX);
        let is_picked = |place: i16| self.positions.iter().any(|position| *position == place || *position == place - all - 1);
        places.filter(|(place, _)| is_picked(*place)).map(|(_, day)| *day).collect()
    }

    /// Whether the day passes every part that the rule names.
    fn passes(&self, date: NaiveDate) -> bool {
        let named = |list: &[i16], number: i32, all: i32| {
            list.is_empty() || list.iter().any(|named| i32::from(*named) == number || i32::from(*named) == number - all - 1)
        };
        if self.months != 0 && self.months & (1 << date.month0()) == 0 {
            return false;
        }
        let (in_month, in_year) = (i32::from(date.num_days_in_month()), days_in_year(date));
        named(&self.month_days, date.day() as i32, in_month)
            && named(&self.year_days, date.ordinal() as i32, in_year)
            && (self.weeks.is_empty() || {
                let (number, all) = self.week_of_year(date);
                named(&self.weeks, number, all)
            })
            && (self.weekdays.is_empty() || {
                let of_month = self.frequency == Frequency::Monthly || self.months != 0;
                let (place, all) = if of_month { (date.day0() as i32, in_month) } else { (date.ordinal0() as i32, in_year) };
                let (forth, back) = (place / 7 + 1, -((all - 1 - place) / 7 + 1));
                let is_named = |nth: i32| nth == 0 || nth == forth || nth == back;
                self.weekdays.iter().any(|(nth, weekday)| *weekday == date.weekday() && is_named(i32::from(*nth)))
            })
    }

    /// The number of a day's week in the year that has most of it, and how many weeks that year has.
    fn week_of_year(&self, date: NaiveDate) -> (i32, i32) {
        let since = date.weekday().days_since(self.week_start) as i32;
        let (place, all) = (date.ordinal0() as i32 + 3 - since, days_in_year(date));
        let weeks = |place: i32, all: i32| (place / 7 + 1, (all - 1 - place % 7) / 7 + 1);
        // The fourth day of the week is of the year before or after.
        if place < 0 {
            let before = days_in_year(date.with_ordinal0(0).and_then(|first| first.pred_opt()).unwrap_or(date));
            weeks(place + before, before)
        } else if place >= all {
            let after = NaiveDate::from_yo_opt(date.year() + 1, 1).map_or(365, days_in_year);
            weeks(place - all, after)
        } else {
            weeks(place, all)
        }
    }

    fn is_in_turn(&self, date: NaiveDate) -> bool {
        let number = |date: NaiveDate| match self.frequency {
            Frequency::Daily => date.num_days_from_ce(),
            Frequency::Weekly => (date.num_days_from_ce() - date.weekday().days_since(self.week_start) as i32).div_euclid(7),
            Frequency::Monthly => month_number(date),
            Frequency::Yearly => date.year(),
        };
        (number(date) - number(self.anchor)) % i32::from(self.every) == 0
    }

    /// The first and the last day of the period that a day is of.
    fn period(&self, date: NaiveDate) -> (NaiveDate, NaiveDate) {
        let between = |before: u32, after: u32| {
            let first = date.checked_sub_days(DayCount::new(before.into())).unwrap_or(NaiveDate::MIN);
            (first, date.checked_add_days(DayCount::new(after.into())).unwrap_or(NaiveDate::MAX))
        };
        match self.frequency {
            Frequency::Daily => (date, date),
            Frequency::Weekly => {
                let since = date.weekday().days_since(self.week_start);
                between(since, 6 - since)
            }
            Frequency::Monthly => between(date.day0(), u32::from(date.num_days_in_month()) - date.day()),
            Frequency::Yearly => between(date.ordinal0(), days_in_year(date).unsigned_abs() - date.ordinal()),
        }
    }
}

fn days_in_year(date: NaiveDate) -> i32 {
    if date.leap_year() { 366 } else { 365 }
}

/// Months since the year 0.
pub(super) fn month_number(date: NaiveDate) -> i32 {
    date.year() * 12 + date.month0() as i32
}

/// `MO`, `1SA`, `-1FR`.
fn nth_weekday(text: &str, most: i16) -> Option<(i16, Weekday)> {
    let (ordinal, day) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let nth = if ordinal.is_empty() { 0 } else { ordinal.parse().ok().filter(|nth: &i16| *nth != 0 && nth.abs() <= most)? };
    Some((nth, weekday(day)?))
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return None,
    })
}
