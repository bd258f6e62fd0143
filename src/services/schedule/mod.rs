//! When a service is open: recurring rules of days and wall-clock times, read in their own time zone.
//!
//! A time of day that a daylight-saving change skips or repeats stands for **the first moment at which the clock reads that time or a
//! later one**. So a service open from 02:30 opens at 03:00 on the night the clock jumps from 02:00 to 03:00, and one open until 01:30
//! closes the first time the clock reads 01:30 on the night it reads so twice.

mod days;
mod recurrence;
mod spans;

use std::collections::HashMap;

use chrono::{DateTime, Days as DayCount, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::{GapInfo, Tz};

use self::days::Days;
use self::spans::Spans;
use super::model::{Schedule, ScheduleKind, ServiceInput};
use crate::error::Fault;
use crate::types::{DateSpan, Weekday, WeeklyWindow};

const MINUTES_A_DAY: u16 = 24 * 60;
const MINUTES_A_WEEK: i64 = 7 * MINUTES_A_DAY as i64;
/// From this minute of a weekday on it is evening.
const EVENING: i64 = 17 * 60;
/// A Friday night that ends before this minute of Saturday is not a weekend opening.
const MORNING: i64 = 6 * 60;

/// One stretch of time during which a service is open, `from` included and `until` not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// It opens.
    pub from: DateTime<Utc>,
    /// It closes.
    pub until: DateTime<Utc>,
}

/// The schedules of a service or a place, ready to be asked.
///
/// Times by appointment count as open; times of closing are taken away.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Timetable(Box<[Rule]>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Rule {
    days: Days,
    valid: DateSpan,
    /// Minutes after local midnight.
    opens: u16,
    /// Minutes on the clock until it closes, at most a day.
    length: u16,
    zone: Tz,
    is_closing: bool,
}

impl Timetable {
    /// The timetable of these schedules. Those that [`check`] would refuse are left out: they say nothing that could be relied on.
    pub fn new(schedules: &[Schedule]) -> Self {
        Self::of(schedules, &mut Known::default())
    }

