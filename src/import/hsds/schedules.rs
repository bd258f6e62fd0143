//! HSDS schedules, a slice of RFC 5545 with times, and the forms that feeds give them.
//!
//! A weekly schedule without days says nothing that could be relied upon: `wkst` is the first day of the week, not the day of opening.

use std::rc::Rc;

use chrono::{NaiveDate, NaiveTime};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::zones::Zones;
use super::{Part, Rows};
use crate::hsds::said::Fields;
use crate::hsds::write::names;
use crate::import::draft::{Draft, substance};
use crate::import::records::date;
use crate::import::schema::{MOST_SCHEDULES, too_many};
use crate::import::text::hours::{self, DAYS, Hours};
use crate::services::model::{Schedule, ScheduleKind};
use crate::types::DateSpan;

const DAY_FIELDS: &[&str] = &[
    "byday",
    "day",
    "days",
    "day_of_week",
    "days_of_week",
    "days_open",
    "full_days_open",
    "service_days",
    "open_days",
    "valid_days",
    "weekday",
    "weekdays",
];
const OPENS: &[&str] =
    &["opens_at", "open_time", "opens_time", "opening_time", "opens", "open", "start_time", "time_start", "time_open", "from", "start"];
const CLOSES: &[&str] = &[
    "closes_at",
    "close_time",
    "closes_time",
    "closing_time",
    "closes",
    "close",
    "end_time",
    "time_end",
    "time_close",
    "time_closed",
    "to",
    "end",
];
/// Fields of a rule and of what is said of it.
const READ: &[&str] = &[
    "id",
    "rrule",
    "repeat_rule",
    "recurrence_rule",
    "freq",
    "frequency",
    "freq_type",
    "wkst",
    "time",
    "interval",
    "count",
    "bymonthday",
    "byweekno",
    "byyearday",
    "bymonth",
    "bysetpos",
    "dtstart",
    "until",
    "valid_from",
    "start_date",
    "valid_to",
    "end_date",
    "closed",
    "description",
    "notes",
    "note",
    "sched_info",
];
/// Fields that hold no times.
const BESIDE: &[&str] = &["metadata", "attributes", "exceptions", "phones", "languages", "location_ids", "kith"];
/// Fields that are read in part or need no word.
const PLAIN: &[&str] = &["id", "description", "until", "wkst", "timezone"];

/// With this begins a rule of days of the week.
const WEEKLY: &str = "FREQ=WEEKLY;BYDAY=";

/// Fields under which schedules stand.
pub const FIELDS: &[&str] =
    &["schedules", "schedule", "operating_hours", "events", "regular_schedules", "regular_schedule", "hours_of_operation", "hours"];

/// The longest remark that a schedule may have, in bytes. One that several share stands with each of them, and a longer one with the first.
const LONGEST_NOTE: usize = 1_000;
/// The longest list of numbers or days in a part of a rule, in bytes and in days: a rule has 500 characters at most.
const LONGEST_PART: usize = 500;
const MOST_DAYS: usize = 100;
/// The longest word for how often a rule falls, in characters.
const LONGEST_FREQ: usize = 20;

/// What is said of one opening. Those that stand in others take over what is said of these: it is shared, and bounded where it is not.
#[derive(Debug, Clone, Default)]
struct Slot {
    freq: Option<String>,
    byday: Rc<[String]>,
    opens: Option<NaiveTime>,
    closes: Option<NaiveTime>,
    /// Further parts of the rule, checked.
    parts: Vec<(String, String)>,
    starts_on: Option<NaiveDate>,
    valid: DateSpan,
    note: Option<Rc<str>>,
    is_closed: bool,
    /// Something in it was not understood.
    is_unclear: bool,
}

