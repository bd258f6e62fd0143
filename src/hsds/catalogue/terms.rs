//! The terms and taxonomies that services carry, and those that sources have besides.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::hsds::model::{Taxonomy, TaxonomyTerm};
use crate::hsds::repository::{SourceRow, SourceRowKind};
use crate::text::fold;

/// Those that are listed, by their ids.
#[derive(Debug, Default)]
pub(super) struct Terms {
    terms: BTreeMap<Uuid, Held<TaxonomyTerm>>,
    taxonomies: BTreeMap<Uuid, Held<Taxonomy>>,
}

/// A term as a service carries it: its id, and the digest of what the service says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carried {
    /// Its id.
    pub(super) term: Uuid,
    says: u64,
}

/// One that services carry, or that a source has, which knows it better. Of what services say the most common counts, whenever they said
/// it: so every process that knows the same services shows the same.
#[derive(Debug)]
struct Held<T> {
    /// What services say of it, by the digest of that, and how many say so.
    carried: BTreeMap<u64, (Box<T>, usize)>,
    /// The same in the order of how many say so, the most common first.
    order: BTreeSet<(Reverse<usize>, u64)>,
    said: Option<T>,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self { carried: BTreeMap::new(), order: BTreeSet::new(), said: None }
    }
}

impl<T> Held<T> {
    fn shown(&self) -> Option<&T> {
        self.said.as_ref().or_else(|| self.most_common().map(|(_, value)| value))
    }

    fn most_common(&self) -> Option<(u64, &T)> {
        let (_, says) = self.order.first()?;
        self.carried.get(says).map(|(value, _)| (*says, &**value))
    }

    fn is_listed(&self) -> bool {
        self.said.is_some() || !self.carried.is_empty()
    }

    fn discount(&mut self, says: u64) {
        let Some((_, uses)) = self.carried.get_mut(&says) else { return };
        self.order.remove(&(Reverse(*uses), says));
        *uses = uses.saturating_sub(1);
        if *uses == 0 {
            self.carried.remove(&says);
        } else {
            self.order.insert((Reverse(*uses), says));
        }
    }
}

impl<T: Clone + PartialEq + Serialize> Held<T> {
    /// The digest of a value; nearly always it is what all others say, too.
    fn digest(&self, value: &T) -> u64 {
        match self.most_common() {
            Some((says, known)) if known == value => says,
            _ => digest(value),
        }
    }

    fn count(&mut self, value: &T) -> u64 {
        let says = self.digest(value);
        let (_, uses) = self.carried.entry(says).or_insert_with(|| (Box::new(value.clone()), 0));
        self.order.remove(&(Reverse(*uses), says));
        *uses += 1;
        self.order.insert((Reverse(*uses), says));
        says
    }
}

/// The same in every process.
fn digest(value: &impl Serialize) -> u64 {
    let digest = Sha256::digest(serde_json::to_vec(value).unwrap_or_default());
    digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
}

impl Terms {
    /// Counts the terms of a service, in the order of their ids.
    pub(super) fn count(&mut self, terms: &[TaxonomyTerm]) -> Box<[Carried]> {
        let mut terms: Vec<&TaxonomyTerm> = terms.iter().collect();
        terms.sort_by_key(|term| term.id);
        terms.dedup_by_key(|term| term.id);
        let count = |term: &TaxonomyTerm| {
            if let Some(taxonomy) = &term.taxonomy_detail {
                self.taxonomies.entry(taxonomy.id).or_default().count(taxonomy);
            }
            Carried { term: term.id, says: self.terms.entry(term.id).or_default().count(term) }
        };
        terms.into_iter().map(count).collect()
    }

    /// A service carries these no more.
    pub(super) fn discount(&mut self, terms: &[Carried]) {
        for Carried { term, says } in terms {
            let Some(held) = self.terms.get_mut(term) else { continue };
            let taxonomy = held.carried.get(says).and_then(|(value, _)| value.taxonomy_detail.clone());
            held.discount(*says);
            if !held.is_listed() {
                self.terms.remove(term);
            }
            if let Some(taxonomy) = taxonomy
                && let Some(held) = self.taxonomies.get_mut(&taxonomy.id)
            {
                held.discount(held.digest(&taxonomy));
                if !held.is_listed() {
                    self.taxonomies.remove(&taxonomy.id);
                }
            }
        }
    }

