//! The published schema and rules of a service, as a judge of imported ones: what does not fit is taken out and named. Of a list that is too
//! long the first entries stay.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;
use validator::Validate;

use super::Notice;
use crate::error::{Error, Fault};
use crate::http::schema::{check, excess, is_valid};
use crate::services::model::ServiceInput;
use crate::services::rules;

/// The most rounds of taking out what does not fit. Taking one part out can bring the next fault to light, as in nested parts.
const MOST_ROUNDS: usize = 20;

/// The code of the fault of a list that is too long.
const TOO_MANY: &str = "too_many";

/// So many schedules the published schema lets a service have, and a place.
pub const MOST_SCHEDULES: usize = 100;

/// What fits, and what was taken out of it with the reason.
type Mended<T> = (T, Vec<(Notice, Value)>);

/// What fits the schema of a `T` and its rules, with what had to be taken out of it for that; or why nothing fits.
pub fn mend<T: ToSchema + DeserializeOwned + Validate + 'static>(value: &mut Value) -> Result<Mended<T>, Vec<Notice>> {
    if is_valid::<T>(value)
        && let Ok(whole) = serde_json::from_value::<T>(value.clone())
        && whole.validate().is_ok()
    {
        return Ok((whole, Vec::new()));
    }
    let mut removed = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let mut faults = match check::<T>(value.clone()) {
            Ok(whole) => return Ok((whole, removed)),
            Err(fault) => faults_of(fault),
        };
        // Members of lists go from the last to the first, so that the others keep their numbers.
        faults.sort_by_cached_key(|fault| std::cmp::Reverse(numbered(&fault.pointer)));
        faults.dedup_by(|one, other| one.pointer == other.pointer);
        let most = if faults.iter().any(|fault| fault.code == TOO_MANY) { excess::<T>(value) } else { HashMap::new() };
        let taken: Vec<(Notice, Value)> = faults
            .iter()
            .filter_map(|fault| match most.get(&fault.pointer).filter(|_| fault.code == TOO_MANY) {
                Some(most) => shorten(value, &fault.pointer, *most),
                None => Some((notice(fault), take_out(value, &fault.pointer)?)),
            })
            .collect();
        if taken.is_empty() {
            return Err(faults.iter().map(notice).collect());
        }
        removed.extend(taken);
    }
    Err(vec![Notice::new("not_valid", "", "too many faults")])
}

/// A `T` as it is, or all its faults.
pub fn whole<T: ToSchema + DeserializeOwned + Validate + 'static>(value: Value) -> Result<T, Vec<Notice>> {
    check(value).map_err(|fault| faults_of(fault).iter().map(notice).collect())
}

