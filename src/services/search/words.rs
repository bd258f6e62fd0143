//! Which services a text finds, and how well.
//!
//! A text becomes terms: a word, or a phrase that the synonyms know. A service holds a term if it holds the words of one of its ways of
//! being said. Of one or two terms all must be held, of more most; where no service holds so many, fewer will do.

use bit_set::BitSet;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use crate::services::index::{DirectoryIndex, Slot, WordId};
use crate::services::text::{Synonyms, Word, content_words};

/// Longer questions are cut; a term has a bit of [`TextHit::held`].
const MOST_WORDS: usize = 32;
/// Words that an unfinished word may become.
const MOST_ENDINGS: usize = 50;
/// Words that a misspelled word may have been.
const MOST_CORRECTIONS: usize = 10;
/// A word that fewer services hold is suspected to be misspelled.
const RARE: usize = 3;

/// How surely a word of the directory is meant by a word of the question.
mod sureness {
    pub(super) const SAME_STEM: f32 = 0.92;
    /// Two words written as one, or one as two.
    pub(super) const COMPOUND: f32 = 0.9;
    pub(super) const ENDING: f32 = 0.75;
    pub(super) const ONE_SLIP: f32 = 0.6;
    pub(super) const TWO_SLIPS: f32 = 0.4;
    pub(super) const SYNONYM: f32 = 0.5;
}

/// A text in the terms of the directory.
#[derive(Debug, Default)]
pub(super) struct SoughtText {
    terms: Vec<Term>,
}

#[derive(Debug)]
struct Term {
    /// As the question has it, folded.
    shown: String,
    ways: Vec<Way>,
    /// How many services hold it, at least roughly.
    holders: usize,
}

/// One way of saying a term: for each of its words, the words of the directory that will do and how surely.
#[derive(Debug)]
struct Way {
    words: Vec<Vec<(WordId, f32)>>,
    sureness: f32,
}

/// How terms are weighed against each other and how many must be held.
///
/// Rare words weigh more. A cursor carries the scale of its first page, so that later pages are ordered alike though services were added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    required: u8,
    weights: Vec<u16>,
}

/// A service that a text finds.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextHit {
    pub(super) slot: Slot,
    /// From 0 to 1.
    pub(super) fit: f32,
    /// The terms that it holds, the first in the lowest bit.
    held: u32,
}

/// A term that a service holds, by its number, and how well.
#[derive(Debug, Clone, Copy)]
struct Held {
    slot: Slot,
    term: u8,
    fit: f32,
}

/// The services that are asked about.
struct Asked<'a> {
    /// Rising.
    slots: &'a RoaringBitmap,
    /// The same, for the many looks whether a service is one of them.
    bits: BitSet,
}

impl<'a> Asked<'a> {
    fn new(slots: &'a RoaringBitmap) -> Self {
        let mut bits = BitSet::with_capacity(slots.max().map_or(0, |last| last as usize + 1));
        bits.extend(slots.iter().map(|slot| slot as usize));
        Self { slots, bits }
    }

    fn contains(&self, slot: Slot) -> bool {
        self.bits.contains(slot as usize)
    }
}

