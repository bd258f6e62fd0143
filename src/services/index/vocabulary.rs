//! The words of the directory and the services that hold them.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use crate::services::text::{Word, english_stem};

/// Number of a word; reused once no service holds it.
pub(in crate::services) type WordId = u32;
/// Number of a service within the index; reused after a removal.
pub(in crate::services) type Slot = u32;

/// A service that holds a word, and how much the word weighs there: the slot in the upper 24 bits, the weight in the lower 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::services) struct Posting(u32);

impl Posting {
    /// The most services that an index holds.
    pub(super) const MOST_SLOTS: u32 = 1 << 24;

    const fn new(slot: Slot, weight: u8) -> Self {
        Self(slot << 8 | weight as u32)
    }

    /// The service.
    pub(in crate::services) const fn slot(self) -> Slot {
        self.0 >> 8
    }

    /// The weight of the word in the service.
    pub(in crate::services) const fn weight(self) -> u8 {
        self.0 as u8
    }
}

/// Every word, with its postings in the order of slots.
#[derive(Debug, Default)]
pub(in crate::services) struct Vocabulary {
    words: Vec<(Arc<str>, Vec<Posting>)>,
    ids: BTreeMap<Arc<str>, WordId>,
    stems: HashMap<Box<str>, Vec<WordId>>,
    trigrams: HashMap<[char; 3], Vec<WordId>>,
    free: Vec<WordId>,
}

/// Candidates for a misspelled word that are measured exactly.
const MOST_MEASURED: usize = 200;

impl Vocabulary {
    /// The number of a word; a new word gets one.
    pub(super) fn intern(&mut self, word: &str) -> WordId {
        if let Some(id) = self.ids.get(word) {
            return *id;
        }
        let id = self.free.pop().unwrap_or(self.words.len() as WordId);
        let text: Arc<str> = word.into();
        let entry = (Arc::clone(&text), Vec::new());
        match self.words.get_mut(id as usize) {
            Some(free) => *free = entry,
            None => self.words.push(entry),
        }
        self.ids.insert(text, id);
        for stem in Word::new(word).stems() {
            list(&mut self.stems, stem.into(), id);
        }
        for trigram in trigrams(word) {
            list(&mut self.trigrams, trigram, id);
        }
        id
    }

    /// Forgets a word that no service holds any more; where one does, it stays.
    pub(super) fn forget(&mut self, word: WordId) {
        let Some((text, postings)) = self.words.get_mut(word as usize) else { return };
        if !postings.is_empty() || self.ids.get(&**text) != Some(&word) {
            return;
        }
        *postings = Vec::new();
        let text = std::mem::take(text);
        self.ids.remove(&*text);
        for stem in Word::new(&text).stems() {
            strike(&mut self.stems, stem, word);
        }
        for trigram in trigrams(&text) {
            strike(&mut self.trigrams, &trigram, word);
        }
        self.free.push(word);
    }

    /// Notes that a service holds a word.
    pub(super) fn add(&mut self, word: WordId, slot: Slot, weight: u8) {
        if let Some((_, postings)) = self.words.get_mut(word as usize) {
            match postings.binary_search_by_key(&slot, |posting| posting.slot()) {
                Ok(_) => {}
                Err(place) => postings.insert(place, Posting::new(slot, weight)),
            }
        }
    }

    /// Notes that a service no longer holds a word.
    pub(super) fn remove(&mut self, word: WordId, slot: Slot) {
        if let Some((_, postings)) = self.words.get_mut(word as usize)
            && let Ok(place) = postings.binary_search_by_key(&slot, |posting| posting.slot())
        {
            postings.remove(place);
        }
    }

    /// How many words there are, those that are to be used again among them.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.words.len()
    }

    /// The services that hold a word, in the order of slots.
    pub(in crate::services) fn postings(&self, word: WordId) -> &[Posting] {
        self.words.get(word as usize).map_or(&[], |(_, postings)| postings)
    }

    /// The word itself, where some service holds it.
    pub(in crate::services) fn find(&self, word: &str) -> Option<WordId> {
        self.ids.get(word).copied().filter(|id| self.is_used(*id))
    }

    /// The words in use that share an English or French stem with this one.
    pub(in crate::services) fn of_same_stem(&self, word: &Word) -> impl Iterator<Item = WordId> {
        let found = word.stems().filter_map(|stem| self.stems.get(stem));
        found.flatten().copied().filter(|id| self.is_used(*id))
    }

    /// The words in use that begin so, in alphabetical order.
    pub(in crate::services) fn beginning(&self, prefix: &str) -> impl Iterator<Item = WordId> + '_ {
        let prefix: Arc<str> = prefix.into();
        let from = self.ids.range(Arc::clone(&prefix)..);
        from.take_while(move |(word, _)| word.starts_with(&*prefix)).map(|(_, id)| *id).filter(|id| self.is_used(*id))
    }

    /// The words in use that this one may be a misspelling of, with the number of slips: one in 4 to 7 letters, two in 8 or more.
    /// The nearest come first, then the more frequent, then those first in the alphabet.
    pub(in crate::services) fn similar(&self, word: &str) -> Vec<(WordId, usize)> {
        let length = word.chars().count();
        let most_slips = match length {
            0..4 => return Vec::new(),
            4..8 => 1,
            _ => 2,
        };
        if word.bytes().any(|byte| byte.is_ascii_digit()) {
            return Vec::new();
        }
        let mut shared: HashMap<WordId, usize> = HashMap::new();
        for trigram in trigrams(word) {
            for id in self.trigrams.get(&trigram).into_iter().flatten() {
                *shared.entry(*id).or_default() += 1;
            }
        }
        // A slip spoils at most four trigrams (two letters exchanged).
        let least = (length + 1).saturating_sub(4 * most_slips).max(1);
        let mut candidates: Vec<_> = shared.into_iter().filter(|(id, count)| *count >= least && self.is_used(*id)).collect();
        candidates.sort_unstable_by_key(|(id, count)| (std::cmp::Reverse(*count), self.text(*id)));
        let measured = candidates.into_iter().take(MOST_MEASURED).filter_map(|(id, _)| {
            // Beside the word its stem: `hampr` is one slip from `hamper`, though the directory says `hampers`.
            let other = self.text(id);
            let forms = [other, &english_stem(other)];
            let near = forms.into_iter().filter(|form| form.chars().count().abs_diff(length) <= most_slips);
            let slips = near.map(|form| strsim::osa_distance(word, form)).min()?;
            (1..=most_slips).contains(&slips).then_some((id, slips))
        });
        let mut found: Vec<_> = measured.collect();
        found.sort_unstable_by_key(|(id, slips)| (*slips, std::cmp::Reverse(self.postings(*id).len()), self.text(*id)));
        found
    }

    fn text(&self, word: WordId) -> &str {
        self.words.get(word as usize).map_or("", |(text, _)| text)
    }

    fn is_used(&self, word: WordId) -> bool {
        !self.postings(word).is_empty()
    }
}

