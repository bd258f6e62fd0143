//! What is made of the records of a file, one service after the other: a short record has as many as fit into it, and what is made of each is
//! many times larger than what it was read from.

use serde_json::{Map, Value};

use super::draft::{Draft, Unfit};
use super::hsds::Services;
use super::mapping::{Format, Mapping, Path};
use super::{Notice, records};

/// The records inside a top-level value that are still to be read.
#[derive(Debug)]
pub(super) struct Records {
    /// The value, where its records stand inside it or the mapping looks at what encloses them; else null.
    outer: Value,
    /// The value, where it is the one record.
    whole: Option<Value>,
    /// How many of those inside it have been read.
    read: usize,
}

impl Records {
    /// Those of a value; `None` where nothing stands in their place. An empty list says that there are none.
    pub(super) fn of(mapping: &Mapping, value: Value) -> Option<Self> {
        let Some(path) = &mapping.each else {
            // Only a mapping that looks at the enclosing value needs the record twice.
            let needs_outer = mapping.keys.within.is_some() || mapping.format == Format::Records;
            let outer = if needs_outer { value.clone() } else { Value::Null };
            return Some(Self { outer, whole: Some(value), read: 0 });
        };
        let is_list = path.at(&value, &value).is_some_and(Value::is_array);
        let is_there = is_list || path.find(&value, &value).is_some();
        is_there.then_some(Self { outer: value, whole: None, read: 0 })
    }

    /// The next one.
    pub(super) fn next(&mut self, mapping: &Mapping) -> Option<Value> {
        let Some(path) = &mapping.each else { return self.whole.take() };
        let number = self.read;
        self.read += 1;
        match path.at(&self.outer, &self.outer)? {
            Value::Array(items) => items.get(number).cloned(),
            one => (number == 0).then(|| one.clone()),
        }
    }

    /// What encloses them.
    pub(super) const fn outer(&self) -> &Value {
        &self.outer
    }
}

/// The drafts of a top-level value that are still to be made.
#[derive(Debug)]
pub(super) struct Drafts {
    records: Records,
    /// The services of the record that is being read.
    services: Option<Services>,
}

impl Drafts {
    /// Those of a value.
    ///
    /// # Errors
    /// Nothing stands where its records should.
    pub(super) fn of(mapping: &Mapping, value: Value) -> Result<Self, Notice> {
        let records = Records::of(mapping, value).ok_or_else(|| {
            let path = mapping.each.as_ref().map(|path| path.text.clone()).unwrap_or_default();
            Notice::new("not_a_record", path, "there is nothing at this path")
        })?;
        Ok(Self { records, services: None })
    }

    /// Makes the next one.
    pub(super) fn next(&mut self, mapping: &Mapping) -> Option<Result<Draft, Unfit>> {
        loop {
            if let Some(draft) = self.services.as_mut().and_then(|services| services.next(mapping)) {
                return Some(draft);
            }
            let record = self.records.next(mapping)?;
            let outer = self.records.outer();
            match mapping.format {
                Format::Hsds => self.services = Some(Services::of(mapping, record, outer)),
                Format::Records => {
                    let draft = records::draft(mapping, &record, outer);
                    return Some(draft.map(|draft| grouped(mapping, draft, &record, outer)));
                }
            }
        }
    }
}

/// Moves what is said of the one record of a group from the service to its place.
fn grouped(mapping: &Mapping, mut draft: Draft, record: &Value, outer: &Value) -> Draft {
    let Some(group) = &mapping.group else { return draft };
    let group = match group.strip_prefix('=') {
        Some(constant) => Some(constant.to_owned()),
        None => Path::from(group.clone()).find(record, outer).and_then(records::values::text),
    };
    let key = draft.key.take().unwrap_or_else(|| draft.service.name.clone());
    let leftovers: Map<String, Value> = std::mem::take(&mut draft.leftovers).into_iter().collect();
    if !leftovers.is_empty() {
        draft.keep("places", Value::Object(Map::from_iter([(key.clone(), Value::Object(leftovers))])));
    }
    for notice in &mut draft.notices {
        notice.field = format!("places.{key}.{}", notice.field);
    }
    draft.key = group;
    draft
}
