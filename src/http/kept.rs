//! What was written out last, as JSON.
//!
//! The same resources are read again and again, and to read one and write it out costs more than to find it. What a version of a resource
//! says to those who see the whole of it is always the same, so its text is kept for as long as there is room. Who sees it, and in which
//! version it stands, the database is asked each time.

use std::collections::HashMap;

use actix_web::web::Bytes;
use diesel::Queryable;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::Serialize;
use uuid::Uuid;

use crate::db::types::{Id, Instant};
use crate::error::{Error, Result};
use crate::kind::{Kind, ResourceType};

/// Bytes of texts kept in memory.
const KEPT_BYTES: u64 = 8 << 20;
/// Texts that are expected to be kept.
const KEPT_TEXTS: usize = 6_000;

/// Bytes that the cache needs for one of them beside the text.
const AROUND: usize = 100;

/// What a resource is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// By itself.
    Alone,
    /// In a list, which may tell less.
    Listed,
}

/// Which of its states a resource is in. The version alone does not say it where a database is set back beneath a server that runs: the
/// number is then given once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct Edition {
    /// Version, from 1.
    pub version: i64,
    /// When it was written.
    pub updated_at: Instant,
}

/// A resource as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written(pub Bytes);

impl Written {
    /// The text of what is shown.
    pub fn of(shape: &impl Serialize) -> Result<Self> {
        // No longer than it is: some of what is written is kept.
        Ok(Self(serde_json::to_vec(shape).map_err(Error::internal)?.into_boxed_slice().into()))
    }
}

/// A resource on a page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Item<K: 'static> {
    /// Its id.
    pub id: Id<K>,
    /// How it stands.
    pub edition: Edition,
    /// Whether the caller sees the whole of it.
    pub is_whole: bool,
}

/// The texts of what was read last.
#[derive(Debug)]
pub struct Kept(Cache<(Form, ResourceType, Uuid), Entry, Size>);

#[derive(Debug, Clone)]
struct Entry {
    edition: Edition,
    text: Written,
}

#[derive(Debug, Clone)]
struct Size;

impl Weighter<(Form, ResourceType, Uuid), Entry> for Size {
    fn weight(&self, key: &(Form, ResourceType, Uuid), kept: &Entry) -> u64 {
        (AROUND + size_of_val(key) + size_of_val(kept) + kept.text.0.len()) as u64
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self(Cache::with_weighter(KEPT_TEXTS, KEPT_BYTES, Size))
    }
}

impl Kept {
    /// The text of a resource in this state, where it is kept.
    pub fn get<K: Kind>(&self, form: Form, id: Id<K>, edition: Edition) -> Option<Written> {
        let kept = self.0.get(&(form, K::RESOURCE_TYPE, id.uuid()))?;
        (kept.edition == edition).then_some(kept.text)
    }

    /// Keeps what a resource says in this state to whoever sees the whole of it.
    pub fn keep<K: Kind>(&self, form: Form, id: Id<K>, edition: Edition, text: Written) {
        self.0.insert((form, K::RESOURCE_TYPE, id.uuid()), Entry { edition, text });
    }

    /// The resources of a page, in its order: those that are kept, and the others as `read` shows them to the caller, in any order. Of those
    /// that it does not show, nothing.
    pub fn page<K: Kind, T: Serialize>(
        &self,
        items: &[Item<K>],
        id: impl Fn(&T) -> Id<K>,
        read: impl FnOnce(&[Id<K>]) -> Result<Vec<T>>,
    ) -> Result<Vec<Written>> {
        let kept = |item: &Item<K>| item.is_whole.then(|| self.get(Form::Listed, item.id, item.edition)).flatten();
        let mut texts: Vec<Option<Written>> = items.iter().map(kept).collect();
        let missing = items.iter().zip(&texts).filter(|(_, text)| text.is_none());
        let missing: Vec<Id<K>> = missing.map(|(item, _)| item.id).collect();
        if !missing.is_empty() {
            let mut shown: HashMap<Id<K>, T> = read(&missing)?.into_iter().map(|shape| (id(&shape), shape)).collect();
            for (item, text) in items.iter().zip(&mut texts) {
                let Some(shape) = shown.remove(&item.id) else { continue };
                let written = Written::of(&shape)?;
                if item.is_whole {
                    self.keep(Form::Listed, item.id, item.edition, written.clone());
                }
                *text = Some(written);
            }
        }
        Ok(texts.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::{self, PatientId};

    #[test]
    fn a_page_is_read_once_for_all_who_see_the_whole_of_it_and_each_time_for_others() {
        let kept = Kept::default();
        let ids: Vec<PatientId> = (0..4).map(|_| Id::generate()).collect();
        let page = |version: i64, minute: i64, is_whole: [bool; 4]| {
            let edition = Edition { version, updated_at: Instant::from_timestamp(60 * minute).unwrap() };
            let items: Vec<Item<kind::Patient>> =
                ids.iter().zip(is_whole).map(|(id, is_whole)| Item { id: *id, edition, is_whole }).collect();
            let mut asked = 0;
            let found = kept.page(
                &items,
                |shape: &Value| serde_json::from_value(shape["id"].clone()).unwrap(),
                |missing| {
                    asked = missing.len();
                    // The last is not shown to anybody.
                    Ok(missing.iter().rev().filter(|id| **id != ids[3]).map(|id| json!({ "id": id, "version": version })).collect())
                },
            );
            let wanted: Vec<Written> = ids[..3].iter().map(|id| Written::of(&json!({ "id": id, "version": version })).unwrap()).collect();
            assert_eq!(found.unwrap(), wanted);
            asked
        };
        assert_eq!(page(1, 0, [true, true, false, true]), 4);
        assert_eq!(page(1, 0, [true, true, false, true]), 2, "one that is shown in part, and one that is not");
        assert_eq!(page(1, 0, [false, true, true, true]), 3, "what is kept of the whole is not for whoever sees a part");
        assert_eq!(page(2, 1, [true; 4]), 4, "another version");
        assert_eq!(page(2, 1, [true; 4]), 1);
        assert_eq!(page(2, 2, [true; 4]), 4, "the same number, given once more");
    }
}
