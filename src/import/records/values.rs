//! Values of a record by rule: found, taken apart, looked up, converted.

use chrono::NaiveDate;
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::import::draft::Draft;
use crate::import::mapping::{Rule, Table, Writing};
use crate::types::PhoneKind;

/// A value with the name of the field it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The path as the mapping has it.
    pub field: String,
    /// The value.
    pub value: Value,
    /// The kind of telephone that the rule names.
    pub kind: Option<PhoneKind>,
}

/// A scalar as text.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bit) => Some(bit.to_string()),
        _ => None,
    }
}

/// The value of a rule: of several, the first that has one.
pub fn first(rule: &Rule, record: &Value, outer: &Value, draft: &mut Draft) -> Option<Found> {
    match rule {
        Rule::Path(path) => path.find(record, outer).map(|value| Found { field: path.text.clone(), value: value.clone(), kind: None }),
        Rule::Any(rules) => rules.iter().find_map(|rule| first(rule, record, outer, draft)),
        Rule::Table(table) => of_table(table, record, outer, draft),
    }
}

/// The values of all rules.
pub fn all(rule: &Rule, record: &Value, outer: &Value, draft: &mut Draft) -> Vec<Found> {
    match rule {
        Rule::Any(rules) => rules.iter().flat_map(|rule| all(rule, record, outer, draft)).collect(),
        rule => first(rule, record, outer, draft).into_iter().collect(),
    }
}

fn of_table(table: &Table, record: &Value, outer: &Value, draft: &mut Draft) -> Option<Found> {
    if let Some(value) = &table.value {
        return Some(Found { field: "value".into(), value: value.clone(), kind: table.kind });
    }
    let path = table.from.as_ref()?;
    let found = path.find(record, outer)?;
    let value = match &table.pattern {
        Some(pattern) => Value::String(part(pattern, &text(found)?)?),
        None => found.clone(),
    };
    let value = match (&table.split, &value) {
        (Some(mark), Value::String(text)) => {
            text.split(mark.as_str()).map(str::trim).filter(|part| !part.is_empty()).map(|part| Value::String(part.to_owned())).collect()
        }
        _ => value,
    };
    let looked_up = if table.values.is_empty() { Some(value.clone()) } else { look_up(table, &value) };
    let written = looked_up.as_ref().and_then(|value| written(table.writing, value));
    match written {
        Some(value) => Some(Found { field: path.text.clone(), value, kind: table.kind }),
        None => {
            let code = if looked_up.is_none() { "value_unknown" } else { "value_not_understood" };
            draft.notice(code, &path.text, format!("{} is kept in source_fields", shown(&value)));
            draft.keep(path.text.as_str(), value);
            None
        }
    }
}

fn shown(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

fn part(pattern: &Regex, text: &str) -> Option<String> {
    let found = pattern.captures(text)?;
    found.get(1).or_else(|| found.get(0)).map(|part| part.as_str().to_owned())
}

fn look_up(table: &Table, value: &Value) -> Option<Value> {
    match value {
        Value::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                match look_up(table, item)? {
                    Value::Array(several) => all.extend(several),
                    one => all.push(one),
                }
            }
            Some(Value::Array(all))
        }
        scalar => table.values.get(text(scalar)?.trim()).cloned(),
    }
}

fn written(writing: Writing, value: &Value) -> Option<Value> {
    match writing {
        Writing::Text => Some(value.clone()),
        Writing::Integer => text(value)?.trim().parse::<i64>().ok().map(Value::from),
        Writing::YesNo => match text(value)?.trim().to_lowercase().as_str() {
            "y" | "yes" | "true" | "1" | "oui" | "o" => Some(Value::Bool(true)),
            "n" | "no" | "false" | "0" | "non" => Some(Value::Bool(false)),
            _ => None,
        },
        Writing::Date => date(&text(value)?).map(|date| Value::String(date.to_string())),
        Writing::LonLat | Writing::LatLon => {
            let text = text(value)?;
            let (first, second) = text.split_once(',')?;
            let (first, second): (f64, f64) = (first.trim().parse().ok()?, second.trim().parse().ok()?);
            let (latitude, longitude) = if writing == Writing::LatLon { (first, second) } else { (second, first) };
            Some(json!({ "latitude": latitude, "longitude": longitude }))
        }
    }
}

/// A date, or the date of an instant, in ISO form.
pub fn date(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let day = text.get(..10)?;
    let rest = text.get(10..)?;
    if rest.is_empty() || rest.starts_with(['T', ' ']) { day.parse().ok() } else { None }
}

/// Sets a field by its dotted name.
pub fn set(fields: &mut Map<String, Value>, target: &str, value: Value) {
    match target.split_once('.') {
        Some((name, rest)) => {
            let inner = fields.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                set(inner, rest, value);
            }
        }
        None => {
            // Lists take a single value as their only member.
            let is_list = LISTS.contains(&target);
            let value = if is_list && !value.is_array() { Value::Array(vec![value]) } else { value };
            fields.insert(target.to_owned(), value);
        }
    }
}

/// Fields of a service that are lists of texts or codes.
const LISTS: &[&str] = &[
    "alternate_names",
    "delivery_modes",
    "genders",
    "populations",
    "populations_served",
    "coverage_required",
    "documents_required",
    "dietary",
    "cultural_focus",
    "activities",
    "accessibility",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_converted_or_refused() {
        assert_eq!(written(Writing::YesNo, &json!("Y")), Some(json!(true)));
        assert_eq!(written(Writing::YesNo, &json!("maybe")), None);
        assert_eq!(written(Writing::Integer, &json!(" 12 ")), Some(json!(12)));
        assert_eq!(written(Writing::Date, &json!("2026-01-03T16:57:50.846Z")), Some(json!("2026-01-03")));
        assert_eq!(written(Writing::Date, &json!("January")), None);
        assert_eq!(written(Writing::LonLat, &json!("-125.24,50.02")), Some(json!({"latitude": 50.02, "longitude": -125.24})));
    }

    #[test]
    fn fields_are_set_by_name() {
        let mut fields = Map::new();
        set(&mut fields, "eligibility.populations", json!("senior"));
        set(&mut fields, "eligibility.min_age", json!(55));
        assert_eq!(Value::Object(fields), json!({"eligibility": {"populations": ["senior"], "min_age": 55}}));
    }
}