/// Reads schedules in their zones, as many as a service may have. Of those that are more, and of those that are not understood, is told;
/// what is left of all of them is for their record.
pub fn read(values: Vec<Value>, zones: &Zones, field: &str, draft: &mut Draft) -> (Vec<Schedule>, Rows) {
    let mut schedules: Vec<Schedule> = Vec::new();
    let (mut rows, mut read, mut is_full) = (Rows::default(), Vec::new(), false);
    for value in values {
        let Some(zone) = zones.of(&value, field, draft) else {
            draft.notice("time_zone_unknown", field, "without a time zone the hours are kept in source_fields");
            rows.whole(value);
            continue;
        };
        match understood(&value, &zone) {
            Ok(found) if found.is_empty() => rows.whole(value),
            Ok(found) => {
                let is_row = value.get("id").and_then(|id| Uuid::try_parse(id.as_str()?).ok()).is_some();
                if !has_room(&schedules, &found, is_row) {
                    is_full = true;
                    rows.whole(value);
                    continue;
                }
                let places: Vec<usize> = found.into_iter().map(|schedule| merge(&mut schedules, schedule, is_row)).collect();
                read.push((places.first().copied().unwrap_or_default(), besides(value, field, draft)));
            }
            Err(code) => {
                draft.notice(code, field, "kept in source_fields");
                rows.whole(value);
            }
        }
    }
    for (place, rest) in read {
        if let Some(schedule) = schedules.get(place) {
            rows.rest(names::of_schedule(schedule), rest);
        }
    }
    if is_full {
        draft.notices.push(too_many(field, MOST_SCHEDULES));
    }
    (schedules, rows)
}

/// What a schedule says besides what is read of it.
fn besides(value: Value, field: &str, draft: &mut Draft) -> Fields {
    let Some(mut part) = Part::of(value) else { return Fields::new() };
    let mut plain = Part::default();
    for name in BESIDE.iter().chain(PLAIN).filter(|name| **name != "kith") {
        plain.keep(name, part.fields.remove(*name).unwrap_or_default());
    }
    let is_read = |name: &str| name == "kith" || [READ, DAY_FIELDS, OPENS, CLOSES].iter().any(|names| names.contains(&name));
    part.fields.retain(|name, said| !is_read(name) && !said.is_object() && !said.is_array());
    let mut rest = part.rest(&format!("{field}."), draft);
    rest.extend(plain.rest(field, draft));
    rest
}

/// The days of a rule that says no more than on which days of each week.
fn weekdays(rrule: &str) -> Option<&str> {
    rrule.strip_prefix(WEEKLY).filter(|days| !days.contains(';'))
}

/// Whether two schedules differ in their rule alone, or in nothing.
fn is_alike(one: &Schedule, other: &Schedule) -> bool {
    let Schedule { rrule: _, starts_on, opens_at, closes_at, time_zone, valid, kind, note } = one;
    (starts_on, opens_at, closes_at, valid) == (&other.starts_on, &other.opens_at, &other.closes_at, &other.valid)
        && (time_zone, kind, note) == (&other.time_zone, &other.kind, &other.note)
}

/// Where the schedule is of which this is more, or which it is. Schedules that differ in their weekdays only become one, but for those that
/// are rows of their own.
fn place_of(schedules: &[Schedule], schedule: &Schedule, is_row: bool) -> Option<usize> {
    let is_more = !is_row && weekdays(&schedule.rrule).is_some();
    let takes = |known: &Schedule| is_more && weekdays(&known.rrule).is_some() && is_alike(known, schedule);
    schedules.iter().position(takes).or_else(|| schedules.iter().position(|known| known == schedule))
}

/// Whether these can be added to those that are there already.
fn has_room(schedules: &[Schedule], more: &[Schedule], is_row: bool) -> bool {
    schedules.len() + more.len() <= MOST_SCHEDULES || more.iter().all(|schedule| place_of(schedules, schedule, is_row).is_some())
}