    fn of<'s>(schedules: impl IntoIterator<Item = &'s Schedule>, known: &mut Known<'s>) -> Self {
        Self(schedules.into_iter().filter_map(|schedule| Rule::new(schedule, known).ok()).collect())
    }

    /// The different timetables of a service: its own, and that of each place which has one.
    ///
    /// A place's times of opening win over the service's, so the service's own count only where there is no place or a place without any.
    /// Times of closing are exceptions to either: the service's count at all of its places, and a place's own beside them.
    pub fn of_service(service: &ServiceInput) -> Vec<Self> {
        let nothing: &[Schedule] = &[];
        let is_bare = service.places.is_empty() || service.places.iter().any(|place| place.schedules.is_empty());
        let stated = service.places.iter().map(|place| place.schedules.as_slice()).filter(|there| !there.is_empty());
        let (mut tables, mut known) = (Vec::new(), Known::default());
        for there in is_bare.then_some(nothing).into_iter().chain(stated) {
            let opens_there = there.iter().any(|schedule| schedule.kind != ScheduleKind::Closed);
            let of_service = service.schedules.iter().filter(|own| !opens_there || own.kind == ScheduleKind::Closed);
            let table = Self::of(there.iter().chain(of_service), &mut known);
            if table.is_known() && !tables.contains(&table) {
                tables.push(table);
            }
        }
        tables
    }

    /// Whether any time of opening is known. What is not known is not closed.
    pub fn is_known(&self) -> bool {
        self.0.iter().any(|rule| !rule.is_closing)
    }

    /// The zone of its first schedule.
    pub fn zone(&self) -> Option<Tz> {
        self.0.first().map(|rule| rule.zone)
    }

    /// Whether it is open at this moment.
    pub fn is_open_at(&self, moment: DateTime<Utc>) -> bool {
        let covered = |is_closing| self.0.iter().any(|rule| rule.is_closing == is_closing && rule.covers(moment));
        covered(false) && !covered(true)
    }

    /// The openings between two moments, cut at both, in rising order and apart from each other. Work grows with the days between.
    pub fn openings(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Opening> {
        let spans = |is_closing| -> Spans {
            self.0.iter().filter(|rule| rule.is_closing == is_closing).flat_map(|rule| rule.spans(from, until)).collect()
        };
        let asked = Spans::between(from.timestamp(), until.timestamp());
        let instant = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        let open = spans(false).without(&spans(true)).and(&asked);
        open.iter().map(|(from, until)| Opening { from: instant(from), until: instant(until) }).collect()
    }

    /// Whether it is open at 17:00 or later on a weekday, in an ordinary week.
    pub fn has_evenings(&self) -> bool {
        let evenings = (0..5).map(|day| day_span(day, EVENING, MINUTES_A_DAY.into()));
        !self.ordinary_week().and(&evenings.collect()).is_empty()
    }

    /// Whether it is open on a Saturday or Sunday, in an ordinary week.
    pub fn has_weekends(&self) -> bool {
        let weekends = (5..7).map(|day| day_span(day, MORNING, MINUTES_A_DAY.into()));
        !self.ordinary_week().and(&weekends.collect()).is_empty()
    }

    /// How many minutes a week it is open during these windows, on the average of the weeks around `at`.
    ///
    /// The windows are read in `zone`, or in the timetable's own where none is given. A service open every other week counts half.
    pub fn weekly_overlap_minutes(&self, windows: &[WeeklyWindow], zone: Option<Tz>, at: DateTime<Utc>) -> u32 {
        let offset = |zone: Tz| i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()) / 60;
        let free: Spans = windows.iter().flat_map(|window| wrapped(window_span(window))).collect();
        let (mut regular, mut closed, mut now_and_then) = (Vec::new(), Vec::new(), Vec::new());
        for rule in self.0.iter().filter(|rule| rule.is_ordinary_around(at)) {
            let shift = zone.map_or(0, |zone| offset(zone) - offset(rule.zone));
            for (day, share) in (0..).zip(rule.days.share_of_weeks()).filter(|(_, share)| *share > 0.0) {
                let (from, until) = rule.week_span(day);
                let spans = wrapped((from + shift, until + shift));
                match (rule.is_closing, share >= 1.0) {
                    (true, true) => closed.extend(spans),
                    (true, false) => {}
                    (false, true) => regular.extend(spans),
                    (false, false) => now_and_then.push((share, spans.collect::<Spans>())),
                }
            }
        }
        let closed: Spans = closed.into_iter().collect();
        let regular = regular.into_iter().collect::<Spans>().without(&closed).and(&free);
        let rest = free.without(&regular).without(&closed);
        let sometimes: f64 = now_and_then.iter().map(|(share, spans)| share * rest.and(spans).total() as f64).sum();
        let minutes = regular.total() + (sometimes.round() as i64).min(rest.total());
        u32::try_from(minutes).unwrap_or_default()
    }

    /// The minutes of the week that some rule opens and no lasting weekly rule closes.
    fn ordinary_week(&self) -> Spans {
        let week = |rules: &mut dyn Iterator<Item = &Rule>, least: f64| -> Spans {
            rules
                .flat_map(|rule| {
                    let shares = (0..).zip(rule.days.share_of_weeks());
                    shares.filter(move |(_, share)| *share >= least).flat_map(|(day, _)| wrapped(rule.week_span(day)))
                })
                .collect()
        };
        let open = week(&mut self.0.iter().filter(|rule| !rule.is_closing), f64::MIN_POSITIVE);
        let closed = week(&mut self.0.iter().filter(|rule| rule.is_closing && rule.is_lasting()), 1.0);
        open.without(&closed)
    }
}

