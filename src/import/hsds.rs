//! Open Referral HSDS 3.x as JSON, and what feeds make of it.
//!
//! The same graph comes in many wrappings: services with their organization inside, organizations with their services inside, both side by
//! side, or an organization alone that is itself the service (a food pantry). [`shapes`] takes the wrapping off, [`service`] reads what is
//! inside, [`places`] its locations, [`schedules`] its hours and [`holidays`] the days on which it is closed. Names of fields vary
//! (`addresss`, `street1`, `open_time`); each reader knows the variants it has met. Fields of our own that HSDS lacks stand in an object
//! `kith` on the service: any fields of a service as the API has them, with `capacity` and `time_zone` beside them. What no reader makes
//! anything of is kept in the shape in which it came; see [`said`](crate::hsds::said).

pub mod holidays;
pub mod organization;
pub mod own;
pub mod places;
pub mod schedules;
pub mod service;
pub mod shapes;
pub mod terms;
pub mod zones;

use serde_json::Value;

use self::shapes::{Units, Unread};
use super::draft::{Draft, Unfit, substance};
use super::mapping::Mapping;
use super::{Notice, text};
use crate::hsds::said::{self, Fields};
use crate::hsds::tables;

/// The services of a record that are still to be read.
#[derive(Debug)]
pub struct Services {
    within: Option<String>,
    units: Units,
    /// Why nothing is made of any of them.
    fault: Option<Notice>,
    /// The same where nobody knows which they are: it is told once.
    untold: Option<Notice>,
}

impl Services {
    /// Those of a record. `outer` is the value that encloses it, or the record itself.
    pub fn of(mapping: &Mapping, record: Value, outer: &Value) -> Self {
        let within = within(mapping, &record, outer);
        match shapes::units(record) {
            Ok(units) => Self { within, units, fault: None, untold: None },
            Err(unread) => {
                let Unread { reason, units } = *unread;
                let (fault, untold) = if units.is_empty() { (None, Some(reason)) } else { (Some(reason), None) };
                Self { within, units, fault, untold }
            }
        }
    }

    /// Reads the next one.
    pub fn next(&mut self, mapping: &Mapping) -> Option<Result<Draft, Unfit>> {
        let Some(mut unit) = self.units.next() else { return self.untold.take().map(|reason| Err(reason.into())) };
        let within = self.within.as_deref();
        Some(match &self.fault {
            None => service::draft(mapping, unit, within),
            Some(reason) => Err(Unfit { key: service::key(mapping, &mut unit, within), reason: reason.clone() }),
        })
    }
}

/// The keys of the services of a record, without reading more of it.
pub fn keys(mapping: &Mapping, record: Value, outer: &Value) -> Vec<String> {
    let within = within(mapping, &record, outer);
    let units = shapes::units(record).unwrap_or_default();
    units.filter_map(|mut unit| service::key(mapping, &mut unit, within.as_deref())).collect()
}

/// The feed within which ids are unique.
fn within(mapping: &Mapping, record: &Value, outer: &Value) -> Option<String> {
    mapping.keys.within.as_ref().and_then(|path| path.find(record, outer)).and_then(Value::as_str).map(str::to_owned)
}

/// An object whose fields are taken out as they are read, so that what is left is what nobody understood.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// What nobody has read yet.
    pub fields: Fields,
    /// What was read and not understood, or is no field of ours: of which has been told what there is to tell.
    kept: Fields,
}

/// Members that only wrap a record, or list again what it is part of.
const WRAPPING: &[&str] = &["schema", "service_at_locations"];
/// Of which nobody needs to be told that no field of ours holds them.
const PLAIN: &[&str] = &["id", "last_modified", "metadata"];

