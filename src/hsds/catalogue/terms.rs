//! The terms and taxonomies that services carry, and those that sources have besides.

use std::collections::BTreeMap;

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

/// One that services carry, or that a source has, which knows it better.
#[derive(Debug)]
struct Held<T> {
    carried: Option<T>,
    uses: usize,
    said: Option<T>,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self { carried: None, uses: 0, said: None }
    }
}

impl<T: Clone> Held<T> {
    fn shown(&self) -> Option<&T> {
        self.said.as_ref().or(self.carried.as_ref())
    }

    fn count(&mut self, value: &T) {
        self.carried.get_or_insert_with(|| value.clone());
        self.uses += 1;
    }
}

fn discount<T>(all: &mut BTreeMap<Uuid, Held<T>>, id: Uuid) {
    let Some(held) = all.get_mut(&id) else { return };
    held.uses = held.uses.saturating_sub(1);
    if held.uses == 0 {
        held.carried = None;
        if held.said.is_none() {
            all.remove(&id);
        }
    }
}

impl Terms {
    /// Counts the terms of a service; their ids, rising.
    pub(super) fn count(&mut self, terms: &[TaxonomyTerm]) -> Box<[Uuid]> {
        let mut own: Vec<Uuid> = terms.iter().map(|term| term.id).collect();
        own.sort_unstable();
        own.dedup();
        for term in own.iter().filter_map(|id| terms.iter().find(|term| term.id == *id)) {
            if let Some(taxonomy) = &term.taxonomy_detail {
                self.taxonomies.entry(taxonomy.id).or_default().count(taxonomy);
            }
            self.terms.entry(term.id).or_default().count(term);
        }
        own.into()
    }

    /// A service carries these no more.
    pub(super) fn discount(&mut self, terms: &[Uuid]) {
        for id in terms {
            let carried = self.terms.get(id).and_then(|held| held.carried.as_ref());
            let taxonomy = carried.and_then(|term| term.taxonomy_detail.as_ref()).map(|taxonomy| taxonomy.id);
            taxonomy.into_iter().for_each(|taxonomy| discount(&mut self.taxonomies, taxonomy));
            discount(&mut self.terms, *id);
        }
    }

    /// What sources have now, in the place of what they had. Of two that have the same, the first is believed.
    pub(super) fn replace_said(&mut self, rows: Vec<SourceRow>) {
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
        self.terms.retain(|_, held| held.uses > 0 || held.said.is_some());
        self.taxonomies.retain(|_, held| held.uses > 0 || held.said.is_some());
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

    /// Whether a term is of a taxonomy.
    pub(super) fn is_of(&self, term: Uuid, taxonomy: Uuid) -> bool {
        self.term(term).and_then(|term| term.taxonomy_detail.as_ref()).is_some_and(|of| of.id == taxonomy)
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
    }
}
