//! Holidays as HSDS 1.x and 2.0 have them: days on which a service or a location is closed, or open at other hours than usual.
//!
//! A row of `holiday_schedules` has `start_date` and `end_date`, `closed`, `opens_at` and `closes_at`. In ours a holiday is a time of closing,
//! an exception to the others; hours that are shorter than usual are times of closing before and after them. Hours at which it is not open
//! otherwise are none: as times of opening they would be taken for those of any week. They are kept as they are said, and told; so are hours
//! of a day of which another row has said something else, for what each of them closes the other may leave open. What is more than a service
//! may have is kept so, too.

use chrono::{NaiveDate, NaiveTime, Timelike};
use chrono_tz::Tz;

use super::zones::Zones;
use super::{Part, Rows};
use crate::import::draft::Draft;
use crate::import::records::date;
use crate::import::schema::{MOST_SCHEDULES, too_many};
use crate::import::text::{fold, hours};
use crate::services::model::{Schedule, ScheduleKind};
use crate::services::schedule::{Timetable, span_of_days};
use crate::types::DateSpan;

/// Fields under which holidays stand.
pub const FIELDS: &[&str] = &["holiday_schedules", "holiday_schedule"];

/// The most days whose hours are held against the usual ones.
const LONGEST: i64 = 31;
/// So many holidays of a record are held against them.
const MOST_COMPARED: usize = 2_000;
/// Parts of a rule that is not one of weeks or months, or that takes long to read.
const UNUSUAL: [&str; 4] = ["FREQ=YEARLY", "COUNT=", "BYWEEKNO=", "BYYEARDAY="];
/// So many of the rules are read that pick some days of a period, as the first Monday, which takes longer than others.
const MOST_PICKED: usize = 10;

/// From when until when; the whole day where absent.
type Times = (Option<NaiveTime>, Option<NaiveTime>);

/// Reads the holidays of a record that has these opening times, to which they are added. Of those that are not understood is told; what is
/// left of all of them stays in the record.
pub fn read(record: &mut Part, schedules: &mut Vec<Schedule>, zones: &Zones, prefix: &str, draft: &mut Draft) {
    let (field, mut rows, mut is_full) = (format!("{prefix}holiday_schedules"), Rows::default(), false);
    let values = record.list(FIELDS);
    // Once for all of them; what holidays close follows behind.
    let (usual, known) = (if values.is_empty() { Timetable::default() } else { usual(schedules) }, schedules.len());
    for value in values {
        let zone = schedules.first().map(|usual| usual.time_zone.clone()).or_else(|| zones.of(&value, &field, draft));
        let Some(zone) = zone else {
            draft.notice("time_zone_unknown", field.clone(), "without a time zone the holidays are kept in source_fields");
            rows.whole(value);
            continue;
        };
        let taken = schedules.get(known..).unwrap_or_default();
        let read = Part::of(value.clone()).and_then(|mut row| Some((closings(&mut row, &zone, &usual, taken, draft)?, row)));
        let Some((closings, row)) = read else {
            draft.notice("holiday_not_understood", field.clone(), "kept in source_fields");
            rows.whole(value);
            continue;
        };
        if add(schedules, closings) {
            rows.left(row.rest(&format!("{field}."), draft));
        } else {
            is_full = true;
            rows.whole(value);
        }
    }
    rows.put(record, "holiday_schedules");
    if is_full {
        draft.notices.push(too_many(&field, MOST_SCHEDULES));
    }
}

/// The usual opening times of each week or month, also of those of a season.
fn usual(schedules: &[Schedule]) -> Timetable {
    let mut picked = 0;
    let is_usual = |schedule: &&Schedule| {
        let rule = schedule.rrule.to_ascii_uppercase();
        let is_of_both = rule.contains("BYDAY=") && rule.contains("BYMONTHDAY=");
        picked += usize::from(rule.contains("BYSETPOS="));
        !is_of_both && !UNUSUAL.iter().any(|part| rule.contains(part)) && (picked <= MOST_PICKED || !rule.contains("BYSETPOS="))
    };
    let plain: Vec<Schedule> = schedules.iter().filter(is_usual).take(MOST_SCHEDULES).cloned().collect();
    Timetable::new(&plain)
}

/// Adds those of the closings that are not there yet; none, and false, where there is no room for them.
fn add(schedules: &mut Vec<Schedule>, closings: Vec<Schedule>) -> bool {
    if schedules.len() > MOST_SCHEDULES {
        return false;
    }
    let new: Vec<Schedule> = closings.into_iter().filter(|closing| !schedules.contains(closing)).collect();
    let has_room = schedules.len() + new.len() <= MOST_SCHEDULES;
    if has_room {
        schedules.extend(new);
    }
    has_room
}

