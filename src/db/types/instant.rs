//! Moments, as both databases and the API have them.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Timestamptz;
use diesel::sqlite::{Sqlite, SqliteValue};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::sql_types;
use crate::db::MultiBackend;

/// The form in which moments are kept and answered. A list has hundreds of them: read and written by this form, and not by a general
/// one, they take a tenth of the time.
const FORM: &[u8; 27] = b"0000-00-00T00:00:00.000000Z";

/// A moment in time, UTC, truncated to the microseconds that both databases keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Instant)]
pub struct Instant(DateTime<Utc>);

impl Instant {
    /// This moment, its nanoseconds cut off.
    pub fn from_utc(moment: DateTime<Utc>) -> Self {
        Self(DateTime::from_timestamp_micros(moment.timestamp_micros()).unwrap_or(moment))
    }

    /// The moment so many seconds after 1970 began; none outside the calendar.
    pub fn from_timestamp(seconds: i64) -> Option<Self> {
        DateTime::from_timestamp(seconds, 0).filter(is_in_calendar).map(Self)
    }

    /// The moment as chrono has it.
    pub const fn utc(self) -> DateTime<Utc> {
        self.0
    }

    /// RFC 3339 with six decimals and `Z`: the width is fixed, so that text order is time order.
    pub fn to_text(self) -> String {
        self.text(&mut [0; FORM.len()]).to_owned()
    }

    /// The same, in a place of the caller's.
    fn text(self, place: &mut [u8; FORM.len()]) -> &str {
        let (date, time) = (self.0.date_naive(), self.0.time());
        let numbers =
            [time.nanosecond() / 1_000, time.second(), time.minute(), time.hour(), date.day(), date.month(), date.year().unsigned_abs()];
        let (mut numbers, mut number) = (numbers.into_iter(), 0);
        *place = *FORM;
        for byte in place.iter_mut().rev() {
            if *byte == b'0' {
                *byte += (number % 10) as u8;
                number /= 10;
            } else {
                number = numbers.next().unwrap_or_default();
            }
        }
        std::str::from_utf8(place).unwrap_or_default()
    }

    /// The moment of a text of the form that is kept; `None` for any other.
    fn read(text: &str) -> Option<Self> {
        let text: &[u8; FORM.len()] = text.as_bytes().try_into().ok()?;
        let mut numbers = [0; 8];
        let mut places = numbers.iter_mut();
        let mut number = places.next()?;
        for (byte, form) in text.iter().zip(FORM) {
            match (byte, form) {
                (b'0'..=b'9', b'0') => *number = *number * 10 + u32::from(byte - b'0'),
                _ if byte == form => number = places.next()?,
                _ => return None,
            }
        }
        let [year, month, day, hour, minute, second, micros, _] = numbers;
        let date = NaiveDate::from_ymd_opt(year.cast_signed(), month, day)?;
        let moment = date.and_hms_micro_opt(hour, minute, second, micros)?.and_utc();
        is_in_calendar(&moment).then_some(Self(moment))
    }

    /// The latest date that it is anywhere at this moment: a day ahead of UTC it is tomorrow already. What is later lies in the future.
    pub fn latest_date(self) -> chrono::NaiveDate {
        self.plus(chrono::Duration::days(1)).0.date_naive()
    }

    /// This moment moved by a duration; the moment itself where the result lies outside the calendar.
    pub fn plus(self, duration: chrono::Duration) -> Self {
        self.0.checked_add_signed(duration).filter(is_in_calendar).map_or(self, Self)
    }
}

/// Years of four digits: both databases keep them, and their texts have one width.
fn is_in_calendar(moment: &DateTime<Utc>) -> bool {
    (1..=9999).contains(&moment.year())
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; FORM.len()]))
    }
}
impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text(&mut [0; FORM.len()]))
    }
}
impl FromStr for Instant {
    type Err = NotAnInstant;

    /// Takes RFC 3339 with any offset, years 0001 to 9999.
    fn from_str(text: &str) -> Result<Self, NotAnInstant> {
        if let Some(moment) = Self::read(text) {
            return Ok(moment);
        }
        let moment = DateTime::parse_from_rfc3339(text).map_err(|_| NotAnInstant)?.to_utc();
        // A leap second (…:60) would be written back as one, which PostgreSQL and half the world's clients refuse.
        if is_in_calendar(&moment) && moment.timestamp_subsec_nanos() < 1_000_000_000 {
            Ok(Self::from_utc(moment))
        } else {
            Err(NotAnInstant)
        }
    }
}

/// The text is not an RFC 3339 instant between the years 0001 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 instant such as 2026-03-01T17:00:00Z")]
pub struct NotAnInstant;

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
impl PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("An RFC 3339 instant. Answers are in UTC with microseconds; requests may have any offset."))
            .examples(["2026-03-01T17:00:00.000000Z"])
            .into()
    }
}
impl ToSchema for Instant {
    fn name() -> std::borrow::Cow<'static, str> {
        "Instant".into()
    }
}

impl ToSql<sql_types::Instant, Sqlite> for Instant {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.to_text());
        Ok(IsNull::No)
    }
}
impl ToSql<sql_types::Instant, Pg> for Instant {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<Timestamptz, Pg>::to_sql(&self.0, &mut out.reborrow())
    }
}
impl ToSql<sql_types::Instant, MultiBackend> for Instant {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
        out.set_value((sql_types::Instant, self));
        Ok(IsNull::No)
    }
}
impl FromSql<sql_types::Instant, Sqlite> for Instant {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let text = value.read_text();
        // Other forms are of earlier versions.
        Self::read(text).map_or_else(|| Ok(Self(DateTime::parse_from_rfc3339(text)?.to_utc())), Ok)
    }
}
impl FromSql<sql_types::Instant, Pg> for Instant {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(FromSql::<Timestamptz, Pg>::from_sql(value)?))
    }
}
impl FromSql<sql_types::Instant, MultiBackend> for Instant {
    fn from_sql(value: <MultiBackend as diesel::backend::Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        value.from_sql::<Self, sql_types::Instant>()
    }
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_moment_is_written_as_rfc_3339_says_and_read_again(seconds in -62_135_596_800_i64..253_402_300_800, micros in 0_u32..1_000_000) {
            let moment = Instant(DateTime::from_timestamp(seconds, micros * 1_000).unwrap());
            prop_assert_eq!(moment.to_text(), moment.0.to_rfc3339_opts(SecondsFormat::Micros, true));
            prop_assert_eq!(Instant::read(&moment.to_text()), Some(moment));
        }
    }

    #[test]
    fn other_forms_are_read_by_the_general_rules() {
        let moment: Instant = "2026-03-01T17:00:00.000000Z".parse().unwrap();
        for text in ["2026-03-01T17:00:00Z", "2026-03-01T12:00:00.000000-05:00", "2026-03-01t17:00:00.0000009z"] {
            assert_eq!(Instant::read(text), None, "{text}");
            assert_eq!(text.parse(), Ok(moment), "{text}");
        }
        for text in
            ["2026-02-30T17:00:00.000000Z", "2026-03-01T24:00:00.000000Z", "2016-12-31T23:59:60.000000Z", "0000-03-01T17:00:00.000000Z"]
        {
            assert_eq!(text.parse::<Instant>(), Err(NotAnInstant), "{text}");
        }
    }
}
