//! What matching asks of a service, kept as a short text.
//!
//! Matching reads hundreds of services for one person, thousands where nothing suits. As a row each takes some five thousand bytes of
//! memory, as a text of what is asked little more than one thousand, and is read from it sooner than from the database: so all of a
//! directory of ten thousand is at hand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::model::{Capacity, Provenance, ServiceInput};
use super::row::ServiceRow;
use crate::error::{Error, Result};
use crate::kind::ServiceId;

/// A service as it is matched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// Its id.
    pub id: ServiceId,
    /// What is written of it, without what nobody is matched by: keys, mail and web addresses, how to apply, and where the record is from.
    pub content: ServiceInput,
    /// All that was said of its room; see [`ServiceRow::rooms`].
    #[serde(default)]
    rooms: Vec<Capacity>,
}

impl Brief {
    /// What is asked of a row.
    pub fn of(row: ServiceRow) -> Self {
        let rooms = row.rooms().cloned().collect();
        let content = ServiceInput {
            identifiers: Vec::new(),
            url: None,
            email: None,
            contacts: Vec::new(),
            hours_text: None,
            application_process: None,
            provenance: Provenance::default(),
            connector_notes: None,
            source_fields: BTreeMap::new(),
            ..row.content.0
        };
        Self { id: row.id, content, rooms }
    }

    /// The room that takes somebody of these populations soonest; see [`ServiceRow::room_for`].
    pub fn room_for(&self, populations: &[String]) -> Option<&Capacity> {
        Capacity::soonest(self.rooms.iter(), populations)
    }

    /// The text from which it can be [read](Self::read).
    pub fn write(&self) -> Result<String> {
        let mut value = serde_json::to_value(self).map_err(Error::internal)?;
        leave_out(&mut value);
        Ok(value.to_string())
    }

    /// Reads what was [written](Self::write).
    pub fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(Error::internal)
    }
}

/// Leaves out the members that say nothing: where they are absent they are read as the same.
fn leave_out(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null() && member.as_array().is_none_or(|items| !items.is_empty()));
            members.values_mut().for_each(leave_out);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::db::types::{Id, Instant};

    fn brief(service: Value) -> Brief {
        let at: Instant = "2026-01-01T00:00:00Z".parse().unwrap();
        let row = ServiceRow::new(Id::generate(), Id::generate(), serde_json::from_value(service).unwrap(), at);
        let room = json!({ "status": "waitlist", "expected_wait_days": 9, "as_of": "2026-01-01T00:00:00.123456Z" });
        Brief::of(row.with_capacity(&serde_json::from_value(room).unwrap(), at))
    }

    #[test]
    fn what_was_written_reads_as_the_same() {
        let nothing = json!({ "name": "Pantry" });
        let little = json!({ "name": "Pantry", "places": [{ "address": {}, "transit": {} }], "schedules": [{ "rrule": "FREQ=DAILY",
            "time_zone": "America/Vancouver" }], "alerts": [{ "text": "" }], "translations": [{ "language": "fr" }] });
        let much = json!({
            "name": "Pantry", "alternate_names": ["The \"Pantry\""], "kind": "program", "provider_name": "Society", "language": "fr",
            "description": "Hampers.\nEvery week.", "translations": [{ "language": "en", "name": "Pantry", "eligibility": "All." }],
            "status": "temporarily_closed", "phones": [{ "original": "211", "number": "+12505550142", "kind": "tty" }],
            "need_domains": [{ "code": "food-insecurity", "strength": "partial", "basis": "inferred", "evidence": "words" }],
            "taxonomy_terms": [{ "taxonomy": "t", "code": "c", "label": "l" }],
            "places": [{ "name": "Hall", "address": { "line1": "1 Mill St", "city": "Alder Falls" }, "point": { "latitude": 49.35,
                "longitude": -120.0 }, "point_precision": "area", "accessibility": ["wheelchair"], "transit": { "walk_m": 90 },
                "phones": [{ "original": "250-555-0142" }], "languages": ["pa"], "schedules": [{ "rrule": "FREQ=DAILY", "kind": "closed",
                "opens_at": "09:00", "closes_at": "12:30", "time_zone": "America/Vancouver", "valid": { "until": "2026-12-31" } }] }],
            "service_areas": [{ "kind": "polygon", "value": "x", "ring": [{ "latitude": 1, "longitude": 2.5 }] }],
            "delivery_modes": ["phone"], "eligibility": { "min_age": 0, "genders": ["woman"], "income_tested": false, "exclusions": "No." },
            "languages": [{ "language": "fr", "by_interpreter": true }], "interpretation": "By telephone.",
            "cost": { "kind": "fixed", "options": [{ "amount": { "amount_minor": 500, "currency": "CAD" }, "per": "week" }] },
            "attributes": { "dietary": ["halal"], "practices": [{ "code": "trauma_informed" }], "childcare": false },
            "accepts_referrals": false, "is_rural": true, "alerts": [{ "text": "Moved.", "shown": { "from": "2026-01-01" } }],
            "verification": { "last_verified_on": "2026-02-20" },
        });
        for service in [nothing, little, much] {
            let brief = brief(service);
            let text = brief.write().unwrap();
            assert_eq!(Brief::read(&text).unwrap(), brief, "{text}");
            assert!(!text.contains("null") && !text.contains("[]"), "{text}");
        }
    }

    #[test]
    fn what_nobody_is_matched_by_is_left_out() {
        let told = json!({ "name": "Pantry", "identifiers": [{ "system": "secret", "value": "secret" }], "url": "secret", "email": "secret",
            "contacts": [{ "name": "secret" }], "hours_text": "secret", "application_process": "secret", "connector_notes": "secret",
            "provenance": { "source": "secret" }, "source_fields": { "secret": null } });
        assert!(!brief(told).write().unwrap().contains("secret"));
    }
}
