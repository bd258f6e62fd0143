//! In which time zone hours are read whose source names none.
//!
//! The standard gives each schedule a distance from UTC, which does not say whether clocks change there. With the province of the place it
//! mostly does: the zone that most people of the province live by has that distance, or it is one of the others, which agree. Where it does
//! not, and outside of Canada, the distance itself is the zone: then the hours are as their source says them, the whole year.

use chrono::{NaiveDate, Offset, TimeZone};
use chrono_tz::Tz;
use serde_json::Value;

use crate::import::draft::Draft;
use crate::postal_codes::{compact, is_canadian_prefix, province};
use crate::provinces::{self, Province};
use crate::types::Address;

/// What is known of the zone of some hours before they are read.
#[derive(Debug, Clone, Default)]
pub struct Zones {
    /// The zone that the source or its mapping names.
    pub named: Option<String>,
    /// The province of the place, as far as it is known.
    pub province: Option<&'static Province>,
}

/// The province of an address: as it is written there, else as the postal code says.
pub fn province_of(address: &Address) -> Option<&'static Province> {
    let is_canadian = address.country.as_deref().is_none_or(|country| country.eq_ignore_ascii_case("CA"));
    let written = address.region.as_deref().and_then(provinces::named);
    let by_code = || {
        let code = compact(address.postal_code.as_deref()?);
        is_canadian_prefix(&code).then(|| provinces::named(province(&code)?)).flatten()
    };
    written.or_else(by_code).filter(|_| is_canadian)
}

impl Zones {
    /// The zone of a schedule; none where nothing says it. One that nobody named is told.
    pub fn of(&self, schedule: &Value, field: &str, draft: &mut Draft) -> Option<String> {
        let is_zone = |zone: &&str| zone.parse::<Tz>().is_ok();
        let stated = schedule.pointer("/kith/time_zone").and_then(Value::as_str).filter(is_zone);
        if let Some(zone) = stated.or(self.named.as_deref()) {
            return Some(zone.to_owned());
        }
        let distance = match schedule.get("timezone") {
            Some(Value::Number(hours)) => hours.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            _ => None,
        };
        let zone = inferred(self.province, distance)?.name();
        let told = if distance.is_some() { "as its distance from UTC and its province say" } else { "as its province says" };
        draft.notice("time_zone_inferred", field, format!("{zone}, {told}"));
        Some(zone.to_owned())
    }
}

/// Hours from UTC in winter and in summer.
fn clock(zone: Tz) -> Option<[f64; 2]> {
    let hours = |month: u32| {
        let noon = NaiveDate::from_ymd_opt(2026, month, 15)?.and_hms_opt(12, 0, 0)?;
        Some(f64::from(zone.offset_from_utc_datetime(&noon).fix().local_minus_utc()) / 3_600.0)
    };
    Some([hours(1)?, hours(7)?])
}

/// The one clock of these zones, by the first of them.
fn common(zones: &[Tz]) -> Option<Tz> {
    let first = *zones.first()?;
    zones.iter().all(|zone| clock(*zone) == clock(first)).then_some(first)
}

fn inferred(province: Option<&Province>, distance: Option<f64>) -> Option<Tz> {
    let zones = province.map_or(&[] as &[Tz], |province| province.zones);
    let Some(distance) = distance else { return common(zones) };
    let at = |season: usize| -> Vec<Tz> {
        let is_there = |zone: &&Tz| clock(**zone).and_then(|clock| clock.get(season).copied()) == Some(distance);
        zones.iter().filter(is_there).copied().collect()
    };
    // A source may write the distance in summer; where another zone of the province has that in winter, it cannot be told which is meant.
    let (winter, summer) = (at(0), at(1));
    let usual = zones.first().copied().filter(|zone| winter.contains(zone) || winter.is_empty() && summer.contains(zone));
    usual
        .or_else(|| (!summer.iter().any(|zone| zones.first() == Some(zone))).then(|| common(&winter)).flatten())
        .or_else(|| fixed(distance))
}

/// The zone that is always so many whole hours from UTC.
fn fixed(distance: f64) -> Option<Tz> {
    let is_zone = distance.fract() == 0.0 && (-12.0..=14.0).contains(&distance);
    // The names of these zones count the other way.
    is_zone.then(|| if distance == 0.0 { "Etc/UTC".to_owned() } else { format!("Etc/GMT{:+}", -distance) })?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_follows_from_the_province_and_the_distance_where_both_leave_one() {
        let zone = |province: &str, distance: Option<f64>| inferred(provinces::named(province), distance).map(|zone| zone.name());
        for (province, distance, expected) in [
            ("BC", Some(-8.0), Some("America/Vancouver")),
            ("BC", Some(-7.0), Some("Etc/GMT+7")),
            ("ON", Some(-5.0), Some("America/Toronto")),
            ("ON", Some(-4.0), Some("America/Toronto")),
            ("ON", Some(-6.0), Some("America/Winnipeg")),
            ("AB", Some(-6.0), Some("America/Edmonton")),
            ("QC", Some(-4.0), Some("Etc/GMT+4")),
            ("NL", Some(-3.5), Some("America/St_Johns")),
            ("AB", None, Some("America/Edmonton")),
            ("NB", None, Some("America/Moncton")),
            ("BC", None, None),
            ("ON", None, None),
            ("WA", Some(-8.0), Some("Etc/GMT+8")),
            ("WA", Some(5.5), None),
            ("WA", Some(0.0), Some("Etc/UTC")),
            ("WA", Some(3.0), Some("Etc/GMT-3")),
            ("WA", None, None),
        ] {
            assert_eq!(zone(province, distance), expected, "{province} {distance:?}");
        }
    }

    #[test]
    fn the_province_of_an_address_is_written_or_in_its_postal_code() {
        let of = |region: Option<&str>, code: Option<&str>, country: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let address = Address { region: text(region), postal_code: text(code), country: text(country), ..Address::default() };
            province_of(&address).map(|province| province.code)
        };
        assert_eq!(of(Some("British Columbia"), None, Some("CA")), Some("BC"));
        assert_eq!(of(None, Some("v0x 3a0"), None), Some("BC"));
        assert_eq!(of(Some("WA"), Some("98101"), Some("US")), None);
        assert_eq!(of(Some("ON"), None, Some("US")), None);
    }
}
