//! Which record is known under which id.
//!
//! A record may claim the id that its source gave it. Two directories that imported the same source claim the same ids: the record that
//! came first has it, the other is known by its own id; one that was deleted comes after all others. Nobody can claim the own id of another
//! record.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use crate::db::types::Instant;

/// Whether a record was deleted, and since when it is there: who comes first.
pub(super) type Rank = (bool, Instant);

/// Ids towards others, and whose they are.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// What each record is known by.
    shown: BTreeMap<Uuid, Uuid>,
    /// The records that are known by another id than their own.
    renamed: HashMap<Uuid, Uuid>,
    /// Those that claim one that is not their own: who, since when.
    claims: HashMap<Uuid, BTreeSet<(Rank, Uuid)>>,
    claim_of: HashMap<Uuid, (Uuid, Rank)>,
    /// All records.
    own: BTreeSet<Uuid>,
}

impl Names {
    /// Takes a record in; the records whose id towards others has changed, with the one before.
    pub(super) fn insert(&mut self, own: Uuid, claim: Uuid, since: Rank) -> Vec<(Uuid, Option<Uuid>)> {
        self.own.insert(own);
        if claim != own {
            self.claims.entry(claim).or_default().insert((since, own));
            self.claim_of.insert(own, (claim, since));
        }
        let mut changed = self.settle(own);
        changed.extend(self.settle(claim));
        changed.retain(|(record, _)| *record != own);
        let name = self.name(own);
        self.set(own, name);
        changed.push((own, None));
        changed
    }

    /// Takes a record out; see [`insert`](Self::insert).
    pub(super) fn remove(&mut self, own: Uuid) -> Vec<(Uuid, Option<Uuid>)> {
        if !self.own.remove(&own) {
            return Vec::new();
        }
        let name = self.renamed.remove(&own).unwrap_or(own);
        if self.shown.get(&name) == Some(&own) {
            self.shown.remove(&name);
        }
        let claim = self.claim_of.remove(&own);
        if let Some((claim, since)) = claim
            && let Some(claimants) = self.claims.get_mut(&claim)
        {
            claimants.remove(&(since, own));
            if claimants.is_empty() {
                self.claims.remove(&claim);
            }
        }
        let mut changed = self.settle(own);
        changed.extend(claim.map(|(claim, _)| self.settle(claim)).unwrap_or_default());
        changed
    }

    /// The id by which a record is known.
    pub(super) fn shown(&self, own: Uuid) -> Uuid {
        self.renamed.get(&own).copied().unwrap_or(own)
    }

    /// The record that is known by an id.
    pub(super) fn own(&self, shown: Uuid) -> Option<Uuid> {
        self.shown.get(&shown).copied()
    }

    /// All records, in the order of the ids by which they are known.
    pub(super) fn in_order(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.shown.values().copied()
    }

    /// Decides anew who has an id that several may claim.
    fn settle(&mut self, claim: Uuid) -> Vec<(Uuid, Option<Uuid>)> {
        let claimants: Vec<Uuid> = self.claims.get(&claim).into_iter().flatten().map(|(_, own)| *own).collect();
        let mut names: Vec<(Uuid, Uuid)> = claimants.into_iter().map(|own| (own, self.name(own))).collect();
        // Who gives an id up goes first, so that the entry of the one who gets it stays.
        names.sort_by_key(|(_, name)| *name == claim);
        let mut changed = Vec::new();
        for (own, name) in names {
            let before = self.shown(own);
            let is_listed = self.shown.get(&before) == Some(&own);
            if before != name || !is_listed {
                self.set(own, name);
                changed.push((own, is_listed.then_some(before)));
            }
        }
        changed
    }

    fn name(&self, own: Uuid) -> Uuid {
        let Some((claim, _)) = self.claim_of.get(&own) else { return own };
        let first = self.claims.get(claim).and_then(BTreeSet::first).map(|(_, own)| *own);
        if first == Some(own) && !self.own.contains(claim) { *claim } else { own }
    }

    fn set(&mut self, own: Uuid, name: Uuid) {
        let before = self.shown(own);
        if self.shown.get(&before) == Some(&own) {
            self.shown.remove(&before);
        }
        if name == own {
            self.renamed.remove(&own);
        } else {
            self.renamed.insert(own, name);
        }
        self.shown.insert(name, own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn at(day: u32) -> Rank {
        (false, format!("2026-01-{day:02}T00:00:00Z").parse().unwrap())
    }

    fn all(names: &Names) -> Vec<(u128, u128)> {
        names.shown.iter().map(|(shown, own)| (shown.as_u128(), own.as_u128())).collect()
    }

    #[test]
    fn the_first_of_two_claimants_has_the_id_and_the_other_inherits_it() {
        let mut names = Names::default();
        names.insert(id(2), id(100), at(2));
        names.insert(id(1), id(1), at(1));
        assert_eq!(all(&names), [(1, 1), (100, 2)]);
        let changed = names.insert(id(3), id(100), at(1));
        assert_eq!(all(&names), [(1, 1), (2, 2), (100, 3)], "it was there before");
        assert!(changed.contains(&(id(2), Some(id(100)))));
        assert_eq!((names.shown(id(2)), names.own(id(100))), (id(2), Some(id(3))));
        names.remove(id(3));
        assert_eq!(all(&names), [(1, 1), (100, 2)]);
        names.remove(id(2));
        assert_eq!(all(&names), [(1, 1)]);
        assert!(names.claims.is_empty() && names.renamed.is_empty() && names.claim_of.is_empty());
    }

    #[test]
    fn who_was_deleted_gives_the_id_to_the_living() {
        let mut names = Names::default();
        names.insert(id(2), id(100), (true, at(1).1));
        assert_eq!(all(&names), [(100, 2)]);
        names.insert(id(3), id(100), at(2));
        assert_eq!(all(&names), [(2, 2), (100, 3)]);
    }

    #[test]
    fn nobody_has_the_own_id_of_another() {
        let mut names = Names::default();
        names.insert(id(5), id(7), at(1));
        assert_eq!(all(&names), [(7, 5)]);
        names.insert(id(7), id(7), at(2));
        assert_eq!(all(&names), [(5, 5), (7, 7)]);
        names.remove(id(7));
        assert_eq!(all(&names), [(7, 5)]);
    }
}