/// What came of the rules that were read, by rule and first day: places repeat those of each other, and to read one may take long.
type Known<'s> = HashMap<(&'s str, Option<NaiveDate>), Result<Days, (&'static str, String)>>;

impl Rule {
    fn new<'s>(schedule: &'s Schedule, known: &mut Known<'s>) -> Result<Self, Vec<Fault>> {
        let zone = schedule.time_zone.parse::<Tz>();
        let first = schedule.starts_on.or(schedule.valid.from);
        let days = known.entry((schedule.rrule.as_str(), first)).or_insert_with(|| Days::parse(&schedule.rrule, first)).as_ref();
        let (Ok(zone), Ok(days)) = (zone, days.cloned()) else {
            let mut faults = Vec::new();
            if zone.is_err() {
                faults.push(Fault::new("/time_zone", "unknown_time_zone", "is not an IANA time zone such as America/Vancouver"));
            }
            faults.extend(days.err().map(|error| days::fault("", error.clone())));
            return Err(faults);
        };
        let minute = |time: chrono::NaiveTime| (time.num_seconds_from_midnight() / 60) as u16;
        let opens = schedule.opens_at.map_or(0, minute);
        let closes = schedule.closes_at.map_or(0, minute);
        let length = if closes > opens { closes - opens } else { MINUTES_A_DAY - opens + closes };
        let is_closing = schedule.kind == ScheduleKind::Closed;
        Ok(Self { days, valid: schedule.valid, opens, length, zone, is_closing })
    }

    /// The stretch that starts on this local day, in seconds of Unix time; the rule falls on it.
    fn span(&self, date: NaiveDate) -> (i64, i64) {
        let opens = date.and_time(chrono::NaiveTime::MIN) + chrono::Duration::minutes(self.opens.into());
        let closes = opens + chrono::Duration::minutes(self.length.into());
        (first_moment(self.zone, opens).timestamp(), first_moment(self.zone, closes).timestamp())
    }

    fn covers(&self, moment: DateTime<Utc>) -> bool {
        let today = moment.with_timezone(&self.zone).date_naive();
        let seconds = moment.timestamp();
        let falls_on = |date| self.valid.contains(date) && self.days.contains(date);
        let covers = |(from, until): (i64, i64)| (from..until).contains(&seconds);
        let within = |date| falls_on(date) && covers(self.span(date));
        within(today) || today.pred_opt().is_some_and(within)
    }

    fn spans(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> impl Iterator<Item = (i64, i64)> + '_ {
        let local = |moment: DateTime<Utc>| moment.with_timezone(&self.zone).date_naive();
        // A stretch lasts a day at most; the second day back allows for clocks that were put back across midnight.
        let first = local(from).checked_sub_days(DayCount::new(2)).unwrap_or(NaiveDate::MIN);
        self.days.between(first, local(until)).filter(|date| self.valid.contains(*date)).map(|date| self.span(date))
    }

    /// The minutes of the week, Monday 00:00 being 0; the end may lie beyond the week's.
    fn week_span(&self, day: i64) -> (i64, i64) {
        let opens = i64::from(self.opens);
        day_span(day, opens, opens + i64::from(self.length))
    }

    /// Whether it is of an ordinary one of the four weeks from `at`: it may fall on a day of them, or, where it closes, it is in force on
    /// all of them. A holiday closes no other week.
    fn is_ordinary_around(&self, at: DateTime<Utc>) -> bool {
        let first = at.date_naive();
        let last = first.checked_add_days(DayCount::new(27)).unwrap_or(first);
        let (begins, ends) = if self.is_closing { (first, last) } else { (last, first) };
        self.valid.from.is_none_or(|from| from <= begins) && self.valid.until.is_none_or(|until| until >= ends)
    }

    fn is_lasting(&self) -> bool {
        self.valid == DateSpan::default() && self.days.is_unlimited()
    }
}

/// The first moment at which a clock in the zone reads this time or a later one.
fn first_moment(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let found = zone.from_local_datetime(&local).earliest().or_else(|| GapInfo::new(&local, &zone).and_then(|gap| gap.end));
    found.map_or_else(|| local.and_utc(), |moment| moment.to_utc())
}

/// The moments at which one day begins in the zone, and at which another is over.
pub fn span_of_days(zone: Tz, first: NaiveDate, last: NaiveDate) -> (DateTime<Utc>, DateTime<Utc>) {
    let begins = |date: NaiveDate| first_moment(zone, date.and_time(chrono::NaiveTime::MIN));
    (begins(first), begins(last.succ_opt().unwrap_or(last)))
}

const fn day_span(day: i64, from: i64, until: i64) -> (i64, i64) {
    (day * MINUTES_A_DAY as i64 + from, day * MINUTES_A_DAY as i64 + until)
}

fn window_span(window: &WeeklyWindow) -> (i64, i64) {
    let day = Weekday::ALL.iter().position(|day| *day == window.day).unwrap_or_default() as i64;
    let minute = |time: chrono::NaiveTime| i64::from(time.num_seconds_from_midnight() / 60);
    day_span(day, minute(window.from), minute(window.until))
}

/// A span of the week, its parts before Monday or after Sunday carried to the other end.
fn wrapped((from, until): (i64, i64)) -> impl Iterator<Item = (i64, i64)> {
    [-MINUTES_A_WEEK, 0, MINUTES_A_WEEK].into_iter().map(move |shift| ((from + shift).max(0), (until + shift).min(MINUTES_A_WEEK)))
}

/// What is wrong with a schedule, with pointers relative to it; and whether the days of its rule had to be counted, which is slow.
pub fn check(schedule: &Schedule) -> (Vec<Fault>, bool) {
    match Rule::new(schedule, &mut Known::default()) {
        Ok(rule) => (Vec::new(), rule.days.is_counted()),
        Err(faults) => {
            let is_expanded = faults.iter().any(|fault| fault.code == days::NEVER);
            (faults, is_expanded)
        }
    }
}

#[cfg(test)]
mod tests;
