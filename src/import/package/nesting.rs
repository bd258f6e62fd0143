//! Rows put together: each with the records that it names and the rows that hang on it, and with all that hangs on those.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::bounds::Unfolded;
use super::{PARENTS, Package, Place, Row, parents_of, text};
use crate::hsds::package::OTHERWISE;
use crate::hsds::tables::{self, KEYS, SINGLES};

/// Those that may name a row of any table, and the columns that say of which.
const OF_ANY: &[(&str, &str)] = &[("link_id", "link_entity"), ("resource_id", "resource_type")];
/// What of an organization is read with its services.
const WITH_SERVICES: &[&str] = &["phone", "organization_identifier", "location", "address"];
/// How deep objects are nested.
const DEEPEST: usize = 6;
/// Records that are not there and told of.
const MOST_MISSING: usize = 10_000;

impl Package {
    /// A row with all that hangs on it, as long as this is not too much.
    pub(super) fn nested(&self, table: &str, mut fields: Row, depth: usize, unfolded: &mut Unfolded) -> Row {
        unfolded.add(&fields);
        if unfolded.is_too_much() {
            return fields;
        }
        let id = text(&fields, "id").filter(|_| depth < DEEPEST);
        self.add_named(table, &mut fields, depth, unfolded);
        for (member, mut rows) in self.lists(table, id.as_deref(), depth, unfolded) {
            if (table, member.as_str()) == ("service", "eligibility") && !fields.contains_key("eligibility_description") {
                // A table of its own before there was a field.
                let said = rows.iter_mut().filter_map(|row| row.as_object_mut()?.shift_remove("eligibility"));
                let words: Vec<String> = said.filter_map(|words| words.as_str().map(str::to_owned)).collect();
                fields.insert("eligibility_description".into(), words.join("\n").into());
                rows.retain(|row| row.as_object().is_some_and(|row| row.keys().any(|name| name != "id")));
            }
            if !rows.is_empty() {
                fields.entry(member).or_insert(Value::Array(rows));
            }
        }
        say_otherwise(&mut fields);
        without_keys(table, fields)
    }

    /// Adds to a row the records that it names.
    fn add_named(&self, table: &str, fields: &mut Row, depth: usize, unfolded: &mut Unfolded) {
        let owner = fields.get("organization_id").cloned();
        for (member, child, column) in SINGLES {
            let Some(named) = text(fields, column) else { continue };
            // Upwards only from the service itself, and to the location from what is there.
            let is_upwards = *child == "organization" && table != "service"
                || *child == "location" && table != "service_at_location"
                || *child == "program" && table != "service";
            if is_upwards || depth >= DEEPEST || unfolded.is_too_much() {
                continue;
            }
            let row = self.records.get(*child).and_then(|rows| rows.get(&named)).and_then(|place| self.used(*place).ok());
            match row {
                Some(mut row) => {
                    fields.shift_remove(*column);
                    // That a service's program is its provider's goes without saying.
                    if *child == "program" && row.get("organization_id") == owner.as_ref() {
                        row.shift_remove("organization_id");
                    }
                    fields.insert((*member).to_owned(), Value::Object(self.nested(child, row, depth + 1, unfolded)));
                }
                // Older packages name a term by its code.
                None if *child == "taxonomy_term" => {
                    fields.insert((*member).to_owned(), json!({ "code": named }));
                }
                None if *child == "taxonomy" => {}
                None => self.miss(column, named),
            }
        }
    }

