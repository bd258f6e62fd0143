//! What happened in Alder Falls, and when: calls of the API, with names in place of the ids that earlier calls gave.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrono::{Duration, NaiveDate, NaiveTime, TimeZone as _};
use serde::Deserialize;
use serde_json::{Value, json};

use super::BuildError;
use crate::db::types::Instant;
use crate::types::wall_time;

/// The zone of the valley.
const ZONE: chrono_tz::Tz = chrono_tz::America::Vancouver;

/// A call of the API that somebody made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How many days before today.
    pub days_ago: i64,
    /// At what time, in the valley.
    #[serde(with = "wall_time")]
    pub at: NaiveTime,
    /// The key of the organization whose client calls.
    pub by: String,
    /// The person acting there.
    #[serde(default)]
    pub on_behalf_of: Option<String>,
    /// Method and path, parted by a space.
    pub call: String,
    /// The body.
    #[serde(default)]
    pub body: Value,
    /// What later steps call the answer.
    #[serde(default)]
    pub named: Option<String>,
}

impl Step {
    /// When it was, in a story that is told at `now`: never later than that.
    pub fn moment(&self, now: Instant) -> Instant {
        let day = today(now) - Duration::days(self.days_ago);
        ZONE.from_local_datetime(&day.and_time(self.at)).earliest().map_or(now, |moment| Instant::from_utc(moment.to_utc()).min(now))
    }
}

/// A person of the town, whom a clinic registers with what they need.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    key: String,
    clinic: String,
    days_ago: i64,
    #[serde(with = "wall_time")]
    at: NaiveTime,
    patient: Value,
    needs: Vec<Value>,
}

impl Person {
    /// The registration, known by the person's key, and the needs, known by the key and the domain.
    fn steps(self) -> impl Iterator<Item = Step> {
        let Self { key, clinic, days_ago, at, patient, needs } = self;
        let step =
            move |call: String, body, named| Step { days_ago, at, by: clinic.clone(), on_behalf_of: None, call, body, named: Some(named) };
        let registration = step("POST /v1/patients".into(), patient, key.clone());
        let needs = needs.into_iter().map(move |need| {
            let named = format!("{key}.{}", need.get("domain").and_then(Value::as_str).unwrap_or_default());
            step("POST /v1/needs".into(), need, named)
        });
        std::iter::once(registration).chain(needs)
    }
}

/// Every step in the order of time.
pub fn read(people: &str, story: &str) -> Result<Vec<Step>, serde_json::Error> {
    let people: Vec<Person> = serde_json::from_str(people)?;
    let mut steps: Vec<Step> = people.into_iter().flat_map(Person::steps).collect();
    steps.extend(serde_json::from_str::<Vec<Step>>(story)?);
    steps.sort_by_key(|step| (Reverse(step.days_ago), step.at));
    Ok(steps)
}

/// The day in the valley.
fn today(now: Instant) -> NaiveDate {
    now.utc().with_timezone(&ZONE).date_naive()
}

/// The answers of earlier calls, by name.
#[derive(Debug)]
pub struct Memory {
    named: HashMap<String, Value>,
    today: NaiveDate,
}

impl Memory {
    /// Nothing yet, on this day.
    pub fn new(now: Instant) -> Self {
        Self { named: HashMap::new(), today: today(now) }
    }

    /// Remembers an answer.
    pub fn keep(&mut self, name: impl Into<String>, answer: Value) {
        self.named.insert(name.into(), answer);
    }

    /// Remembers an id.
    pub fn keep_id(&mut self, name: impl Into<String>, id: impl ToString) {
        self.keep(name, json!({ "id": id.to_string() }));
    }

    /// The value with all that stands in braces replaced: `{name}` by the id in the answer of that name, `{name/a/0}` by what its JSON
    /// pointer `/a/0` points to, `{day-3}` and `{day+3}` by the date so many days from today. What stands alone keeps its type.
    pub fn fill(&self, value: &Value) -> Result<Value, BuildError> {
        Ok(match value {
            Value::String(text) => {
                match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).filter(|name| !name.contains('{')) {
                    Some(name) => self.find(name)?,
                    None => self.fill_text(text)?.into(),
                }
            }
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect::<Result<_, _>>()?,
            Value::Object(fields) => {
                fields.iter().map(|(name, field)| Ok((name.clone(), self.fill(field)?))).collect::<Result<_, BuildError>>()?
            }
            other => other.clone(),
        })
    }

    /// The same within a text.
    pub fn fill_text(&self, text: &str) -> Result<String, BuildError> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, name, after)) = next_name(rest) {
            filled.push_str(before);
            let value = self.find(name)?;
            filled.push_str(value.as_str().ok_or_else(|| BuildError::Unnamed(name.to_owned()))?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn find(&self, name: &str) -> Result<Value, BuildError> {
        if let Some(days) = name.strip_prefix("day").and_then(|days| days.parse().ok()) {
            return Ok((self.today + Duration::days(days)).to_string().into());
        }
        let (key, pointer) = name.find('/').map_or((name, "/id"), |slash| name.split_at(slash));
        let found = self.named.get(key).and_then(|answer| answer.pointer(pointer));
        found.cloned().ok_or_else(|| BuildError::Unnamed(name.to_owned()))
    }
}

/// What stands before the first pair of braces, in it and after it.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        let mut memory = Memory::new("2026-03-02T01:00:00Z".parse().unwrap());
        memory.keep("rosalie", json!({ "id": "p-1", "needs": [{ "id": "n-1" }] }));
        memory
    }

    #[test]
    fn braces_are_replaced_by_ids_parts_of_answers_and_dates() {
        let body = json!({ "patient_id": "{rosalie}", "need_ids": ["{rosalie/needs/0/id}"], "due_on": "{day+3}", "note": "a {rosalie} b", "n": 1 });
        let filled = memory().fill(&body).unwrap();
        assert_eq!(filled, json!({ "patient_id": "p-1", "need_ids": ["n-1"], "due_on": "2026-03-04", "note": "a p-1 b", "n": 1 }));
        assert_eq!(memory().fill(&json!("{rosalie/needs}")).unwrap(), json!([{ "id": "n-1" }]));
        assert_eq!(memory().fill_text("/v1/patients/{rosalie}/needs").unwrap(), "/v1/patients/p-1/needs");
        assert!(matches!(memory().fill(&json!("{walter}")), Err(BuildError::Unnamed(name)) if name == "walter"));
    }

    #[test]
    fn the_whole_story_can_be_read_in_the_order_of_time_and_ends_now() {
        let steps = read(super::super::PEOPLE, super::super::STORY).unwrap();
        let now: Instant = "2026-03-02T01:00:00Z".parse().unwrap();
        let moments: Vec<Instant> = steps.iter().map(|step| step.moment(now)).collect();
        assert!(moments.is_sorted() && moments.last() <= Some(&now));
    }
}
