//! Whether two records are about one person: a score and its reasons, from names, birth, identifiers, telephone and postal code.
//!
//! The same comparison ranks a search (what is asked for, against each candidate) and warns of duplicates at creation.

use chrono::{Datelike as _, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::PatientInput;
use crate::consents::model::{Categories, DataCategory};
use crate::text::fold;
use crate::text_enum;
use crate::types::Identifier;

text_enum! {
    /// Why two records may be about one person. Values may be added.
    pub enum Resemblance {
        /// An identifier, such as the health number, is the same.
        SameIdentifier = "same_identifier",
        /// A name is the same but for accents, case and the order of its words.
        SameName = "same_name",
        /// A name is spelled alike.
        SimilarName = "similar_name",
        /// The date of birth is the same.
        SameBirthDate = "same_birth_date",
        /// The date of birth has day and month exchanged, or one digit different.
        SimilarBirthDate = "similar_birth_date",
        /// The year of birth is the same.
        SameBirthYear = "same_birth_year",
        /// A telephone number is the same.
        SamePhone = "same_phone",
        /// The postal code is the same.
        SamePostalCode = "same_postal_code",
    }
}

/// The points that each trait gives at most.
const NAME: f64 = 50.0;
const BIRTH: f64 = 35.0;
const PHONE: f64 = 15.0;
const POSTAL_CODE: f64 = 5.0;
/// The points that must have been compared for full certainty: a name alone is not enough.
const ENOUGH: f64 = 70.0;

/// The names of one record that are compared, the words of one name, and the letters of one word: more than it takes to tell people apart.
/// Each is compared with each, letter by letter.
const MOST_NAMES: usize = 10;
const MOST_WORDS: usize = 12;
const MOST_LETTERS: usize = 30;

/// From this score on a record is told as a possible duplicate.
pub const LIKELY: u8 = 75;

/// How much two records resemble each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Likeness {
    /// 0 to 100; 100 is certain.
    #[schema(minimum = 0, maximum = 100, example = 92)]
    pub score: u8,
    /// What they have in common.
    pub reasons: Vec<Resemblance>,
}

/// What is known of somebody, for comparison. Every part may be missing.
#[derive(Debug, Clone, Default)]
pub struct Traits {
    /// Keys in other systems.
    pub identifiers: Vec<Identifier>,
    /// Names, each as its folded words.
    pub names: Vec<Vec<String>>,
    /// Date of birth.
    pub birth_date: Option<NaiveDate>,
    /// Year of birth.
    pub birth_year: Option<i32>,
    /// Telephones in E.164.
    pub phones: Vec<String>,
    /// Postal code without spaces.
    pub postal_code: Option<String>,
}