/// Looks at the size of a service as a whole, with all that is kept of it.
///
/// # Errors
/// Where it is too large.
pub fn measured(service: &ServiceInput) -> Result<(), Vec<Notice>> {
    let faults: Vec<Notice> = rules::too_long(service).iter().chain(&rules::too_many_values(service)).map(notice).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn faults_of(error: Error) -> Vec<Fault> {
    match error {
        Error::Invalid(faults) => faults,
        other => vec![Fault::new("", "invalid", other.to_string())],
    }
}

fn notice(fault: &Fault) -> Notice {
    Notice::new("not_valid", fault.pointer.clone(), fault.message.chars().take(200).collect::<String>())
}

/// The parts of a pointer, numbers as numbers.
fn numbered(pointer: &str) -> Vec<(usize, String)> {
    pointer.split('/').map(|part| (part.parse().unwrap_or(0), part.to_owned())).collect()
}

/// Takes out what a list has beyond so many entries.
fn shorten(value: &mut Value, pointer: &str, most: usize) -> Option<(Notice, Value)> {
    let entries = value.pointer_mut(pointer)?.as_array_mut().filter(|entries| entries.len() > most)?;
    let others = entries.split_off(most);
    Some((too_many(pointer, most), Value::Array(others)))
}

/// What is told of a list that is too long.
pub fn too_many(field: &str, most: usize) -> Notice {
    Notice::new(TOO_MANY, field, format!("the first {most} are taken"))
}

/// Removes the value at a pointer; where there is none, for it is missing, what lacks it.
fn take_out(value: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    if parent.is_empty() && name == "name" {
        return None;
    }
    let key = name.replace("~1", "/").replace("~0", "~");
    let taken = match value.pointer_mut(parent)? {
        Value::Object(fields) => fields.shift_remove(&key),
        Value::Array(items) => key.parse().ok().filter(|index: &usize| *index < items.len()).map(|index| items.remove(index)),
        _ => None,
    };
    taken.or_else(|| take_out(value, parent))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_is_taken_out() {
        let mut service = json!({
            "name": "Pantry", "language": "English", "places": [{"point": {"latitude": 95.0, "longitude": 1.0}, "name": "Hall"}],
            "schedules": [{"rrule": "FREQ=DAILY", "time_zone": "America/Toronto", "opens_at": "9 o'clock"}], "colour": "red",
            "taxonomy_terms": [{"taxonomy": "x", "code": "1"}, {"taxonomy": "x"}], "eligibility": {"min_age": 30, "max_age": 20},
            "need_domains": [{"code": "stress"}, {"code": "stress"}],
        });
        let (mended, removed) = mend::<ServiceInput>(&mut service).unwrap();
        let fields: Vec<&str> = removed.iter().map(|(notice, _)| notice.field.as_str()).collect();
        assert!(fields.contains(&"/language") && fields.contains(&"/colour") && fields.contains(&"/taxonomy_terms/1/code"), "{fields:?}");
        assert_eq!((mended.taxonomy_terms.len(), mended.need_domains.len()), (1, 1));
        assert_eq!(mended.places[0].name.as_deref(), Some("Hall"));
    }

    #[test]
    fn of_a_list_that_is_too_long_the_first_entries_stay() {
        let phone = |number: usize| json!({ "original": format!("250-555-{number:04}") });
        let mut phones: Vec<Value> = (0..22).map(phone).collect();
        phones[3] = json!({ "original": 7 });
        let place = json!({ "name": "Hall", "transit": { "routes": (0..60).map(|route| route.to_string()).collect::<Vec<_>>() } });
        let mut service = json!({ "name": "Pantry", "phones": phones, "places": [place] });
        let (mended, removed) = mend::<ServiceInput>(&mut service).unwrap();
        let numbers: Vec<&str> = mended.phones.iter().map(|phone| phone.original.as_str()).collect();
        assert_eq!((numbers.len(), numbers[0], numbers[3], numbers[18]), (19, "250-555-0000", "250-555-0004", "250-555-0019"));
        assert_eq!(mended.places[0].transit.as_ref().unwrap().routes.len(), 50);
        let others = |field: &str| removed.iter().find(|(notice, _)| notice.field == field && notice.code == TOO_MANY).unwrap().1.clone();
        assert_eq!(others("/phones"), json!([phone(20), phone(21)]));
        assert_eq!(others("/places/0/transit/routes").as_array().unwrap().len(), 10);
    }

    #[test]
    fn readers_take_as_many_schedules_as_the_schema_does() {
        let schedule = json!({ "rrule": "FREQ=DAILY", "time_zone": "America/Toronto" });
        let many = vec![schedule; MOST_SCHEDULES + 1];
        let place = json!({ "name": "Hall", "schedules": many });
        let (mended, removed) = mend::<ServiceInput>(&mut json!({ "name": "Pantry", "schedules": many, "places": [place] })).unwrap();
        assert_eq!([mended.schedules.len(), mended.places[0].schedules.len()], [MOST_SCHEDULES; 2]);
        assert_eq!(removed.len(), 2);
    }

    #[test]
    fn a_service_that_is_too_large_as_a_whole_is_refused() {
        let of = |bytes: usize| mend::<ServiceInput>(&mut json!({"name": "Pantry", "source_fields": {"page": "x".repeat(bytes)}}));
        assert!(of(1_000_000).is_ok());
        assert_eq!(of(1_100_000).unwrap_err()[0].code, "not_valid");
    }

    #[test]
    fn a_service_without_a_name_is_refused() {
        assert!(mend::<ServiceInput>(&mut json!({"description": "x"})).is_err());
        assert!(mend::<ServiceInput>(&mut json!({"name": ""})).is_err());
        assert_eq!(whole::<ServiceInput>(json!({"name": "", "x": 1})).unwrap_err().len(), 2);
    }
}
