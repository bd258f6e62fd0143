//! Words: codes and names compared as people write them, sentences in both official languages, names of languages.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::types::{DeliveryMode, find_domain};

/// A sentence in both official languages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Sentence {
    /// English.
    #[schema(example = "Alder Falls Food Bank answers the need “Food”, is 1.2 km away and is free.")]
    pub en: String,
    /// French.
    #[schema(example = "Banque alimentaire d’Alder Falls répond au besoin « Alimentation », se trouve à 1,2 km et est gratuit.")]
    pub fr: String,
}

impl Sentence {
    /// The pair.
    pub fn new(en: impl Into<String>, fr: impl Into<String>) -> Self {
        Self { en: en.into(), fr: fr.into() }
    }
}

/// Whether two codes are the same, whatever their case and whether words are joined by a space, a hyphen or a low line.
pub(super) fn same_code(a: &str, b: &str) -> bool {
    let letter = |c: char| if matches!(c, '-' | ' ') { '_' } else { c.to_ascii_lowercase() };
    a.trim().chars().map(letter).eq(b.trim().chars().map(letter))
}

/// Whether a code is in the list; see [`same_code`].
pub(super) fn has_code(list: &[String], code: &str) -> bool {
    list.iter().any(|item| same_code(item, code))
}

/// The first code of `wanted` that is in `list`.
pub(super) fn shared_code<'a>(wanted: &'a [String], list: &[String]) -> Option<&'a str> {
    wanted.iter().map(String::as_str).find(|code| has_code(list, code))
}

/// A number of days as it is said: `1 day`, `2 jours`. What is less than two is one in French.
pub(super) fn in_days(days: i64) -> (String, String) {
    (format!("{days} {}", if days == 1 { "day" } else { "days" }), format!("{days} {}", if days < 2 { "jour" } else { "jours" }))
}

/// A code as words: `south_asian` becomes `south asian`.
pub(super) fn spoken(code: &str) -> String {
    code.replace(['_', '-'], " ")
}

/// Up to five groups, joined by commas.
pub(super) fn group_names(codes: &[String]) -> Sentence {
    let names: Vec<Sentence> = codes.iter().take(5).map(|code| group_name(code)).collect();
    let joined = |name: fn(&Sentence) -> &str| names.iter().map(name).collect::<Vec<_>>().join(", ");
    Sentence::new(joined(|name| &name.en), joined(|name| &name.fr))
}

/// The name of a need domain; the code as words where the domain is not one that Kith ships.
pub(super) fn domain_name(code: &str) -> Sentence {
    match find_domain(code) {
        Some(domain) => Sentence::new(domain.en, domain.fr),
        None => Sentence::new(spoken(code.trim_start_matches("x-")), spoken(code.trim_start_matches("x-"))),
    }
}

/// Words for groups, cultures and diets: codes, English, French. What is not listed is said by its code.
const GROUPS: &[(&[&str], &str, &str)] = &[
    (&["senior", "seniors", "older_adult", "older_adults", "elder", "elders"], "older adults", "personnes aînées"),
    (&["adult", "adults"], "adults", "adultes"),
    (&["youth", "teen", "young_adult"], "youth", "jeunes"),
    (&["child", "children"], "children", "enfants"),
    (&["parent", "parents"], "parents", "parents"),
    (&["family", "families"], "families", "familles"),
    (&["caregiver", "caregivers"], "caregivers", "proches aidants"),
    (&["woman", "women"], "women", "femmes"),
    (&["man", "men"], "men", "hommes"),
    (&["non_binary"], "non-binary people", "personnes non binaires"),
    (&["newcomer", "newcomers"], "newcomers", "nouveaux arrivants"),
    (&["immigrant", "immigrants"], "immigrants", "personnes immigrantes"),
    (&["refugee", "refugees"], "refugees", "personnes réfugiées"),
    (&["student", "students"], "students", "étudiants"),
    (&["veteran", "veterans"], "veterans", "anciens combattants"),
    (&["2slgbtqi", "2slgbtq"], "2SLGBTQI+ people", "personnes 2ELGBTQI+"),
    (&["disability"], "people with a disability", "personnes en situation de handicap"),
    (&["low_income"], "people with a low income", "personnes à faible revenu"),
    (&["homeless"], "people without a home", "personnes en situation d’itinérance"),
    (&["rural"], "people in rural areas", "gens des régions rurales"),
    (&["indigenous"], "Indigenous", "autochtone"),
    (&["first_nations"], "First Nations", "Premières Nations"),
    (&["metis"], "Métis", "métisse"),
    (&["inuit"], "Inuit", "inuite"),
    (&["francophone"], "Francophone", "francophone"),
    (&["black"], "Black", "noire"),
    (&["south_asian"], "South Asian", "sud-asiatique"),
    (&["punjabi"], "Punjabi", "pendjabie"),
    (&["chinese"], "Chinese", "chinoise"),
    (&["ukrainian"], "Ukrainian", "ukrainienne"),
    (&["halal"], "halal", "halal"),
    (&["kosher"], "kosher", "casher"),
    (&["vegetarian"], "vegetarian", "végétarienne"),
    (&["vegan"], "vegan", "végétalienne"),
    (&["gluten_free"], "gluten-free", "sans gluten"),
    (&["diabetic"], "for diabetics", "pour diabétiques"),
    (&["low_sodium"], "low in salt", "faible en sel"),
    (&["lactose_free", "dairy_free"], "without dairy", "sans produits laitiers"),
    (&["nut_free"], "without nuts", "sans noix"),
    (&["soft_texture", "soft"], "soft", "à texture molle"),
    (&["provincial_health"], "provincial health insurance", "assurance maladie provinciale"),
    (&["extended_health"], "extended health insurance", "assurance maladie complémentaire"),
];

/// How a group, a culture, a diet or a coverage is said.
pub(super) fn group_name(code: &str) -> Sentence {
    let known = GROUPS.iter().find(|(codes, ..)| codes.iter().any(|known| same_code(known, code)));
    known.map_or_else(|| Sentence::new(spoken(code), spoken(code)), |&(_, en, fr)| Sentence::new(en, fr))
}

/// How a mode is said after "is given" and "se donne".
pub(super) const fn mode_name(mode: DeliveryMode) -> (&'static str, &'static str) {
    match mode {
        DeliveryMode::InPerson => ("in person", "en personne"),
        DeliveryMode::Phone => ("by telephone", "par téléphone"),
        DeliveryMode::Video => ("by video", "par vidéo"),
        DeliveryMode::TextChat => ("by text message", "par messages texte"),
        DeliveryMode::Online => ("online", "en ligne"),
        DeliveryMode::HomeVisit => ("at home", "à domicile"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_compared_as_people_write_them() {
        assert!(same_code("South Asian", "south_asian"));
        assert!(same_code("gluten-free", "gluten_free "));
        assert!(!same_code("south_asian", "southeast_asian"));
    }
}