/// Adds a schedule, and says where it is.
fn merge(schedules: &mut Vec<Schedule>, schedule: Schedule, is_row: bool) -> usize {
    let Some(place) = place_of(schedules, &schedule, is_row) else {
        schedules.push(schedule);
        return schedules.len() - 1;
    };
    if let Some(known) = schedules.get_mut(place).filter(|_| !is_row)
        && let (Some(days), Some(more)) = (weekdays(&known.rrule), weekdays(&schedule.rrule))
    {
        let all: Vec<&str> = DAYS.into_iter().filter(|day| days.split(',').chain(more.split(',')).any(|one| one == *day)).collect();
        known.rrule = format!("{WEEKLY}{}", all.join(","));
    }
    place
}

fn understood(value: &Value, zone: &str) -> Result<Vec<Schedule>, &'static str> {
    if let Value::String(words) = value {
        return match hours::read(words, zone) {
            Hours::Open(schedules) => Ok(schedules),
            _ => Err("schedule_not_understood"),
        };
    }
    let Value::Object(fields) = value else { return Err("schedule_not_understood") };
    let mut slots = Vec::new();
    gather(fields, &Slot::default(), &mut slots, 0);
    if slots.len() > MOST_SCHEDULES {
        return Err("schedule_not_understood");
    }
    if slots.iter().all(|slot| slot.byday.is_empty() && slot.parts.is_empty() && slot.starts_on.is_none()) {
        let words = ["description", "sched_info", "notes"].iter().find_map(|name| fields.get(*name).and_then(Value::as_str));
        return match words.map(|words| hours::read(words, zone)) {
            Some(Hours::Open(schedules)) => Ok(schedules),
            _ if slots.iter().all(|slot| slot.opens.is_none() && slot.closes.is_none()) => Err("schedule_says_nothing"),
            _ => Err("schedule_without_days"),
        };
    }
    slots.retain(|slot| !slot.is_closed);
    let first = slots.first().and_then(|slot| slot.note.clone());
    let is_short = |note: &Rc<str>| note.len() <= LONGEST_NOTE || first.as_ref().is_none_or(|first| !Rc::ptr_eq(first, note));
    for slot in slots.iter_mut().skip(1) {
        slot.note = slot.note.take().filter(is_short);
    }
    slots.into_iter().map(|slot| schedule(slot, zone)).collect()
}

/// Gathers what is said of openings, at most one more than there may be.
fn gather(fields: &Map<String, Value>, inherited: &Slot, slots: &mut Vec<Slot>, depth: usize) {
    if slots.len() > MOST_SCHEDULES {
        return;
    }
    let mut slot = inherited.clone();
    slot.read(fields);
    let before = slots.len();
    for (name, value) in fields.iter().filter(|(name, _)| depth < 4 && !BESIDE.contains(&name.as_str())) {
        if slots.len() > MOST_SCHEDULES {
            return;
        }
        match value {
            Value::Object(inner) => gather(inner, &slot, slots, depth + 1),
            Value::Array(items) if !OPENS.contains(&name.as_str()) && !CLOSES.contains(&name.as_str()) => {
                if let Some((opens, closes)) = pair(items) {
                    slots.push(Slot { opens: Some(opens), closes: Some(closes), ..slot.clone() });
                } else {
                    for inner in items.iter().filter_map(Value::as_object) {
                        gather(inner, &slot, slots, depth + 1);
                    }
                }
            }
            _ => {}
        }
    }
    let says =
        |slot: &Slot| slot.opens.is_some() || slot.closes.is_some() || !slot.byday.is_empty() || slot.is_closed || !slot.parts.is_empty();
    if slots.len() == before && (depth == 0 || says(&slot)) {
        slots.push(slot);
    }
}

/// `["09:00", "10:30"]`, or two objects of `type` open and close.
fn pair(items: &[Value]) -> Option<(NaiveTime, NaiveTime)> {
    let [one, other] = items else { return None };
    if let (Value::String(one), Value::String(other)) = (one, other) {
        return hours::clock(one).zip(hours::clock(other));
    }
    let of = |item: &Value, kind: &str| (item.get("type")?.as_str()? == kind).then(|| time(item.get("time")?)).flatten();
    of(one, "open").zip(of(other, "close"))
}

