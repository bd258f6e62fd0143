//! Opening times of mapped records: in words, by weekday, or both.

use serde_json::Value;

use super::Reading;
use super::values;
use crate::import::text::hours::{self, Hours, Week};
use crate::services::model::{Schedule, ServiceStatus};

impl Reading<'_> {
    /// Reads `weekly_hours` and `hours`. Where both are understood and differ, the former counts and the difference is reported.
    pub(super) fn hours(&mut self, region: Option<String>) {
        let mapping = self.mapping;
        let zone = mapping.time_zone(region.as_deref());
        let weekly = self.service("weekly_hours");
        let by_day = weekly.as_ref().map(|found| self.weekly(&found.field, &found.value, zone));
        let (field, words) = self.service_text("hours").unzip();
        let field = field.unwrap_or_else(|| "hours".into());
        let read = words.as_deref().map(|words| hours::read(words, zone.unwrap_or("Etc/UTC")));
        if read == Some(Hours::Closed) && self.draft.service.status == ServiceStatus::Active {
            self.draft.service.status = ServiceStatus::TemporarilyClosed;
            self.draft.notice("closed", &field, "the hours say that it is closed");
        }
        let schedules = match (by_day.flatten(), read) {
            (Some(_), Some(Hours::Unclear)) if words.as_deref().is_some_and(hours::is_every_other_week) => {
                self.draft.notice("hours_not_understood", &field, "not every week, and which weeks is not said; kept as text");
                if let Some(found) = weekly {
                    self.draft.keep(found.field, found.value);
                }
                Vec::new()
            }
            (Some(by_day), Some(Hours::Open(in_words))) => {
                if !same_times(&by_day, &in_words) {
                    self.draft.notice("hours_disagree", &field, "the hours by weekday and the hours in words differ; the former are used");
                }
                by_day
            }
            (Some(by_day), read) => {
                if read == Some(Hours::Unclear) {
                    self.draft.notice("hours_say_more", &field, "the hours by weekday are used; the words may say more and are kept");
                }
                by_day
            }
            (None, Some(Hours::Open(in_words))) => in_words,
            (None, Some(Hours::Unclear)) => {
                self.draft.notice("hours_not_understood", &field, "kept as text");
                Vec::new()
            }
            (None, _) => Vec::new(),
        };
        if zone.is_none() && !schedules.is_empty() {
            self.draft.notice("time_zone_unknown", &field, "without a time zone the hours are kept as text");
        } else {
            self.draft.service.schedules = schedules;
        }
        self.draft.service.hours_text = words;
    }

    fn weekly(&mut self, field: &str, value: &Value, zone: Option<&str>) -> Option<Vec<Schedule>> {
        let days = value.as_object()?;
        let mut spans = Vec::new();
        for (name, times) in days {
            let Some(day) = hours::day(name) else {
                self.draft.keep(format!("{field}.{name}"), times.clone());
                continue;
            };
            let openings = times.as_array().map_or(std::slice::from_ref(times), Vec::as_slice);
            for opening in openings {
                let at = |names: [&str; 2]| {
                    names.iter().find_map(|name| opening.get(*name)).and_then(values::text).and_then(|text| hours::clock(&text))
                };
                match at(["open", "opens_at"]).zip(at(["close", "closes_at"])) {
                    Some(times) => spans.push((Week::only(day), Some(times))),
                    None if opening.is_null() => {}
                    None => {
                        self.draft.notice("hours_not_understood", format!("{field}.{name}"), "kept in source_fields");
                        self.draft.keep(format!("{field}.{name}"), opening.clone());
                    }
                }
            }
        }
        let schedules = hours::grouped(&spans, zone.unwrap_or("Etc/UTC"))?;
        (!schedules.is_empty()).then_some(schedules)
    }
}

/// True where two lists of schedules name the same times on the same days.
fn same_times(one: &[Schedule], other: &[Schedule]) -> bool {
    let key = |schedule: &Schedule| (schedule.rrule.clone(), schedule.opens_at, schedule.closes_at);
    let mut one: Vec<_> = one.iter().map(key).collect();
    let mut other: Vec<_> = other.iter().map(key).collect();
    one.sort();
    other.sort();
    one == other
}
