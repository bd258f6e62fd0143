//! Open Referral HSDS 3.x as JSON, and what feeds make of it.
//!
//! The same graph comes in many wrappings: services with their organization inside, organizations with their services inside, both side by
//! side, or an organization alone that is itself the service (a food pantry). [`shapes`] takes the wrapping off, [`service`] reads what is
//! inside, [`places`] its locations and [`schedules`] its hours. Names of fields vary (`addresss`, `street1`, `open_time`); each reader knows
//! the variants it has met. Fields of our own that HSDS lacks stand in an object `kith` on the service: any fields of a service as the API
//! has them, with `capacity` and `time_zone` beside them.

pub mod own;
pub mod places;
pub mod schedules;
pub mod service;
pub mod shapes;

use serde_json::{Map, Value};

use super::Notice;
use super::draft::{Draft, substance};
use super::mapping::Mapping;
use super::text;

/// Reads every service of a record. `outer` is the value that encloses it, or the record itself.
pub fn drafts(mapping: &Mapping, record: Value, outer: &Value) -> Vec<Result<Draft, Notice>> {
    let within = within(mapping, &record, outer);
    match shapes::units(record) {
        Ok(units) => units.into_iter().map(|unit| service::draft(mapping, unit, within.as_deref())).collect(),
        Err(notice) => vec![Err(notice)],
    }
}

/// The keys of the services of a record, without reading more of it.
pub fn keys(mapping: &Mapping, record: Value, outer: &Value) -> Vec<String> {
    let within = within(mapping, &record, outer);
    let units = shapes::units(record).unwrap_or_default();
    units.into_iter().filter_map(|mut unit| service::key(mapping, &mut unit, within.as_deref())).collect()
}

/// The feed within which ids are unique.
fn within(mapping: &Mapping, record: &Value, outer: &Value) -> Option<String> {
    mapping.keys.within.as_ref().and_then(|path| path.find(record, outer)).and_then(Value::as_str).map(str::to_owned)
}

/// An object whose fields are taken out as they are read, so that what is left is what nobody understood.
#[derive(Debug, Clone, Default)]
pub struct Part(pub Map<String, Value>);

/// Fields about the record rather than about the service.
const NOISE: &[&str] = &["id", "metadata", "metadata_list", "service_at_locations", "schema"];

impl Part {
    /// The object of a value.
    pub fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(fields) => Some(Self(fields)),
            _ => None,
        }
    }

    /// Takes out the first of the fields that says something.
    pub fn take(&mut self, names: &[&str]) -> Option<Value> {
        names.iter().find_map(|name| self.0.remove(*name).and_then(substance))
    }

    /// Takes out a text, number or truth value, as plain text.
    pub fn text(&mut self, names: &[&str]) -> Option<String> {
        for name in names {
            let scalar = match self.0.get(*name) {
                Some(Value::String(words)) => text::plain(words),
                Some(Value::Number(number)) => Some(number.to_string()),
                Some(Value::Bool(bit)) => Some(bit.to_string()),
                _ => None,
            };
            if scalar.is_some() {
                self.0.remove(*name);
                return scalar;
            }
        }
        None
    }

    /// Takes out the members of lists; a single value is a list of one.
    pub fn list(&mut self, names: &[&str]) -> Vec<Value> {
        let mut all = Vec::new();
        for name in names {
            match self.0.remove(*name) {
                Some(Value::Array(items)) => all.extend(items.into_iter().filter(|item| !item.is_null())),
                Some(Value::Null) | None => {}
                Some(one) => all.push(one),
            }
        }
        all
    }

    /// Takes out the objects of lists; other members stay.
    pub fn parts(&mut self, names: &[&str]) -> Vec<Self> {
        let mut all = Vec::new();
        for name in names {
            let members = self.list(&[name]);
            let (objects, others): (Vec<Value>, Vec<Value>) = members.into_iter().partition(Value::is_object);
            if !others.is_empty() {
                self.0.insert((*name).to_owned(), Value::Array(others));
            }
            all.extend(objects.into_iter().filter_map(Self::of));
        }
        all
    }

    /// Keeps what is left under `prefix`, and says so.
    pub fn keep_rest(self, prefix: &str, draft: &mut Draft) {
        for (name, value) in self.0.into_iter().filter(|(name, _)| is_worth_keeping(name)) {
            keep_unknown(format!("{prefix}{name}"), without_noise(value), draft);
        }
    }
}

/// Keeps a field that no reader knows, and says so; when a record was written is kept without a word, for each says that.
pub fn keep_unknown(name: String, value: Value, draft: &mut Draft) {
    if name.rsplit('.').next() == Some("last_modified") {
        draft.keep(name, value);
    } else {
        draft.keep_told("field_not_known", name, value);
    }
}

fn is_worth_keeping(name: &str) -> bool {
    !NOISE.contains(&name) && !name.ends_with("_id")
}

fn without_noise(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.into_iter().filter(|(name, _)| is_worth_keeping(name)).map(|(name, part)| (name, without_noise(part))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_noise).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::services::model::ServiceInput;

    fn read(service: Value) -> ServiceInput {
        let mut drafts = drafts(&Mapping::hsds("feed"), service, &json!({}));
        drafts.remove(0).unwrap().service
    }

    #[test]
    fn a_language_is_known_by_its_code_before_its_name() {
        let service = read(json!({ "name": "Deaf centre", "languages": [
            { "code": "ase", "name": "American Sign Language" }, { "code": "LSQ" }, { "code": "pan", "name": "Punjabi" }, { "name": "Blackfoot" },
            { "code": "nso", "name": "Northern Sotho" }, { "code": "fr_CA", "name": "French" }, { "code": "und", "name": "Klingon" },
        ] }));
        let tags: Vec<&str> = service.languages.iter().map(|spoken| spoken.language.as_str()).collect();
        assert_eq!(tags, ["ase", "fcs", "pa", "bla", "nso", "fr-CA"]);
    }

    #[test]
    fn a_price_is_kept_in_the_minor_units_of_its_currency() {
        let cost = |amount: f64, currency: &str| json!({ "option": "a visit", "amount": amount, "currency": currency });
        let costs = json!([cost(12.5, "CAD"), cost(500.0, "JPY"), cost(1.5, "KWD"), cost(0.019, "tnd"), cost(999_999_999.0, "CLF")]);
        let service = read(json!({ "name": "Choir", "cost_options": costs }));
        let amounts: Vec<i64> = service.cost.options.iter().map(|option| option.amount.amount_minor).collect();
        assert_eq!(amounts, [1_250, 500, 1_500, 19], "more than can be kept is left in words");
    }
}
