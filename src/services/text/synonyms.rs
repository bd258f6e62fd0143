//! What the field calls the same thing, in English and French.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{Word, is_stop_word, words};

/// Groups of phrases that stand for each other in a search.
///
/// The shipped table is `synonyms.csv`, compiled for Kith from the words of public directories; each line names its source.
#[derive(Debug, Default)]
pub struct Synonyms {
    groups: Vec<Vec<Phrase>>,
    /// From the English stems of a phrase, with spaces between them, to its groups.
    by_stems: HashMap<String, Vec<usize>>,
    /// The words of the longest phrase.
    longest: usize,
}

#[derive(Debug)]
struct Phrase {
    /// The words to look for.
    words: Vec<Word>,
    /// See [`Synonyms::by_stems`].
    stems: String,
}

impl Synonyms {
    /// The table that Kith ships.
    pub fn shipped() -> &'static Self {
        static SHIPPED: LazyLock<Synonyms> = LazyLock::new(|| Synonyms::parse(include_str!("synonyms.csv")));
        &SHIPPED
    }

    /// Reads a table: one line for each group, phrases separated by `;`, then the source.
    fn parse(table: &str) -> Self {
        let mut synonyms = Self::default();
        for record in csv::Reader::from_reader(table.as_bytes()).records().flatten() {
            let phrases = record.get(0).unwrap_or_default().split(';');
            let phrases = phrases.map(content_words).filter(|words| !words.is_empty());
            let group: Vec<Phrase> = phrases.map(|words| Phrase { stems: joined_stems(&words).0, words }).collect();
            for phrase in &group {
                synonyms.longest = synonyms.longest.max(phrase.words.len());
                let groups = synonyms.by_stems.entry(phrase.stems.clone()).or_default();
                if groups.last() != Some(&synonyms.groups.len()) {
                    groups.push(synonyms.groups.len());
                }
            }
            synonyms.groups.push(group);
        }
        synonyms
    }

    /// The longest phrase of the table that these words begin with: its length in words, and what else it is called.
    pub fn starting(&self, words: &[Word]) -> Option<(usize, Vec<&[Word]>)> {
        let (stems, ends) = joined_stems(words.get(..self.longest).unwrap_or(words));
        ends.iter().enumerate().rev().find_map(|(last, end)| {
            let own = stems.get(..*end)?;
            let others = self.by_stems.get(own)?.iter().filter_map(|group| self.groups.get(*group)).flatten();
            Some((last + 1, others.filter(|other| other.stems != own).map(|other| other.words.as_slice()).collect()))
        })
    }
}

/// The words of a phrase that are looked for.
pub(in crate::services) fn content_words(phrase: &str) -> Vec<Word> {
    let all = words(phrase);
    let mut content = all.iter().filter(|word| !is_stop_word(word)).peekable();
    if content.peek().is_some() { content.map(|word| Word::new(word)).collect() } else { all.iter().map(|word| Word::new(word)).collect() }
}

/// The English stems of some words, with spaces between them, and where each ends.
fn joined_stems(words: &[Word]) -> (String, Vec<usize>) {
    let mut joined = String::new();
    let ends = words.iter().map(|word| {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(&word.english);
        joined.len()
    });
    let ends = ends.collect();
    (joined, ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(text: &str) -> (usize, Vec<String>) {
        let (length, others) = Synonyms::shipped().starting(&content_words(text)).unwrap_or_default();
        (length, others.into_iter().map(|words| words.iter().map(Word::text).collect::<Vec<_>>().join(" ")).collect())
    }

    #[test]
    fn phrases_are_found_in_either_language_and_number() {
        for text in ["food banks near me", "Banques alimentaires", "hampers"] {
            let (_, others) = others(text);
            assert!(others.iter().any(|other| other.contains("pantry")), "{text}: {others:?}");
        }
        assert_eq!(others("food banks").0, 2, "the longest phrase wins");
        assert!(others("loyer").1.contains(&"rent".into()));
        assert!(others("seul").1.contains(&"lonely".into()));
        assert_eq!(others("zzz").0, 0);
    }

    #[test]
    fn every_line_of_the_table_has_a_source_and_company() {
        for record in csv::Reader::from_reader(include_str!("synonyms.csv").as_bytes()).records() {
            let record = record.unwrap();
            assert!(record[0].split(';').count() > 1 && !record[1].is_empty(), "{record:?}");
        }
    }
}
