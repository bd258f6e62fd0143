//! Opening times as the standard has them: weekly and monthly rules. What is no such rule stands in `kith`.

use std::fmt::Write as _;

use chrono::{Offset, TimeZone};
use chrono_tz::{OffsetComponents, Tz};
use uuid::Uuid;

use crate::hsds::ids;
use crate::hsds::model::{Schedule, ScheduleExtra};
use crate::services::model::{self, ScheduleKind};

/// All of them, where the standard's fields alone do not say all: it has no times of closing. Else nothing.
pub fn unsayable(schedules: &[model::Schedule]) -> Vec<model::Schedule> {
    let is_closing = |schedule: &model::Schedule| schedule.kind == ScheduleKind::Closed;
    if schedules.iter().any(is_closing) { schedules.to_vec() } else { Vec::new() }
}

/// The rows of opening times, and of what is said of them in words.
pub fn of(schedules: &[model::Schedule], words: Option<&str>, record: Uuid) -> Vec<Schedule> {
    let rules = schedules.iter().filter(|schedule| schedule.kind != ScheduleKind::Closed).map(row);
    let words = words.map(|words| Schedule { description: Some(words.to_owned()), ..Schedule::default() });
    let rows = rules.chain(words).enumerate();
    rows.map(|(number, row)| Schedule { id: ids::part(record, "schedule", number), ..row }).collect()
}

fn row(schedule: &model::Schedule) -> Schedule {
    let mut row = Schedule::default();
    let is_read = read(&schedule.rrule, &mut row).is_some() && rule(&row).as_deref() == Some(&schedule.rrule);
    if !is_read {
        row = Schedule::default();
    }
    let all_day = schedule.opens_at.is_none() && schedule.closes_at.is_none();
    let time = |time: Option<chrono::NaiveTime>, of_day: &str| match time {
        Some(time) => Some(time.format("%H:%M").to_string()),
        None => all_day.then(|| of_day.to_owned()),
    };
    Schedule {
        valid_from: schedule.valid.from.map(|day| day.to_string()),
        valid_to: schedule.valid.until.map(|day| day.to_string()),
        dtstart: schedule.starts_on.map(|day| day.to_string()),
        timezone: offset(&schedule.time_zone),
        opens_at: time(schedule.opens_at, "00:00"),
        closes_at: time(schedule.closes_at, "23:59"),
        notes: schedule.note.clone(),
        kith: Some(ScheduleExtra {
            time_zone: Some(schedule.time_zone.clone()),
            rrule: (!is_read).then(|| schedule.rrule.clone()),
            kind: (schedule.kind != ScheduleKind::Open).then_some(schedule.kind),
            all_day: all_day.then_some(true),
            ..ScheduleExtra::default()
        }),
        ..row
    }
}

/// Hours from UTC in winter: one number cannot carry daylight saving.
fn offset(zone: &str) -> Option<f64> {
    let zone: Tz = zone.parse().ok()?;
    let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 1)?.and_hms_opt(12, 0, 0)?;
    let offset = zone.offset_from_utc_datetime(&day);
    Some((offset.fix().local_minus_utc() as f64 - offset.dst_offset().num_seconds() as f64) / 3_600.0)
}

fn read(rrule: &str, row: &mut Schedule) -> Option<()> {
    for part in rrule.split(';') {
        let (name, value) = part.split_once('=')?;
        let text = Some(value.to_owned());
        match name {
            "FREQ" => row.freq = text.filter(|freq| freq == "WEEKLY" || freq == "MONTHLY"),
            "INTERVAL" => row.interval = value.parse().ok(),
            "COUNT" => row.count = value.parse().ok(),
            "BYDAY" => row.byday = text,
            "BYMONTHDAY" => row.bymonthday = text,
            "BYWEEKNO" => row.byweekno = text,
            "BYYEARDAY" => row.byyearday = text,
            _ => return None,
        }
    }
    row.freq.is_some().then_some(())
}

/// The RFC 5545 rule that the fields of the standard say; none where they do not say how often.
pub fn rule(row: &Schedule) -> Option<String> {
    let mut rule = format!("FREQ={}", row.freq.as_deref()?);
    let numbers = [("INTERVAL", row.interval), ("COUNT", row.count)];
    for (name, number) in numbers.into_iter().filter_map(|(name, number)| Some((name, number?))) {
        let _ = write!(rule, ";{name}={number}");
    }
    let texts = [("BYDAY", &row.byday), ("BYMONTHDAY", &row.bymonthday), ("BYWEEKNO", &row.byweekno), ("BYYEARDAY", &row.byyearday)];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        let _ = write!(rule, ";{name}={text}");
    }
    Some(rule)
}
