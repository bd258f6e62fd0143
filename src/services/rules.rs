//! Rules between the fields of a service, its capacity and a search, beyond what the published schema says.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use validator::{Validate, ValidationError, ValidationErrors};

use super::capacity::api::CapacityLine;
use super::model::{AreaKind, Capacity, Schedule, ServiceInput};
use super::schedule;
use super::search::ServiceQuery;
use crate::error::{Error, Fault, Result};
use crate::http::json;
use crate::types::{DateSpan, Point, find_domain};

/// Different rules of one body of which the days have to be counted. Each costs time, and none is known to need more than two.
const MOST_EXPANSIONS: usize = 10;
/// The bytes of the largest service as JSON: one with five hundred places, each with its address, telephone and opening times, has fewer.
/// Whoever reads the journal, or matches, may have hundreds of services in memory.
pub const LARGEST: usize = 1 << 20;
/// The most values of what its source says beyond our fields, those that stand in others counted too: in memory each may take sixty times
/// as much as it has as text, and so many some 15 MiB. Records of real directories have some hundreds, one of three hundred places some
/// fifteen thousand.
pub const MOST_VALUES: usize = 30_000;

impl Validate for ServiceInput {
    fn validate(&self) -> Result<(), ValidationErrors> {
        let mut faults = Faults::default();
        faults.check_domains(self);
        faults.check_eligibility(self);
        faults.check_areas(self);
        faults.check_openings(self);
        faults.check_size(self);
        faults.check_unique("/identifiers", self.identifiers.iter());
        faults.check_unique("/translations", self.translations.iter().map(|translation| &translation.language));
        for (number, alert) in self.alerts.iter().enumerate() {
            faults.check_span(&format!("/alerts/{number}/shown"), alert.shown);
        }
        faults.end()
    }
}

impl Validate for Capacity {
    fn validate(&self) -> Result<(), ValidationErrors> {
        let mut faults = Faults::default();
        faults.check_capacity("", self);
        faults.end()
    }
}

impl Validate for CapacityLine {
    fn validate(&self) -> Result<(), ValidationErrors> {
        let mut faults = Faults::default();
        if self.service_id.is_some() == self.identifier.is_some() {
            faults.add("/service_id", "one_of", "is required, or `identifier` is, and not both");
        }
        faults.check_capacity("/capacity", &self.capacity);
        faults.end()
    }
}

impl Validate for ServiceQuery {
    fn validate(&self) -> Result<(), ValidationErrors> {
        Faults(self.faults().into_iter().map(|fault| Fault { pointer: format!("/{}", fault.pointer), ..fault }).collect()).end()
    }
}