fn time(value: &Value) -> Option<NaiveTime> {
    match value {
        Value::String(text) => hours::clock(text),
        Value::Array(items) => match items.as_slice() {
            [one] => time(one),
            _ => None,
        },
        Value::Object(fields) => fields.get("time").and_then(time),
        _ => None,
    }
}

impl Slot {
    fn read(&mut self, fields: &Map<String, Value>) {
        let text =
            |names: &[&str]| names.iter().find_map(|name| fields.get(*name).and_then(Value::as_str)).filter(|text| !text.trim().is_empty());
        if let Some(rule) = text(&["rrule", "repeat_rule", "recurrence_rule"]) {
            self.rule(rule);
        }
        if let Some(freq) = text(&["freq", "frequency", "freq_type"]) {
            self.freq = Some(freq.trim().chars().take(LONGEST_FREQ).collect::<String>().to_uppercase());
        }
        for name in DAY_FIELDS {
            if let Some(value) = fields.get(*name) {
                self.days(value);
            }
        }
        let times = |names: &[&str]| names.iter().filter_map(|name| fields.get(*name)).find_map(|value| substance(value.clone()));
        for (names, at) in [(OPENS, &mut self.opens), (CLOSES, &mut self.closes)] {
            if let Some(value) = times(names) {
                *at = time(&value).or(*at);
                self.is_unclear |= time(&value).is_none() && !matches!(value, Value::Array(_) | Value::Object(_));
            }
        }
        if let Some(words) = text(&["time"]) {
            match hours::clock(words) {
                Some(at) => self.opens = self.opens.or(Some(at)),
                None => self.is_unclear = true,
            }
        }
        for (name, part) in [
            ("interval", "INTERVAL"),
            ("count", "COUNT"),
            ("bymonthday", "BYMONTHDAY"),
            ("byweekno", "BYWEEKNO"),
            ("byyearday", "BYYEARDAY"),
            ("bymonth", "BYMONTH"),
            ("bysetpos", "BYSETPOS"),
        ] {
            if let Some(value) = fields.get(name).cloned().and_then(substance) {
                self.number(part, &value);
            }
        }
        let dated = |names: &[&str]| text(names).map(|words| (date(words), words));
        let mut on = |names: &[&str]| match dated(names) {
            Some((Some(date), _)) => Some(date),
            Some((None, _)) => {
                self.is_unclear = true;
                None
            }
            None => None,
        };
        let (starts, until) = (on(&["dtstart"]), on(&["until"]));
        let (from, to) = (on(&["valid_from", "start_date"]), on(&["valid_to", "end_date"]));
        self.starts_on = starts.or(self.starts_on);
        self.valid.from = from.or(self.valid.from);
        self.valid.until = [until, to].into_iter().flatten().min().or(self.valid.until);
        self.is_closed |= fields.get("closed").and_then(Value::as_bool) == Some(true);
        self.note = text(&["notes", "description", "note"]).map(Rc::<str>::from).or_else(|| self.note.take());
    }

    /// The parts of a rule in RFC 5545 form.
    fn rule(&mut self, rule: &str) {
        for part in rule.trim_start_matches("RRULE:").split(';') {
            match part.split_once('=') {
                Some(("FREQ", freq)) => self.freq = Some(freq.chars().take(LONGEST_FREQ).collect()),
                Some(("BYDAY", days)) => self.days(&Value::String(days.to_owned())),
                Some(("WKST", _)) => {}
                Some((name @ ("INTERVAL" | "COUNT" | "BYMONTHDAY" | "BYWEEKNO" | "BYYEARDAY" | "BYMONTH" | "BYSETPOS"), value)) => {
                    self.number(name, &Value::String(value.to_owned()));
                }
                Some(("UNTIL", until)) => {
                    let digits = until.get(..8).and_then(|day| NaiveDate::parse_from_str(day, "%Y%m%d").ok());
                    self.is_unclear |= digits.is_none();
                    self.valid.until = digits;
                }
                _ => self.is_unclear = true,
            }
        }
    }

