//! Provincial health numbers: read as people write them, kept as ten digits, checked by their check digit.
//!
//! The systems are the URIs of the Canadian URI Registry (Canada Health Infoway, FHIR NamingSystems). A number of another province is
//! taken as it comes.

use crate::types::Identifier;

/// British Columbia's Personal Health Number.
pub const BRITISH_COLUMBIA: &str = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-bc-patient-healthcare-id";
/// Ontario's health card number.
pub const ONTARIO: &str = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn";

/// True for the systems of health numbers, of whichever province: such a number never stands in a URL.
pub fn is_health_number_system(system: &str) -> bool {
    let system = system.trim().to_ascii_lowercase();
    system.starts_with("https://fhir.infoway-inforoute.ca/namingsystem/ca-") && system.contains("-patient-")
}

/// A number without spaces and dashes, and the version code of the card where one was written after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthNumber {
    /// The register's system, in its one form.
    pub system: &'static str,
    /// Ten digits.
    pub number: String,
    /// Ontario's one or two letters, which change with every new card.
    pub version_code: Option<String>,
}

/// The number is not one that the register can have issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a health number that the province can have issued: the check digit does not fit")]
pub struct CheckDigit;

/// Reads an identifier; `None` where its system has no rule here.
pub fn read(identifier: &Identifier) -> Option<Result<HealthNumber, CheckDigit>> {
    match system_of(&identifier.system)? {
        BRITISH_COLUMBIA => Some(british_columbia(&identifier.value)),
        _ => Some(ontario(&identifier.value)),
    }
}

/// The system whose numbers are checked, in its one form: neither case nor stray spaces let a number pass unchecked.
fn system_of(system: &str) -> Option<&'static str> {
    [BRITISH_COLUMBIA, ONTARIO].into_iter().find(|known| system.trim().eq_ignore_ascii_case(known))
}

/// Ten digits of which the first is 9; the last is 11 minus the weighted sum of the eight between, modulo 11, and a number for which
/// that gives 10 or 11 is not issued (BC Ministry of Health, Conformance Standards, "PHN check digit": weights 2 4 8 5 10 9 7 3).
fn british_columbia(text: &str) -> Result<HealthNumber, CheckDigit> {
    const WEIGHTS: [u32; 8] = [2, 4, 8, 5, 10, 9, 7, 3];
    let (digits, letters) = split(text);
    let [9, middle @ .., check] = digits.as_slice() else { return Err(CheckDigit) };
    if middle.len() != WEIGHTS.len() || !letters.is_empty() {
        return Err(CheckDigit);
    }
    let sum: u32 = middle.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    if 11 - sum % 11 == *check {
        Ok(HealthNumber { system: BRITISH_COLUMBIA, number: joined(&digits), version_code: None })
    } else {
        Err(CheckDigit)
    }
}

/// Ten digits with the Luhn check of ISO/IEC 7812-1 annex B, and up to two letters of version code (Ontario Ministry of Health,
/// "Health Card Validation Reference Manual": the number is checked modulus 10).
fn ontario(text: &str) -> Result<HealthNumber, CheckDigit> {
    let (digits, letters) = split(text);
    let is_well_formed = digits.len() == 10 && digits.first() != Some(&0) && letters.len() <= 2;
    let doubled = |(index, digit): (usize, &u32)| {
        let value = if index % 2 == 0 { digit * 2 } else { *digit };
        value / 10 + value % 10
    };
    let sum: u32 = digits.iter().enumerate().map(doubled).sum();
    if !is_well_formed || !sum.is_multiple_of(10) {
        return Err(CheckDigit);
    }
    Ok(HealthNumber { system: ONTARIO, number: joined(&digits), version_code: Some(letters).filter(|letters| !letters.is_empty()) })
}

/// The digits, and the letters after them in upper case. Anything but spaces and dashes between makes the digits unusable.
fn split(text: &str) -> (Vec<u32>, String) {
    let mut digits = Vec::new();
    let mut letters = String::new();
    for character in text.chars().filter(|character| !character.is_whitespace() && !matches!(character, '-' | '‐' | '‑' | '–')) {
        match character.to_digit(10) {
            Some(digit) if letters.is_empty() => digits.push(digit),
            None if character.is_ascii_alphabetic() => letters.push(character.to_ascii_uppercase()),
            _ => return (Vec::new(), String::new()),
        }
    }
    (digits, letters)
}

fn joined(digits: &[u32]) -> String {
    digits.iter().filter_map(|digit| char::from_digit(*digit, 10)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reads(system: &str, value: &str) -> Option<HealthNumber> {
        read(&Identifier { system: system.into(), value: value.into() }).and_then(Result::ok)
    }

    fn number(system: &'static str, text: &str) -> Option<HealthNumber> {
        Some(HealthNumber { system, number: text.into(), version_code: None })
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(reads(BRITISH_COLUMBIA, "9012 372 173"), number(BRITISH_COLUMBIA, "9012372173"));
        assert_eq!(reads(ONTARIO, "9876-543-217"), number(ONTARIO, "9876543217"));
        assert_eq!(reads(&format!(" {}", ONTARIO.to_uppercase()), "9876543217"), number(ONTARIO, "9876543217"));
        let with_version = HealthNumber { system: ONTARIO, number: "9876543217".into(), version_code: Some("JK".into()) };
        assert_eq!(reads(ONTARIO, "9876 543 217 jk"), Some(with_version));
    }

    #[test]
    fn what_no_register_issues_is_refused() {
        for value in ["", "9012372174", "8012372173", "901237217", "90123721733", "9012372173AB", "9O12372173", "9123456789"] {
            assert_eq!(reads(BRITISH_COLUMBIA, value), None, "{value}");
        }
        for value in ["", "9876543218", "987654321", "9876543217ABC", "98765A43217", "0000000000", "+9876543217"] {
            assert_eq!(reads(ONTARIO, value), None, "{value}");
        }
    }

    #[test]
    fn other_systems_have_no_rule_and_health_numbers_of_all_provinces_are_known_as_such() {
        assert_eq!(read(&Identifier { system: "https://emr.example.ca".into(), value: "1".into() }), None);
        assert!(is_health_number_system("https://fhir.infoway-inforoute.ca/NamingSystem/ca-ab-patient-healthcare-id"));
        assert!(!is_health_number_system("https://emr.example.ca"));
    }

    /// The one last digit that makes the first nine a number, if there is one.
    fn completed(system: &str, nine: &str) -> Option<String> {
        (0..10).map(|check| format!("{nine}{check}")).find(|value| reads(system, value).is_some())
    }

    proptest! {
        #[test]
        fn at_most_one_check_digit_fits(nine in "9[0-9]{8}") {
            for system in [BRITISH_COLUMBIA, ONTARIO] {
                let fitting = (0..10).filter(|check| reads(system, &format!("{nine}{check}")).is_some()).count();
                prop_assert!(fitting <= 1);
            }
        }

        #[test]
        fn one_wrong_digit_is_always_noticed(nine in "9[0-9]{8}", place in 1_usize..10, wrong in 1_u32..10) {
            for system in [BRITISH_COLUMBIA, ONTARIO] {
                let Some(value) = completed(system, &nine) else { continue };
                let mut digits: Vec<u32> = value.chars().filter_map(|digit| digit.to_digit(10)).collect();
                digits[place] = (digits[place] + wrong) % 10;
                prop_assert_eq!(reads(system, &joined(&digits)), None);
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            for system in [BRITISH_COLUMBIA, ONTARIO] {
                let _ = reads(system, &text);
            }
        }
    }
}