    /// The rows that hang on one with this id, by the members under which they stand there.
    fn lists(&self, table: &str, id: Option<&str>, depth: usize, unfolded: &mut Unfolded) -> Vec<(String, Vec<Value>)> {
        let mut lists: Vec<(String, Vec<Value>)> = Vec::new();
        let columns =
            PARENTS.iter().filter(|column| OF_ANY.iter().any(|(any, _)| any == *column) || column.strip_suffix("_id") == Some(table));
        let hanging = columns.filter_map(|column| Some((*column, self.children.get(&(*column, id?.to_owned()))?)));
        for (column, place) in hanging.flat_map(|(column, places)| places.iter().map(move |place| (column, place))) {
            if unfolded.is_too_much() {
                break;
            }
            let Some(child) = self.tables.get(place.table).map(|table| table.name.as_str()) else { continue };
            let is_wanted = match (table, child) {
                ("organization", child) if depth > 0 && !WITH_SERVICES.contains(&child) => false,
                ("organization", "location") => id.is_some_and(|id| self.is_with(id, *place, depth > 0)),
                // It stands with the services that name it.
                ("organization", "program") => !self.is_among(*place, &self.programs),
                _ => true,
            };
            let row = if is_wanted { self.hung(*place, column, table) } else { None };
            // Of an organization itself its places and programs are read to know whether they stand elsewhere.
            unfolded.look(row.is_none() && (is_wanted || depth == 0));
            let Some(row) = row else { continue };
            let member = tables::member_of(table, child);
            let row = Value::Object(self.nested(child, row, depth + 1, unfolded));
            match lists.iter_mut().find(|(known, _)| known == member) {
                Some((_, rows)) => rows.push(row),
                None => lists.push((member.to_owned(), vec![row])),
            }
        }
        lists
    }

    /// Notes that a row names a record that is not there.
    fn miss(&self, column: &'static str, id: String) {
        let mut missing = self.missing.borrow_mut();
        if missing.len() < MOST_MISSING {
            missing.insert((column, id));
        }
    }

    /// Whether a location of an organization stands with its service, or with itself: with the service where it has one and does not say
    /// where that is given.
    fn is_with(&self, organization: &str, location: Place, service: bool) -> bool {
        let alone = self.services_of.get(organization).filter(|(count, _)| *count == 1).and_then(|(_, first)| first.as_ref());
        let is_of_service = alone.is_some_and(|first| !self.placed.0.contains(first));
        if service { is_of_service } else { !is_of_service && !self.is_among(location, &self.placed.1) }
    }

    /// Whether the row at a place has one of these ids.
    fn is_among(&self, place: Place, ids: &HashSet<String>) -> bool {
        self.row(place).ok().and_then(|row| text(&row, "id")).is_some_and(|id| ids.contains(&id))
    }

    /// A row that hangs on one of a table by a column; none where it says that it hangs on one of another.
    fn hung(&self, place: Place, column: &str, table: &str) -> Option<Row> {
        let mut row = self.row(place).ok()?;
        let entity = OF_ANY.iter().find(|(any, _)| *any == column).and_then(|(_, entity)| text(&row, entity));
        if entity.is_some_and(|entity| entity != table && tables::of(&entity).is_some()) {
            return None;
        }
        // It has its id once, where it hangs on several.
        let child = self.tables.get(place.table).map_or("", |table| table.name.as_str());
        if parents_of(child).iter().find(|parent| row.contains_key(**parent)) != Some(&column) {
            row.shift_remove("id");
        }
        // Whose it is goes without saying where it stands with its organization.
        if matches!(child, "location" | "program") {
            row.shift_remove(column);
        }
        self.mark(place);
        Some(row)
    }

    /// The row at a place, which hangs on something.
    fn used(&self, place: Place) -> Result<Row, String> {
        self.mark(place);
        self.row(place)
    }

    fn mark(&self, place: Place) {
        if let Some(table) = self.tables.get(place.table)
            && let Some(is_used) = table.is_used.borrow_mut().get_mut(place.row as usize)
        {
            *is_used = true;
        }
    }
}

/// Puts in its place what a row says otherwise of one that others share.
fn say_otherwise(fields: &mut Row) {
    let Some(profile) = fields.get_mut("kith").and_then(Value::as_object_mut) else { return };
    let Some(otherwise) = profile.shift_remove(OTHERWISE) else { return };
    if profile.is_empty() {
        fields.shift_remove("kith");
    }
    let Value::Object(otherwise) = otherwise else { return };
    for (member, said) in otherwise {
        match (fields.get_mut(&member), said) {
            (Some(Value::Array(rows)), Value::Array(more)) => rows.extend(more),
            (_, said) => drop(fields.insert(member, said)),
        }
    }
}

/// Keys by which rows hang together have done their work; whose a place or a program is says something of itself.
fn without_keys(table: &str, mut fields: Row) -> Row {
    let is_owned = matches!(table, "location" | "program");
    fields.retain(|name, _| !KEYS.contains(&name.as_str()) || is_owned && name == "organization_id");
    fields
}
