//! Opening times in words, in English and French.
//!
//! The whole text must be understood, to the last word, or none of it is: "Monday to Friday 9 to 5 except in summer" is no week that
//! could be relied upon. Times without am or pm count only where they can mean one thing.

use chrono::{NaiveTime, Timelike};
use regex::Captures;

use super::{fold, pattern};
use crate::import::schema::MOST_SCHEDULES;
use crate::services::model::{Schedule, ScheduleKind};
use crate::types::DateSpan;

/// What a text of hours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hours {
    /// Opening times; wholly understood.
    Open(Vec<Schedule>),
    /// It says that it is closed, and nothing else.
    Closed,
    /// Words that must be read by a person.
    Unclear,
}

/// The two-letter codes of the days, Monday first, as in RFC 5545 `BYDAY`.
pub const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// The days of a week, Monday in the lowest bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Week(u8);

impl Week {
    /// All seven days.
    pub const ALL: Self = Self(0b111_1111);
    const WEEKDAYS: Self = Self(0b001_1111);
    const WEEKEND: Self = Self(0b110_0000);

    /// The week with only this day, Monday being 0.
    pub const fn only(day: u8) -> Self {
        Self(1 << (day % 7))
    }

    /// The days of either.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True where it has no day.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn through(first: u8, last: u8) -> Self {
        let mut days = Self::only(first);
        let mut day = first;
        while day != last {
            day = (day + 1) % 7;
            days = days.and(Self::only(day));
        }
        days
    }

    fn has(self, day: u8) -> bool {
        self.0 & (1 << day) != 0
    }

    /// The recurrence rule of these days.
    pub fn rrule(self) -> String {
        if self == Self::ALL {
            return "FREQ=DAILY".into();
        }
        let days: Vec<&str> = (0..7).zip(DAYS).filter(|(day, _)| self.has(*day)).map(|(_, code)| code).collect();
        format!("FREQ=WEEKLY;BYDAY={}", days.join(","))
    }
}

/// A time of the clock from the forms that feeds use: `9:30`, `09:30:00`, `10:00Z`, `09:00-05:00`, `9:30 AM`, `24:00`.
///
/// An offset is dropped: the times are those on the wall, and the zone is known otherwise.
pub fn clock(text: &str) -> Option<NaiveTime> {
    pattern!(CLOCK, r"(?i)^(\d{1,2})(?::(\d{2}))?(?::\d{2}(?:\.\d+)?)?\s*([ap])?(?:\.?m\.?)?\s*(?:z|[+-]\d{2}:?\d{2})?$");
    let parts = CLOCK.captures(text.trim())?;
    let hour: u32 = parts.get(1)?.as_str().parse().ok()?;
    let minute: Option<u32> = parts.get(2).map(|minute| minute.as_str().parse()).transpose().ok()?;
    match parts.get(3).map(|half| half.as_str().eq_ignore_ascii_case("p")) {
        Some(is_afternoon) => half_day(hour, minute.unwrap_or(0), is_afternoon),
        None if hour == 24 && minute == Some(0) => Some(NaiveTime::MIN),
        None => NaiveTime::from_hms_opt(hour, minute?, 0),
    }
}

/// A day of the week from its name or code in English or French; Monday is 0.
pub fn day(text: &str) -> Option<u8> {
    Some(match fold(text.trim()).trim_end_matches('.') {
        "mo" | "mon" | "monday" | "mondays" | "lu" | "lun" | "lundi" | "lundis" => 0,
        "tu" | "tue" | "tues" | "tuesday" | "tuesdays" | "mar" | "mardi" | "mardis" => 1,
        "we" | "wed" | "weds" | "wednesday" | "wednesdays" | "mer" | "mercredi" | "mercredis" => 2,
        "th" | "thu" | "thur" | "thurs" | "thursday" | "thursdays" | "je" | "jeu" | "jeudi" | "jeudis" => 3,
        "fr" | "fri" | "friday" | "fridays" | "ven" | "vendredi" | "vendredis" => 4,
        "sa" | "sat" | "saturday" | "saturdays" | "sam" | "samedi" | "samedis" => 5,
        "su" | "sun" | "sunday" | "sundays" | "dim" | "dimanche" | "dimanches" => 6,
        _ => return None,
    })
}

