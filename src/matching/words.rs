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

/// Letters and digits only, lower case, without accents, words apart by one space.
pub(super) fn fold(text: &str) -> String {
    let folded = crate::text::fold(text);
    folded.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The primary subtag: `fr` of `fr-CA`.
fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// Whether two BCP 47 tags name the same language, regions aside.
pub(super) fn same_language(a: &str, b: &str) -> bool {
    primary(a).eq_ignore_ascii_case(primary(b))
}

/// A code as words: `south_asian` becomes `south asian`.
pub(super) fn spoken(code: &str) -> String {
    code.replace(['_', '-'], " ")
}

/// Up to five codes as words, joined by commas.
pub(super) fn spoken_list(codes: &[String]) -> String {
    codes.iter().take(5).map(|code| spoken(code)).collect::<Vec<_>>().join(", ")
}

/// The name of a need domain; the code as words where the domain is not one that Kith ships.
pub(super) fn domain_name(code: &str) -> Sentence {
    match find_domain(code) {
        Some(domain) => Sentence::new(domain.en, domain.fr),
        None => Sentence::new(spoken(code.trim_start_matches("x-")), spoken(code.trim_start_matches("x-"))),
    }
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

/// Languages often asked for in Canada: tag, English name, French name.
const LANGUAGES: &[(&str, &str, &str)] = &[
    ("am", "Amharic", "amharique"),
    ("ar", "Arabic", "arabe"),
    ("ase", "American Sign Language", "ASL"),
    ("bla", "Blackfoot", "pied-noir"),
    ("bn", "Bengali", "bengali"),
    ("cr", "Cree", "cri"),
    ("de", "German", "allemand"),
    ("en", "English", "anglais"),
    ("es", "Spanish", "espagnol"),
    ("fa", "Persian", "persan"),
    ("fcs", "Quebec Sign Language", "LSQ"),
    ("fil", "Filipino", "filipino"),
    ("fr", "French", "français"),
    ("gu", "Gujarati", "gujarati"),
    ("he", "Hebrew", "hébreu"),
    ("hi", "Hindi", "hindi"),
    ("it", "Italian", "italien"),
    ("iu", "Inuktitut", "inuktitut"),
    ("ja", "Japanese", "japonais"),
    ("ko", "Korean", "coréen"),
    ("mic", "Mi'kmaq", "micmac"),
    ("nl", "Dutch", "néerlandais"),
    ("oj", "Ojibwe", "ojibwé"),
    ("pa", "Punjabi", "pendjabi"),
    ("pl", "Polish", "polonais"),
    ("ps", "Pashto", "pachto"),
    ("pt", "Portuguese", "portugais"),
    ("ro", "Romanian", "roumain"),
    ("ru", "Russian", "russe"),
    ("so", "Somali", "somali"),
    ("sw", "Swahili", "swahili"),
    ("ta", "Tamil", "tamoul"),
    ("ti", "Tigrinya", "tigrigna"),
    ("tl", "Tagalog", "tagalog"),
    ("tr", "Turkish", "turc"),
    ("uk", "Ukrainian", "ukrainien"),
    ("ur", "Urdu", "ourdou"),
    ("vi", "Vietnamese", "vietnamien"),
    ("yue", "Cantonese", "cantonais"),
    ("zh", "Chinese", "chinois"),
];

/// The name of a language; the tag itself where we have none.
pub(super) fn language_name(tag: &str) -> (&str, &str) {
    LANGUAGES.iter().find(|(known, ..)| same_language(known, tag)).map_or((tag, tag), |&(_, en, fr)| (en, fr))
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

    #[test]
    fn folding_keeps_letters_and_digits() {
        assert_eq!(fold("  Café  d’Été, #2 "), "cafe d ete 2");
        assert_eq!(fold("—"), "");
    }

    #[test]
    fn a_language_is_the_same_in_every_region() {
        assert!(same_language("fr-CA", "fr"));
        assert_eq!(language_name("pa-Guru"), ("Punjabi", "pendjabi"));
        assert_eq!(language_name("xx"), ("xx", "xx"));
    }
}