/// The times of closing that a holiday is, beside the usual opening times and those that were taken of other holidays; none where it is not
/// understood.
fn closings(row: &mut Part, zone: &str, usual: &Timetable, taken: &[Schedule], draft: &mut Draft) -> Option<Vec<Schedule>> {
    let (first, last) = (date(&row.text(&["start_date"])?)?, date(&row.text(&["end_date"])?)?);
    let said = row.text(&["closed"]).map(|words| fold(&words));
    let is_closed = match said.as_deref() {
        Some("true" | "t" | "yes" | "y" | "1") => true,
        None | Some("false" | "f" | "no" | "n" | "0") => false,
        Some(_) => return None,
    };
    let (opens, closes) = (time(row, "opens_at")?, time(row, "closes_at")?);
    let holiday = Schedule {
        rrule: "FREQ=DAILY".into(),
        starts_on: None,
        opens_at: opens,
        closes_at: closes,
        time_zone: zone.to_owned(),
        valid: DateSpan { from: Some(first), until: Some(last) },
        kind: ScheduleKind::Open,
        note: row.text(&["description", "notes", "note"]),
    };
    let times: Vec<Times> = match (is_closed, opens, closes) {
        _ if last < first => return None,
        (true, None, None) => vec![(None, None)],
        (true, Some(opens), Some(closes)) if opens == closes || opens == NaiveTime::MIN && is_midnight(closes) => vec![(None, None)],
        (false, Some(opens), Some(closes)) if opens != closes => {
            let times = outside(opens, closes);
            let is_clear = !says_otherwise(holiday.valid, &times, taken) && is_usual(&holiday, first, last, usual, draft);
            is_clear.then_some(times)?
        }
        _ => return None,
    };
    let closing = |(opens_at, closes_at): Times| Schedule { opens_at, closes_at, kind: ScheduleKind::Closed, ..holiday.clone() };
    (!times.is_empty()).then(|| times.into_iter().map(closing).collect())
}

/// A time of the clock, where one is said; none where what is said is no such time.
fn time(row: &mut Part, name: &'static str) -> Option<Option<NaiveTime>> {
    match row.text(&[name]) {
        Some(words) => hours::clock(&words).map(Some),
        None => Some(None),
    }
}

/// The end of a day, which many directories write 23:59.
fn is_midnight(time: NaiveTime) -> bool {
    time == NaiveTime::MIN || (time.hour(), time.minute()) == (23, 59)
}

/// Whether of one of these days something else was taken than that it is closed at these times.
fn says_otherwise(days: DateSpan, times: &[Times], taken: &[Schedule]) -> bool {
    let of_days = taken.iter().filter(|closing| closing.valid.from <= days.until && days.from <= closing.valid.until);
    let known: Vec<(DateSpan, Times)> = of_days.map(|closing| (closing.valid, (closing.opens_at, closing.closes_at))).collect();
    let is_same = known.iter().all(|(valid, closed)| *valid == days && times.contains(closed))
        && times.iter().all(|closed| known.iter().any(|(_, known)| known == closed));
    !known.is_empty() && !is_same
}

/// Whether it is open at these hours on each of the days anyhow.
fn is_usual(hours: &Schedule, first: NaiveDate, last: NaiveDate, usual: &Timetable, draft: &mut Draft) -> bool {
    let (Ok(zone), Some(after)) = (hours.time_zone.parse::<Tz>(), last.succ_opt()) else { return false };
    if (last - first).num_days() > LONGEST || draft.compared >= MOST_COMPARED {
        return false;
    }
    draft.compared += 1;
    // What begins on the last day may end on the next one.
    let (from, until) = span_of_days(zone, first, after);
    let (usual, these) = (usual.openings(from, until), Timetable::new(std::slice::from_ref(hours)).openings(from, until));
    !these.is_empty() && these.iter().all(|wanted| usual.iter().any(|open| open.from <= wanted.from && wanted.until <= open.until))
}

/// The times of a day at which it is not open that is open at these hours.
fn outside(opens: NaiveTime, closes: NaiveTime) -> Vec<Times> {
    let closes = if is_midnight(closes) { NaiveTime::MIN } else { closes };
    if closes < opens && closes != NaiveTime::MIN {
        return vec![(Some(closes), Some(opens))];
    }
    let times = [(NaiveTime::MIN, opens), (closes, NaiveTime::MIN)];
    times.into_iter().filter(|(from, until)| from != until).map(|(from, until)| (Some(from), Some(until))).collect()
}

