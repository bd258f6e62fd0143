//! Words of the directory, English and French: folded, cut, stemmed, and what else they are called.
//!
//! A person types `epicerie`, `Épiceries` or `l'épicerie` and means one thing. So texts and queries go through [`fold`] and [`words`];
//! what is left of difference is bridged by the stems of each [`Word`], by the [`Synonyms`], and by the index's tolerance of misspelling.

mod synonyms;

use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

pub use self::synonyms::Synonyms;
pub(super) use self::synonyms::content_words;
use crate::postal_codes;
use crate::text::fold;

/// Longer words are cut: they are addresses of web pages and the like.
const LONGEST_WORD: usize = 40;

/// The words of a text in their order, folded. Elided articles (`l'aide`, `qu'il`), possessive endings (`women's`) and single letters go;
/// a number said by its digits (`9-8-8`) becomes one word, and a Canadian postal code two, however it is written.
pub fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    let mut words = Vec::new();
    for chunk in folded.split(|letter: char| !letter.is_alphanumeric() && letter != '\'' && letter != '-') {
        if let Some(number) = spelled_number(chunk) {
            words.push(number);
            continue;
        }
        chunk.split('-').for_each(|chunk| take_words(chunk, &mut words));
    }
    words
}

/// `988`, of `9-8-8`.
fn spelled_number(chunk: &str) -> Option<String> {
    let is_digit = |piece: &str| piece.len() == 1 && piece.bytes().all(|byte| byte.is_ascii_digit());
    (chunk.matches('-').count() >= 2 && chunk.split('-').all(is_digit)).then(|| chunk.replace('-', ""))
}

fn take_words(chunk: &str, words: &mut Vec<String>) {
    if let Some((first, second)) = postal_codes::halves(chunk) {
        return words.extend([first.to_owned(), second.to_owned()]);
    }
    let mut pieces = chunk.split('\'').filter(|piece| !piece.is_empty()).peekable();
    let is_elided = |piece: &str| matches!(piece, "qu" | "jusqu" | "lorsqu" | "puisqu" | "quelqu");
    while let Some(piece) = pieces.next() {
        let is_single_letter = piece.len() == 1 && !piece.bytes().all(|byte| byte.is_ascii_digit());
        if is_single_letter || (pieces.peek().is_some() && is_elided(piece)) {
            continue;
        }
        words.push(piece.chars().take(LONGEST_WORD).collect());
    }
}

/// Words that say nothing of a service, English and French, folded.
const STOP_WORDS: &[&str] = &[
    "a",
    "about",
    "ai",
    "all",
    "also",
    "am",
    "an",
    "and",
    "any",
    "anyone",
    "are",
    "around",
    "as",
    "at",
    "au",
    "aupres",
    "aussi",
    "aux",
    "avec",
    "be",
    "been",
    "besoin",
    "but",
    "by",
    "can",
    "ce",
    "ces",
    "cette",
    "cherche",
    "chez",
    "could",
    "dans",
    "de",
    "des",
    "do",
    "donc",
    "du",
    "elle",
    "elles",
    "en",
    "est",
    "et",
    "etre",
    "find",
    "for",
    "from",
    "get",
    "got",
    "has",
    "have",
    "he",
    "help",
    "her",
    "his",
    "how",
    "if",
    "il",
    "ils",
    "in",
    "into",
    "is",
    "it",
    "its",
    "je",
    "la",
    "le",
    "les",
    "leur",
    "leurs",
    "looking",
    "ma",
    "mais",
    "me",
    "mes",
    "mon",
    "my",
    "ne",
    "near",
    "need",
    "needs",
    "nos",
    "not",
    "notre",
    "nous",
    "of",
    "on",
    "or",
    "ou",
    "our",
    "par",
    "pas",
    "peut",
    "please",
    "pour",
    "pres",
    "que",
    "qui",
    "sa",
    "se",
    "service",
    "services",
    "ses",
    "she",
    "somebody",
    "someone",
    "something",
    "son",
    "sont",
    "suis",
    "sur",
    "that",
    "the",
    "their",
    "them",
    "there",
    "these",
    "they",
    "this",
    "to",
    "un",
    "une",
    "vos",
    "votre",
    "voudrais",
    "vous",
    "want",
    "wants",
    "was",
    "we",
    "what",
    "when",
    "where",
    "which",
    "who",
    "will",
    "with",
    "would",
    "you",
    "your",
];

/// Whether a folded word is too common to search by.
pub fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.binary_search(&word).is_ok()
}

/// A folded word with its stems: to find them takes longer than to look for them in the directory.
#[derive(Debug, Clone)]
pub struct Word {
    text: Box<str>,
    english: Box<str>,
    /// Where it differs.
    french: Option<Box<str>>,
}

impl Word {
    /// The word, which is folded already.
    pub fn new(text: &str) -> Self {
        static FRENCH: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::French));
        let (english, french) = (english_stem(text), FRENCH.stem(text));
        let french = (french != english).then(|| french.into());
        Self { text: text.into(), english: english.into(), french }
    }

    /// The word itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its English stem, then the French one where it differs.
    ///
    /// Both, since the language of a text in a directory is often not the one it is marked with.
    pub fn stems(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.english).chain(self.french.as_deref())
    }
}

/// The English stem of a folded word.
pub fn english_stem(word: &str) -> String {
    static ENGLISH: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));
    ENGLISH.stem(word).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elisions_and_possessives_are_cut() {
        assert_eq!(words("L'aide qu’il faut: Women's Centre (55+)"), ["aide", "il", "faut", "women", "centre", "55"]);
        assert_eq!(words("Banque d'alimentation - Québec"), ["banque", "alimentation", "quebec"]);
        assert!(words("' l' — !").is_empty());
    }

    #[test]
    fn numbers_by_digits_and_postal_codes_are_words_however_they_are_written() {
        assert_eq!(words("9-8-8 Helpline"), ["988", "helpline"]);
        assert_eq!(words("Drop-in 2-4, ages 5-6"), ["drop", "in", "2", "4", "ages", "5", "6"]);
        assert_eq!(words("V1Y 6N2"), words("v1y6n2"));
        assert_eq!(words("V1Y-6N2"), ["v1y", "6n2"]);
    }

    #[test]
    fn stems_join_forms_of_a_word() {
        let english = |word| Word::new(word).stems().next().unwrap().to_owned();
        assert_eq!(english("housing"), english("houses"));
        let french = |word| Word::new(word).stems().last().unwrap().to_owned();
        assert_eq!(french("alimentaires"), french("alimentaire"));
        assert_eq!(french("logements"), french("logement"));
    }

    #[test]
    fn stop_words_are_sorted_for_look_up() {
        assert!(STOP_WORDS.is_sorted());
        assert!(is_stop_word("the") && is_stop_word("pour") && !is_stop_word("food"));
    }

    proptest! {
        #[test]
        fn words_are_stable(text in "\\PC{0,60}") {
            let once = words(&text);
            prop_assert_eq!(words(&once.join(" ")).len(), once.len());
            prop_assert!(once.iter().all(|word| !word.is_empty() && word.chars().count() <= LONGEST_WORD));
        }
    }
}
