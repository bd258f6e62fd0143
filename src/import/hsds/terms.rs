//! The terms of taxonomies that records carry, and those that a source lists by themselves.

use std::collections::HashSet;

use serde_json::Value;
use uuid::Uuid;

use super::{Part, Rows};
use crate::hsds::model::shown;
use crate::hsds::repository::SourceRowKind;
use crate::hsds::said::{self, Fields};
use crate::hsds::write::{NEEDS, TAXONOMY_DETAILS, TERM_DETAILS, described_taxonomy, described_term, names};
use crate::hsds::{ids, tables};
use crate::import::draft::Draft;
use crate::import::mapping::Mapping;
use crate::import::text;
use crate::services::model::{Basis, DomainStrength, ServiceDomain, TaxonomyTerm};
use crate::types::find_domain;

/// What terms and taxonomies are described by.
const DESCRIBED: &[&str] = &["id", "description", "parent_id", "language", "uri", "version"];
/// What of that tells nothing of what a term is called.
const NAMELESS: &[&str] = &["id", "parent_id"];

/// A term as its source has it.
#[derive(Debug)]
struct Term {
    term: TaxonomyTerm,
    /// What its source says of it, and of its taxonomy, beyond name and code.
    of_term: Fields,
    of_taxonomy: Fields,
    /// What is left of it.
    rest: Fields,
    /// Whether its taxonomy's licence lets codes be kept, and names not be shown.
    is_restricted: bool,
}

impl Term {
    /// Reads a term; none where neither it nor what carries it (`value`) says what it is. `link` stands in for a taxonomy without a name.
    fn read(mut term: Part, link: Option<&str>, value: Option<&str>, draft: &mut Draft) -> Option<Self> {
        // Where it is no object it is the taxonomy's name.
        let detail = ["taxonomy_detail", "taxonomy"].iter().find(|name| term.fields.get(**name).is_some_and(Value::is_object));
        let mut taxonomy = detail.and_then(|name| term.fields.remove(*name)).and_then(Part::of).unwrap_or_default();
        let name = taxonomy.text(&["name"]).or_else(|| taxonomy.peek("id"));
        let name = name.or_else(|| term.text(&["taxonomy", "vocabulary", "taxonomy_id"])).or_else(|| link.map(str::to_owned));
        if !taxonomy.fields.is_empty() {
            term.fields.remove("taxonomy_id");
        }
        // Its taxonomy's name once more.
        if name.is_some() && term.peek("taxonomy") == name {
            term.fields.remove("taxonomy");
        }
        // An id that is none for the whole world is what its taxonomy calls it.
        let own = term.peek("id").filter(|id| Uuid::try_parse(id).is_err());
        let label = term.text(&["name"]);
        let code = term.text(&["code"]);
        if code.is_none() && own.is_some() {
            term.fields.remove("id");
        }
        let code = code.or_else(|| own.clone()).or_else(|| label.clone()).or_else(|| value.map(str::to_owned))?;
        let is_restricted = is_restricted(name.as_deref().unwrap_or_default());
        let wanted = if is_restricted { NAMELESS } else { DESCRIBED };
        let of_term = described(&mut term, label.as_deref(), wanted);
        let of_taxonomy = described(&mut taxonomy, name.as_deref(), wanted);
        let mut read = Self {
            term: TaxonomyTerm { taxonomy: name.unwrap_or_else(|| "unknown".into()), code, label, uri: None },
            of_term,
            of_taxonomy,
            rest: Fields::new(),
            is_restricted,
        };
        if is_restricted {
            read.term.label = None;
        } else {
            read.term.label = read.term.label.or_else(|| value.map(str::to_owned));
            read.term.uri = term.url(&["term_uri"], "taxonomy_terms.", draft);
            let rest = taxonomy.rest("taxonomies.", draft);
            term.keep("taxonomy_detail", Value::Object(rest));
            read.rest = term.rest("taxonomy_terms.", draft);
        }
        Some(read)
    }

    /// The term in the form of the standard.
    fn written(&self) -> Value {
        let details = |fields: &Fields| Value::Object(fields.clone());
        let term = described_term(&self.term, Some(&details(&self.of_term)), Some(&details(&self.of_taxonomy)));
        let mut term = shown(&term);
        if let Value::Object(members) = &mut term {
            let mut rest = self.rest.clone();
            // An address that is no URI has no place in the standard.
            if let Some(uri) = self.term.uri.as_ref().filter(|_| !members.contains_key("term_uri")) {
                rest.insert("term_uri".into(), Value::String(uri.clone()));
            }
            said::give_back("taxonomy_term", members, &rest, true);
        }
        term
    }
}

/// What a source says of a term or a taxonomy beyond its name and code, taken out.
fn described(part: &mut Part, name: Option<&str>, wanted: &[&str]) -> Fields {
    let mut details = Fields::new();
    for field in DESCRIBED {
        // An id that is no UUID names no object of the standard.
        let is_no_id = *field == "id" && part.peek("id").is_some_and(|id| Uuid::try_parse(&id).is_err());
        let Some(words) = (if is_no_id { None } else { part.text(&[field]) }) else { continue };
        if wanted.contains(field) && (*field != "description" || name != Some(&words)) {
            details.insert((*field).to_owned(), Value::String(words));
        }
    }
    details
}

