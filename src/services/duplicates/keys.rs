//! What records of one service have in common, as keys that are the same where it is.

use crate::services::model::ServiceInput;
use crate::text::bare;
use crate::types::{Phone, Point};

/// Fewer digits are no telephone of one service: 211, a short code.
const FEWEST_DIGITS: usize = 7;

/// The telephones of a service and of its places: the last ten digits, for country codes are written or not.
pub fn lines(service: &ServiceInput) -> impl Iterator<Item = String> + '_ {
    let phones = service.phones.iter().chain(service.places.iter().flat_map(|place| &place.phones));
    phones.map(digits).filter(|digits| digits.len() >= FEWEST_DIGITS)
}

fn digits(phone: &Phone) -> String {
    let digits: Vec<char> = phone.number.as_deref().unwrap_or(&phone.original).chars().filter(char::is_ascii_digit).collect();
    digits.iter().skip(digits.len().saturating_sub(10)).collect()
}

/// The organization that gives a service: its id, else its name however it is pointed.
pub fn provider(service: &ServiceInput) -> Option<String> {
    let id = service.provider_id.map(|id| id.to_string());
    id.or_else(|| service.provider_name.as_deref().map(bare).filter(|name| !name.is_empty()))
}

/// A point to about ten metres.
pub fn spot(point: Point) -> String {
    format!("{:.4},{:.4}", point.latitude, point.longitude)
}
