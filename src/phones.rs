//! Telephone numbers in the form that every telephone understands.

use phonenumber::Mode;
use phonenumber::country::Id;

/// A number that can be dialled from everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// E.164: `+12505550142`.
    pub e164: String,
    /// The extension behind it.
    pub extension: Option<String>,
}

/// Fewer digits are dialled as they are and from one country only: 211, 811, 116 123, and the short codes of text messages.
const SHORT: usize = 7;

/// The country of an ISO 3166-1 code.
pub fn country(code: &str) -> Option<Id> {
    code.parse().ok()
}

/// Reads a text that holds one number; one without the country's code belongs to `country`. None where it is no number, or one that is not
/// dialled from everywhere.
pub fn read(text: &str, country: Option<Id>) -> Option<Number> {
    let is_international = text.trim_start().starts_with('+');
    if !is_international && !is_long(text) {
        return None;
    }
    let number = phonenumber::parse(country.filter(|_| !is_international), text).ok()?;
    let e164 = if number.code().value() == NORTH_AMERICA {
        let national = number.national().to_string();
        is_north_american(&national).then(|| format!("+{NORTH_AMERICA}{national}"))?
    } else {
        number.is_valid().then(|| number.format().mode(Mode::E164).to_string())?
    };
    Some(Number { e164, extension: number.extension().map(ToString::to_string) })
}

/// Whether a text has the digits that a number of its own needs. Letters that stand for digits count (`1-800-FLOWERS`), words do not.
fn is_long(text: &str) -> bool {
    let count = |is: fn(&u8) -> bool| text.bytes().filter(is).count();
    let (digits, capitals) = (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase));
    let is_spelled =
        text.trim_start().starts_with(|first: char| first == '(' || first.is_ascii_digit()) && count(u8::is_ascii_lowercase) == 0;
    digits >= SHORT || (is_spelled && digits >= 3 && digits + capitals >= 10)
}

/// The E.164 form of a number; see [`read`].
pub fn e164(text: &str, country: Option<Id>) -> Option<String> {
    read(text, country).map(|number| number.e164)
}

/// The country code that North America shares.
const NORTH_AMERICA: u16 = 1;

/// An area code and seven digits, of which both parts begin with 2 to 9. New area codes come faster than lists of them; none ends in 11,
/// as the short codes do.
fn is_north_american(national: &str) -> bool {
    let digits = national.as_bytes();
    let begins = |place: usize| matches!(digits.get(place), Some(b'2'..=b'9'));
    digits.len() == 10 && digits.iter().all(u8::is_ascii_digit) && begins(0) && begins(3) && national.get(1..3) != Some("11")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_that_can_be_dialled_from_everywhere() {
        for (text, home, expected) in [
            ("(250) 861-5555", "CA", Some("+12508615555")),
            ("250-555-0142", "CA", Some("+12505550142")),
            ("1-888-353-2273", "CA", Some("+18883532273")),
            ("(240) 547-9013", "CA", Some("+12405479013")),
            ("942 555 0142", "CA", Some("+19425550142")),
            (" +1 604 555 0199", "FR", Some("+16045550199")),
            ("+33 1 42 68 53 00", "CA", Some("+33142685300")),
            ("+44 20 7946 0018", "", Some("+442079460018")),
            ("020 7946 0018", "GB", Some("+442079460018")),
            ("01 42 68 53 00", "FR", Some("+33142685300")),
            ("551 2345", "IS", Some("+3545512345")),
            ("1-800-FLOWERS", "CA", Some("+18003569377")),
            ("1 (877) GAY-HELP", "US", Some("+18774294357")),
            // Dialled as they are.
            ("211", "CA", None),
            ("811", "CA", None),
            ("9-8-8", "CA", None),
            ("310-6789", "CA", None),
            ("861-5555", "CA", None),
            ("686868", "CA", None),
            ("112", "FR", None),
            ("116 123", "GB", None),
            // No numbers.
            ("123-456-7890", "CA", None),
            ("+1 123 456 7890", "CA", None),
            ("250-861-55555", "CA", None),
            ("250-861-5555", "", None),
            ("211 WEBSITE", "CA", None),
            ("211 web site 24 hours", "CA", None),
            ("see web site", "CA", None),
            ("ask at the desk", "CA", None),
            ("", "CA", None),
        ] {
            assert_eq!(e164(text, country(home)).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_extension_stands_beside_the_number() {
        for text in ["(604) 555-0199 ext. 204", "604-555-0199 x204"] {
            let number = read(text, country("CA")).unwrap();
            assert_eq!((number.e164.as_str(), number.extension.as_deref()), ("+16045550199", Some("204")), "{text}");
        }
    }
}