/// What is wrong with a body, as far as it has been looked at.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, pointer: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.0.push(Fault::new(pointer, code, message));
    }

    /// All of them, as a validation tells them.
    pub fn end(self) -> Result<(), ValidationErrors> {
        let mut errors = ValidationErrors::new();
        for Fault { pointer, code, message } in self.0 {
            let mut error = ValidationError::new("").with_message(message.into());
            error.code = code;
            error.add_param("pointer".into(), &pointer);
            errors.add("__all__", error);
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn check_capacity(&mut self, at: &str, capacity: &Capacity) {
        for (name, part) in [("available", capacity.available), ("funded", capacity.funded)] {
            if part.zip(capacity.maximum).is_some_and(|(part, maximum)| part > maximum) {
                self.add(format!("{at}/{name}"), "out_of_order", "must not be more than `maximum`");
            }
        }
        if capacity.contradicts_itself() {
            self.add(format!("{at}/available"), "contradictory", capacity.contradiction());
        }
    }

    fn check_domains(&mut self, service: &ServiceInput) {
        for (number, domain) in service.need_domains.iter().enumerate() {
            if find_domain(&domain.code).is_none() && !domain.code.starts_with("x-") {
                self.add(
                    format!("/need_domains/{number}/code"),
                    "unknown_domain",
                    "is neither a need domain nor a local code that begins with x-",
                );
            }
        }
        self.check_unique("/need_domains", service.need_domains.iter().map(|domain| &domain.code));
    }

    fn check_eligibility(&mut self, service: &ServiceInput) {
        if let (Some(least), Some(most)) = (service.eligibility.min_age, service.eligibility.max_age)
            && most < least
        {
            self.add("/eligibility/max_age", "out_of_order", "must not be less than `min_age`");
        }
    }

    fn check_areas(&mut self, service: &ServiceInput) {
        for (number, area) in service.service_areas.iter().enumerate().filter(|(_, area)| area.kind == AreaKind::Polygon) {
            let corners: HashSet<[u64; 2]> =
                area.ring.iter().map(|Point { latitude, longitude }| [latitude.to_bits(), longitude.to_bits()]).collect();
            if corners.len() < 3 {
                self.add(format!("/service_areas/{number}/ring"), "too_few", "must have at least three different points");
            }
        }
    }

    fn check_openings(&mut self, service: &ServiceInput) {
        let places = service.places.iter().enumerate();
        let of_places = places.flat_map(|(place, value)| numbered(format!("/places/{place}/schedules"), &value.schedules));
        self.check_schedules(numbered("/schedules".into(), &service.schedules).chain(of_places));
    }

    /// Looks at all schedules of a body, each at its pointer.
    pub fn check_schedules<'s>(&mut self, schedules: impl Iterator<Item = (String, &'s Schedule)>) {
        let mut known: HashMap<_, Vec<Fault>> = HashMap::new();
        let mut expansions = 0;
        for (pointer, schedule) in schedules {
            self.check_span(&format!("{pointer}/valid"), schedule.valid);
            let Schedule { rrule, starts_on, time_zone, valid, .. } = schedule;
            let faults = known.entry((rrule, starts_on, time_zone, valid.from)).or_insert_with(|| {
                if expansions >= MOST_EXPANSIONS {
                    return vec![Fault::new("/rrule", "too_many", format!("is one of more than {MOST_EXPANSIONS} unusual rules"))];
                }
                let (faults, is_expanded) = schedule::check(schedule);
                expansions += usize::from(is_expanded);
                faults
            });
            self.0.extend(faults.iter().map(|fault| Fault { pointer: format!("{pointer}{}", fault.pointer), ..fault.clone() }));
        }
    }

    fn check_size(&mut self, service: &ServiceInput) {
        self.0.extend(too_long(service));
    }

    fn check_span(&mut self, pointer: &str, span: DateSpan) {
        if let (Some(from), Some(until)) = (span.from, span.until)
            && until < from
        {
            self.add(format!("{pointer}/until"), "out_of_order", "must not be before `from`");
        }
    }

    fn check_unique<T: Eq + Hash>(&mut self, pointer: &str, values: impl Iterator<Item = T>) {
        let mut seen = HashSet::new();
        for (number, value) in values.enumerate() {
            if !seen.insert(value) {
                self.add(format!("{pointer}/{number}"), "not_unique", "must not be given twice");
            }
        }
    }
}

/// What is wrong with the bytes of a service as a whole, if anything is.
pub fn too_long(service: &ServiceInput) -> Option<Fault> {
    let message = || format!("must have at most {LARGEST} bytes as JSON, with `null` for what is not known");
    (json::length(service) > LARGEST).then(|| Fault::new("", "too_long", message()))
}

/// What is wrong with how many values its source says of a service beyond our fields, if anything is. It is asked only of what changes them:
/// whoever writes the rest of a service that was kept with more writes the same again.
pub fn too_many_values(service: &ServiceInput) -> Option<Fault> {
    let message = || format!("must have at most {MOST_VALUES} values, those that stand in lists and objects counted too");
    let values: usize = service.source_fields.values().map(json::values).sum();
    (values > MOST_VALUES).then(|| Fault::new("/source_fields", "too_many", message()))
}

/// Fails where what is written of a service says too much beyond our fields, and something else than is there, where it is.
pub fn ensure_few_values(current: Option<&ServiceInput>, input: &ServiceInput) -> Result<()> {
    let is_changed = current.is_none_or(|current| current.source_fields != input.source_fields);
    too_many_values(input).filter(|_| is_changed).map_or(Ok(()), |fault| Err(Error::Invalid(vec![fault])))
}

/// Schedules with the pointer of each in the list at a pointer.
pub fn numbered(pointer: String, schedules: &[Schedule]) -> impl Iterator<Item = (String, &Schedule)> {
    schedules.iter().enumerate().map(move |(number, schedule)| (format!("{pointer}/{number}"), schedule))
}
