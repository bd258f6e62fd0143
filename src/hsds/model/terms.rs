//! Taxonomies, their terms, and what carries them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{KeptExtra, Metadata};
use crate::services::model;

/// A taxonomy that terms are of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsTaxonomy)]
pub struct Taxonomy {
    /// Identifier of the taxonomy.
    pub id: Uuid,
    /// Its name.
    #[schema(example = "open-eligibility")]
    pub name: Option<String>,
    /// What the taxonomy is.
    #[schema(example = "open-eligibility")]
    pub description: Option<String>,
    /// Where it is published.
    #[schema(format = "uri", example = "https://openeligibility.org")]
    pub uri: Option<String>,
    /// Its version.
    #[schema(example = "2024")]
    pub version: Option<String>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// What the standard has no field for.
    pub kith: Option<KeptExtra>,
}

/// A term of a taxonomy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsTaxonomyTerm)]
pub struct TaxonomyTerm {
    /// Identifier of the term.
    pub id: Uuid,
    /// Its code there.
    #[schema(example = "1102")]
    pub code: Option<String>,
    /// Its name.
    #[schema(example = "Food Pantry")]
    pub name: Option<String>,
    /// What it means.
    #[schema(example = "Food Pantry")]
    pub description: Option<String>,
    /// The term above it.
    pub parent_id: Option<Uuid>,
    /// The name of its taxonomy.
    #[schema(example = "open-eligibility")]
    pub taxonomy: Option<String>,
    /// Its taxonomy.
    pub taxonomy_detail: Option<Taxonomy>,
    /// Language of the name.
    #[schema(example = "en")]
    pub language: Option<String>,
    /// The identifier of its taxonomy, in packages.
    pub taxonomy_id: Option<Uuid>,
    /// Where it is published.
    #[schema(format = "uri", example = "https://openeligibility.org/terms/1102")]
    pub term_uri: Option<String>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// What the standard has no field for.
    pub kith: Option<KeptExtra>,
}

/// A term that a record carries.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsAttribute)]
pub struct Attribute {
    /// Identifier of the attribute.
    pub id: Uuid,
    /// What the term says of the record.
    #[schema(example = "service topic")]
    pub link_type: Option<String>,
    /// What carries it.
    #[schema(example = "service")]
    pub link_entity: Option<String>,
    /// A value, where there is no term.
    #[schema(example = "halal")]
    pub value: Option<String>,
    /// The label that its source shows.
    #[schema(example = "Food Pantry")]
    pub label: Option<String>,
    /// The term.
    pub taxonomy_term: Option<TaxonomyTerm>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// What the standard has no field for.
    pub kith: Option<AttributeExtra>,
}

/// Of a need that a service answers, or of a term.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsAttributeExtra)]
pub struct AttributeExtra {
    /// How well it answers the need.
    #[schema(inline)]
    pub strength: Option<model::DomainStrength>,
    /// Whether its source says so.
    #[schema(inline)]
    pub basis: Option<model::Basis>,
    /// What an inferred need was inferred from.
    #[schema(example = "category: food-banks")]
    pub evidence: Option<String>,
    /// An address of the term that is no URI.
    #[schema(example = "openeligibility.org/terms/1102")]
    pub uri: Option<String>,
    /// Its source says it, and Kith makes nothing of it.
    #[schema(example = true)]
    pub is_kept: Option<bool>,
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
}
