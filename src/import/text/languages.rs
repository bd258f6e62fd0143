//! Names of languages, in English, French and their own, to BCP 47.

use super::fold;

/// Tag, then the names (folded) under which directories list it.
const LANGUAGES: &[(&str, &[&str])] = &[
    ("en", &["english", "anglais", "eng"]),
    ("fr", &["french", "francais", "fre", "fra"]),
    ("ar", &["arabic", "arabe", "ara"]),
    ("asl", &["asl", "american sign language", "sign language"]),
    ("lsq", &["lsq", "langue des signes quebecoise"]),
    ("bn", &["bengali", "bangla"]),
    ("bo", &["tibetan"]),
    ("cr", &["cree", "cri"]),
    ("cs", &["czech"]),
    ("de", &["german", "allemand"]),
    ("el", &["greek", "grec"]),
    ("es", &["spanish", "espagnol", "espanol", "spa"]),
    ("fa", &["farsi", "persian", "persan"]),
    ("prs", &["dari"]),
    ("fil", &["filipino"]),
    ("tl", &["tagalog"]),
    ("gu", &["gujarati"]),
    ("he", &["hebrew", "hebreu"]),
    ("hi", &["hindi"]),
    ("hr", &["croatian"]),
    ("ht", &["haitian creole", "creole haitien", "kreyol"]),
    ("hu", &["hungarian", "hongrois"]),
    ("hy", &["armenian"]),
    ("it", &["italian", "italien"]),
    ("iu", &["inuktitut"]),
    ("ja", &["japanese", "japonais"]),
    ("km", &["khmer", "cambodian"]),
    ("ko", &["korean", "coreen"]),
    ("ku", &["kurdish", "kurde"]),
    ("lo", &["lao", "laotian"]),
    ("mic", &["mi'kmaq", "mikmaq", "mi'kmaw"]),
    ("moh", &["mohawk", "kanien'keha"]),
    ("ne", &["nepali"]),
    ("nl", &["dutch", "neerlandais"]),
    ("oj", &["ojibwe", "ojibway", "anishinaabemowin"]),
    ("oka", &["okanagan", "syilx", "nsyilxcen"]),
    ("pa", &["punjabi", "panjabi", "pendjabi"]),
    ("pl", &["polish", "polonais"]),
    ("ps", &["pashto"]),
    ("pt", &["portuguese", "portugais"]),
    ("ro", &["romanian", "roumain"]),
    ("ru", &["russian", "russe"]),
    ("so", &["somali"]),
    ("sr", &["serbian", "serbe"]),
    ("sw", &["swahili"]),
    ("ta", &["tamil", "tamoul"]),
    ("te", &["telugu"]),
    ("th", &["thai"]),
    ("ti", &["tigrinya"]),
    ("tr", &["turkish", "turc"]),
    ("uk", &["ukrainian", "ukrainien"]),
    ("ur", &["urdu", "ourdou"]),
    ("vi", &["vietnamese", "vietnamien"]),
    ("yue", &["cantonese", "cantonais"]),
    ("cmn", &["mandarin"]),
    ("zh", &["chinese", "chinois"]),
];

/// The BCP 47 tag of a name, or of a tag that is one already.
pub fn tag(text: &str) -> Option<String> {
    let folded = fold(text.trim());
    if let Some((tag, _)) = LANGUAGES.iter().find(|(tag, names)| *tag == folded || names.contains(&folded.as_str())) {
        return Some((*tag).to_owned());
    }
    // Another well-formed tag, such as fr-CA, whose language is known.
    let (primary, rest) = text.trim().split_once('-')?;
    let is_tag = rest.split('-').all(|part| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()));
    (is_tag && LANGUAGES.iter().any(|(tag, _)| *tag == primary)).then(|| text.trim().to_owned())
}

/// Tags of a list in words, and the words that name no known language.
pub fn list(text: &str) -> (Vec<String>, Vec<String>) {
    let mut tags = Vec::new();
    let mut unknown = Vec::new();
    for name in text.split([',', ';', '/', '|', '\n']).map(str::trim).filter(|name| !name.is_empty()) {
        match tag(name) {
            Some(tag) if !tags.contains(&tag) => tags.push(tag),
            Some(_) => {}
            None => unknown.push(name.to_owned()),
        }
    }
    (tags, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tags() {
        assert_eq!(tag("Français"), Some("fr".into()));
        assert_eq!(tag("fr-CA"), Some("fr-CA".into()));
        assert_eq!(tag("Language 375"), None);
        assert_eq!(tag("375"), None);
        assert_eq!(list("English, Punjabi; Klingon"), (vec!["en".into(), "pa".into()], vec!["Klingon".into()]));
    }
}
