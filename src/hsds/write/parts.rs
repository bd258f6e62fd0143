//! What hangs on services and on those who give them, and where services are given.

use serde_json::json;
use uuid::Uuid;

use super::{filled, of_email};
use crate::hsds::ids;
use crate::hsds::model::{
    Accessibility, AccessibilityExtra, Address, Contact, ContactExtra, Language, LanguageExtra, Location, LocationExtra, Phone, PhoneExtra,
    ServiceArea, ServiceAreaExtra,
};
use crate::languages;
use crate::services::model::{self, AreaKind};
use crate::types::{self, PhoneKind};

pub(super) fn phones(phones: &[types::Phone], of: Uuid) -> Vec<Phone> {
    let kind = |kind| match kind {
        PhoneKind::Voice => "voice",
        PhoneKind::Text => "text",
        PhoneKind::Mobile => "cell",
        PhoneKind::Fax => "fax",
        PhoneKind::Tty => "textphone",
    };
    let row = |(number, phone): (usize, &types::Phone)| {
        let extension = phone.extension.as_deref().and_then(|text| text.parse().ok().filter(|number: &u64| number.to_string() == text));
        Phone {
            id: ids::part(of, "phone", number),
            number: Some(phone.original.clone()),
            extension,
            kind: phone.kind.map(|of| kind(of).into()),
            description: phone.note.clone(),
            kith: filled(PhoneExtra {
                number: phone.number.clone(),
                extension: phone.extension.clone().filter(|_| extension.is_none()),
                ..PhoneExtra::default()
            }),
            ..Phone::default()
        }
    };
    phones.iter().enumerate().map(row).collect()
}

pub(super) fn of_contact(contact: &model::Contact, of: Uuid, number: usize) -> Contact {
    let id = ids::part(of, "contact", number);
    let (email, other) = of_email(contact.email.as_ref());
    Contact {
        id,
        name: contact.name.clone(),
        title: contact.role.clone(),
        email,
        phones: phones(&contact.phones, id),
        kith: filled(ContactExtra { email: other, ..ContactExtra::default() }),
        ..Contact::default()
    }
}

pub(super) fn language(tag: &str, note: Option<&String>, of: Uuid, number: usize) -> Language {
    let code = languages::code(tag);
    Language {
        id: ids::part(of, "language", number),
        name: Some(languages::name(tag).0.to_owned()),
        note: note.cloned(),
        kith: (code != tag).then(|| LanguageExtra { language: Some(tag.to_owned()), ..LanguageExtra::default() }),
        code: Some(code.into_owned()),
        ..Language::default()
    }
}

pub(super) fn of_area(area: &model::ServiceArea, of: Uuid, number: usize) -> ServiceArea {
    let ring: Vec<[f64; 2]> = area.ring.iter().map(|point| [point.longitude, point.latitude]).collect();
    let has_extent = !ring.is_empty();
    ServiceArea {
        id: ids::part(of, "service_area", number),
        name: Some(area.value.clone()),
        extent: has_extent.then(|| json!({ "type": "Polygon", "coordinates": [ring] }).to_string()),
        extent_type: has_extent.then(|| "geojson".into()),
        kith: (area.kind != AreaKind::Text).then(|| ServiceAreaExtra { kind: Some(area.kind), ..ServiceAreaExtra::default() }),
        ..ServiceArea::default()
    }
}

/// What is accessible, in words.
const fn accessibility_in_words(code: model::Accessibility) -> &'static str {
    use model::Accessibility as Code;
    match code {
        Code::Wheelchair => "Wheelchair accessible",
        Code::AccessibleWashroom => "Accessible washroom",
        Code::AccessibleParking => "Accessible parking",
        Code::Elevator => "Elevator",
        Code::HearingLoop => "Hearing loop",
        Code::SignLanguage => "Sign language",
        Code::LargePrint => "Braille or large print",
        Code::LowSensory => "Quiet, low stimulus",
        Code::CognitiveSupport => "Help for people with a cognitive impairment or dementia",
        Code::ServiceAnimals => "Service animals welcome",
        Code::ScentFree => "Scent-free",
    }
}

/// Stands between what several rows say of what is accessible, in the one text that Kith has of it: a row may have several lines.
pub const BETWEEN_ROWS: &str = "\n\n";

/// What each row says. A text that several rows would not give again as it is stands in one.
fn rows_of(text: &str) -> Vec<&str> {
    let rows: Vec<&str> = text.split(BETWEEN_ROWS).collect();
    if rows.iter().all(|row| !row.is_empty() && row.trim() == *row) { rows } else { vec![text] }
}

pub(super) fn location(place: &model::Place, id: Uuid) -> Location {
    let codes = place.accessibility.iter().map(|code| Accessibility {
        description: Some(accessibility_in_words(*code).into()),
        kith: Some(AccessibilityExtra { code: Some(*code), ..AccessibilityExtra::default() }),
        ..Accessibility::default()
    });
    let words = place.accessibility_text.iter().flat_map(|text| rows_of(text));
    let words = words.map(|row| Accessibility { description: Some(row.to_owned()), ..Accessibility::default() });
    let rows = codes.chain(words).enumerate();
    let key = match place.identifiers.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    };
    let extra = LocationExtra {
        point_precision: place.point_precision,
        transit: place.transit.clone(),
        identifiers: if key.is_none() { place.identifiers.clone() } else { vec![] },
        ..LocationExtra::default()
    };
    Location {
        id,
        location_type: Some("physical".into()),
        name: place.name.clone(),
        transportation: place.transit.as_ref().and_then(|transit| transit.nearest_stop.clone()),
        latitude: place.point.map(|point| point.latitude),
        longitude: place.point.map(|point| point.longitude),
        external_identifier: key.as_ref().map(|key| key.value.clone()),
        external_identifier_type: key.map(|key| key.system),
        languages: place.languages.iter().enumerate().map(|(number, tag)| language(tag, None, id, number)).collect(),
        addresses: place.address.as_ref().and_then(|address| of_address(address, id)).into_iter().collect(),
        accessibility: rows.map(|(number, row)| Accessibility { id: ids::part(id, "accessibility", number), ..row }).collect(),
        kith: filled(extra),
        ..Location::default()
    }
}

/// An address; the standard wants all its parts, and what is not known is empty.
fn of_address(address: &types::Address, of: Uuid) -> Option<Address> {
    if *address == types::Address::default() {
        return None;
    }
    let known = |part: &Option<String>| Some(part.clone().unwrap_or_default());
    Some(Address {
        id: ids::part(of, "address", 0),
        address_1: known(&address.line1),
        address_2: address.line2.clone(),
        city: known(&address.city),
        state_province: known(&address.region),
        postal_code: known(&address.postal_code),
        country: known(&address.country),
        address_type: Some("physical".into()),
        ..Address::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accessible_is_as_many_rows_as_give_the_same_text_again() {
        for (text, count) in [
            ("Ramp at the side door", 1),
            ("Ramp at the side door\nRing the bell", 1),
            ("Ramp\n\nWide doors\nand no steps", 2),
            ("Ramp\n\n\n\nWide doors", 1),
            ("Ramp\n\n", 1),
            ("Ramp\n\n Wide doors", 1),
        ] {
            let place = model::Place { accessibility_text: Some(text.to_owned()), ..model::Place::default() };
            let rows: Vec<String> = location(&place, Uuid::nil()).accessibility.into_iter().filter_map(|row| row.description).collect();
            assert_eq!((rows.len(), rows.join(BETWEEN_ROWS).as_str()), (count, text));
        }
    }
}