impl SoughtText {
    pub(super) fn new(index: &DirectoryIndex, text: &str) -> Self {
        let mut words = content_words(text);
        words.truncate(MOST_WORDS);
        let mut terms = Vec::new();
        let mut rest = words.as_slice();
        while !rest.is_empty() {
            let (mut length, mut others) = Synonyms::shipped().starting(rest).unwrap_or((1, Vec::new()));
            // "handy dart" for `handydart`: two words that the directory knows as one.
            if length == 1 && rest.get(..2).is_some_and(|two| index.vocabulary().find(&said(two, "")).is_some()) {
                (length, others) = (2, Vec::new());
            }
            let (own, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            let own_words = own.iter().enumerate().map(|(place, word)| expand(index, word, after.is_empty() && place + 1 == length));
            let mut ways = vec![Way { words: own_words.collect(), sureness: 1.0 }];
            let halves = own.first().filter(|_| length == 1).and_then(|word| halves(index, word));
            if let Some(halves) = &halves {
                ways.push(Way { words: halves.iter().map(|half| exactly(index, half)).collect(), sureness: sureness::COMPOUND });
                if others.is_empty() {
                    others = Synonyms::shipped().starting(halves).filter(|(length, _)| *length == 2).unwrap_or_default().1;
                }
            } else if length > 1 {
                ways.push(Way { words: vec![exactly(index, &Word::new(&said(own, "")))], sureness: sureness::COMPOUND });
            }
            for other in others {
                let words = other.iter().map(|word| exactly(index, word)).collect();
                ways.push(Way { words, sureness: sureness::SYNONYM });
            }
            ways.retain(|way| way.words.iter().all(|found| !found.is_empty()));
            let holders = ways.iter().map(|way| way.holders(index)).sum();
            terms.push(Term { shown: said(own, " "), ways, holders });
            rest = after;
        }
        terms.retain(|term| !term.ways.is_empty());
        Self { terms }
    }

    /// The services that hold enough of the terms, in the order of slots, and the scale by which they were weighed.
    pub(super) fn find(&self, index: &DirectoryIndex, within: Option<&RoaringBitmap>, scale: Option<&Scale>) -> (Vec<TextHit>, Scale) {
        let scale = scale.filter(|scale| scale.weights.len() == self.terms.len());
        let mut scale = scale.cloned().unwrap_or_else(|| self.scale(index.len()));
        let within = within.map(Asked::new);
        let mut held: Vec<Held> = Vec::new();
        for (number, term) in (0..).zip(&self.terms) {
            held.extend(term.found(index, within.as_ref()).into_iter().map(|(slot, fit)| Held { slot, term: number, fit }));
        }
        if self.terms.len() > 1 {
            held.sort_by_key(|held| held.slot);
        }
        let all: f32 = scale.weights.iter().map(|weight| f32::from(*weight)).sum();
        let weight = |term: u8| scale.weights.get(usize::from(term)).copied().map_or(0.0, f32::from);
        let mut required = usize::from(scale.required);
        loop {
            let services = held.chunk_by(|a, b| a.slot == b.slot).filter(|terms| terms.len() >= required);
            let hit = |terms: &[Held]| {
                Some(TextHit {
                    slot: terms.first()?.slot,
                    fit: terms.iter().map(|held| held.fit * weight(held.term)).sum::<f32>() / all,
                    held: terms.iter().fold(0, |all, held| all | 1 << held.term),
                })
            };
            let hits: Vec<TextHit> = services.filter_map(hit).collect();
            if !hits.is_empty() || required <= 1 {
                scale.required = required as u8;
                return (hits, scale);
            }
            required -= 1;
        }
    }

    /// The services that hold any of the terms, with how well they hold all of them.
    pub(super) fn find_any(&self, index: &DirectoryIndex) -> Vec<TextHit> {
        let scale = Scale { required: 1, ..self.scale(index.len()) };
        self.find(index, None, Some(&scale)).0
    }

    /// The terms that a service holds, in the order of the question.
    pub(super) fn held_by(&self, hit: TextHit) -> Vec<String> {
        let held = (0..).zip(&self.terms).filter(|(number, _)| hit.held >> number & 1 == 1);
        held.map(|(_, term)| term.shown.clone()).collect()
    }

    fn scale(&self, services: usize) -> Scale {
        let terms = self.terms.len();
        let required = match terms {
            0..=2 => terms,
            3 => 2,
            _ => (terms * 3).div_ceil(5),
        };
        let weight = |term: &Term| (((1.0 + services as f64 / (term.holders as f64 + 1.0)).ln() * 1_000.0) as u16).max(1);
        Scale { required: required as u8, weights: self.terms.iter().map(weight).collect() }
    }
}

impl Term {
    /// The services that hold it, rising, with how well.
    fn found(&self, index: &DirectoryIndex, within: Option<&Asked<'_>>) -> Vec<(Slot, f32)> {
        let mut found: Vec<(Slot, f32)> = Vec::new();
        for way in &self.ways {
            let mut words = way.words.iter().map(|word| holders(index, word, within));
            let first = words.next().unwrap_or_default();
            let all = words.fold(first, |held, word| both(&held, &word));
            found.extend(all.into_iter().map(|(slot, fit)| (slot, fit * way.sureness)));
        }
        if self.ways.len() > 1 {
            keep_best(&mut found);
        }
        found
    }
}

impl Way {
    fn holders(&self, index: &DirectoryIndex) -> usize {
        let of_word = |word: &Vec<(WordId, f32)>| word.iter().map(|(id, _)| index.vocabulary().postings(*id).len()).sum();
        self.words.iter().map(of_word).min().unwrap_or_default()
    }
}

/// The words, one after the other.
fn said(words: &[Word], between: &str) -> String {
    words.iter().map(Word::text).collect::<Vec<_>>().join(between)
}

/// The words of the directory that are the same but for their endings.
fn exactly(index: &DirectoryIndex, word: &Word) -> Vec<(WordId, f32)> {
    let vocabulary = index.vocabulary();
    let mut found: Vec<(WordId, f32)> = vocabulary.find(word.text()).map(|id| (id, 1.0)).into_iter().collect();
    for id in vocabulary.of_same_stem(word) {
        add(&mut found, id, sureness::SAME_STEM);
    }
    found
}

/// The words of the directory that a word of the question may mean.
fn expand(index: &DirectoryIndex, word: &Word, is_last: bool) -> Vec<(WordId, f32)> {
    let vocabulary = index.vocabulary();
    let mut found = exactly(index, word);
    if is_last && word.text().len() > 1 {
        for id in vocabulary.beginning(word.text()).take(MOST_ENDINGS) {
            add(&mut found, id, sureness::ENDING);
        }
    }
    if found.iter().map(|(id, _)| vocabulary.postings(*id).len()).sum::<usize>() < RARE {
        for (id, slips) in vocabulary.similar(word.text()).into_iter().take(MOST_CORRECTIONS) {
            add(&mut found, id, if slips == 1 { sureness::ONE_SLIP } else { sureness::TWO_SLIPS });
        }
    }
    found
}

/// A word that hardly any service holds, as two words that services hold side by side or apart: `foodbank` as "food bank".
fn halves(index: &DirectoryIndex, word: &Word) -> Option<[Word; 2]> {
    const SHORTEST: usize = 3;
    let vocabulary = index.vocabulary();
    let holders = |half: &str| vocabulary.find(half).map_or(0, |id| vocabulary.postings(id).len());
    // Most words are held as they are; to look for their stems takes long.
    if holders(word.text()) >= RARE || exactly(index, word).iter().map(|(id, _)| vocabulary.postings(*id).len()).sum::<usize>() >= RARE {
        return None;
    }
    let word = word.text();
    let cuts = word.char_indices().map(|(place, _)| place).filter_map(|place| word.split_at_checked(place));
    let long_enough = cuts.filter(|(first, second)| first.chars().count() >= SHORTEST && second.chars().count() >= SHORTEST);
    let (fewest, halves) = long_enough.map(|(a, b)| (holders(a).min(holders(b)), [a, b])).max_by_key(|cut| cut.0)?;
    (fewest > 0).then(|| halves.map(Word::new))
}

fn add(found: &mut Vec<(WordId, f32)>, id: WordId, sureness: f32) {
    if found.iter().all(|(known, _)| *known != id) {
        found.push((id, sureness));
    }
}

/// The services that hold one of the words, rising, each with its best fit.
fn holders(index: &DirectoryIndex, words: &[(WordId, f32)], within: Option<&Asked<'_>>) -> Vec<(Slot, f32)> {
    let mut found = Vec::new();
    for (word, sureness) in words {
        let postings = index.vocabulary().postings(*word);
        // The weight at which a word is half as good as it can be; a name alone gives 0.7.
        let fit = |weight: u8| sureness * f32::from(weight) / (f32::from(weight) + 40.0);
        match within {
            // Few services are asked about: look each up instead of passing over the whole list.
            Some(within) if within.slots.len() as usize * 8 < postings.len() => {
                for slot in within.slots {
                    if let Ok(place) = postings.binary_search_by_key(&slot, |posting| posting.slot()) {
                        found.extend(postings.get(place).map(|posting| (slot, fit(posting.weight()))));
                    }
                }
            }
            Some(within) => {
                let sought = postings.iter().filter(|posting| within.contains(posting.slot()));
                found.extend(sought.map(|posting| (posting.slot(), fit(posting.weight()))));
            }
            None => found.extend(postings.iter().map(|posting| (posting.slot(), fit(posting.weight())))),
        }
    }
    if words.len() > 1 {
        keep_best(&mut found);
    }
    found
}

/// Sorts by service and keeps the best fit of each. The parts are sorted already, so a merging sort is quick.
fn keep_best(found: &mut Vec<(Slot, f32)>) {
    found.sort_by_key(|(slot, _)| *slot);
    found.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = kept.1.max(next.1);
        }
        same
    });
}

/// The services in both lists, with the mean of their fits.
fn both(a: &[(Slot, f32)], b: &[(Slot, f32)]) -> Vec<(Slot, f32)> {
    let mut others = b.iter().peekable();
    let mut found = Vec::new();
    for (slot, fit) in a {
        while others.next_if(|(other, _)| other < slot).is_some() {}
        if let Some((_, other)) = others.next_if(|(other, _)| other == slot) {
            found.push((*slot, (fit + other) / 2.0));
        }
    }
    found
}
