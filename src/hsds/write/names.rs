//! What our records are called among their like, once they are written: by that the rest of a source's row finds them again.

use serde::Serialize;
use uuid::Uuid;

use super::{cost_options, language, location, of_area, of_contact, schedules};
use crate::hsds::model::{OrganizationIdentifier, RequiredDocument, ServiceAtLocation, shown};
use crate::hsds::said;
use crate::services::model::{Contact, Cost, CostOption, Place, Schedule, ServiceArea};
use crate::types::{Identifier, Phone};

fn named(table: &str, row: Option<impl Serialize>) -> String {
    let row = row.as_ref().map(shown);
    row.as_ref().and_then(|row| row.as_object()).map(|row| said::name(table, row)).unwrap_or_default()
}

/// A telephone.
pub fn of_phone(phone: &Phone) -> String {
    named("phone", super::phones(std::slice::from_ref(phone), Uuid::nil()).pop())
}

/// Somebody to speak to.
pub fn of_person(contact: &Contact) -> String {
    named("contact", Some(of_contact(contact, Uuid::nil(), 0)))
}

/// Opening times.
pub fn of_schedule(schedule: &Schedule) -> String {
    named("schedule", schedules::of(std::slice::from_ref(schedule), None, Uuid::nil()).pop())
}

/// An area.
pub fn of_service_area(area: &ServiceArea) -> String {
    named("service_area", Some(of_area(area, Uuid::nil(), 0)))
}

/// A language.
pub fn of_language(tag: &str) -> String {
    named("language", Some(language(tag, None, Uuid::nil(), 0)))
}

/// A price.
pub fn of_price(option: &CostOption) -> String {
    named("cost_option", cost_options(&Cost { options: vec![option.clone()], ..Cost::default() }, Uuid::nil()).pop())
}

/// A document to bring.
pub fn of_document(document: &str) -> String {
    named("required_document", Some(RequiredDocument { document: Some(document.to_owned()), ..RequiredDocument::default() }))
}

/// A key in a register.
pub fn of_identifier(identifier: &Identifier) -> String {
    let row = OrganizationIdentifier { identifier: Some(identifier.value.clone()), ..OrganizationIdentifier::default() };
    named("organization_identifier", Some(row))
}

/// A place.
pub fn of_place(place: &Place) -> String {
    let location = Some(location(place, Uuid::nil()));
    named("service_at_location", Some(ServiceAtLocation { location, ..ServiceAtLocation::default() }))
}

/// What is accessible at a place, row for row.
pub fn of_accessibility(place: &Place) -> Vec<String> {
    location(place, Uuid::nil()).accessibility.into_iter().map(|row| named("accessibility", Some(row))).collect()
}

/// A term, or the need of a domain, by its taxonomy and code.
pub fn of_term(taxonomy: &str, code: &str) -> String {
    format!("{taxonomy}|{code}")
}
