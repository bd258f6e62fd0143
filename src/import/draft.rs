//! A service in the making, and its last check: what leaves here is what the API would accept.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::inference;
use super::keys;
use super::mapping::Mapping;
use super::read::Of;
use super::text;
use super::{Notice, Outcome, Parsed, Provider, Refused, rest, schema};
use crate::hsds::said::Fields;
use crate::http::json::as_read;
use crate::services::capacity::MOST_ROOMS;
use crate::services::model::{Capacity, NamedCapacity, Place, ServiceInput};

/// What a reader has left of a record.
#[derive(Debug, Clone, Default)]
pub enum Besides {
    /// Words under the names that the source has for them.
    #[default]
    Words,
    /// An object of the standard without what was read of it.
    Rest,
    /// Nothing: it is an object of ours, of which what is left is what we would not write.
    Object(Fields),
}

/// What has been read of one record.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The record's key in the source, where it has one.
    pub key: Option<String>,
    /// What names the record where its key cannot be trusted: names, streets, towns.
    pub identity: Vec<String>,
    /// The service as far as it was read.
    pub service: ServiceInput,
    /// Fields of a service that the source states in our own form; they win.
    pub stated: Map<String, Value>,
    /// Who gives it.
    pub provider: Option<Provider>,
    /// How much room it has, in our own form.
    pub capacity: Option<Value>,
    /// The rooms that it counts apart: their keys, and how much of each there is.
    pub rooms: Vec<(String, Value)>,
    /// Category words of the source, for inference.
    pub categories: Vec<String>,
    /// What no field holds, by the source's names.
    pub leftovers: BTreeMap<String, Value>,
    /// What that is.
    pub besides: Besides,
    /// How many holidays have been held against the usual hours, of the service and of its places.
    pub compared: usize,
    /// What was not understood, so far.
    pub notices: Vec<Notice>,
}

/// A record of which no service can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Its key in the source, where it has one that could be read.
    pub key: Option<String>,
    /// Why.
    pub reason: Notice,
}

impl From<Notice> for Unfit {
    fn from(reason: Notice) -> Self {
        Self { key: None, reason }
    }
}

