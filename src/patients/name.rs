//! What a patient is called.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::http::schema::rule;
use crate::text_enum;

text_enum! {
    /// What a name is for.
    #[derive(Default)]
    pub enum NameUse {
        /// As on identity documents and health cards.
        #[default]
        Official = "official",
        /// What the person wishes to be called.
        Preferred = "preferred",
        /// One they went by before.
        Former = "former",
        /// Another name they are known by.
        Alias = "alias",
    }
}

/// A name of a person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[validate(schema(function = "name_is_not_empty"))]
pub struct PatientName {
    /// What the name is used for.
    #[serde(rename = "use")]
    pub name_use: NameUse,
    /// Family name.
    #[schema(max_length = 150, example = "Tremblay")]
    pub family: Option<String>,
    /// Given names.
    #[schema(max_length = 150, example = "Marie-Ève")]
    pub given: Option<String>,
    /// The whole name as it is written or said, where parts do not do it justice.
    #[schema(max_length = 300, example = "Marie-Ève Tremblay")]
    pub text: Option<String>,
}

impl PatientName {
    /// The name in one line.
    pub fn display(&self) -> String {
        let parts = [self.given.as_deref(), self.family.as_deref()];
        self.text.clone().unwrap_or_else(|| parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }

    /// Of somebody's names the one they wish to be called by: the preferred one, else the official, else the first.
    pub fn called(names: &[Self]) -> Option<&Self> {
        let of = |name_use| names.iter().find(|name| name.name_use == name_use);
        of(NameUse::Preferred).or_else(|| of(NameUse::Official)).or_else(|| names.first())
    }
}

fn name_is_not_empty(name: &PatientName) -> Result<(), ValidationError> {
    let parts = [&name.family, &name.given, &name.text];
    if parts.into_iter().flatten().any(|part| !part.trim().is_empty()) {
        Ok(())
    } else {
        Err(rule("", "required", "a name has a family name, given names or a text"))
    }
}