    fn days(&mut self, value: &Value) {
        let names: Vec<&str> = match value {
            Value::String(text) => text.split([',', ' ', ';']).filter(|name| !name.is_empty()).collect(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            // Numbers of days begin at Sunday or at Monday, at 0 or at 1: nobody can tell.
            Value::Number(_) => {
                self.is_unclear = true;
                return;
            }
            _ => return,
        };
        let days: Option<Vec<String>> = if names.len() <= MOST_DAYS { names.into_iter().map(byday).collect() } else { None };
        match days {
            Some(days) if !days.is_empty() => self.byday = days.into(),
            Some(_) => {}
            None => self.is_unclear = true,
        }
    }

    fn number(&mut self, part: &str, value: &Value) {
        let text = match value {
            Value::Array(items) => items.iter().map(|item| item.to_string().trim_matches('"').to_owned()).collect::<Vec<_>>().join(","),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let is_number = |number: &str| number.trim().parse::<i32>().is_ok_and(|number| number != 0 && number.abs() <= 366);
        let is_sound = text.len() <= LONGEST_PART && text.split(',').all(is_number);
        self.is_unclear |= !is_sound;
        self.parts.retain(|(name, _)| name != part);
        if is_sound && !(part == "INTERVAL" && text == "1") {
            self.parts.push((part.to_owned(), text.replace(' ', "")));
        }
    }
}

/// A day with or without an ordinal: `MO`, `Monday`, `2MO`, `-1FR`.
fn byday(name: &str) -> Option<String> {
    let name = name.trim();
    let split = name.find(|c: char| c.is_alphabetic())?;
    let (ordinal, day) = name.split_at(split);
    let code = DAYS.get(usize::from(hours::day(day)?))?;
    let is_ordinal =
        ordinal.is_empty() || ordinal.trim_start_matches('+').parse::<i32>().is_ok_and(|number| number != 0 && number.abs() <= 5);
    is_ordinal.then(|| format!("{}{code}", ordinal.trim_start_matches('+')))
}

fn schedule(slot: Slot, zone: &str) -> Result<Schedule, &'static str> {
    if slot.is_unclear {
        return Err("schedule_not_understood");
    }
    let freq = slot.freq.as_deref().unwrap_or("WEEKLY");
    let has_ordinals = slot.byday.iter().any(|day| day.starts_with(|c: char| !c.is_alphabetic()));
    let has = |part: &str| slot.parts.iter().any(|(name, _)| name == part);
    let is_sound = match freq {
        "DAILY" => slot.byday.is_empty() || !has_ordinals,
        "WEEKLY" => !has_ordinals && (!slot.byday.is_empty() || slot.starts_on.is_some()),
        "MONTHLY" => !slot.byday.is_empty() || has("BYMONTHDAY") || slot.starts_on.is_some(),
        "YEARLY" => slot.starts_on.is_some() || has("BYYEARDAY") || has("BYMONTH"),
        _ => false,
    };
    if !is_sound {
        return Err("schedule_not_understood");
    }
    if (has("INTERVAL") || has("COUNT")) && slot.starts_on.is_none() {
        return Err("schedule_without_start"); // every second week from when?
    }
    let (Some(opens), Some(closes)) = (slot.opens, slot.closes) else { return Err("schedule_without_times") };
    let mut rrule = format!("FREQ={freq}");
    for (name, value) in &slot.parts {
        rrule.push_str(&format!(";{name}={value}"));
    }
    if !slot.byday.is_empty() {
        rrule.push_str(&format!(";BYDAY={}", slot.byday.join(",")));
    }
    let all_day = hours::weekly(hours::Week::ALL, Some((opens, closes)), zone);
    if opens == closes && all_day.opens_at.is_some() {
        return Err("schedule_without_times");
    }
    Ok(Schedule {
        rrule,
        starts_on: slot.starts_on,
        valid: slot.valid,
        kind: ScheduleKind::Open,
        note: slot.note.as_deref().map(str::to_owned),
        ..all_day
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::import::mapping::Mapping;

    fn shown(values: Value) -> (Vec<String>, Vec<&'static str>) {
        let mut draft = Draft::new(&Mapping::hsds("test")).unwrap();
        let values = values.as_array().unwrap().clone();
        let zones = Zones { named: Some("America/New_York".into()), ..Zones::default() };
        let (read, _) = read(values, &zones, "schedules", &mut draft);
        let time = |time: Option<NaiveTime>| time.map_or("*".into(), |time| time.format("%H:%M").to_string());
        let shown = read.iter().map(|s| format!("{} {}-{}", s.rrule, time(s.opens_at), time(s.closes_at))).collect();
        (shown, draft.notices.iter().map(|notice| notice.code).collect())
    }

    #[test]
    fn schedules_of_the_standard_are_read() {
        let (read, notices) = shown(json!([
            {"freq": "WEEKLY", "byday": "MO,WE", "opens_at": "10:00Z", "closes_at": "12:00:00", "wkst": "MO"},
            {"freq": "WEEKLY", "byday": "FR", "opens_at": "10:00", "closes_at": "12:00"},
            {"freq": "MONTHLY", "byday": "1SA,-1SA", "opens_at": "09:00-05:00", "closes_at": "11:00-05:00"},
            {"freq": "MONTHLY", "bymonthday": "15", "opens_at": "09:00", "closes_at": "11:00"},
            {"freq": "WEEKLY", "interval": 2, "dtstart": "2026-01-06", "byday": "TU", "opens_at": "09:00", "closes_at": "11:00"},
            {"freq": "WEEKLY", "byday": "SU", "opens_at": "00:00", "closes_at": "23:59"},
        ]));
        assert_eq!(
            read,
            [
                "FREQ=WEEKLY;BYDAY=MO,WE,FR 10:00-12:00",
                "FREQ=MONTHLY;BYDAY=1SA,-1SA 09:00-11:00",
                "FREQ=MONTHLY;BYMONTHDAY=15 09:00-11:00",
                "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU 09:00-11:00",
                "FREQ=WEEKLY;BYDAY=SU *-*"
            ]
        );
        assert!(notices.is_empty());
    }

    #[test]
    fn the_forms_that_feeds_use_are_read_alike() {
        for form in [
            json!({"freq": "WEEKLY", "wkst": "MO", "days": ["TH", "FR"], "times": [{"start_time": "10:30", "end_time": "14:00"}]}),
            json!({"days": ["Thursday", "FRI"], "time_open": ["10:30"], "time_close": ["14:00"]}),
            json!({"freq": "WEEKLY", "sched_codes": [{"day": "THU", "start_time": "10:30", "end_time": "14:00"}, {"day": "FRI", "start_time": "10:30", "end_time": "14:00"}]}),
            json!({"freq": "WEEKLY", "days": ["TH", "FR"], "times": [{"type": "open", "time": "10:30"}, {"type": "close", "time": "14:00"}]}),
            json!({"freq": "WEEKLY", "days": [{"day": "TH", "open": [{"time": "10:30"}], "close": [{"time": "14:00"}]}, {"day": "FR", "opens": "10:30", "closes": "14:00"}]}),
            json!({"repeat_rule": "FREQ=WEEKLY;BYDAY=TH,FR", "time": ["10:30", "14:00"]}),
            json!({"freq": "WEEKLY", "schedule": {"days": ["TH", "FR"], "opens_at": "10:30", "closes_at": "14:00"}}),
            json!({"description": "Thursday and Friday: 10:30 AM - 2:00 PM", "freq": "WEEKLY"}),
            json!({"freq": "WEEKLY", "schedule_details": [{"day_of_week": "WE", "closed": true}, {"day_of_week": ["TH", "FR"], "start_time": "10:30", "end_time": "14:00"}]}),
        ] {
            assert_eq!(shown(json!([form])), (vec!["FREQ=WEEKLY;BYDAY=TH,FR 10:30-14:00".to_owned()], vec![]), "{form}");
        }
    }

    #[test]
    fn as_many_are_read_as_a_service_may_have_and_what_they_share_is_not_read_with_each() {
        let at = |number: usize| json!(format!("{:02}:{:02}", number / 60, number % 60));
        let times = |count: usize| -> Value { (0..count).map(|number| json!({"start_time": at(number), "end_time": "23:00"})).collect() };
        let one = |count: usize| json!({"byday": "MO", "description": "x".repeat(LONGEST_NOTE + 1), "times": times(count)});
        let zones = Zones { named: Some("America/New_York".into()), ..Zones::default() };
        let mut draft = Draft::new(&Mapping::hsds("test")).unwrap();
        let (schedules, _) = read(vec![one(MOST_SCHEDULES)], &zones, "schedules", &mut draft);
        let notes = schedules.iter().filter(|schedule| schedule.note.is_some()).count();
        assert_eq!((schedules.len(), notes, draft.notices.len()), (MOST_SCHEDULES, 1, 0));
        assert_eq!(shown(json!([one(MOST_SCHEDULES + 1)])), (vec![], vec!["schedule_not_understood"]));
        let row = |number: usize, days: &str| json!({"byday": days, "opens_at": at(number), "closes_at": "23:00"});
        let rows: Value = (0..MOST_SCHEDULES + 50).map(|number| row(number, "MO")).chain([row(0, "TU")]).collect();
        let (read, told) = shown(rows);
        assert_eq!((read.len(), told), (MOST_SCHEDULES, vec!["too_many"]));
        assert_eq!(read[0], "FREQ=WEEKLY;BYDAY=MO,TU 00:00-23:00", "what is no more than days of one that was taken has room");
    }

    #[test]
    fn what_is_not_clear_is_not_guessed() {
        for (form, code) in [
            (json!({"freq": "WEEKLY", "wkst": "MO", "opens_at": "09:00", "closes_at": "12:00"}), "schedule_without_days"),
            (json!({"freq": "WEEKLY", "wkst": "MO", "opens_at": "", "closes_at": null}), "schedule_says_nothing"),
            (
                json!({"day_of_week": 2, "freq": "WEEKLY", "byday": "MO", "opens_at": "08:00", "closes_at": "13:00"}),
                "schedule_not_understood",
            ),
            (json!({"freq": "WEEKLY", "byday": "MO", "interval": 2, "opens_at": "08:00", "closes_at": "13:00"}), "schedule_without_start"),
            (json!({"freq": "WEEKLY", "byday": "2MO", "opens_at": "08:00", "closes_at": "13:00"}), "schedule_not_understood"),
            (json!({"freq": "WEEKLY", "byday": "MO", "opens_at": "08:00"}), "schedule_without_times"),
            (
                json!({"freq": "WEEKLY", "byday": "MO", "until": "13:45", "opens_at": "08:00", "closes_at": "12:00"}),
                "schedule_not_understood",
            ),
            (json!("some day"), "schedule_not_understood"),
        ] {
            assert_eq!(shown(json!([form])), (vec![], vec![code]), "{form}");
        }
        let mut draft = Draft::new(&Mapping::hsds("test")).unwrap();
        let one = vec![json!({"byday": "MO", "opens_at": "08:00", "closes_at": "09:00"})];
        let (read, rows) = read(one.clone(), &Zones::default(), "schedules", &mut draft);
        let mut record = Part::default();
        rows.put(&mut record, "schedules");
        assert!(read.is_empty());
        assert_eq!(record.rest("", &mut draft)["schedules"], Value::Array(one));
    }
}