#[cfg(test)]
mod tests {
    use chrono::Days;
    use serde_json::{Value, json};

    use super::*;
    use crate::import::mapping::Mapping;

    /// The times of closing of a service that is usually open on weekdays from 9 to 17, the codes of what is told, and what is kept.
    fn shown(rows: Value) -> (Vec<String>, Vec<&'static str>, Value) {
        shown_beside(&["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"], rows)
    }

    /// The same of one that is open at these hours on the days of these rules.
    fn shown_beside(rules: &[&str], rows: Value) -> (Vec<String>, Vec<&'static str>, Value) {
        let mut draft = Draft::new(&Mapping::hsds("test")).unwrap();
        let usual = |rule: &&str| json!({ "rrule": rule, "opens_at": "09:00", "closes_at": "17:00", "time_zone": "America/Vancouver" });
        let mut schedules: Vec<Schedule> = rules.iter().map(|rule| serde_json::from_value(usual(rule)).unwrap()).collect();
        let mut record = Part::of(json!({ "holiday_schedules": rows })).unwrap();
        read(&mut record, &mut schedules, &Zones::default(), "", &mut draft);
        let time = |time: Option<NaiveTime>| time.map_or("*".into(), |time| time.format("%H:%M").to_string());
        let day = |day: Option<NaiveDate>| day.unwrap().format("%m-%d").to_string();
        let closings = schedules.iter().filter(|schedule| schedule.kind == ScheduleKind::Closed);
        let closings = closings.map(|closing| {
            let (from, until) = (day(closing.valid.from), day(closing.valid.until));
            format!("{from}..{until} {}-{}", time(closing.opens_at), time(closing.closes_at))
        });
        let kept = record.rest("", &mut draft).remove("holiday_schedules").unwrap_or_default();
        (closings.collect(), draft.notices.iter().map(|notice| notice.code).collect(), kept)
    }

    #[test]
    fn a_holiday_is_a_time_of_closing() {
        // 25 December 2026 is a Friday.
        for (row, closings) in [
            (json!({ "closed": "True", "start_date": "2026-12-25", "end_date": "2026-12-26" }), vec!["12-25..12-26 *-*"]),
            (
                json!({ "closed": true, "start_date": "2026-12-25", "end_date": "2026-12-25", "opens_at": "00:00", "closes_at": "00:00" }),
                vec!["12-25..12-25 *-*"],
            ),
            (
                json!({ "closed": false, "start_date": "2026-12-23", "end_date": "2026-12-24", "opens_at": "10:00:00", "closes_at": "14:00" }),
                vec!["12-23..12-24 00:00-10:00", "12-23..12-24 14:00-00:00"],
            ),
            (
                json!({ "start_date": "2026-12-24", "end_date": "2026-12-24", "opens_at": "09:00", "closes_at": "12:00" }),
                vec!["12-24..12-24 00:00-09:00", "12-24..12-24 12:00-00:00"],
            ),
        ] {
            assert_eq!(shown(json!([row])), (closings.into_iter().map(str::to_owned).collect(), vec![], Value::Null), "{row}");
        }
        let twice = json!({ "closed": true, "start_date": "2026-12-25", "end_date": "2026-12-25" });
        assert_eq!(shown(json!([twice, twice])).0.len(), 1);
    }

    #[test]
    fn what_is_not_clear_of_a_holiday_is_not_guessed() {
        for row in [
            json!({ "closed": true, "start_date": "2026-12-25" }),
            json!({ "closed": true, "start_date": "2026-12-26", "end_date": "2026-12-25" }),
            json!({ "closed": true, "start_date": "Christmas", "end_date": "2026-12-25" }),
            json!({ "closed": "maybe", "start_date": "2026-12-25", "end_date": "2026-12-25" }),
            json!({ "closed": true, "start_date": "2026-12-25", "end_date": "2026-12-25", "opens_at": "10:00", "closes_at": "12:00" }),
            json!({ "closed": false, "start_date": "2026-12-25", "end_date": "2026-12-25" }),
            json!({ "start_date": "2026-12-25", "end_date": "2026-12-25" }),
            // It is not open then otherwise: on a Saturday, in the evening.
            json!({ "closed": false, "start_date": "2026-12-26", "end_date": "2026-12-26", "opens_at": "10:00", "closes_at": "12:00" }),
            json!({ "closed": false, "start_date": "2026-12-24", "end_date": "2026-12-24", "opens_at": "10:00", "closes_at": "20:00" }),
            json!("Christmas"),
        ] {
            assert_eq!(shown(json!([row])), (vec![], vec!["holiday_not_understood"], json!([row])), "{row}");
        }
    }

