//! Records of any shape, read by the rules of a [`mapping`](super::mapping).

mod hours;
pub mod values;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use self::values::Found;
pub use self::values::date;
use super::draft::{Draft, Unfit, is_empty_place};
use super::mapping::{Mapping, Rule};
use super::text::{self, address, cost, eligibility, languages};
use super::{Notice, Provider, keys};
use crate::services::model::{CostKind, Place, PointPrecision, ServiceLanguage, ServiceStatus, TaxonomyTerm};
use crate::services::model::{ServiceInput, ServiceTranslation};
use crate::types::{Identifier, Phone, Point};

/// Targets that are read with care, beside the fields of the API.
const READ: &[&str] = &["address", "point", "latitude", "longitude", "hours", "weekly_hours", "fees", "eligibility", "documents"];

static SERVICE_TARGETS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let blank: Option<ServiceInput> = serde_json::from_str(r#"{"name":""}"#).ok();
    fields(blank.and_then(|blank| serde_json::to_value(blank).ok()))
});
static PLACE_TARGETS: LazyLock<BTreeSet<String>> = LazyLock::new(|| fields(serde_json::to_value(Place::default()).ok()));

fn fields(skeleton: Option<Value>) -> BTreeSet<String> {
    let mut targets: BTreeSet<String> = READ.iter().map(|target| (*target).to_owned()).collect();
    if let Some(Value::Object(fields)) = skeleton {
        for (name, value) in fields {
            if let Value::Object(inner) = &value {
                targets.extend(inner.keys().map(|inner| format!("{name}.{inner}")));
            }
            targets.insert(name);
        }
    }
    targets
}

/// The targets that `[service]` may name.
pub fn service_targets() -> &'static BTreeSet<String> {
    &SERVICE_TARGETS
}

/// The targets that `[place]` may name.
pub fn place_targets() -> &'static BTreeSet<String> {
    &PLACE_TARGETS
}

/// One record on its way through the rules.
struct Reading<'a> {
    mapping: &'a Mapping,
    record: &'a Value,
    outer: &'a Value,
    draft: Draft,
}

/// Reads a record. `outer` is the value that encloses it, or the record itself.
pub fn draft(mapping: &Mapping, record: &Value, outer: &Value) -> Result<Draft, Unfit> {
    let Value::Object(fields) = record else {
        return Err(Notice::new("not_a_record", "", "the record is no object").into());
    };
    let draft = Draft::new(mapping).ok_or_else(|| Notice::new("not_valid", "", "no blank service"))?;
    let mut reading = Reading { mapping, record, outer, draft };
    reading.draft.key = reading.key();
    reading.plain_fields();
    reading.contact();
    let place = reading.place();
    reading.hours(place.as_ref().and_then(|place| place.address.as_ref()).and_then(|address| address.region.as_deref()).map(str::to_owned));
    reading.cost_and_eligibility();
    reading.languages();
    reading.categories();
    reading.translations();
    reading.provider();
    if let Some(mut place) = place {
        reading.place_details(&mut place);
        if !is_empty_place(&place) {
            reading.draft.service.places.push(place);
        }
    }
    let mut draft = reading.draft;
    for (name, value) in fields {
        if !mapping.uses(name) {
            draft.keep(name.as_str(), value.clone());
        }
    }
    if draft.service.name.is_empty() {
        return Err(Unfit { key: draft.key, reason: Notice::new("name_missing", "name", "the record has no name") });
    }
    draft.identity = vec![draft.service.name.clone()];
    Ok(draft)
}