fn half_day(hour: u32, minute: u32, is_afternoon: bool) -> Option<NaiveTime> {
    if !(1..=12).contains(&hour) {
        return None;
    }
    NaiveTime::from_hms_opt(hour % 12 + if is_afternoon { 12 } else { 0 }, minute, 0)
}

/// A schedule of whole weeks; both times absent means round the clock.
pub fn weekly(days: Week, times: Option<(NaiveTime, NaiveTime)>, zone: &str) -> Schedule {
    let times = times.filter(|times| !is_whole_day(*times));
    Schedule {
        rrule: days.rrule(),
        starts_on: None,
        opens_at: times.map(|(opens, _)| opens),
        closes_at: times.map(|(_, closes)| closes),
        time_zone: zone.to_owned(),
        valid: DateSpan::default(),
        kind: ScheduleKind::Open,
        note: None,
    }
}

/// 24 hours are written 00:00 to 23:59 in many directories.
fn is_whole_day((opens, closes): (NaiveTime, NaiveTime)) -> bool {
    opens == NaiveTime::MIN && (closes == NaiveTime::MIN || (closes.hour(), closes.minute()) == (23, 59))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Day(u8),
    Days(Week),
    Always,
    /// Hour, minute, and what tells the half of the day.
    Time(u32, u32, Half),
    Dash,
    Colon,
    Separator,
    Zone(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Morning,
    Afternoon,
    /// Written in a 24-hour form.
    Whole,
    /// Could be either.
    Open,
}

/// Reads opening times for the given IANA zone.
pub fn read(text: &str, zone: &str) -> Hours {
    let folded = fold(text);
    pattern!(CLOSED, r"^\s*(permanently |temporarily )?(closed|ferme)\.?\s*$");
    if CLOSED.is_match(&folded) {
        return Hours::Closed;
    }
    match understood(&folded, zone) {
        Some(schedules) if !schedules.is_empty() => Hours::Open(schedules),
        _ => Hours::Unclear,
    }
}

/// Whether the words say that the times are not those of every week.
pub fn is_every_other_week(text: &str) -> bool {
    pattern!(EVERY_OTHER, r"\bbi-?weekly\b|\bevery (other|second|two) |\balternat(e|ing)\b|\baux deux semaines\b");
    EVERY_OTHER.is_match(&fold(text))
}

fn understood(folded: &str, zone: &str) -> Option<Vec<Schedule>> {
    pattern!(
        HOLIDAYS,
        r"[(,;.]?\s*(?:closed on|closed|excluding|except(?:ing)?|except on|sauf|ferme)\s+(?:les\s+|bc\s+|all\s+|on\s+)?(?:statutory\s+|stat\s+)?(?:holidays|jours feries|(?:les )?jours feries)\s*[).]?"
    );
    pattern!(APPOINTMENT, r"\(?\b(?:by appointment(?: only)?|sur rendez-vous(?: seulement)?)\b\)?");
    let without_holidays = HOLIDAYS.replace_all(folded, " ");
    let bare = APPOINTMENT.replace_all(&without_holidays, " ");
    let (is_open_on_holidays, is_by_appointment) = (without_holidays == folded, bare != without_holidays);

    let tokens = tokens(&bare)?;
    let mut reading = Reading { tokens: &tokens, zone: None, spans: Vec::new() };
    reading.whole()?;
    let zone = reading.zone.unwrap_or(zone);
    let mut schedules = grouped(&reading.spans, zone)?;
    for schedule in &mut schedules {
        if is_by_appointment {
            schedule.kind = ScheduleKind::ByAppointment;
        }
        if !is_open_on_holidays {
            schedule.note = Some("Closed on statutory holidays.".into());
        }
    }
    Some(schedules)
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    pattern!(
        TOKEN,
        r"(?x)^(?:
            (?P<space>\s+)
          | (?P<always> 24\s*/\s*7(?:\s*,?\s*365(?:\sdays)?(?:\s*/\s*year)?)?(?:\s+(?:service|availability|available)\b)?
                      | (?:open\s+)?24\s+hours(?:\s+(?:a|per)\s+day)?,?\s+(?:7|seven)\s+days(?:\s+(?:a|per)\s+week)? | 24\s*h\s*/\s*24,?\s*7\s*(?:j|jours)\s*(?:/|sur)\s*7 )
          | (?P<daily> (?:7|seven)\s+days\s+(?:a|per)\s+week | daily | every\s?day | tous\sles\sjours )
          | (?P<weekdays> weekdays | en\ssemaine ) | (?P<weekend> weekends? | fins?\sde\ssemaine )
          | (?P<zone> (?:et|est|edt|pt|pst|pdt|mt|mst|mdt|ct|cst|cdt|at|ast|adt)\b\.? )
          | (?P<noon> (?:12\s*(?::00)?\s*)?(?:noon|midi)\b ) | (?P<midnight> (?:12\s*(?::00)?\s*)?(?:midnight|minuit)\b )
          | (?P<hour>\d{1,2}) (?: (?: : (?P<minute>\d{2}) )? \s* (?P<half>[ap])\.?m\b\.? | \s?h\s?(?P<french>\d{2})?\b | : (?P<colon>\d{2})\b | \b )
          | (?P<dash> - | (?:to|a|au|until|through|jusqu'a)\b )
          | (?P<separator> [,;.&/\n] | (?:and|et|from|de|du|le|les|open|ouvert|hours|heures|d'ouverture)\b )
          | (?P<colonmark> : )
          | (?P<day>[a-z]+)\b\.?
        )"
    );
    let mut rest = text;
    let mut tokens = Vec::new();
    while !rest.is_empty() {
        let found = TOKEN.captures(rest)?;
        let has = |name| found.name(name).is_some();
        let token = if has("space") {
            None
        } else if has("always") {
            Some(Token::Always)
        } else if has("daily") {
            Some(Token::Days(Week::ALL))
        } else if has("weekdays") {
            Some(Token::Days(Week::WEEKDAYS))
        } else if has("weekend") {
            Some(Token::Days(Week::WEEKEND))
        } else if let Some(zone) = found.name("zone") {
            // "et" is also French for "and": a zone follows a time, a conjunction stands before a day or a time.
            let follows_time = matches!(tokens.last(), Some(Token::Time(..)));
            let ends = !rest.get(zone.end()..).unwrap_or_default().trim_start().starts_with(|c: char| c.is_alphanumeric());
            if zone.as_str() == "et" && !(follows_time && ends) { Some(Token::Separator) } else { Some(Token::Zone(iana(zone.as_str()))) }
        } else if has("noon") {
            Some(Token::Time(12, 0, Half::Afternoon))
        } else if has("midnight") {
            Some(Token::Time(12, 0, Half::Morning))
        } else if let Some(time) = time(&found) {
            Some(time)
        } else if has("dash") {
            Some(Token::Dash)
        } else if has("colonmark") {
            Some(Token::Colon)
        } else if has("separator") {
            Some(Token::Separator)
        } else {
            Some(Token::Day(day(found.name("day")?.as_str())?))
        };
        tokens.extend(token);
        rest = rest.get(found.get(0)?.end()..)?;
    }
    Some(tokens)
}

/// The time that was found, where it is one with its hour in digits.
fn time(found: &Captures<'_>) -> Option<Token> {
    let number = |name| found.name(name).and_then(|part| part.as_str().parse::<u32>().ok());
    let hour = number("hour")?;
    let minute = number("minute").or_else(|| number("french")).or_else(|| number("colon")).unwrap_or(0);
    let form = found.get(0).map_or("", |whole| whole.as_str());
    let half = match found.name("half").map(|half| half.as_str()) {
        Some("a") => Half::Morning,
        Some(_) => Half::Afternoon,
        None if hour > 12 || hour == 0 || form.contains('h') || (number("colon").is_some() && form.starts_with('0')) => Half::Whole,
        None => Half::Open,
    };
    Some(Token::Time(hour, minute, half))
}

fn iana(mark: &str) -> &'static str {
    match mark.chars().next() {
        Some('p') => "America/Vancouver",
        Some('m') => "America/Edmonton",
        Some('c') => "America/Winnipeg",
        Some('a') => "America/Halifax",
        _ => "America/Toronto",
    }
}

/// Days with one opening, or round the clock.
type Span = (Week, Option<(NaiveTime, NaiveTime)>);

struct Reading<'a> {
    tokens: &'a [Token],
    zone: Option<&'static str>,
    spans: Vec<Span>,
}

impl Reading<'_> {
    fn peek(&self) -> Option<Token> {
        self.tokens.first().copied()
    }

    fn advance(&mut self) -> Option<Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    fn takes(&mut self, token: Token) -> bool {
        let is_next = self.peek() == Some(token);
        if is_next {
            self.advance();
        }
        is_next
    }

    /// Clauses to the end of the text: `days times`, `times days`, or round the clock.
    fn whole(&mut self) -> Option<()> {
        while let Some(next) = self.peek() {
            match next {
                Token::Separator | Token::Colon => {
                    self.advance();
                }
                Token::Zone(zone) => {
                    self.advance();
                    self.zone = Some(zone);
                }
                Token::Always => {
                    self.advance();
                    self.spans.push((Week::ALL, None));
                }
                Token::Day(_) | Token::Days(_) => {
                    let days = self.days()?;
                    while matches!(self.peek(), Some(Token::Separator | Token::Colon)) {
                        self.advance();
                    }
                    if self.takes(Token::Always) {
                        self.spans.push((days, None));
                    } else {
                        let times = self.ranges()?;
                        self.spans.extend(times.into_iter().map(|times| (days, Some(times))));
                    }
                }
                Token::Time(..) => {
                    let times = self.ranges()?;
                    while self.takes(Token::Separator) {}
                    let days = self.days()?;
                    self.spans.extend(times.into_iter().map(|times| (days, Some(times))));
                }
                Token::Dash => return None,
            }
        }
        Some(())
    }

    fn days(&mut self) -> Option<Week> {
        let mut days = Week::default();
        loop {
            match self.advance()? {
                Token::Days(some) => days = days.and(some),
                Token::Day(first) if self.peek() == Some(Token::Dash) && matches!(self.tokens.get(1), Some(Token::Day(_))) => {
                    self.advance();
                    let Some(Token::Day(last)) = self.advance() else { return None };
                    days = days.and(Week::through(first, last));
                }
                Token::Day(day) => days = days.and(Week::only(day)),
                _ => return None,
            }
            let separators = self.tokens.iter().take_while(|token| **token == Token::Separator).count();
            if !matches!(self.tokens.get(separators), Some(Token::Day(_) | Token::Days(_))) {
                return Some(days);
            }
            // Two groups of days without a word between them, as in "Monday Tuesday", are not a list.
            if separators == 0 {
                return None;
            }
            self.tokens = self.tokens.get(separators..)?;
        }
    }

    fn ranges(&mut self) -> Option<Vec<(NaiveTime, NaiveTime)>> {
        let mut ranges = Vec::new();
        loop {
            let Token::Time(hour, minute, half) = self.advance()? else { return None };
            let opens = (hour, minute, half);
            if !self.takes(Token::Dash) {
                return None;
            }
            let Token::Time(hour, minute, half) = self.advance()? else { return None };
            ranges.push(range(opens, (hour, minute, half))?);
            if let Some(Token::Zone(zone)) = self.peek() {
                self.advance();
                self.zone = Some(zone);
            }
            let separators = self.tokens.iter().take_while(|token| **token == Token::Separator).count();
            if separators == 0 || !matches!(self.tokens.get(separators), Some(Token::Time(..))) {
                return Some(ranges);
            }
            self.tokens = self.tokens.get(separators..)?;
        }
    }
}

/// The one meaning of two times, where there is only one.
fn range(opens: (u32, u32, Half), closes: (u32, u32, Half)) -> Option<(NaiveTime, NaiveTime)> {
    use Half::{Afternoon, Morning, Open, Whole};
    let at = |(hour, minute, half): (u32, u32, Half)| match half {
        Morning => half_day(hour, minute, false),
        Afternoon => half_day(hour, minute, true),
        Whole | Open if hour == 24 && minute == 0 => Some(NaiveTime::MIN),
        Whole | Open => NaiveTime::from_hms_opt(hour, minute, 0),
    };
    let (from, until) = match (opens.2, closes.2) {
        // "9-11 AM": the half of the end holds for the start where that puts it earlier.
        (Open, half @ (Morning | Afternoon)) => {
            let from = half_day(opens.0, opens.1, half == Afternoon)?;
            let until = at(closes)?;
            if from >= until {
                return None;
            }
            (from, until)
        }
        (Open, Open) => {
            let (from, until) = (at(opens)?, at(closes)?);
            // "8:30-4:30" and "1:00-5:00" leave the half of the day open.
            if from >= until || opens.0 < 7 {
                return None;
            }
            (from, until)
        }
        (Open, Whole) if opens.0 >= 7 || closes.0 < 13 => (at(opens)?, at(closes)?),
        (Whole, Open) if closes.0 >= 12 => (at(opens)?, at(closes)?),
        (Whole, Open) => {
            let (from, until) = (at(opens)?, at(closes)?);
            if from >= until {
                return None;
            }
            (from, until)
        }
        (Open, Whole) | (Morning | Afternoon, Open | Whole) | (Whole, Morning | Afternoon) => return None,
        _ => (at(opens)?, at(closes)?),
    };
    (from != until || from == NaiveTime::MIN).then_some((from, until))
}

/// Schedules of equal times together; `None` where two openings of a day overlap without being equal, or where they are more than a service
/// may have.
pub fn grouped(spans: &[Span], zone: &str) -> Option<Vec<Schedule>> {
    let mut groups: Vec<Span> = Vec::new();
    for (days, times) in spans {
        if let Some((known, _)) = groups.iter_mut().find(|(_, known)| known == times) {
            *known = known.and(*days);
        } else if groups.len() < MOST_SCHEDULES {
            groups.push((*days, *times));
        } else {
            return None;
        }
    }
    for day in 0..7 {
        let mut openings: Vec<Option<(NaiveTime, NaiveTime)>> = Vec::new();
        for (_, times) in groups.iter().filter(|(days, _)| days.has(day)) {
            let times = times.filter(|times| !is_whole_day(*times));
            if !openings.contains(&times) {
                openings.push(times);
            }
        }
        if openings.len() > 1
            && openings.iter().enumerate().any(|(at, one)| openings.iter().skip(at + 1).any(|other| overlap(*one, *other)))
        {
            return None;
        }
    }
    Some(groups.into_iter().map(|(days, times)| weekly(days, times, zone)).collect())
}

fn overlap(one: Option<(NaiveTime, NaiveTime)>, other: Option<(NaiveTime, NaiveTime)>) -> bool {
    let minutes = |times: Option<(NaiveTime, NaiveTime)>| match times {
        None => (0, 24 * 60),
        Some((opens, closes)) => {
            let minute = |time: NaiveTime| time.hour() * 60 + time.minute();
            let (opens, closes) = (minute(opens), minute(closes));
            (opens, if closes <= opens { closes + 24 * 60 } else { closes })
        }
    };
    let ((from, until), (other_from, other_until)) = (minutes(one), minutes(other));
    from < other_until && other_from < until
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        match read(text, "America/Vancouver") {
            Hours::Open(schedules) => schedules
                .iter()
                .map(|s| {
                    let time = |time: Option<NaiveTime>| time.map_or("*".into(), |time| time.format("%H:%M").to_string());
                    format!("{} {}-{}", s.rrule.replace("FREQ=WEEKLY;BYDAY=", ""), time(s.opens_at), time(s.closes_at))
                })
                .collect(),
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn a_plain_week_is_read() {
        assert_eq!(shown("Monday-Friday 8:30 AM - 4:30 PM"), ["MO,TU,WE,TH,FR 08:30-16:30"]);
        assert_eq!(shown("Mon–Fri: 09:00–16:00; Sat: 13:00–16:00."), ["MO,TU,WE,TH,FR 09:00-16:00", "SA 13:00-16:00"]);
        assert_eq!(shown("24/7"), ["FREQ=DAILY *-*"]);
        assert_eq!(shown("24 hours a day, 7 days a week."), ["FREQ=DAILY *-*"]);
        assert_eq!(shown("Tuesday & Thursday, 5:30 PM - 7:30 PM"), ["TU,TH 17:30-19:30"]);
        assert_eq!(shown("7 days a week, 11:30 AM - 9:00 PM"), ["FREQ=DAILY 11:30-21:00"]);
        assert_eq!(shown("11:30 AM - 9:00 PM, 7 days a week"), ["FREQ=DAILY 11:30-21:00"]);
        assert_eq!(shown("Mon/Tue/Thu/Fri: 8:00 AM – 4:00 PM. Wed: 8:00 AM – 7:30 PM."), ["MO,TU,TH,FR 08:00-16:00", "WE 08:00-19:30"]);
        assert_eq!(
            shown("Monday-Friday 8:30 AM - 12:00 PM, 1:00 PM - 4:30 PM"),
            ["MO,TU,WE,TH,FR 08:30-12:00", "MO,TU,WE,TH,FR 13:00-16:30"]
        );
        assert_eq!(shown("Daily: 12:00 PM – Midnight"), ["FREQ=DAILY 12:00-00:00"]);
        assert_eq!(shown("Sat 9-11 AM"), ["SA 09:00-11:00"]);
        assert_eq!(shown("Lundi au vendredi, de 8 h 30 à 16 h 30"), ["MO,TU,WE,TH,FR 08:30-16:30"]);
        assert_eq!(shown("Fri-Mon 18:00-02:00"), ["MO,FR,SA,SU 18:00-02:00"]);
    }

    #[test]
    fn a_remark_is_kept_and_changes_nothing_else() {
        let Hours::Open(schedules) = read("Monday-Friday 9:00 AM - 5:00 PM (excluding statutory holidays)", "America/Vancouver") else {
            panic!()
        };
        assert_eq!(schedules[0].note.as_deref(), Some("Closed on statutory holidays."));
        let Hours::Open(schedules) = read("Monday - Friday: 8:30 AM – 4:30 PM (By appointment only).", "America/Toronto") else {
            panic!()
        };
        assert_eq!(schedules[0].kind, ScheduleKind::ByAppointment);
        let Hours::Open(schedules) = read("Mon-Fri 8am-8pm ET", "America/Vancouver") else { panic!() };
        assert_eq!(schedules[0].time_zone, "America/Toronto");
    }

    #[test]
    fn what_is_not_wholly_clear_is_not_read() {
        for text in [
            "Call for hours",
            "Monday-Friday 9:00 AM - 4:00 PM (call for program schedules)",
            "Mon-Fri 8:30-4:30",
            "Mon-Fri 9-5",
            "November to March: 24/7",
            "3rd Thursday of month",
            "Office: Mon-Fri 9:00 AM - 5:00 PM",
            "Sunday 9:00 AM",
            "Mon-Fri 1:00-5:00",
            "Mon-Fri 9:00 AM - 5:00 PM, Wed 1:00 PM - 4:00 PM",
            "Sat 11-2 PM",
            "Mon Tue 9am-5pm",
            "",
            "Weekdays",
            "24/",
            "Closed Friday through Sunday",
        ] {
            assert_eq!(read(text, "America/Vancouver"), Hours::Unclear, "{text}");
        }
        assert_eq!(read("CLOSED", "America/Vancouver"), Hours::Closed);
    }

    #[test]
    fn more_times_than_a_service_may_have_are_no_hours() {
        let of = |count: usize| {
            let clock = |minute: usize| format!("{:02}:{:02}", minute / 60, minute % 60);
            let spans: Vec<String> = (0..count).map(|number| format!("Mon {}-{}", clock(2 * number), clock(2 * number + 1))).collect();
            read(&spans.join("; "), "America/Vancouver")
        };
        assert!(matches!(of(MOST_SCHEDULES), Hours::Open(schedules) if schedules.len() == MOST_SCHEDULES));
        assert_eq!(of(MOST_SCHEDULES + 1), Hours::Unclear);
    }

    #[test]
    fn a_clock_is_read_in_every_common_form() {
        let at = |h, m| NaiveTime::from_hms_opt(h, m, 0);
        assert_eq!(clock("10:00"), at(10, 0));
        assert_eq!(clock("10:00:00"), at(10, 0));
        assert_eq!(clock("10:00Z"), at(10, 0));
        assert_eq!(clock("09:00-05:00"), at(9, 0));
        assert_eq!(clock("9:30 PM"), at(21, 30));
        assert_eq!(clock("9 a.m."), at(9, 0));
        assert_eq!(clock("24:00"), at(0, 0));
        for text in ["", "9", "25:00", "13 pm", "noonish", "2025-08-08"] {
            assert_eq!(clock(text), None, "{text}");
        }
    }
}