/// The 211 taxonomy's licence lets codes be kept, not names be shown.
fn is_restricted(taxonomy: &str) -> bool {
    let words = text::fold(taxonomy);
    words.split(|letter: char| !letter.is_alphanumeric()).any(|word| word.contains("211") || ["airs", "informcanada"].contains(&word))
}

/// Attributes are needs where they use our codes, and terms of other taxonomies otherwise. Who a service is for is neither.
pub fn read(service: &mut Part, draft: &mut Draft) {
    let (mut rows, mut known) = (Rows::default(), HashSet::new());
    for mut row in service.parts(&["attributes", "attribute"]) {
        let whole = row.whole();
        let (link, value) = (row.peek("link_type"), row.peek("value"));
        for name in ["link_type", "link_entity", "value", "label"] {
            let said = row.fields.remove(name).unwrap_or_default();
            row.keep(name, said);
        }
        let term = match row.fields.remove("taxonomy_term") {
            Some(Value::Object(fields)) => Part { fields, ..Part::default() },
            other => {
                row.keep("taxonomy_term", other.unwrap_or_default());
                Part::default()
            }
        };
        let Some(term) = Term::read(term, link.as_deref(), value.as_deref(), draft) else {
            draft.notice("attribute_not_understood", "attributes", "kept in source_fields");
            rows.whole(whole);
            continue;
        };
        if term.is_restricted {
            ["value", "label"].iter().for_each(|name| drop(row.kept.remove(*name)));
        }
        let mut rest = row.rest("attributes.", draft);
        if keep(&term, link.as_deref(), &mut known, draft) {
            let (taxonomy, code) = (&term.term.taxonomy, &term.term.code);
            if !term.rest.is_empty() {
                rest.insert("taxonomy_term".into(), Value::Object(term.rest.clone()));
            }
            rows.rest(names::of_term(taxonomy, code), rest);
        } else {
            // As its source has it, beside what was made of it.
            rest.insert("taxonomy_term".into(), term.written());
            rows.whole(Value::Object(rest));
        }
    }
    rows.put(service, "attributes");
}

/// Makes of a term what the service answers or carries; true where it is that, and false where it stands beside it. `known`: the taxonomies
/// and codes of those that it carries.
fn keep(term: &Term, link: Option<&str>, known: &mut HashSet<(String, String)>, draft: &mut Draft) -> bool {
    let TaxonomyTerm { taxonomy, code, label, .. } = &term.term;
    let is_who = link.is_some_and(|link| link.contains("eligibility") || link.contains("audience"));
    if is_who {
        let words = label.as_deref().unwrap_or(code);
        draft.notice("attribute_not_understood", format!("{}:{code}", link.unwrap_or_default()), format!("kept in source_fields: {words}"));
        return false;
    }
    if let Some(domain) = find_domain(code) {
        let needs = &mut draft.service.need_domains;
        let is_new = needs.iter().all(|known| known.code != domain.code);
        if is_new {
            let (strength, basis) = (DomainStrength::Direct, Basis::Stated);
            needs.push(ServiceDomain { code: domain.code.into(), strength, basis, evidence: None });
        }
        return is_new && taxonomy == NEEDS;
    }
    if !known.insert((taxonomy.clone(), code.clone())) {
        return false;
    }
    if !term.of_term.is_empty() {
        keep_described(draft, TERM_DETAILS, format!("{taxonomy}|{code}"), &term.of_term);
    }
    if !term.of_taxonomy.is_empty() {
        keep_described(draft, TAXONOMY_DETAILS, taxonomy.clone(), &term.of_taxonomy);
    }
    draft.service.taxonomy_terms.push(term.term.clone());
    true
}

fn keep_described(draft: &mut Draft, under: &str, name: String, described: &Fields) {
    let all = draft.leftovers.entry(under.to_owned()).or_insert_with(|| Value::Object(Fields::new()));
    if let Some(all) = all.as_object_mut() {
        all.entry(name).or_insert_with(|| Value::Object(described.clone()));
    }
}

/// What a package lists that belongs to no record, in the form of the standard, with its key in the source; none where it says nothing, or
/// is ours.
pub fn row(kind: SourceRowKind, fields: Fields) -> Option<(String, Value)> {
    let row = Part { fields: given_back(fields), ..Part::default() };
    let mut draft = Draft::new(&Mapping::hsds(""))?;
    match kind {
        SourceRowKind::TaxonomyTerm => term(row, &mut draft),
        SourceRowKind::Taxonomy => taxonomy(row, &mut draft),
        _ => plain(kind, row, &mut draft),
    }
}

