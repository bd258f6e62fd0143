//! When a service is open.

use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text_enum;
use crate::types::{DateSpan, wall_time};

text_enum! {
    /// What a schedule says of its times.
    #[derive(Default)]
    pub enum ScheduleKind {
        /// Open.
        #[default]
        Open = "open",
        /// Open to those with an appointment.
        ByAppointment = "by_appointment",
        /// Closed: an exception to the others.
        Closed = "closed",
    }
}

/// Recurring opening times: a rule for the days, wall-clock times, and the zone they are read in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// RFC 5545 recurrence rule of the days, such as `FREQ=WEEKLY;BYDAY=MO,WE` or `FREQ=MONTHLY;BYDAY=1SA`.
    #[schema(min_length = 1, max_length = 500, example = "FREQ=WEEKLY;BYDAY=TU,TH")]
    pub rrule: String,
    /// First day the rule counts from; needed by rules with INTERVAL or COUNT.
    #[serde(default)]
    #[schema(example = "2026-01-06")]
    pub starts_on: Option<NaiveDate>,
    /// Opens at, local time; absent means the whole day.
    #[serde(default, with = "wall_time::option")]
    #[schema(value_type = Option<String>, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "09:00")]
    pub opens_at: Option<NaiveTime>,
    /// Closes at, local time; at or before `opens_at` means on the next day.
    #[serde(default, with = "wall_time::option")]
    #[schema(value_type = Option<String>, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "12:30")]
    pub closes_at: Option<NaiveTime>,
    /// IANA time zone.
    #[schema(min_length = 1, max_length = 60, example = "America/Vancouver")]
    pub time_zone: String,
    /// The days between which this schedule is in force.
    #[serde(default)]
    pub valid: DateSpan,
    /// Whether these are times of opening or of closing.
    #[serde(default)]
    pub kind: ScheduleKind,
    /// A remark.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Closed on statutory holidays.")]
    pub note: Option<String>,
}
