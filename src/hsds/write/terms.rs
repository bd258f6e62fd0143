//! The needs that services answer, and the terms of taxonomies that they carry.

use serde_json::Value;
use uuid::Uuid;

use super::of_uri;
use crate::hsds::model::{Attribute, AttributeExtra, Taxonomy, TaxonomyTerm};
use crate::hsds::{ids, said};
use crate::http::json;
use crate::services::model::{self, ServiceInput};
use crate::types::find_domain;

/// The name of the taxonomy of need domains.
pub const NEEDS: &str = "kith-need-domains";

/// The needs that a service answers and the terms it carries.
pub(super) fn attributes(service: &ServiceInput, of: Uuid) -> Vec<Attribute> {
    let needs = service.need_domains.iter().map(|domain| Attribute {
        link_type: Some("service topic".into()),
        taxonomy_term: Some(need_term(&domain.code)),
        kith: Some(AttributeExtra {
            strength: Some(domain.strength),
            basis: Some(domain.basis),
            evidence: domain.evidence.clone(),
            ..AttributeExtra::default()
        }),
        ..Attribute::default()
    });
    let terms = service.taxonomy_terms.iter().map(|term| {
        let (uri, other) = of_uri(term.uri.as_ref());
        Attribute {
            link_type: Some("taxonomy term".into()),
            label: term.label.clone(),
            taxonomy_term: Some(TaxonomyTerm { term_uri: uri, ..foreign_term(service, term) }),
            kith: other.map(|uri| AttributeExtra { uri: Some(uri), ..AttributeExtra::default() }),
            ..Attribute::default()
        }
    });
    let numbered = needs.chain(terms).enumerate();
    numbered.map(|(number, row)| Attribute { id: ids::part(of, "attribute", number), link_entity: Some("service".into()), ..row }).collect()
}

/// All terms that a service shows: of needs, of other taxonomies, and of what its source says and Kith does not read.
pub fn terms_of(service: &ServiceInput) -> Vec<TaxonomyTerm> {
    let needs = service.need_domains.iter().map(|domain| need_term(&domain.code));
    let terms = service.taxonomy_terms.iter().map(|term| foreign_term(service, term));
    needs.chain(terms).chain(kept_terms(service)).collect()
}

/// The bytes of memory that these terms take together at most, about, with all that stands in them: they are held as long as the service
/// is listed. Of those beyond them their own texts are left.
const MOST_OF_TERMS: usize = 64 << 10;

/// The terms of attributes that Kith does not read.
fn kept_terms(service: &ServiceInput) -> impl Iterator<Item = TaxonomyTerm> {
    let rows = service.source_fields.get("attributes").and_then(Value::as_array).into_iter().flatten();
    let terms = rows.filter(|row| row.get(said::OF).is_none()).filter_map(|row| row.get("taxonomy_term")?.as_object());
    let mut weight = 0;
    terms.filter_map(move |term| {
        let mut row = said::whole_row("taxonomy_term", term)?;
        weight += row.values().map(json::weight).sum::<usize>();
        if weight > MOST_OF_TERMS {
            row.retain(|_, value| !value.is_array() && !value.is_object());
        }
        serde_json::from_value(Value::Object(row)).ok()
    })
}

/// The taxonomy of need domains.
fn needs_taxonomy() -> Taxonomy {
    Taxonomy {
        id: ids::of_taxonomy(NEEDS),
        name: Some(NEEDS.into()),
        description: Some("Social needs: the domains of HL7's Gravity project, and codes that begin with x- for what it lacks.".into()),
        ..Taxonomy::default()
    }
}

/// The term of a need domain.
pub fn need_term(code: &str) -> TaxonomyTerm {
    let name = find_domain(code).map_or(code, |domain| domain.en);
    let taxonomy = needs_taxonomy();
    TaxonomyTerm {
        id: ids::of_term(NEEDS, code),
        code: Some(code.into()),
        name: Some(name.into()),
        description: Some(name.into()),
        taxonomy: taxonomy.name.clone(),
        language: Some("en".into()),
        taxonomy_detail: Some(taxonomy),
        ..TaxonomyTerm::default()
    }
}

/// Where `source_fields` keeps what the source says of the terms beyond their codes, by `taxonomy|code`.
pub const TERM_DETAILS: &str = "taxonomy_terms";
/// The same of taxonomies, by their names.
pub const TAXONOMY_DETAILS: &str = "taxonomies";

/// A term of another taxonomy that a service carries, as its source described it.
pub fn foreign_term(service: &ServiceInput, term: &model::TaxonomyTerm) -> TaxonomyTerm {
    let key = format!("{}|{}", term.taxonomy, term.code);
    let of_term = service.source_fields.get(TERM_DETAILS).and_then(|all| all.get(key));
    let of_taxonomy = service.source_fields.get(TAXONOMY_DETAILS).and_then(|all| all.get(&term.taxonomy));
    described_term(term, of_term, of_taxonomy)
}

/// A term of another taxonomy, with what its source says of the one and the other beyond its name and code.
pub fn described_term(term: &model::TaxonomyTerm, of_term: Option<&Value>, of_taxonomy: Option<&Value>) -> TaxonomyTerm {
    let name = term.label.clone().unwrap_or_else(|| term.code.clone());
    let said = |of: Option<&Value>, name: &str| of.and_then(|details| details.get(name)?.as_str()).map(str::to_owned);
    let uuid = |of: Option<&Value>, name: &str| said(of, name).and_then(|text| Uuid::try_parse(&text).ok());
    // What is above it is named by an id, or by its code where ids are codes.
    let parent = said(of_term, "parent_id").map(|id| Uuid::try_parse(&id).unwrap_or_else(|_| ids::of_term(&term.taxonomy, &id)));
    TaxonomyTerm {
        id: uuid(of_term, "id").unwrap_or_else(|| ids::of_term(&term.taxonomy, &term.code)),
        code: Some(term.code.clone()),
        description: said(of_term, "description").or_else(|| Some(name.clone())),
        name: Some(name),
        parent_id: parent,
        taxonomy: Some(term.taxonomy.clone()),
        taxonomy_detail: Some(described_taxonomy(&term.taxonomy, of_taxonomy)),
        language: said(of_term, "language"),
        term_uri: of_uri(term.uri.as_ref()).0,
        ..TaxonomyTerm::default()
    }
}

/// A taxonomy by its name, with what its source says of it besides.
pub fn described_taxonomy(name: &str, details: Option<&Value>) -> Taxonomy {
    let said = |member: &str| details.and_then(|details| details.get(member)?.as_str()).map(str::to_owned);
    Taxonomy {
        id: said("id").and_then(|id| Uuid::try_parse(&id).ok()).unwrap_or_else(|| ids::of_taxonomy(name)),
        name: Some(name.to_owned()),
        description: said("description").or_else(|| Some(name.to_owned())),
        uri: of_uri(said("uri").as_ref()).0,
        version: said("version"),
        ..Taxonomy::default()
    }
}