impl Part {
    /// The object of a value.
    pub fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(fields) => Some(Self { fields, kept: Fields::new() }),
            _ => None,
        }
    }

    /// The object as it came, but for what has been taken out and not put back.
    pub fn whole(&self) -> Value {
        let mut whole = self.fields.clone();
        whole.extend(self.kept.clone());
        Value::Object(whole)
    }

    /// Takes out the first of the fields that says something.
    pub fn take(&mut self, names: &[&str]) -> Option<Value> {
        names.iter().find_map(|name| self.fields.remove(*name).and_then(substance))
    }

    /// Takes out a text, number or truth value, as plain text.
    pub fn text(&mut self, names: &[&str]) -> Option<String> {
        self.named_text(names).map(|(_, words)| words)
    }

    /// The same with the field that had it.
    pub fn named_text<'n>(&mut self, names: &[&'n str]) -> Option<(&'n str, String)> {
        for name in names {
            if let Some(words) = self.peek(name) {
                self.fields.remove(*name);
                return Some((name, words));
            }
        }
        None
    }

    /// A text, number or truth value, which stays.
    pub fn peek(&self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Value::String(words) => text::plain(words),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(bit) => Some(bit.to_string()),
            _ => None,
        }
    }

    /// Takes out the members of lists; a single value is a list of one.
    pub fn list(&mut self, names: &[&str]) -> Vec<Value> {
        let mut all = Vec::new();
        for name in names {
            match self.fields.remove(*name) {
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
                self.fields.insert((*name).to_owned(), Value::Array(others));
            }
            all.extend(objects.into_iter().filter_map(Self::of));
        }
        all
    }

    /// Keeps something in its place without a word.
    pub fn keep(&mut self, name: &str, value: Value) {
        if let Some(value) = cleaned(name, value) {
            self.kept.insert(name.to_owned(), value);
        }
    }

    /// Keeps what was not understood in its place, and says so of the field by its whole name.
    pub fn refuse(&mut self, code: &'static str, prefix: &str, name: &str, value: Value, draft: &mut Draft) {
        if let Some(value) = cleaned(name, value) {
            draft.notice(code, format!("{prefix}{name}"), "kept in source_fields");
            self.kept.insert(name.to_owned(), value);
        }
    }

    /// Takes out a mail address; what is none stays, which is told.
    pub fn email(&mut self, prefix: &str, draft: &mut Draft) -> Option<String> {
        self.sound(&["email"], text::is_email, "email_not_understood", prefix, draft)
    }

    /// The same of a web address.
    pub fn url(&mut self, names: &[&str], prefix: &str, draft: &mut Draft) -> Option<String> {
        self.sound(names, text::is_url, "url_not_understood", prefix, draft)
    }

    fn sound(&mut self, names: &[&str], is_sound: fn(&str) -> bool, code: &'static str, prefix: &str, draft: &mut Draft) -> Option<String> {
        let (name, words) = self.named_text(names)?;
        if is_sound(&words) {
            return Some(words);
        }
        self.refuse(code, prefix, name, Value::String(words), draft);
        None
    }

    /// What is left, and what was kept: to be kept with the record. What no field of ours holds is told.
    pub fn rest(self, prefix: &str, draft: &mut Draft) -> Fields {
        let mut rest = Fields::new();
        for (name, value) in self.fields {
            let Some(value) = cleaned(&name, value) else { continue };
            if !PLAIN.contains(&name.as_str()) {
                draft.notice("field_not_known", format!("{prefix}{name}"), "kept in source_fields");
            }
            rest.insert(name, value);
        }
        rest.extend(self.kept);
        rest
    }
}

/// What is left of the rows of a list.
#[derive(Debug, Default)]
pub struct Rows(Vec<Value>);

impl Rows {
    /// The rest of a row of which something was made that is called so; see [`said`].
    pub fn rest(&mut self, of: String, rest: Fields) {
        let mut row = Fields::from_iter([(said::OF.to_owned(), Value::String(of))]);
        row.extend(rest);
        self.0.push(Value::Object(row));
    }

    /// What is left of a row of which something was made that is no row of the standard.
    pub fn left(&mut self, rest: Fields) {
        if !rest.is_empty() {
            let mut row = Fields::from_iter([(said::OF.to_owned(), Value::Null)]);
            row.extend(rest);
            self.0.push(Value::Object(row));
        }
    }

    /// A row of which nothing was made.
    pub fn whole(&mut self, row: Value) {
        self.0.extend(cleaned("", row));
    }

    /// Puts them into the record that they are of.
    pub fn put(self, part: &mut Part, list: &str) {
        if !self.0.is_empty() {
            part.kept.insert(list.to_owned(), Value::Array(self.0));
        }
    }
}

/// A value without what says nothing, and without the keys by which it hangs on others.
fn cleaned(name: &str, value: Value) -> Option<Value> {
    if WRAPPING.contains(&name) || tables::KEYS.contains(&name) {
        return None;
    }
    bare(name, value)
}

fn bare(name: &str, value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            // Whose they are is no more than where they stand, but for places and programs.
            let is_owned = matches!(name, "location" | "locations" | "program" | "programs");
            let keeps = |member: &str| is_owned && member == "organization_id" || !tables::KEYS.contains(&member);
            let members = fields.into_iter().filter(|(member, _)| keeps(member));
            let members: Fields = members.filter_map(|(member, part)| Some((member.clone(), bare(&member, part)?))).collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        Value::Array(items) => {
            let items: Vec<Value> = items.into_iter().filter_map(|item| bare(name, item)).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        other => substance(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::services::model::ServiceInput;

    fn read(service: Value) -> ServiceInput {
        let mapping = Mapping::hsds("feed");
        Services::of(&mapping, service, &json!({})).next(&mapping).unwrap().unwrap().service
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