    /// What sources have now, in the place of what they had. Of two that have the same, the first is believed.
    pub(super) fn replace_said(&mut self, mut rows: Vec<SourceRow>) {
        // A taxonomy that is listed is believed before what terms say of theirs.
        rows.sort_by_key(|row| row.kind != SourceRowKind::Taxonomy);
        self.terms.values_mut().for_each(|held| held.said = None);
        self.taxonomies.values_mut().for_each(|held| held.said = None);
        for row in rows {
            if row.kind == SourceRowKind::Taxonomy {
                let taxonomy = serde_json::from_value::<Taxonomy>(row.content.0).ok();
                taxonomy.into_iter().for_each(|taxonomy| self.say_taxonomy(taxonomy));
            } else if let Ok(term) = serde_json::from_value::<TaxonomyTerm>(row.content.0) {
                term.taxonomy_detail.iter().for_each(|taxonomy| self.say_taxonomy(taxonomy.clone()));
                self.terms.entry(term.id).or_default().said.get_or_insert(term);
            }
        }
        self.terms.retain(|_, held| held.is_listed());
        self.taxonomies.retain(|_, held| held.is_listed());
    }

    fn say_taxonomy(&mut self, taxonomy: Taxonomy) {
        self.taxonomies.entry(taxonomy.id).or_default().said.get_or_insert(taxonomy);
    }

    /// A term.
    pub(super) fn term(&self, id: Uuid) -> Option<&TaxonomyTerm> {
        self.terms.get(&id)?.shown()
    }

    /// A taxonomy.
    pub(super) fn taxonomy(&self, id: Uuid) -> Option<&Taxonomy> {
        self.taxonomies.get(&id)?.shown()
    }

    /// Whether a term is of a taxonomy: as it is shown, or as a service carries it.
    pub(super) fn is_of(&self, carried: &Carried, taxonomy: Uuid) -> bool {
        let Some(held) = self.terms.get(&carried.term) else { return false };
        let own = held.carried.get(&carried.says).map(|(value, _)| &**value);
        held.shown().into_iter().chain(own).filter_map(|term| term.taxonomy_detail.as_ref()).any(|of| of.id == taxonomy)
    }

    /// The taxonomies whose names hold the words, in the order of their ids.
    pub(super) fn taxonomies(&self, words: &str) -> Vec<Uuid> {
        let words = fold(words);
        let says = |taxonomy: &&Taxonomy| {
            let Taxonomy { name, description, .. } = taxonomy;
            [name, description].into_iter().flatten().any(|text| fold(text).contains(&words))
        };
        self.taxonomies.values().filter_map(Held::shown).filter(says).map(|taxonomy| taxonomy.id).collect()
    }

