//! The keys by which a patient is found among a million: coarse enough to forgive spelling, fine enough to leave few candidates.
//!
//! A key is a 64-bit hash of the owning organization and of what it stands for: a pair of name sounds, one name sound, a date of birth,
//! a telephone. The table of keys thus holds no personal data, and a look at what is filed under the keys of whoever is sought finds the
//! candidates, which [`duplicates`](super::duplicates) then scores. Two things hashed to one key cost a needless comparison and nothing
//! else.

use std::collections::BTreeSet;

use chrono::{Datelike as _, NaiveDate};

use super::duplicates::Traits;
use crate::kind::OrganizationId;

/// More words of one name are left out of its keys; nobody is found by the sixth word alone.
const MOST_WORDS: usize = 5;

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Pair(String, String),
    Word(String),
    Birth(NaiveDate),
    Phone(String),
}

/// The keys under which a patient is filed.
pub fn filed(owner: OrganizationId, patient: &Traits) -> BTreeSet<i64> {
    let births = patient.birth_date.map(Mark::Birth);
    let phones = patient.phones.iter().cloned().map(Mark::Phone);
    hashed(owner, patient.names.iter().flat_map(|words| of_name(words)).chain(births).chain(phones))
}

/// The keys of the names, each a pair of words in either order: they find few.
pub fn of_names(owner: OrganizationId, sought: &Traits) -> BTreeSet<i64> {
    hashed(owner, sought.names.iter().flat_map(|words| of_name(words)).filter(|mark| matches!(mark, Mark::Pair(..))))
}

/// The keys of the single words of the names: they find many.
pub fn of_words(owner: OrganizationId, sought: &Traits) -> BTreeSet<i64> {
    hashed(owner, sought.names.iter().flat_map(|words| of_name(words)).filter(|mark| matches!(mark, Mark::Word(_))))
}

/// The keys of the date of birth, as given and with day and month exchanged.
pub fn of_birth(owner: OrganizationId, sought: &Traits) -> BTreeSet<i64> {
    let exchanged = sought.birth_date.and_then(|date| NaiveDate::from_ymd_opt(date.year(), date.day(), date.month()));
    hashed(owner, sought.birth_date.into_iter().chain(exchanged).map(Mark::Birth))
}

/// The keys of the telephones.
pub fn of_phones(owner: OrganizationId, sought: &Traits) -> BTreeSet<i64> {
    hashed(owner, sought.phones.iter().cloned().map(Mark::Phone))
}

fn of_name(words: &[String]) -> BTreeSet<Mark> {
    let sounds: BTreeSet<String> = words.iter().map(|word| sound(word)).filter(|sound| !sound.is_empty()).take(MOST_WORDS).collect();
    let mut marks = BTreeSet::new();
    for one in &sounds {
        marks.extend(sounds.iter().filter(|other| one < *other).map(|other| Mark::Pair(one.clone(), other.clone())));
        marks.insert(Mark::Word(one.clone()));
    }
    marks
}

/// How a folded word sounds, coarsely: consonants of one class are one letter, vowels count at the beginning only, doubles once.
///
/// The classes are those that spellings of one name exchange, in the manner of Soundex and without its cut at four letters: Catherine
/// and Kathryn, Philip and Filip, Gonzales and Gonzalez, Trembley and Tremblay, MacDonald and McDonald sound the same. Words in other
/// scripts sound as they are written.
fn sound(word: &str) -> String {
    let spelled = word.replace("ph", "f").replace("ght", "t");
    let mut sound = String::new();
    for (index, letter) in spelled.chars().enumerate() {
        let class = match letter {
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'h' if index > 0 => continue,
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'h' => 'a',
            'b' | 'p' => 'p',
            'c' | 'g' | 'k' | 'q' => 'k',
            'd' | 't' => 't',
            'f' | 'v' | 'w' => 'f',
            's' | 'x' | 'z' => 's',
            'm' | 'n' => 'n',
            letter => letter,
        };
        if !sound.ends_with(class) {
            sound.push(class);
        }
    }
    sound
}

fn hashed(owner: OrganizationId, marks: impl Iterator<Item = Mark>) -> BTreeSet<i64> {
    marks.map(|mark| hash(owner, &mark)).collect()
}

/// FNV-1a: the same in every process and version, unlike the standard library's hasher.
fn hash(owner: OrganizationId, mark: &Mark) -> i64 {
    let text = match mark {
        Mark::Pair(one, other) => format!("{owner} pair {one} {other}"),
        Mark::Word(word) => format!("{owner} word {word}"),
        Mark::Birth(date) => format!("{owner} birth {date}"),
        Mark::Phone(number) => format!("{owner} phone {number}"),
    };
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::person;
    use super::*;
    use crate::db::types::Id;

    fn owner() -> OrganizationId {
        Id::from_uuid(uuid::Uuid::from_u128(7))
    }

    fn finds(sought: &Traits, patient: &Traits) -> bool {
        [of_names, of_birth].iter().any(|keys| !keys(owner(), sought).is_disjoint(&filed(owner(), patient)))
    }

    fn traits(given: &str, family: &str, birth_date: Option<&str>) -> Traits {
        Traits::from(&person(given, family, birth_date))
    }

    #[test]
    fn a_person_is_found_whatever_the_order_accents_and_spelling_of_the_name() {
        let patient = traits("Catherine", "Trembley-Gonzalez", None);
        for name in ["catherine trembley", "TREMBLAY, Kathryn", "Gonzales Tremblay", "Câtherine Trémbley"] {
            assert!(finds(&Traits::named([name]), &patient), "{name}");
        }
        assert!(!finds(&Traits::named(["Robert Singh"]), &patient));
    }

    #[test]
    fn a_date_is_found_with_day_and_month_exchanged() {
        let patient = traits("Amrit", "Singh", Some("1961-04-07"));
        assert!(finds(&Traits { birth_date: "1961-07-04".parse().ok(), ..Traits::default() }, &patient));
    }

    #[test]
    fn a_single_word_is_a_wide_key_and_words_of_other_scripts_have_keys() {
        for (sought, given, family) in [("Sing", "Amrit", "Singh"), ("王", "伟", "王")] {
            let filed = filed(owner(), &traits(given, family, None));
            assert!(!of_words(owner(), &Traits::named([sought])).is_disjoint(&filed), "{sought}");
        }
    }

    #[test]
    fn other_organizations_file_under_other_keys() {
        let patient = traits("Amrit", "Singh", None);
        let other = Id::from_uuid(uuid::Uuid::from_u128(8));
        assert!(filed(owner(), &patient).is_disjoint(&filed(other, &patient)));
    }

    #[test]
    fn keys_stay_as_they_are_because_they_are_stored() {
        assert_eq!(hash(owner(), &Mark::Word(sound("singh"))), -24_748_922_254_470_218);
    }
}
