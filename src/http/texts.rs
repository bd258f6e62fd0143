//! Resources as JSON, kept.
//!
//! The same resources are read again and again, and to read one and write it out costs more than to find it. What a version of a resource
//! says to those who see the whole of it is always the same, so its text is kept for as long as there is room. Who sees it, and in which
//! version it stands, the database is asked each time.

use std::collections::HashMap;

use actix_web::web::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::Serialize;
use uuid::Uuid;

use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::kind::{Kind, ResourceType};

/// Bytes of texts kept in memory.
const KEPT_BYTES: u64 = 8 << 20;
/// Texts that are expected to be kept.
const KEPT_TEXTS: usize = 6_000;

/// What a resource is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// By itself.
    Alone,
    /// In a list, which may tell less.
    Listed,
}

/// A resource as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub Bytes);

impl Text {
    /// The text of what is shown.
    pub fn of(shape: &impl Serialize) -> Result<Self> {
        Ok(Self(serde_json::to_vec(shape).map_err(Error::internal)?.into()))
    }
}

/// A resource on a page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Item<K: 'static> {
    /// Its id.
    pub id: Id<K>,
    /// The version in which it stands.
    pub version: i64,
    /// Whether the caller sees the whole of it.
    pub is_whole: bool,
}

/// The texts of those who were read last.
#[derive(Debug)]
pub struct Texts(Cache<(Form, ResourceType, Uuid), Kept, Size>);

#[derive(Debug, Clone)]
struct Kept {
    version: i64,
    text: Text,
}

#[derive(Debug, Clone)]
struct Size;

impl Weighter<(Form, ResourceType, Uuid), Kept> for Size {
    fn weight(&self, key: &(Form, ResourceType, Uuid), kept: &Kept) -> u64 {
        (size_of_val(key) + size_of_val(kept) + kept.text.0.len()) as u64
    }
}

impl Default for Texts {
    fn default() -> Self {
        Self(Cache::with_weighter(KEPT_TEXTS, KEPT_BYTES, Size))
    }
}

impl Texts {
    /// The text of this version of a resource, where it is kept.
    pub fn get<K: Kind>(&self, form: Form, id: Id<K>, version: i64) -> Option<Text> {
        let kept = self.0.get(&(form, K::RESOURCE_TYPE, id.uuid()))?;
        (kept.version == version).then_some(kept.text)
    }

    /// Keeps what this version of a resource says to whoever sees the whole of it.
    pub fn keep<K: Kind>(&self, form: Form, id: Id<K>, version: i64, text: Text) {
        self.0.insert((form, K::RESOURCE_TYPE, id.uuid()), Kept { version, text });
    }

    /// The resources of a page, in its order: those that are kept, and the others as `read` shows them to the caller, in any order. Of those
    /// that it does not show, nothing.
    pub fn page<K: Kind, T: Serialize>(
        &self,
        items: &[Item<K>],
        id: impl Fn(&T) -> Id<K>,
        read: impl FnOnce(&[Id<K>]) -> Result<Vec<T>>,
    ) -> Result<Vec<Text>> {
        let kept = |item: &Item<K>| if item.is_whole { self.get(Form::Listed, item.id, item.version) } else { None };
        let mut texts: Vec<Option<Text>> = items.iter().map(kept).collect();
        let missing = || items.iter().zip(&texts).filter(|(_, text)| text.is_none()).map(|(item, _)| item.id);
        let missing: Vec<Id<K>> = missing().collect();
        if !missing.is_empty() {
            let mut shown: HashMap<Id<K>, T> = read(&missing)?.into_iter().map(|shape| (id(&shape), shape)).collect();
            for (item, text) in items.iter().zip(&mut texts) {
                let Some(shape) = shown.remove(&item.id) else { continue };
                let written = Text::of(&shape)?;
                if item.is_whole {
                    self.keep(Form::Listed, item.id, item.version, written.clone());
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
        let texts = Texts::default();
        let ids: Vec<PatientId> = (0..4).map(|_| Id::generate()).collect();
        let page = |version: i64, is_whole: [bool; 4]| {
            let items: Vec<Item<kind::Patient>> =
                ids.iter().zip(is_whole).map(|(id, is_whole)| Item { id: *id, version, is_whole }).collect();
            let mut asked = 0;
            let found = texts.page(
                &items,
                |shape: &Value| serde_json::from_value(shape["id"].clone()).unwrap(),
                |missing| {
                    asked = missing.len();
                    // The last is not shown to anybody.
                    Ok(missing.iter().rev().filter(|id| **id != ids[3]).map(|id| json!({ "id": id, "version": version })).collect())
                },
            );
            let wanted: Vec<Text> = ids[..3].iter().map(|id| Text::of(&json!({ "id": id, "version": version })).unwrap()).collect();
            assert_eq!(found.unwrap(), wanted);
            asked
        };
        assert_eq!(page(1, [true, true, false, true]), 4);
        assert_eq!(page(1, [true, true, false, true]), 2, "one that is shown in part, and one that is not");
        assert_eq!(page(1, [false, true, true, true]), 3, "what is kept of the whole is not for whoever sees a part");
        assert_eq!(page(2, [true; 4]), 4, "another version");
        assert_eq!(page(2, [true; 4]), 1);
    }
}
