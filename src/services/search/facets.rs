//! How many of the services found have which property.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::services::index::{DirectoryIndex, Entry, Flag, LabelKind};

/// At most so many values of a facet are shown: the most frequent.
const MOST_VALUES: usize = 50;

/// How many services have a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FacetCount {
    /// The value, as the condition of the facet's name takes it.
    #[schema(example = "food-insecurity")]
    pub value: String,
    /// How many services have it.
    #[schema(example = 42)]
    pub count: u32,
}

/// Counts over all services found, on whatever page; each facet is named as the condition that narrows the search to it. Values come the
/// most frequent first, at most 50 of each. What is not known of a service is not counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ServiceFacets {
    /// Services found in all.
    pub total: u32,
    /// By need domain.
    pub need: Vec<FacetCount>,
    /// By language.
    pub language: Vec<FacetCount>,
    /// By mode of delivery.
    pub mode: Vec<FacetCount>,
    /// By what it asks for.
    pub cost: Vec<FacetCount>,
    /// By whether it runs.
    pub status: Vec<FacetCount>,
    /// By whether it takes people now.
    pub capacity: Vec<FacetCount>,
    /// By kind of entry.
    pub kind: Vec<FacetCount>,
    /// By city, folded to lower case without accents.
    pub city: Vec<FacetCount>,
    /// By the organization that gives it.
    pub provider_id: Vec<FacetCount>,
    /// By population.
    pub population: Vec<FacetCount>,
    /// By diet.
    pub dietary: Vec<FacetCount>,
    /// By culture.
    pub culture: Vec<FacetCount>,
    /// By what is accessible.
    pub accessibility: Vec<FacetCount>,
    /// By practice.
    pub practice: Vec<FacetCount>,
    /// Known to be free.
    pub free: u32,
    /// Known to be open in the evening.
    pub evenings: u32,
    /// Known to be open on weekends.
    pub weekends: u32,
    /// Taking people, as far as is known.
    pub accepting: u32,
}

impl ServiceFacets {
    pub(super) fn count<'a>(index: &DirectoryIndex, entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut counts = vec![0u32; index.labels().len()];
        let mut facets = Self::default();
        for entry in entries {
            facets.total += 1;
            for label in entry.labels() {
                if let Some(count) = counts.get_mut(label as usize) {
                    *count += 1;
                }
            }
        }
        for (label, count) in (0..).zip(counts).filter(|(_, count)| *count > 0) {
            if let Some((kind, value)) = index.labels().get(label) {
                facets.add(kind, value, count);
            }
        }
        facets.arrange();
        facets
    }

    fn add(&mut self, kind: LabelKind, value: &str, count: u32) {
        if kind == LabelKind::Flag {
            let flags = [
                (Flag::Free, &mut self.free),
                (Flag::Evenings, &mut self.evenings),
                (Flag::Weekends, &mut self.weekends),
                (Flag::Accepting, &mut self.accepting),
            ];
            if let Some((_, sum)) = flags.into_iter().find(|(flag, _)| flag.as_str() == value) {
                *sum = count;
            }
        } else if let Some(values) = self.values(kind) {
            values.push(FacetCount { value: value.to_owned(), count });
        }
    }

    const fn values(&mut self, kind: LabelKind) -> Option<&mut Vec<FacetCount>> {
        Some(match kind {
            LabelKind::Need => &mut self.need,
            LabelKind::Language => &mut self.language,
            LabelKind::Mode => &mut self.mode,
            LabelKind::Cost => &mut self.cost,
            LabelKind::Status => &mut self.status,
            LabelKind::Capacity => &mut self.capacity,
            LabelKind::Kind => &mut self.kind,
            LabelKind::City => &mut self.city,
            LabelKind::Provider => &mut self.provider_id,
            LabelKind::Population => &mut self.population,
            LabelKind::Dietary => &mut self.dietary,
            LabelKind::Culture => &mut self.culture,
            LabelKind::Accessibility => &mut self.accessibility,
            LabelKind::Practice => &mut self.practice,
            LabelKind::NeedFit
            | LabelKind::LanguageSpoken
            | LabelKind::Keeper
            | LabelKind::Term
            | LabelKind::PostalPrefix
            | LabelKind::Flag => {
                return None;
            }
        })
    }

    fn arrange(&mut self) {
        let lists = [
            &mut self.need,
            &mut self.language,
            &mut self.mode,
            &mut self.cost,
            &mut self.status,
            &mut self.capacity,
            &mut self.kind,
            &mut self.city,
            &mut self.provider_id,
            &mut self.population,
            &mut self.dietary,
            &mut self.culture,
            &mut self.accessibility,
            &mut self.practice,
        ];
        for list in lists {
            list.sort_unstable_by(|a, b| (Reverse(a.count), &a.value).cmp(&(Reverse(b.count), &b.value)));
            list.truncate(MOST_VALUES);
        }
    }
}
