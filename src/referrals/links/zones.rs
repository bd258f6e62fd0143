//! In which time zone the page tells days and times: that of the service's hours, so that the agency reads what its own clock shows.

use chrono_tz::Tz;

use crate::organizations::model::OrganizationInput;
use crate::provinces;
use crate::services::model::ServiceInput;
use crate::types::Address;

/// The zone of the service, by its hours or its places; where that is not known, or is more than one, that of the performer, then that of
/// whoever asks, then UTC.
pub fn zone(service: Option<&ServiceInput>, performer: &OrganizationInput, requester: Option<&OrganizationInput>) -> Tz {
    let usual = told(performer);
    let of_service = service.and_then(|service| of_hours(service).or_else(|| of_places(service, usual)));
    let of_organization = |organization: &OrganizationInput| told(organization).or_else(|| at(organization.address.as_ref()?, None));
    of_service.or_else(|| of_organization(performer)).or_else(|| requester.and_then(of_organization)).unwrap_or_default()
}

fn told(organization: &OrganizationInput) -> Option<Tz> {
    organization.time_zone.as_deref()?.parse().ok()
}

fn of_hours(service: &ServiceInput) -> Option<Tz> {
    let schedules = service.schedules.iter().chain(service.places.iter().flat_map(|place| &place.schedules));
    the_one(schedules.filter_map(|schedule| schedule.time_zone.parse().ok()))
}

fn of_places(service: &ServiceInput, usual: Option<Tz>) -> Option<Tz> {
    the_one(service.places.iter().filter_map(|place| at(place.address.as_ref()?, usual)))
}

/// The zone of an address in Canada: the usual one where it is one of the province.
fn at(address: &Address, usual: Option<Tz>) -> Option<Tz> {
    provinces::of(address)?.zone(usual)
}

/// The zone that all of these are.
fn the_one(mut zones: impl Iterator<Item = Tz>) -> Option<Tz> {
    let first = zones.next()?;
    zones.all(|zone| zone == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn organization(more: Value) -> OrganizationInput {
        let mut organization = json!({ "name": "Alder House", "kind": "agency" });
        organization.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(organization).unwrap()
    }

    #[test]
    fn times_are_told_where_the_service_is_then_where_the_performer_is_then_where_the_requester_is() {
        let told = |service: Value, performer: Value, requester: Value| {
            let mut service = service;
            service["name"] = json!("Lunch");
            let service: ServiceInput = serde_json::from_value(service).unwrap();
            zone(Some(&service), &organization(performer), Some(&organization(requester))).name()
        };
        let hours = |zone: &str| json!({ "rrule": "FREQ=DAILY", "opens_at": "09:00", "closes_at": "12:00", "time_zone": zone });
        let place = |region: &str| json!({ "address": { "region": region } });
        let (vancouver, creston) = (json!({ "time_zone": "America/Vancouver" }), json!({ "time_zone": "America/Creston" }));
        let cases = [
            (json!({ "schedules": [hours("America/Toronto")] }), vancouver.clone(), "America/Toronto"),
            (json!({ "places": [place("ON"), { "schedules": [hours("America/Winnipeg")] }] }), vancouver.clone(), "America/Winnipeg"),
            (json!({ "schedules": [hours("America/Toronto"), hours("America/Winnipeg")] }), vancouver.clone(), "America/Vancouver"),
            (json!({ "places": [place("ON")] }), vancouver.clone(), "America/Toronto"),
            (json!({ "places": [place("BC")] }), creston.clone(), "America/Creston"),
            (json!({ "places": [place("ON"), place("BC")] }), creston, "America/Creston"),
            (json!({}), json!({ "address": { "region": "Ontario", "country": "CA" } }), "America/Toronto"),
            (json!({}), json!({ "address": { "region": "ON", "country": "NZ" } }), "America/Vancouver"),
        ];
        for (service, performer, expected) in cases {
            assert_eq!(told(service.clone(), performer, vancouver.clone()), expected, "{service}");
        }
        assert_eq!(told(json!({}), json!({}), json!({})), "UTC");
    }
}