    #[test]
    fn of_a_day_of_which_two_rows_say_hours_the_second_is_not_taken_for_together_they_would_close_it() {
        let of = |day: &str, hours: [&str; 2]| json!({ "start_date": day, "end_date": day, "opens_at": hours[0], "closes_at": hours[1] });
        let row = |hours| of("2026-12-24", hours);
        let (morning, afternoon) = (row(["09:00", "12:00"]), row(["13:00", "17:00"]));
        let closings = ["12-24..12-24 00:00-09:00", "12-24..12-24 12:00-00:00"].map(str::to_owned).to_vec();
        let told = vec!["holiday_not_understood"];
        assert_eq!(shown(json!([morning, afternoon])), (closings.clone(), told.clone(), json!([afternoon])));
        assert_eq!(shown(json!([morning, row(["09:00", "13:00"])])), (closings.clone(), told.clone(), json!([row(["09:00", "13:00"])])));
        let days = json!({ "start_date": "2026-12-23", "end_date": "2026-12-24", "opens_at": "13:00", "closes_at": "17:00" });
        assert_eq!(shown(json!([morning, days])), (closings.clone(), told.clone(), json!([days])), "also where it is one of several days");
        assert_eq!(shown(json!([morning, morning])), (closings.clone(), vec![], Value::Null), "what is said twice is said once");
        let shut = json!({ "closed": true, "start_date": "2026-12-24", "end_date": "2026-12-24" });
        assert_eq!(shown(json!([shut, morning])), (vec!["12-24..12-24 *-*".to_owned()], told, json!([morning])));
        let (closings, told, kept) = shown(json!([morning, of("2026-12-23", ["13:00", "17:00"])]));
        assert_eq!((closings.len(), told, kept), (4, vec![], Value::Null), "another day has hours of its own");
    }

    #[test]
    fn seasons_and_first_mondays_are_usual() {
        let of = |day: &str| json!({ "start_date": day, "end_date": day, "opens_at": "09:00", "closes_at": "12:00" });
        let rules = ["FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1", "FREQ=WEEKLY;BYMONTH=6,7,8;BYDAY=SA"];
        let rows = [of("2026-12-07"), of("2026-07-04"), of("2026-12-14"), of("2026-12-05")];
        let (closings, told, kept) = shown_beside(&rules, json!(rows));
        // Before it opens, and from noon on.
        let closed = |day: &str| [format!("{day}..{day} 00:00-09:00"), format!("{day}..{day} 12:00-00:00")];
        assert_eq!(closings, [closed("12-07"), closed("07-04")].concat());
        assert_eq!((told, kept), (vec!["holiday_not_understood"; 2], json!([rows[2], rows[3]])), "neither second Mondays nor winter");
        let many: Vec<&str> = std::iter::repeat_n("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=1", MOST_PICKED).chain([rules[0]]).collect();
        assert_eq!(shown_beside(&many, json!([rows[0]])).1, ["holiday_not_understood"], "of rules that take long to read some are");
    }

    #[test]
    fn there_are_no_more_holidays_than_a_service_may_have() {
        let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let day = |number| json!({ "closed": true, "start_date": first + Days::new(number), "end_date": first + Days::new(number) });
        let (closings, told, kept) = shown((0..300).map(day).collect());
        // The usual hours of the week are one of them.
        assert_eq!((closings.len(), told), (MOST_SCHEDULES - 1, vec!["too_many"]));
        assert_eq!(kept.as_array().unwrap().len(), 300 - (MOST_SCHEDULES - 1));
    }

    #[test]
    fn what_is_left_of_a_holiday_stays_with_its_record() {
        let row = json!({ "id": "h1", "closed": true, "start_date": "2026-12-25", "end_date": "2026-12-25", "colour": "red" });
        let (closings, told, kept) = shown(json!([row]));
        assert_eq!((closings.len(), told, kept), (1, vec!["field_not_known"], json!([{ "of": null, "id": "h1", "colour": "red" }])));
    }

    #[test]
    fn hours_that_end_on_the_next_day_leave_the_time_between() {
        let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0);
        assert_eq!(outside(time(20).unwrap(), time(2).unwrap()), [(time(2), time(20))]);
        assert_eq!(outside(time(10).unwrap(), time(0).unwrap()), [(time(0), time(10))]);
        assert_eq!(outside(time(10).unwrap(), NaiveTime::from_hms_opt(23, 59, 0).unwrap()), [(time(0), time(10))]);
        assert!(outside(time(0).unwrap(), time(0).unwrap()).is_empty());
    }
}