impl Reading<'_> {
    fn key(&self) -> Option<String> {
        let parts: Option<Vec<String>> =
            self.mapping.key.all().iter().map(|path| path.find(self.record, self.outer).and_then(values::text)).collect();
        parts.filter(|parts| !parts.is_empty()).map(|parts| parts.join("/"))
    }

    fn service(&mut self, target: &str) -> Option<Found> {
        values::first(self.mapping.service.get(target)?, self.record, self.outer, &mut self.draft)
    }

    fn service_text(&mut self, target: &str) -> Option<(String, String)> {
        let found = self.service(target)?;
        let text = self.draft.text(&found.field, &values::text(&found.value)?)?;
        Some((found.field, text))
    }

    /// Fields that are taken as they come: into the service by their name.
    fn plain_fields(&mut self) {
        const CAREFUL: &[&str] = &["name", "description", "phones", "email", "url", "languages", "status"];
        if let Some((_, name)) = self.service_text("name") {
            self.draft.service.name = name;
        }
        if let Some((_, description)) = self.service_text("description") {
            self.draft.service.description = Some(description);
        }
        let mapping = self.mapping;
        for (target, rule) in
            mapping.service.iter().filter(|(target, _)| !CAREFUL.contains(&target.as_str()) && !READ.contains(&target.as_str()))
        {
            if let Some(found) = values::first(rule, self.record, self.outer, &mut self.draft)
                && let Some(value) = self.clean(&found)
            {
                values::set(&mut self.draft.stated, target, value);
            }
        }
        if let Some(found) = self.service("status") {
            match values::text(&found.value).as_deref().and_then(status) {
                Some(status) => self.draft.service.status = status,
                None => {
                    self.draft.notice("status_not_understood", &found.field, "kept in source_fields");
                    self.draft.keep(found.field, found.value);
                }
            }
        }
    }

    fn clean(&mut self, found: &Found) -> Option<Value> {
        match &found.value {
            Value::String(text) => self.draft.text(&found.field, text).map(Value::String),
            other => super::draft::substance(other.clone()),
        }
    }

    fn contact(&mut self) {
        self.draft.service.phones = self.phones(self.mapping.service.get("phones"));
        if let Some((field, text)) = self.service_text("email") {
            self.draft.service.email = self.draft.email(&field, &text);
        }
        if let Some((field, text)) = self.service_text("url") {
            self.draft.service.url = self.draft.url(&field, &text);
        }
    }

    fn phones(&mut self, rule: Option<&Rule>) -> Vec<Phone> {
        let Some(rule) = rule else { return Vec::new() };
        let mut all = Vec::new();
        for found in values::all(rule, self.record, self.outer, &mut self.draft) {
            let Some(text) = values::text(&found.value) else { continue };
            let mut read = self.draft.phones(&found.field, &text, &self.mapping.defaults.country);
            for phone in &mut read {
                phone.kind = found.kind.or(phone.kind);
            }
            all.extend(read);
        }
        all
    }

    /// The place of the record; `None` where it says that it has none.
    fn place(&mut self) -> Option<Place> {
        let mapping = self.mapping;
        let areas = self.scope();
        let rule = mapping.place.get("address").or_else(|| mapping.service.get("address"));
        let written = rule.and_then(|rule| values::first(rule, self.record, self.outer, &mut self.draft));
        let field = written.as_ref().map_or("address", |found| found.field.as_str()).to_owned();
        let text = written.and_then(|found| values::text(&found.value)).and_then(|text| self.draft.text(&field, &text));
        let point = self.point();
        if !areas.is_empty() {
            // The address of a service for a whole province is where its office stands, not where one goes.
            if text.is_some() || point.is_some() {
                self.draft.notice("office_is_no_place", &field, "the record reaches beyond its address, which is kept in source_fields");
            }
            let modes = text.as_deref().map(|text| address::read(text, None, &mapping.defaults.country).modes).unwrap_or_default();
            self.draft.service.delivery_modes.extend(modes);
            self.draft.service.service_areas = areas;
            self.keep_text(&field, text);
            self.keep_point(point);
            return None;
        }
        let mut place = Place { point: point.and_then(|point| sound_point(point, mapping, &mut self.draft)), ..Place::default() };
        let Some(text) = text else { return Some(place) };
        let read = address::read(&text, mapping.defaults.region.as_deref(), &mapping.defaults.country);
        self.draft.service.service_areas.extend(read.areas);
        self.draft.service.delivery_modes.extend(read.modes);
        if let Some(remark) = read.remark {
            self.draft.keep(format!("{field}.remark"), Value::String(remark));
        }
        match read.unlike {
            None => place.address = read.address,
            Some(code @ "address_not_understood") => {
                self.draft.notice(code, &field, "kept in source_fields");
                self.keep_text(&field, Some(text));
                place.address = read.address;
                if place.point.is_some() && place.address.is_none() {
                    place.point_precision = Some(PointPrecision::Area);
                }
            }
            Some(code) => {
                if place.point.is_some() {
                    self.draft.notice("point_ignored", &field, "the address is no place to go to, so its point is none either");
                }
                self.draft.notice(code, &field, "kept in source_fields");
                self.keep_text(&field, Some(text));
                self.keep_point(place.point);
                return None;
            }
        }
        Some(place)
    }

    fn keep_text(&mut self, field: &str, text: Option<String>) {
        if let Some(text) = text {
            self.draft.keep(field, Value::String(text));
        }
    }

    fn keep_point(&mut self, point: Option<Point>) {
        if let Some(point) = point {
            self.draft.keep("point", serde_json::to_value(point).unwrap_or_default());
        }
    }

    fn scope(&mut self) -> Vec<crate::services::model::ServiceArea> {
        let Some(scope) = &self.mapping.scope else { return Vec::new() };
        let named = scope.from.find(self.record, self.outer).and_then(values::text);
        let names = named.and_then(|named| scope.areas.get(&named));
        names.into_iter().flatten().map(|name| address::area(name)).collect()
    }

    fn point(&mut self) -> Option<Point> {
        let number = |found: &Found| values::text(&found.value).and_then(|text| text.trim().parse::<f64>().ok());
        let rule = |target: &str| self.mapping.place.get(target).or_else(|| self.mapping.service.get(target));
        let (point, latitude, longitude) = (rule("point"), rule("latitude"), rule("longitude"));
        let mut take = |rule: Option<&Rule>| rule.and_then(|rule| values::first(rule, self.record, self.outer, &mut self.draft));
        if let Some(found) = take(point) {
            let point = serde_json::from_value(found.value.clone()).ok();
            if point.is_none() {
                self.draft.keep_told("point_not_understood", found.field, found.value);
            }
            return point;
        }
        let (latitude, longitude) = (take(latitude)?, take(longitude)?);
        let point = number(&latitude).zip(number(&longitude)).map(|(latitude, longitude)| Point { latitude, longitude });
        if point.is_none() {
            self.draft.keep_told("point_not_understood", latitude.field, latitude.value);
            self.draft.keep_told("point_not_understood", longitude.field, longitude.value);
        }
        point
    }

    fn place_details(&mut self, place: &mut Place) {
        let mapping = self.mapping;
        place.phones = self.phones(mapping.place.get("phones"));
        if let Some(rule) = mapping.place.get("languages") {
            let found = values::first(rule, self.record, self.outer, &mut self.draft);
            place.languages = found.map(|found| self.tags(found)).unwrap_or_default();
        }
        for (target, rule) in &mapping.place {
            let is_text = matches!(target.as_str(), "name" | "accessibility_text");
            if let Some(found) = is_text.then(|| values::first(rule, self.record, self.outer, &mut self.draft)).flatten() {
                let text = values::text(&found.value).and_then(|text| self.draft.text(&found.field, &text));
                if target == "name" { place.name = text } else { place.accessibility_text = text }
            }
        }
        if mapping.group.is_some()
            && let Some(key) = &self.draft.key
        {
            place.identifiers.push(Identifier { system: mapping.source.clone(), value: super::keys::fitted(key) });
        }
    }

    fn cost_and_eligibility(&mut self) {
        if let Some((_, text)) = self.service_text("fees") {
            self.draft.service.cost.kind = cost::kind(&text);
            self.draft.service.cost.text = Some(text);
        } else if let Some(said) = self.draft.service.description.as_deref().and_then(cost::free_in_description) {
            self.draft.service.cost.kind = Some(CostKind::Free);
            self.draft.service.cost.text = Some(said);
        }
        if let Some((_, text)) = self.service_text("eligibility") {
            let (included, excluded) = eligibility::parts(&text);
            self.ages(included.as_deref().and_then(eligibility::ages));
            let stated = &mut self.draft.service.eligibility;
            (stated.text, stated.exclusions) = (included, excluded);
        } else if let Some(description) = &self.draft.service.description {
            self.ages(eligibility::ages_of_description(description));
        }
        if let Some((field, text)) = self.service_text("documents") {
            let documents = eligibility::documents(&text);
            if documents.iter().any(|document| document.len() > 300) {
                self.draft.notice("documents_not_understood", &field, "kept in source_fields");
                self.keep_text(&field, Some(text));
            } else {
                self.draft.service.eligibility.documents_required = documents;
            }
        }
    }

    fn ages(&mut self, ages: Option<eligibility::Ages>) {
        if let Some(ages) = ages {
            self.draft.service.eligibility.min_age = ages.min;
            self.draft.service.eligibility.max_age = ages.max;
        }
    }

    fn languages(&mut self) {
        if let Some(found) = self.service("languages") {
            let tags = self.tags(found);
            self.draft.service.languages =
                tags.into_iter().map(|language| ServiceLanguage { language, by_interpreter: false, note: None }).collect();
        }
    }

    fn tags(&mut self, found: Found) -> Vec<String> {
        let names: Vec<String> = match &found.value {
            Value::Array(items) => items.iter().filter_map(values::text).collect(),
            value => values::text(value).into_iter().collect(),
        };
        let (tags, unknown) = languages::list(&names.join(";"));
        if !unknown.is_empty() {
            self.draft.notice("language_not_understood", &found.field, unknown.join(", "));
            self.draft.keep(found.field, found.value);
        }
        tags
    }

    fn categories(&mut self) {
        let categories = &self.mapping.categories;
        for path in categories.from.all() {
            let names: Vec<String> = match path.find(self.record, self.outer) {
                Some(Value::Array(items)) => items.iter().filter_map(values::text).collect(),
                Some(value) => values::text(value).into_iter().collect(),
                None => continue,
            };
            for name in names {
                for population in categories.populations.get(&name).into_iter().flatten() {
                    self.draft.service.attributes.populations_served.push(population.clone());
                }
                let taxonomy = self.mapping.source.clone();
                self.draft.service.taxonomy_terms.push(TaxonomyTerm { taxonomy, code: name.clone(), label: None, uri: None });
                self.draft.categories.push(name);
            }
        }
    }

    fn translations(&mut self) {
        let mapping = self.mapping;
        for (language, rules) in &mapping.translations {
            let mut translation = ServiceTranslation { language: language.clone(), ..ServiceTranslation::default() };
            for (target, rule) in rules {
                let Some(found) = values::first(rule, self.record, self.outer, &mut self.draft) else { continue };
                let Some(text) = values::text(&found.value).and_then(|text| self.draft.text(&found.field, &text)) else { continue };
                if text.starts_with('[') {
                    self.draft.notice("translation_unfinished", &found.field, "marked as a translation in progress; left out");
                    continue;
                }
                let (original, place) = match target.as_str() {
                    "name" => (Some(&self.draft.service.name), &mut translation.name),
                    "description" => (self.draft.service.description.as_ref(), &mut translation.description),
                    "eligibility" => (self.draft.service.eligibility.text.as_ref(), &mut translation.eligibility),
                    "application_process" => (None, &mut translation.application_process),
                    "cost" => (self.draft.service.cost.text.as_ref(), &mut translation.cost),
                    _ => (self.draft.service.hours_text.as_ref(), &mut translation.hours),
                };
                // The same words again are no translation.
                if original != Some(&text) || target == "name" {
                    *place = Some(text);
                }
            }
            if translation != (ServiceTranslation { language: language.clone(), ..ServiceTranslation::default() }) {
                self.draft.service.translations.push(translation);
            }
        }
    }

    fn provider(&mut self) {
        let rules = &self.mapping.provider;
        let mut text = |target: &str| {
            let found = values::first(rules.get(target)?, self.record, self.outer, &mut self.draft)?;
            text::plain(&values::text(&found.value)?)
        };
        let Some(whole) = text("name") else { return };
        let key = keys::fitted(&text("key").unwrap_or_else(|| text::slug(&whole)));
        let (description, url, email) = (text("description"), text("url"), text("email"));
        let name = keys::fitted_name(&whole);
        if name != whole {
            self.draft.keep_told("name_cut", "provider.name", Value::String(whole));
        }
        self.draft.service.provider_name = Some(name.clone());
        self.draft.provider = Some(Provider { key, name, description, url, email, ..Provider::default() });
    }
}