/// Enters a number under a key, in rising order, once.
fn list<K: Eq + Hash>(lists: &mut HashMap<K, Vec<WordId>>, key: K, id: WordId) {
    let ids = lists.entry(key).or_default();
    if let Err(place) = ids.binary_search(&id) {
        ids.insert(place, id);
    }
}

/// Takes it out again, and the key where nothing is left under it.
fn strike<K: Eq + Hash + Borrow<Q>, Q: Eq + Hash + ?Sized>(lists: &mut HashMap<K, Vec<WordId>>, key: &Q, id: WordId) {
    let Some(ids) = lists.get_mut(key) else { return };
    if let Ok(place) = ids.binary_search(&id) {
        ids.remove(place);
    }
    if ids.is_empty() {
        lists.remove(key);
    }
}

/// The overlapping threes of letters of a word with its ends marked.
fn trigrams(word: &str) -> Vec<[char; 3]> {
    let letters: Vec<char> = std::iter::once('^').chain(word.chars()).chain(std::iter::once('$')).collect();
    letters.windows(3).filter_map(|three| three.try_into().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(words: &[&str]) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        for (slot, word) in (0..).zip(words) {
            let id = vocabulary.intern(word);
            vocabulary.add(id, slot, 10);
        }
        vocabulary
    }

    fn similar(vocabulary: &Vocabulary, word: &str) -> Vec<String> {
        vocabulary.similar(word).into_iter().map(|(id, _)| vocabulary.text(id).to_owned()).collect()
    }

    #[test]
    fn misspelled_words_are_found_within_bounds() {
        let vocabulary = vocabulary(&["kitchen", "counselling", "food", "foot", "employment", "seniors", "ride"]);
        assert_eq!(similar(&vocabulary, "kitchin"), ["kitchen"]);
        assert_eq!(similar(&vocabulary, "counsleing"), ["counselling"]);
        assert_eq!(similar(&vocabulary, "emplyoment"), ["employment"]);
        assert_eq!(similar(&vocabulary, "fooc"), ["food", "foot"]);
        assert!(similar(&vocabulary, "rid").is_empty(), "short words are taken as they are");
        assert!(similar(&vocabulary, "kithcan").is_empty(), "two slips are too many in seven letters");
    }

    #[test]
    fn words_are_found_by_beginning_and_stem_while_in_use() {
        let mut vocabulary = vocabulary(&["house", "housing", "hours"]);
        let beginning: Vec<_> = vocabulary.beginning("hous").map(|id| vocabulary.text(id)).collect();
        assert_eq!(beginning, ["house", "housing"]);
        let stem: Vec<_> = vocabulary.of_same_stem(&Word::new("houses")).map(|id| vocabulary.text(id)).collect();
        assert_eq!(stem, ["house", "housing"]);
        vocabulary.remove(0, 0);
        assert_eq!(vocabulary.find("house"), None);
        assert_eq!(vocabulary.beginning("hous").count(), 1);
    }

    #[test]
    fn a_word_that_nobody_holds_is_forgotten_and_its_number_is_used_again() {
        let mut vocabulary = vocabulary(&["house", "housing"]);
        let all = |vocabulary: &Vocabulary| (vocabulary.words.len(), vocabulary.stems.len(), vocabulary.trigrams.len());
        let before = all(&vocabulary);
        for _ in 0..2 {
            let id = vocabulary.intern("zebra");
            vocabulary.add(id, 9, 10);
            vocabulary.forget(id);
            assert_eq!(vocabulary.find("zebra"), Some(id), "somebody holds it");
            vocabulary.remove(id, 9);
            vocabulary.forget(id);
            vocabulary.forget(id);
            assert_eq!((vocabulary.find("zebra"), vocabulary.words.len() - vocabulary.free.len()), (None, 2));
        }
        assert_eq!(all(&vocabulary), (before.0 + 1, before.1, before.2));
        let id = vocabulary.intern("kitchen");
        vocabulary.add(id, 3, 10);
        assert_eq!(similar(&vocabulary, "kitchin"), ["kitchen"]);
        assert_eq!(vocabulary.words.len(), 3);
    }
}