    /// The terms of a taxonomy, below a term, or at the top, whose names or codes hold the words, in the order of their ids.
    pub(super) fn terms(&self, words: &str, taxonomy: Option<Uuid>, parent: Option<Uuid>, top_only: bool) -> Vec<Uuid> {
        let words = fold(words);
        let keeps = |term: &&TaxonomyTerm| {
            taxonomy.is_none_or(|id| term.taxonomy_detail.as_ref().is_some_and(|taxonomy| taxonomy.id == id))
                && parent.is_none_or(|id| term.parent_id == Some(id))
                && (!top_only || term.parent_id.is_none())
                && [&term.name, &term.code, &term.description].into_iter().flatten().any(|text| fold(text).contains(&words))
        };
        self.terms.values().filter_map(Held::shown).filter(keeps).map(|term| term.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::db::types::Json;
    use crate::kind::OrganizationId;

    fn term(id: u128, name: &str) -> TaxonomyTerm {
        let taxonomy = Taxonomy { id: Uuid::from_u128(9), name: Some("Own".into()), ..Taxonomy::default() };
        TaxonomyTerm { id: Uuid::from_u128(id), name: Some(name.into()), taxonomy_detail: Some(taxonomy), ..TaxonomyTerm::default() }
    }

    fn said(term: &TaxonomyTerm) -> SourceRow {
        let changed_at = "2026-01-01T00:00:00Z".parse().unwrap();
        let organization_id = OrganizationId::from_uuid(Uuid::from_u128(1));
        let content = Json(json!(term));
        let key = term.id.to_string();
        SourceRow { organization_id, source: "a".into(), kind: SourceRowKind::TaxonomyTerm, key, content, changed_at, revision: 1 }
    }

    #[test]
    fn a_term_is_listed_as_long_as_a_service_carries_it_or_a_source_has_it() {
        let mut terms = Terms::default();
        let names = |terms: &Terms| {
            let ids = terms.terms("", None, None, false);
            ids.iter().map(|id| terms.term(*id).unwrap().name.clone().unwrap()).collect::<Vec<_>>()
        };
        let carried = terms.count(&[term(1, "Food"), term(2, "Rides"), term(1, "Food")]);
        assert_eq!((carried.len(), names(&terms)), (2, vec!["Food".to_owned(), "Rides".to_owned()]));
        terms.replace_said(vec![said(&term(1, "Food, fresh")), said(&term(3, "Unused"))]);
        assert_eq!(names(&terms), ["Food, fresh", "Rides", "Unused"]);
        terms.discount(&carried);
        assert_eq!(names(&terms), ["Food, fresh", "Unused"]);
        assert_eq!(terms.taxonomies("own"), [Uuid::from_u128(9)]);
        terms.replace_said(Vec::new());
        assert_eq!((names(&terms), terms.taxonomies("")), (Vec::<String>::new(), Vec::new()));
        assert!(terms.terms.is_empty() && terms.taxonomies.is_empty());
    }

    #[test]
    fn what_most_services_say_of_a_term_is_shown_in_whatever_order_they_said_it() {
        let name = |terms: &Terms| terms.term(Uuid::from_u128(1)).unwrap().name.clone().unwrap();
        let mut renamed = Terms::default();
        let before = [renamed.count(&[term(1, "Food")]), renamed.count(&[term(1, "Food")])];
        renamed.count(&[term(1, "Pantries")]);
        assert_eq!(name(&renamed), "Food");
        // Their source calls it otherwise now.
        for carried in before {
            renamed.discount(&carried);
            renamed.count(&[term(1, "Pantries")]);
        }
        assert_eq!(name(&renamed), "Pantries");
        let (mut one, mut other) = (Terms::default(), Terms::default());
        for (first, second) in [("Food", "Pantries"), ("Meals", "Groceries")] {
            one.count(&[term(1, first)]);
            one.count(&[term(1, second)]);
        }
        for said in ["Groceries", "Meals", "Pantries", "Food"] {
            other.count(&[term(1, said)]);
        }
        assert_eq!(name(&one), name(&other));
    }

    #[test]
    fn a_taxonomy_is_listed_as_long_as_a_term_of_it_is_carried() {
        let mut terms = Terms::default();
        let mut elsewhere = term(1, "Food");
        elsewhere.taxonomy_detail = Some(Taxonomy { id: Uuid::from_u128(8), name: Some("Other".into()), ..Taxonomy::default() });
        let first = terms.count(&[term(1, "Food"), term(2, "Rides")]);
        let second = terms.count(&[elsewhere]);
        assert_eq!(terms.taxonomies(""), [Uuid::from_u128(8), Uuid::from_u128(9)]);
        assert!(terms.is_of(&second[0], Uuid::from_u128(8)), "as the service itself says");
        terms.discount(&first);
        assert_eq!(terms.taxonomies(""), [Uuid::from_u128(8)]);
        terms.discount(&second);
        assert!(terms.taxonomies("").is_empty() && terms.terms.is_empty());
    }
}