/// The parts of a patient's content that tell people apart.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Distinguishing {
    names: Vec<Name>,
    birth_date: Option<NaiveDate>,
    birth_year: Option<i32>,
    identifiers: Vec<Identifier>,
    contact_points: Vec<Number>,
    address: Option<PostalCode>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Name {
    given: Option<String>,
    family: Option<String>,
    text: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Number {
    number: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct PostalCode {
    postal_code: Option<String>,
}

impl Distinguishing {
    /// What somebody sees of it to whom only these categories are open, as [`PatientInput::shown`] has it.
    #[must_use]
    pub fn shown(mut self, categories: Categories) -> Self {
        if !categories.contains(DataCategory::Contact) {
            (self.contact_points, self.address) = (Vec::new(), None);
        }
        if !categories.contains(DataCategory::Demographics) {
            self.identifiers = Vec::new();
        }
        self
    }
}

impl From<&PatientInput> for Traits {
    fn from(patient: &PatientInput) -> Self {
        let name =
            |name: &super::model::PatientName| Name { given: name.given.clone(), family: name.family.clone(), text: name.text.clone() };
        Distinguishing {
            names: patient.names.iter().map(name).collect(),
            birth_date: patient.birth_date,
            birth_year: patient.birth_year,
            identifiers: patient.identifiers.clone(),
            contact_points: patient.contact_points.iter().map(|point| Number { number: point.number.clone() }).collect(),
            address: patient.address.as_ref().map(|address| PostalCode { postal_code: address.postal_code.clone() }),
        }
        .into()
    }
}

impl From<Distinguishing> for Traits {
    fn from(patient: Distinguishing) -> Self {
        let mut names = Vec::new();
        for name in &patient.names {
            let parts: Vec<&str> = [&name.given, &name.family].into_iter().flatten().map(String::as_str).collect();
            names.extend([parts.join(" "), name.text.clone().unwrap_or_default()]);
        }
        let postal_code = patient.address.and_then(|address| address.postal_code);
        Self {
            birth_year: patient.birth_date.map(|date| date.year()).or(patient.birth_year),
            birth_date: patient.birth_date,
            phones: patient.contact_points.into_iter().filter_map(|point| point.number).collect(),
            postal_code: postal_code.map(|code| fold(&code).replace(' ', "")).filter(|code| !code.is_empty()),
            identifiers: patient.identifiers,
            ..Self::named(names.iter().map(String::as_str))
        }
    }
}

impl Traits {
    /// Somebody of whom these names are known.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut different: Vec<Vec<String>> = Vec::new();
        for words in names.into_iter().map(words).filter(|words| !words.is_empty()) {
            if different.len() < MOST_NAMES && !different.contains(&words) {
                different.push(words);
            }
        }
        Self { names: different, ..Self::default() }
    }

    /// How sure one can be that the other is the same person. A trait that one of them lacks says nothing; a trait alone says little.
    pub fn likeness(&self, other: &Self) -> Likeness {
        self.compare(other, ENOUGH)
    }

    /// How well the other answers to what is asked for, all of it counted.
    pub fn answered_by(&self, other: &Self) -> Likeness {
        let has_birth = self.birth_date.is_some() || self.birth_year.is_some();
        let asked = [(!self.names.is_empty(), NAME), (has_birth, BIRTH), (!self.phones.is_empty(), PHONE)];
        self.compare(other, asked.iter().filter(|(is_asked, _)| *is_asked).map(|(_, weight)| weight).sum())
    }

    /// The share of the points that the compared traits could give, of which there are at least so many.
    fn compare(&self, other: &Self, least: f64) -> Likeness {
        let mut reasons = Vec::new();
        let (mut points, mut most) = (0.0, 0.0);
        if self.identifiers.iter().any(|identifier| other.identifiers.contains(identifier)) {
            reasons.push(Resemblance::SameIdentifier);
        }
        if let Some(similarity) = self.name_similarity(other) {
            most += NAME;
            points += NAME * name_share(similarity);
            if similarity >= 0.995 {
                reasons.push(Resemblance::SameName);
            } else if similarity >= 0.85 {
                reasons.push(Resemblance::SimilarName);
            }
        }
        if let Some((share, reason)) = self.birth_similarity(other) {
            most += BIRTH;
            points += BIRTH * share;
            reasons.extend(reason);
        }
        if self.phones.iter().any(|phone| other.phones.contains(phone)) {
            most += PHONE;
            points += PHONE;
            reasons.push(Resemblance::SamePhone);
        }
        if self.postal_code.is_some() && self.postal_code == other.postal_code {
            most += POSTAL_CODE;
            points += POSTAL_CODE;
            reasons.push(Resemblance::SamePostalCode);
        }
        // Certainty is for identifiers.
        let score = if reasons.contains(&Resemblance::SameIdentifier) { 100.0 } else { (99.0 * points / f64::max(most, least)).round() };
        Likeness { score: score as u8, reasons }
    }

    fn name_similarity(&self, other: &Self) -> Option<f64> {
        let pairs = self.names.iter().flat_map(|name| other.names.iter().map(move |candidate| words_similarity(name, candidate)));
        pairs.max_by(f64::total_cmp)
    }

    fn birth_similarity(&self, other: &Self) -> Option<(f64, Option<Resemblance>)> {
        match (self.birth_date, other.birth_date) {
            (Some(one), Some(two)) if one == two => Some((1.0, Some(Resemblance::SameBirthDate))),
            (Some(one), Some(two)) if is_slip(one, two) => Some((0.7, Some(Resemblance::SimilarBirthDate))),
            _ => match (self.birth_year?, other.birth_year?) {
                (one, two) if one == two => {
                    let share = if self.birth_date.is_some() && other.birth_date.is_some() { 0.2 } else { 0.7 };
                    Some((share, Some(Resemblance::SameBirthYear)))
                }
                _ => Some((0.0, None)),
            },
        }
    }
}

/// The first words of a name, folded; hyphens separate, apostrophes do not.
fn words(name: &str) -> Vec<String> {
    let folded = fold(name).replace('\'', "");
    let words = folded.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).take(MOST_WORDS);
    words.map(|word| word.chars().take(MOST_LETTERS).collect()).collect()
}

