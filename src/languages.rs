//! Names of languages in both official languages, for sentences and for searches in words.

/// Languages often asked for in Canada: tag, English name, French name.
const LANGUAGES: &[(&str, &str, &str)] = &[
    ("am", "Amharic", "amharique"),
    ("ar", "Arabic", "arabe"),
    ("ase", "American Sign Language", "ASL"),
    ("bla", "Blackfoot", "pied-noir"),
    ("bn", "Bengali", "bengali"),
    ("cmn", "Mandarin", "mandarin"),
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

/// The names of a language in English and French; the tag itself where we have none.
pub fn name(tag: &str) -> (&str, &str) {
    let primary = tag.split('-').next().unwrap_or(tag);
    LANGUAGES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(primary)).map_or((tag, tag), |&(_, en, fr)| (en, fr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_has_its_name_in_every_region() {
        assert_eq!(name("pa-Guru"), ("Punjabi", "pendjabi"));
        assert_eq!(name("fr-CA").1, "français");
        assert_eq!(name("xx"), ("xx", "xx"));
    }
}