/// A service of which nothing is known.
static BLANK: LazyLock<Option<ServiceInput>> = LazyLock::new(|| serde_json::from_str(r#"{"name":""}"#).ok());

/// So many notices are told of a record.
const MOST_NOTICES: usize = 200;
/// So many values of one name are kept.
const MOST_KEPT: usize = 1_000;
/// So many areas a service may have.
const MOST_AREAS: usize = 100;
/// With this begins the name under which is kept what does not fit its field.
const UNFIT: &str = "unfit:";
/// Under this name are kept other keys of the source that a record states.
const OTHER_KEYS: &str = "kith.identifiers";

/// A record that is what the API would accept.
struct Checked {
    service: ServiceInput,
    /// The same as it was stated.
    value: Value,
    capacity: Option<Capacity>,
    rooms: Vec<NamedCapacity>,
}

impl Draft {
    /// A draft of which nothing is known, with the source's language.
    pub fn new(mapping: &Mapping) -> Option<Self> {
        let mut service = BLANK.clone()?;
        service.language.clone_from(&mapping.defaults.language);
        Some(Self {
            key: None,
            identity: Vec::new(),
            service,
            stated: Map::new(),
            provider: None,
            capacity: None,
            rooms: Vec::new(),
            categories: Vec::new(),
            leftovers: BTreeMap::new(),
            besides: Besides::Words,
            compared: 0,
            notices: Vec::new(),
        })
    }

    /// Adds a notice. Of a record that calls for very many the last says that there are more.
    pub fn notice(&mut self, code: &'static str, field: impl Into<String>, message: impl Into<String>) {
        match self.notices.len() {
            ..MOST_NOTICES => self.notices.push(Notice::new(code, field, message)),
            MOST_NOTICES => self.notices.push(Notice::new("more_notices", "", "there is more to say of this record")),
            _ => {}
        }
    }

    /// Tells that there are more rooms than a service counts apart, however much else there is to say.
    pub fn too_many_rooms(&mut self) {
        self.notices.push(Notice::new("too_many_rooms", "capacities", format!("the first {MOST_ROOMS} are taken")));
    }

    /// Keeps a value that no field holds; empty ones are not worth it. Several of one name become a list, of a thousand at most.
    pub fn keep(&mut self, name: impl Into<String>, value: Value) {
        let Some(value) = substance(as_read(value)) else { return };
        let name = name.into();
        match self.leftovers.entry(name.clone()) {
            Entry::Vacant(free) => {
                free.insert(value);
            }
            Entry::Occupied(known) if *known.get() == value => {}
            Entry::Occupied(mut known) => {
                let listed = |value: Value| match value {
                    Value::Array(items) => items,
                    one => vec![one],
                };
                let mut all = listed(known.get_mut().take());
                let mut is_full = false;
                for item in listed(value) {
                    is_full = all.len() >= MOST_KEPT;
                    if is_full {
                        break;
                    }
                    if !all.contains(&item) {
                        all.push(item);
                    }
                }
                known.insert(Value::Array(all));
                if is_full {
                    self.notice("left_out", name, format!("only {MOST_KEPT} values are kept"));
                }
            }
        }
    }

    /// Keeps a value that is not understood, and says so.
    pub fn keep_told(&mut self, code: &'static str, name: impl Into<String>, value: Value) {
        if let Some(value) = substance(value) {
            let name = name.into();
            self.notice(code, name.clone(), "kept in source_fields");
            self.keep(name, value);
        }
    }

    /// Plain text of a field; citation marks are taken out, with a notice.
    pub fn text(&mut self, field: &str, text: &str) -> Option<String> {
        let plain = text::plain(text)?;
        match text::without_citations(&plain) {
            Some(clean) => {
                self.notice("citation_removed", field, "marks such as [51] were taken out");
                text::plain(&clean)
            }
            None => Some(plain),
        }
    }

    /// A mail address, where the text is one.
    pub fn email(&mut self, field: &str, text: &str) -> Option<String> {
        self.checked(field, text, text::is_email, "email_not_understood")
    }

    /// A web address, where the text is one.
    pub fn url(&mut self, field: &str, text: &str) -> Option<String> {
        self.checked(field, text, text::is_url, "url_not_understood")
    }

    fn checked(&mut self, field: &str, text: &str, is_sound: fn(&str) -> bool, code: &'static str) -> Option<String> {
        let text = text::plain(text)?;
        if is_sound(&text) {
            return Some(text);
        }
        self.notice(code, field, "kept in source_fields");
        self.keep(field, Value::String(text));
        None
    }

    /// Telephones of a text; words that are no number are kept.
    pub fn phones(&mut self, field: &str, text: &str, country: &str) -> Vec<crate::types::Phone> {
        let read = text::phones::read(text, country);
        if let Some(rest) = read.rest {
            self.notice("phone_not_understood", field, "words that belong to no number are kept in source_fields");
            self.keep(field, Value::String(rest));
        }
        for phone in read.phones.iter().filter(|phone| phone.number.is_none()) {
            self.notices.push(Notice::new("phone_without_e164", field, format!("{} is kept as written", phone.original)));
        }
        read.phones
    }

    /// The last steps: inference, the schema, the rules across fields, the fingerprint.
    pub fn finish(mut self, key: &str, position: u64, mapping: &Mapping) -> Outcome {
        let source = mapping.source.as_str();
        self.mark(source, key);
        if self.service.provenance.licence.is_none() {
            self.service.provenance.licence.clone_from(&mapping.licence);
        }
        if self.service.need_domains.is_empty() && !self.stated.contains_key("need_domains") {
            self.service.need_domains = inference::domains(&self.service, &self.categories, mapping);
            if self.service.need_domains.is_empty() {
                self.notice("need_not_inferred", "need_domains", "neither categories nor words name a need that is known");
            }
        }
        match self.judged(source, key) {
            Ok(Checked { service, value, capacity, rooms }) => {
                let provider = self.provider.take().map(|provider| provider.bounded(source, &mut self.notices));
                let fingerprint = keys::fingerprint(&value, capacity.as_ref(), &rooms, provider.as_ref());
                self.notices.sort();
                self.notices.dedup();
                Outcome::Parsed(Box::new(Parsed {
                    key: key.to_owned(),
                    position,
                    service,
                    provider,
                    capacity,
                    rooms,
                    fingerprint,
                    notices: self.notices,
                }))
            }
            Err(reasons) => Outcome::Refused(Refused { key: Some(key.to_owned()), position, of: Of::Records, reasons }),
        }
    }

    /// Gives the service the key of its source, whatever the source states of keys and origin itself.
    fn mark(&mut self, source: &str, key: &str) {
        keys::mark(&mut self.service, source, key);
        match self.stated.get_mut("identifiers") {
            Some(Value::Array(stated)) => {
                let own = json!({ "system": source, "value": key });
                let of_source = |identifier: &Value| identifier.get("system").and_then(Value::as_str) == Some(source);
                // Another key of the source may be that of another record: it is kept, and finds nothing.
                let others = stated.iter().filter(|identifier| of_source(identifier) && **identifier != own).cloned().collect();
                stated.retain(|identifier| !of_source(identifier));
                stated.insert(0, own);
                self.keep(OTHER_KEYS, Value::Array(others));
            }
            Some(Value::Null) | None => {}
            Some(_) => {
                let stated = self.stated.shift_remove("identifiers").unwrap_or_default();
                self.keep_told("not_valid", OTHER_KEYS, stated);
            }
        }
        if let Some(Value::Object(stated)) = self.stated.get_mut("provenance") {
            let own = ["source", "record", "imported_at"].map(|name| (name, stated.shift_remove(name).unwrap_or_default()));
            for (name, said) in own {
                self.keep(format!("kith.provenance.{name}"), said);
            }
        }
    }

    /// What fits of all that was read, with all that is kept of the rest.
    fn judged(&mut self, source: &str, key: &str) -> Result<Checked, Vec<Notice>> {
        let rooms = self.checked_rooms();
        let (mut service, mut value) = self.checked_service()?;
        let (capacity, rooms) = rooms?;
        let mut left = rest::of_service(&service, capacity.as_ref(), &rooms, &self.besides, source, key);
        // What did not fit is no part of what an object of ours is held against, nor are other keys.
        let is_besides = |name: &str| name.starts_with(UNFIT) || name == OTHER_KEYS;
        for (name, mut part) in std::mem::take(&mut service.source_fields).into_iter().filter(|(name, _)| is_besides(name)) {
            part.sort_all_objects();
            left.entry(name).or_insert(part);
        }
        self.fit(&mut left);
        service.source_fields = left;
        if let Some(fields) = value.get_mut("source_fields") {
            *fields = service.source_fields.iter().map(|(name, part)| (name.clone(), part.clone())).collect();
        }
        schema::measured(&service)?;
        Ok(Checked { service, value, capacity, rooms })
    }

    /// What fits of the service, with what is left of it, and the same as it was stated, without. How large it is with that is not looked at.
    fn checked_service(&mut self) -> Result<(ServiceInput, Value), Vec<Notice>> {
        let fault = |error: serde_json::Error| vec![Notice::new("not_valid", "", error.to_string())];
        let mut value = serde_json::to_value(&self.service).map_err(fault)?;
        for (name, stated) in std::mem::take(&mut self.stated) {
            merge(&mut value, &name, stated);
        }
        let beyond = areas_beyond(&mut value);
        let (mut service, removed) = schema::mend::<ServiceInput>(&mut value)?;
        let stated = std::mem::replace(&mut service.source_fields, std::mem::take(&mut self.leftovers));
        service.source_fields.extend(stated);
        for (notice, part) in removed.into_iter().chain(beyond) {
            let name = format!("{UNFIT}{}", notice.field.trim_start_matches('/'));
            service.source_fields.insert(name, part);
            self.notices.push(notice);
        }
        self.fit(&mut service.source_fields);
        Ok((service, value))
    }

    /// Leaves of what no field holds as much as is kept, and says where there was more.
    fn fit(&mut self, fields: &mut BTreeMap<String, Value>) {
        for name in rest::fit(fields) {
            self.notice("left_out", name, rest::left_out());
        }
    }

    /// The default room, and those that are counted apart.
    fn checked_rooms(&mut self) -> Result<(Option<Capacity>, Vec<NamedCapacity>), Vec<Notice>> {
        let capacity = self.capacity.take().map(|stated| self.checked_room("/capacity", stated)).transpose()?;
        let mut stated = std::mem::take(&mut self.rooms);
        if stated.len() > MOST_ROOMS {
            self.too_many_rooms();
            stated.truncate(MOST_ROOMS);
        }
        let mut rooms = Vec::with_capacity(stated.len());
        for (key, stated) in stated {
            let capacity = self.checked_room(&format!("/capacities/{key}"), stated)?;
            rooms.push(NamedCapacity { key, capacity });
        }
        Ok((capacity, rooms))
    }

    fn checked_room(&mut self, field: &str, mut stated: Value) -> Result<Capacity, Vec<Notice>> {
        let (capacity, removed) = schema::mend::<Capacity>(&mut stated)?;
        for (notice, part) in removed {
            let field = format!("{field}{}", notice.field);
            self.keep(format!("{UNFIT}{}", field.trim_start_matches('/')), part);
            self.notices.push(Notice { field, ..notice });
        }
        Ok(capacity)
    }
}

/// Makes one area in words of those that are more than a service may have. Without them somebody from there would be taken for somebody from
/// elsewhere; that words are no area that can be checked is known.
fn areas_beyond(service: &mut Value) -> Option<(Notice, Value)> {
    const LONGEST: usize = 1_000;
    let areas = service.get_mut("service_areas")?.as_array_mut().filter(|areas| areas.len() > MOST_AREAS)?;
    let others = areas.split_off(MOST_AREAS - 1);
    let names: Vec<&str> = others.iter().filter_map(|area| area.get("value")?.as_str()).collect();
    let words: String = format!("and {} more: {}", others.len(), names.join(", ")).chars().take(LONGEST).collect();
    areas.push(json!({ "kind": "text", "value": words }));
    let told = format!("the first {} are taken, and the others as words", MOST_AREAS - 1);
    Some((Notice::new("too_many", "/service_areas", told), Value::Array(others)))
}

/// Lays a stated field over the service: objects field by field, anything else as a whole.
pub fn merge(service: &mut Value, name: &str, stated: Value) {
    let Value::Object(fields) = service else { return };
    match (fields.get_mut(name), stated) {
        (Some(known @ Value::Object(_)), Value::Object(parts)) => {
            for (name, part) in parts {
                merge(known, &name, part);
            }
        }
        (_, Value::Null) => {}
        (_, stated) => {
            fields.insert(name.to_owned(), stated);
        }
    }
}

/// A value without its empty parts; `None` where nothing is left.
pub fn substance(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => text::plain(&text).map(Value::String),
        Value::Array(items) => {
            let items: Vec<Value> = items.into_iter().filter_map(substance).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(fields) => {
            let fields: Map<String, Value> = fields.into_iter().filter_map(|(name, part)| Some((name, substance(part)?))).collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        other => Some(other),
    }
}

/// True for a place that says nothing.
pub fn is_empty_place(place: &Place) -> bool {
    *place == Place::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_record_says_without_end_some_is_kept_and_told() {
        let mut draft = Draft::new(&Mapping::hsds("test")).unwrap();
        for number in 0..1_500 {
            draft.keep_told("not_understood", "addresses", json!(number));
            draft.keep("addresses", json!(7));
        }
        let kept = draft.leftovers["addresses"].as_array().unwrap();
        assert_eq!((kept.len(), &kept[0], &kept[999]), (1_000, &json!(0), &json!(999)));
        assert_eq!((draft.notices.len(), draft.notices[200].code), (201, "more_notices"));
    }
}