/// Half alike is not alike at all: names of strangers share letters.
fn name_share(similarity: f64) -> f64 {
    ((similarity - 0.7) / 0.3).clamp(0.0, 1.0)
}

/// Day and month exchanged, or one digit different.
fn is_slip(one: NaiveDate, two: NaiveDate) -> bool {
    let exchanged = one.year() == two.year() && one.month() == two.day() && one.day() == two.month();
    let different = one.to_string().chars().zip(two.to_string().chars()).filter(|(left, right)| left != right).count();
    exchanged || different == 1
}

/// How alike two names are, from 0 to 1: each word of the shorter with its best match in the longer, whatever their order. Words that
/// only one has, such as a second given name, cost a little.
fn words_similarity(one: &[String], two: &[String]) -> f64 {
    // The order decides ties, so it must not depend on which of the two asks.
    let (short, long) = if (one.len(), one) <= (two.len(), two) { (one, two) } else { (two, one) };
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (left, word) in short.iter().enumerate() {
        pairs.extend(long.iter().enumerate().map(|(right, candidate)| (strsim::jaro_winkler(word, candidate), left, right)));
    }
    pairs.sort_by(|one, two| two.0.total_cmp(&one.0));
    let (mut used_left, mut used_right, mut total) = (Vec::new(), Vec::new(), 0.0);
    for (similarity, left, right) in pairs {
        if !used_left.contains(&left) && !used_right.contains(&right) {
            used_left.push(left);
            used_right.push(right);
            total += similarity;
        }
    }
    let extra = (long.len() - short.len()).min(3) as f64;
    (total / short.len().max(1) as f64 - 0.05 * extra).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::person;
    use super::*;
    use proptest::prelude::*;

    fn likeness(one: &Traits, two: &Traits) -> u8 {
        one.likeness(two).score
    }

    fn traits(given: &str, family: &str, birth_date: Option<&str>) -> Traits {
        Traits::from(&person(given, family, birth_date))
    }

    /// What tells people apart is read from the table by itself, and shown by the same rule as the whole.
    #[test]
    fn of_a_patient_as_little_tells_them_apart_as_is_shown_of_them() {
        let mut whole: PatientInput = serde_json::from_value(serde_json::json!({
            "names": [{ "given": "Marie-Ève", "family": "Tremblay" }, { "text": "Mimi" }], "birth_date": "1954-03-18",
            "identifiers": [{ "system": "urn:example:emr", "value": "A-1" }], "contact_points": [{ "kind": "phone", "value": "250-861-5555" }],
            "address": { "city": "Alder Falls", "postal_code": "V0X 3A0", "country": "CA" },
        }))
        .unwrap();
        whole.normalise();
        for number in 0..1_u32 << DataCategory::ALL.len() {
            let open = DataCategory::ALL.iter().enumerate().filter(|(index, _)| number & (1 << index) != 0).map(|(_, category)| *category);
            let categories: Categories = open.collect();
            let read: Distinguishing = serde_json::from_value(serde_json::to_value(&whole).unwrap()).unwrap();
            let (part, all) = (Traits::from(read.shown(categories)), Traits::from(&whole.clone().shown(categories)));
            assert_eq!(format!("{part:?}"), format!("{all:?}"), "{categories:?}");
        }
    }

    #[test]
    fn one_person_written_twice_is_likely_and_two_persons_are_not() {
        let marie = traits("Marie-Ève", "Tremblay", Some("1954-03-18"));
        for (given, family, birth) in [
            ("MARIE EVE", "TREMBLAY", Some("1954-03-18")),
            ("Tremblay", "Marie-Eve", Some("1954-03-18")),
            ("Marie-Ève", "Trembley", Some("1954-03-18")),
            ("Marie", "Tremblay", Some("1954-03-18")),
            ("Marie-Ève", "Tremblay", Some("1954-03-19")),
        ] {
            let other = traits(given, family, birth);
            assert!(likeness(&marie, &other) >= LIKELY, "{given} {family} {birth:?}: {}", likeness(&marie, &other));
        }
        for (given, family, birth) in [
            ("Marie-Ève", "Tremblay", Some("1987-11-02")),
            ("Marie-Ève", "Tremblay", None),
            ("Robert", "Tremblay", Some("1954-03-18")),
            ("Amrit", "Singh", Some("1954-03-18")),
        ] {
            let other = traits(given, family, birth);
            assert!(likeness(&marie, &other) < LIKELY, "{given} {family} {birth:?}: {}", likeness(&marie, &other));
        }
    }

    #[test]
    fn of_names_without_end_so_much_is_compared_as_tells_people_apart() {
        let letters = "a b c d e f g h i j k l m n o p q r s t u v w x y z".repeat(5);
        let ligatures = "\u{fdfa}".repeat(150);
        let names: Vec<String> = (0..30).map(|number| format!("n{number} {letters}{ligatures}")).chain([ligatures.clone()]).collect();
        let known = Traits::named(names.iter().map(String::as_str));
        assert_eq!(known.names.len(), MOST_NAMES);
        assert!(known.names.iter().all(|words| words.len() <= MOST_WORDS && words.iter().all(|word| word.chars().count() <= MOST_LETTERS)));
        // A name that is given in parts and as a whole is one.
        assert_eq!(Traits::named(["Marie-Ève Tremblay", "marie eve TREMBLAY"]).names, [["marie", "eve", "tremblay"]]);
        let long = traits("Pedro de Alcântara João Carlos Leopoldo", "Salvador Bibiano Francisco Xavier", Some("1954-03-18"));
        let same = traits("PEDRO DE ALCANTARA JOAO CARLOS LEOPOLDO", "SALVADOR BIBIANO FRANCISCO XAVIER", Some("1954-03-18"));
        assert_eq!(likeness(&long, &same), 99);
    }

    #[test]
    fn the_same_identifier_is_certain() {
        let identifier = Identifier { system: "https://emr.example.ca".into(), value: "A-1".into() };
        let one = Traits { identifiers: vec![identifier.clone()], ..traits("Marie", "Tremblay", None) };
        let two = Traits { identifiers: vec![identifier], ..traits("M.", "T.", Some("1954-03-18")) };
        assert_eq!(one.likeness(&two).score, 100);
        assert_eq!(one.likeness(&two).reasons.first(), Some(&Resemblance::SameIdentifier));
    }

    #[test]
    fn exchanged_day_and_month_and_one_wrong_digit_are_slips() {
        let date = |text: &str| text.parse().unwrap();
        assert!(is_slip(date("1961-04-07"), date("1961-07-04")));
        assert!(is_slip(date("1961-04-07"), date("1967-04-07")));
        assert!(!is_slip(date("1961-04-07"), date("1962-04-08")));
    }

    proptest! {
        #[test]
        fn likeness_is_the_same_both_ways(names in proptest::array::uniform4("[A-Za-zéè' -]{0,12}"), days in proptest::array::uniform2(0_u64..40_000)) {
            let [one, two] = [(&names[0], &names[1], days[0]), (&names[2], &names[3], days[1])].map(|(given, family, day)| {
                let birth_date = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap() + chrono::Days::new(day);
                Traits { birth_date: Some(birth_date), birth_year: Some(birth_date.year()), ..traits(given, family, None) }
            });
            prop_assert_eq!(one.likeness(&two), two.likeness(&one));
        }

        #[test]
        fn accents_case_and_order_do_not_count(given in "[a-z]{2,10}", family in "[a-z]{2,10}") {
            let one = traits(&given, &family, Some("1954-03-18"));
            let two = traits(&family.to_uppercase(), &given.replace('e', "é"), Some("1954-03-18"));
            prop_assert_eq!(likeness(&one, &two), 99);
            prop_assert_eq!(&one.likeness(&two).reasons[..], &[Resemblance::SameName, Resemblance::SameBirthDate][..]);
        }

        #[test]
        fn a_score_is_at_most_100_whatever_is_compared(one in "\\PC{0,30}", two in "\\PC{0,30}") {
            prop_assert!(likeness(&Traits::named([one.as_str()]), &Traits::named([two.as_str()])) <= 100);
        }
    }
}
