//! The published schema of a service, as a judge of imported ones: what does not fit is taken out and named.

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Notice;
use crate::services::model::{Capacity, ServiceInput};

static SERVICE: LazyLock<Option<Validator>> = LazyLock::new(validator::<ServiceInput>);
static CAPACITY: LazyLock<Option<Validator>> = LazyLock::new(validator::<Capacity>);

fn validator<T: ToSchema>() -> Option<Validator> {
    let mut referred = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut referred);
    let schemas: Map<String, Value> =
        referred.into_iter().filter_map(|(name, schema)| Some((name, serde_json::to_value(schema).ok()?))).collect();
    let document = json!({ "$ref": format!("#/components/schemas/{}", T::name()), "components": { "schemas": schemas } });
    jsonschema::options().should_validate_formats(true).build(&document).ok()
}

/// Takes out of a service what its schema does not allow and returns the parts, with a notice each. Parts that cannot be missed are
/// returned as reasons to refuse it.
pub fn mend_service(service: &mut Value) -> Result<Vec<(Notice, Value)>, Vec<Notice>> {
    mend(service, SERVICE.as_ref())
}

/// The same for a capacity.
pub fn mend_capacity(capacity: &mut Value) -> Result<Vec<(Notice, Value)>, Vec<Notice>> {
    mend(capacity, CAPACITY.as_ref())
}

/// The faults of a service that is to be taken as it is or not at all.
pub fn faults(service: &Value) -> Vec<Notice> {
    let errors = SERVICE.iter().flat_map(|validator| validator.iter_errors(service));
    errors.take(20).map(|error| notice(&error.instance_path().to_string(), &error.to_string())).collect()
}

fn notice(pointer: &str, message: &str) -> Notice {
    let message: String = message.chars().take(200).collect();
    Notice::new("not_valid", pointer, message)
}

fn mend(value: &mut Value, validator: Option<&Validator>) -> Result<Vec<(Notice, Value)>, Vec<Notice>> {
    let Some(validator) = validator else { return Err(vec![notice("", "the schema could not be compiled")]) };
    let mut removed = Vec::new();
    // Taking one part out can bring the next fault to light, as in nested parts; it cannot go on for ever, for each round takes something.
    for _ in 0..200 {
        if validator.is_valid(value) {
            return Ok(removed);
        }
        let fault = validator.iter_errors(value).next().map(|error| place_of(&error));
        let Some(fault) = fault else { return Ok(removed) };
        match take_out(value, &fault.field) {
            Some(part) => removed.push((fault, part)),
            None => return Err(vec![fault]),
        }
    }
    Err(vec![notice("", "too many faults")])
}

/// Where a fault lies, as deep as it is known: an optional part is a choice between null and its schema, and the fault is in the latter.
fn place_of(error: &ValidationError<'_>) -> Notice {
    let pointer = error.instance_path().to_string();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let name = unexpected.first().map(|name| name.replace('~', "~0").replace('/', "~1")).unwrap_or_default();
            notice(&format!("{pointer}/{name}"), &error.to_string())
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let inner = context.iter().flatten().map(place_of).max_by_key(|notice| notice.field.len());
            inner.filter(|inner| inner.field.len() > pointer.len()).unwrap_or_else(|| notice(&pointer, &error.to_string()))
        }
        _ => notice(&pointer, &error.to_string()),
    }
}

/// Removes the value at a pointer; a part of a list goes as a whole.
fn take_out(value: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    if name == "name" && parent.is_empty() {
        return None;
    }
    let name = name.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent)? {
        Value::Object(fields) => fields.shift_remove(&name).filter(|part| !part.is_null()),
        Value::Array(items) => {
            let index: usize = name.parse().ok()?;
            (index < items.len()).then(|| items.remove(index))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_taken_out() {
        let mut service = json!({
            "name": "Pantry", "language": "English", "places": [{"point": {"latitude": 95.0, "longitude": 1.0}, "name": "Hall"}],
            "schedules": [{"rrule": "FREQ=DAILY", "time_zone": "America/Toronto", "opens_at": "9 o'clock"}], "colour": "red",
        });
        let removed = mend_service(&mut service).unwrap();
        let fields: Vec<&str> = removed.iter().map(|(notice, _)| notice.field.as_str()).collect();
        assert!(fields.contains(&"/language") && fields.contains(&"/colour"), "{fields:?}");
        assert!(serde_json::from_value::<ServiceInput>(service).is_ok());
    }

    #[test]
    fn a_service_without_a_name_is_refused() {
        assert!(mend_service(&mut json!({"description": "x"})).is_err());
        assert!(mend_service(&mut json!({"name": ""})).is_err());
        assert!(!faults(&json!({"name": "", "x": 1})).is_empty());
    }
}
