//! Lists of languages in words.

use std::collections::HashSet;

use crate::languages::read;

/// Tags of a list in words, and the words that name no known language.
pub fn list(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut tags, mut known) = (Vec::new(), HashSet::new());
    let mut unknown = Vec::new();
    for name in text.split([',', ';', '/', '|', '\n']).map(str::trim).filter(|name| !name.is_empty()) {
        match read(name) {
            Some(tag) if known.insert(tag.clone()) => tags.push(tag),
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
    fn a_list_gives_the_tags_that_are_known_and_the_words_that_are_not() {
        assert_eq!(list("English, Punjabi; Klingon"), (vec!["en".into(), "pa".into()], vec!["Klingon".into()]));
        assert_eq!(list("ASL / American Sign Language"), (vec!["ase".into()], vec![]));
    }
}