/// The status that a word of a directory stands for.
pub fn status(text: &str) -> Option<ServiceStatus> {
    Some(match text::fold(text).trim() {
        "active" | "open" | "actif" => ServiceStatus::Active,
        "inactive" | "inactif" => ServiceStatus::Inactive,
        "defunct" | "permanently closed" | "closed permanently" => ServiceStatus::Defunct,
        "temporarily closed" | "temporarily_closed" | "closed" => ServiceStatus::TemporarilyClosed,
        _ => return None,
    })
}

/// The point, where it lies on the earth and where the source's points can lie.
pub fn sound_point(point: Point, mapping: &Mapping, draft: &mut Draft) -> Option<Point> {
    let is_on_earth = (-90.0..=90.0).contains(&point.latitude) && (-180.0..=180.0).contains(&point.longitude);
    let is_nowhere = point.latitude == 0.0 && point.longitude == 0.0;
    let is_within = mapping
        .points
        .within
        .is_none_or(|[south, west, north, east]| (south..=north).contains(&point.latitude) && (west..=east).contains(&point.longitude));
    if is_on_earth && !is_nowhere && is_within {
        return Some(point);
    }
    draft.notice("point_out_of_bounds", "point", format!("{}, {} cannot be right", point.latitude, point.longitude));
    draft.keep("point", serde_json::to_value(point).unwrap_or_default());
    None
}