/// The same of a package that another Kith has written: what it lists is in that form, unless somebody has changed it on the way.
pub fn own_row(kind: SourceRowKind, fields: Fields) -> Option<(String, Value)> {
    if !is_sound(kind.as_str(), &fields) {
        return row(kind, fields);
    }
    let taxonomy = match kind {
        SourceRowKind::TaxonomyTerm => fields.get("taxonomy"),
        SourceRowKind::Taxonomy => fields.get("name"),
        _ => None,
    };
    let is_of_needs = taxonomy.and_then(Value::as_str) == Some(NEEDS);
    let key = fields.get("id")?.as_str()?.to_owned();
    (!is_of_needs).then(|| (key, Value::Object(fields)))
}

/// Whether all that an object says may stand where it stands.
fn is_sound(table: &str, fields: &Fields) -> bool {
    let Some(known) = tables::of(table) else { return false };
    let fits = |(member, value): (&String, &Value)| match (tables::single(member), value) {
        (Some(child), Value::Object(fields)) => is_sound(child, fields),
        (_, Value::Object(_) | Value::Array(_)) => true,
        (_, value) => known.fits(member, value),
    };
    fields.contains_key("id") && fields.iter().all(fits)
}

fn term(row: Part, draft: &mut Draft) -> Option<(String, Value)> {
    let key = row.peek("id");
    let term = Term::read(row, None, None, draft)?;
    let key = key.unwrap_or_else(|| names::of_term(&term.term.taxonomy, &term.term.code));
    (term.term.taxonomy != NEEDS).then(|| (key, term.written()))
}

fn taxonomy(mut row: Part, draft: &mut Draft) -> Option<(String, Value)> {
    let key = row.peek("id");
    let name = row.text(&["name"]).or_else(|| key.clone())?;
    let details = described(&mut row, Some(&name), DESCRIBED);
    let mut taxonomy = shown(&described_taxonomy(&name, Some(&Value::Object(details.clone()))));
    if let Value::Object(members) = &mut taxonomy {
        let mut rest = row.rest("taxonomies.", draft);
        rest.extend(details.into_iter().filter(|(name, _)| !members.contains_key(name)));
        said::give_back("taxonomy", members, &rest, true);
    }
    (name != NEEDS).then(|| (key.unwrap_or(name), taxonomy))
}

/// A row as it is; what its table has no column for goes into its profile.
fn plain(kind: SourceRowKind, row: Part, draft: &mut Draft) -> Option<(String, Value)> {
    let table = tables::of(kind.as_str())?;
    let rest = row.rest("", draft);
    let name = rest.get("id").or_else(|| rest.get("name"))?.as_str()?.to_owned();
    let id = Uuid::try_parse(&name).unwrap_or_else(|_| ids::of_unit(&name));
    let (mut fields, mut others) = (Fields::from_iter([("id".to_owned(), Value::from(id.to_string()))]), Fields::new());
    for (column, value) in rest {
        let has_place = table.columns.contains(&column.as_str()) && value.is_string() && column != "id";
        match (column.as_str(), has_place) {
            ("id", _) if value.as_str() == Some(&id.to_string()) => {}
            (_, true) => drop(fields.insert(column, value)),
            (_, false) => drop(others.insert(column, value)),
        }
    }
    if !others.is_empty() {
        fields.insert("kith".into(), Value::Object(Fields::from_iter([("source_fields".to_owned(), Value::Object(others))])));
    }
    Some((name, Value::Object(fields)))
}

/// A row with what was kept of it in its profile, where it has been given back by another Kith.
fn given_back(mut row: Fields) -> Fields {
    if let Some(Value::Object(mut profile)) = row.remove("kith")
        && let Some(Value::Object(kept)) = profile.remove("source_fields")
    {
        row.extend(kept);
    }
    if let Some(Value::Object(fields)) = row.get_mut("taxonomy_detail") {
        *fields = given_back(std::mem::take(fields));
    }
    row
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_another_kith_lists_is_kept_as_it_is_and_read_where_it_was_changed_on_the_way() {
        let said = json!({
            "id": "5c7a1c9e-8f0a-4d55-9b1e-6a0f8c2d3e4f", "code": "BD-1800", "name": "Pantries", "taxonomy": "Own",
            "kith": { "source_fields": { "id": "term_2", "taxonomy": { "id": "tax_2" } } },
            "taxonomy_detail": { "id": "3f7b145d-84af-42d7-8fae-eaca714b02b2", "name": "Own", "description": "Ours." },
        });
        let read = |said: &Value| own_row(SourceRowKind::TaxonomyTerm, said.as_object().unwrap().clone());
        assert_eq!(read(&said), Some(("5c7a1c9e-8f0a-4d55-9b1e-6a0f8c2d3e4f".to_owned(), said.clone())));
        for (pointer, value) in [("/id", json!("t1")), ("/taxonomy_detail/id", json!("tax_2"))] {
            let mut changed = said.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            let row = row(SourceRowKind::TaxonomyTerm, changed.as_object().unwrap().clone());
            assert!(row.is_some() && read(&changed) == row, "{pointer}");
        }
    }
}
