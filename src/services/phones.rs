//! The telephone numbers of a service, each in the country that it belongs to.

use phonenumber::country::Id;

use super::model::ServiceInput;
use crate::phones;
use crate::types::{Address, Phone};

/// The country of a number that names none, where no address does either.
const HOME: Id = Id::CA;

/// Fills in E.164 numbers and extensions where the originals can be understood; what the source has stays as it is.
pub(super) fn complete(service: &mut ServiceInput) {
    let country_of = |address: Option<&Address>| phones::country(address?.country.as_deref()?);
    let home = service.places.iter().find_map(|place| country_of(place.address.as_ref())).unwrap_or(HOME);
    for place in &mut service.places {
        let country = country_of(place.address.as_ref()).unwrap_or(home);
        place.phones.iter_mut().for_each(|phone| complete_one(phone, country));
    }
    let contacts = service.contacts.iter_mut().flat_map(|contact| &mut contact.phones);
    service.phones.iter_mut().chain(contacts).for_each(|phone| complete_one(phone, home));
}

fn complete_one(phone: &mut Phone, country: Id) {
    if phone.number.is_some() {
        return;
    }
    if let Some(read) = phones::read(&phone.original, Some(country)) {
        phone.number = Some(read.e164);
        phone.extension = phone.extension.take().or(read.extension);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_understood_in_the_country_of_the_place() {
        let mut service: ServiceInput = serde_json::from_value(json!({
            "name": "Hall",
            "phones": [
                {"original": "250-555-0142"}, {"original": "+44 20 7946 0018"}, {"original": "see web site"}, {"original": "211"},
                {"original": "310-6789"}, {"original": "861-5555"},
            ],
            "contacts": [{"phones": [{"original": "(604) 555-0199 ext. 204"}, {"original": "x", "number": "+16045550100"}]}],
            "places": [{"address": {"country": "GB"}, "phones": [{"original": "020 7946 0018"}]}],
        }))
        .unwrap();
        service.places.push(serde_json::from_value(json!({"phones": [{"original": "020 7946 0019"}]})).unwrap());
        service.places.rotate_left(0);
        complete(&mut service);
        let place = |number: usize| service.places[number].phones[0].number.as_deref();
        assert_eq!((place(0), place(1)), (Some("+442079460018"), Some("+442079460019")));
        service.places.clear();
        service.phones.iter_mut().for_each(|phone| phone.number = None);
        service.contacts[0].phones[0].number = None;
        complete(&mut service);
        let numbers: Vec<_> = service.phones.iter().map(|phone| phone.number.as_deref()).collect();
        assert_eq!(numbers, [Some("+12505550142"), Some("+442079460018"), None, None, None, None]);
        let contact = &service.contacts[0].phones;
        assert_eq!((contact[0].number.as_deref(), contact[0].extension.as_deref()), (Some("+16045550199"), Some("204")));
        assert_eq!(contact[1].number.as_deref(), Some("+16045550100"), "what was given is kept");
    }
}
