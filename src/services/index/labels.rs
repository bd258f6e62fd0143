//! Facts of a service that are searched and counted by equality: its languages, modes, city, terms.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use super::vocabulary::Slot;

/// What a label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::services) enum LabelKind {
    /// A need domain that it answers.
    Need,
    /// A need domain, how well, and on what basis: `food-insecurity/direct/stated`.
    NeedFit,
    /// A language, with or without an interpreter: its one code.
    Language,
    /// A language without an interpreter.
    LanguageSpoken,
    /// How it reaches people.
    Mode,
    /// Whether it runs.
    Status,
    /// The kind of entry.
    Kind,
    /// A city, folded.
    City,
    /// The organization that gives it.
    Provider,
    /// The organization that keeps the record.
    Keeper,
    /// A population it is for or made for.
    Population,
    /// A diet.
    Dietary,
    /// A culture.
    Culture,
    /// Something accessible.
    Accessibility,
    /// A practice.
    Practice,
    /// A term of a taxonomy: the code alone, and `taxonomy|code`.
    Term,
    /// The start of postal codes it serves.
    PostalPrefix,
    /// Whether it takes people now.
    Capacity,
    /// What it asks for.
    Cost,
    /// One of [`Flag`].
    Flag,
}

const KINDS: usize = LabelKind::Flag as usize + 1;

/// Statements that are true, false, or not known of a service: not known has neither label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::services) enum Flag {
    /// Asks nothing, or a gift.
    Free,
    /// Known to ask something.
    NotFree,
    /// Open on weekday evenings.
    Evenings,
    /// Hours known, none of them in the evening.
    NotEvenings,
    /// Open on weekends.
    Weekends,
    /// Hours known, none of them on a weekend.
    NotWeekends,
    /// Runs, is not full or closed, and does not refuse referrals.
    Accepting,
    /// Reaches people without their coming to a place, or it is not known where its places are.
    Anywhere,
    /// All its areas are starts of postal codes.
    PostalAreasOnly,
}

impl Flag {
    /// The value of the label.
    pub(in crate::services) const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::NotFree => "not_free",
            Self::Evenings => "evenings",
            Self::NotEvenings => "not_evenings",
            Self::Weekends => "weekends",
            Self::NotWeekends => "not_weekends",
            Self::Accepting => "accepting",
            Self::Anywhere => "anywhere",
            Self::PostalAreasOnly => "postal_areas_only",
        }
    }
}

/// Number of a label; reused once no service carries it.
pub(in crate::services) type LabelId = u32;

#[derive(Debug)]
struct Label {
    kind: LabelKind,
    value: Box<str>,
    services: RoaringBitmap,
}

/// Every label, with the set of services that carry it.
#[derive(Debug, Default)]
pub(in crate::services) struct Labels {
    labels: Vec<Label>,
    ids: [HashMap<Box<str>, LabelId>; KINDS],
    free: Vec<LabelId>,
}

impl Labels {
    /// Puts a label on a service; the label's number.
    pub(super) fn add(&mut self, kind: LabelKind, value: &str, slot: Slot) -> LabelId {
        let id = self.find(kind, value).unwrap_or_else(|| {
            let id = self.free.pop().unwrap_or(self.labels.len() as LabelId);
            let label = Label { kind, value: value.into(), services: RoaringBitmap::new() };
            match self.labels.get_mut(id as usize) {
                Some(free) => *free = label,
                None => self.labels.push(label),
            }
            if let Some(ids) = self.ids.get_mut(kind as usize) {
                ids.insert(value.into(), id);
            }
            id
        });
        if let Some(label) = self.labels.get_mut(id as usize) {
            label.services.insert(slot);
        }
        id
    }

    /// Takes a label off a service.
    pub(super) fn remove(&mut self, label: LabelId, slot: Slot) {
        if let Some(label) = self.labels.get_mut(label as usize) {
            label.services.remove(slot);
        }
    }

    /// Forgets a label that no service carries any more; where one does, it stays.
    pub(super) fn forget(&mut self, label: LabelId) {
        let Some(known) = self.labels.get_mut(label as usize).filter(|known| known.services.is_empty()) else { return };
        let value = std::mem::take(&mut known.value);
        // One that was forgotten before has no value left by which it could be found.
        if self.ids.get_mut(known.kind as usize).and_then(|ids| ids.remove(&value)).is_some() {
            self.free.push(label);
        }
    }

    /// The services that carry a label.
    pub(in crate::services) fn services(&self, kind: LabelKind, value: &str) -> Option<&RoaringBitmap> {
        self.find(kind, value).and_then(|id| self.labels.get(id as usize)).map(|label| &label.services)
    }

    /// The services that carry a flag.
    pub(in crate::services) fn flagged(&self, flag: Flag) -> Option<&RoaringBitmap> {
        self.services(LabelKind::Flag, flag.as_str())
    }

    /// Kind and value of a label.
    pub(in crate::services) fn get(&self, label: LabelId) -> Option<(LabelKind, &str)> {
        self.labels.get(label as usize).map(|label| (label.kind, &*label.value))
    }

    /// How many labels there are; their numbers lie below.
    pub(in crate::services) const fn len(&self) -> usize {
        self.labels.len()
    }

    fn find(&self, kind: LabelKind, value: &str) -> Option<LabelId> {
        self.ids.get(kind as usize)?.get(value).copied()
    }
}
