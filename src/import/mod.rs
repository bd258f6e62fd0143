//! Directories from elsewhere: files of services become records of our directory.
//!
//! Bytes go in and records come out; nothing here knows the database. [`read`] takes a file apart into records, whatever its form
//! (JSON array, newline-delimited JSON, a page with `contents`, a single object, CSV). [`hsds`] understands Open Referral HSDS 3.x and what
//! feeds make of it; [`records`] understands any other records by a [`mapping`] file. Both make a [`draft::Draft`], which is checked against
//! the published schema of a service and leaves as an [`Outcome`]. The [`importer`] ties this together: keys, repeats, groups, and what only
//! the whole file can tell.
//!
//! Lenient in what it takes, strict in what it says: what was not understood is kept in `source_fields` and reported as a [`Notice`]; nothing
//! is guessed.

mod batch;
pub mod desk;
pub mod draft;
mod drafts;
pub mod handlers;
pub mod hsds;
pub mod importer;
pub mod inference;
pub mod keys;
pub mod kin;
pub mod load;
pub mod mapping;
pub mod package;
pub mod read;
pub mod reconciling;
pub mod records;
pub mod report;
pub mod rest;
pub mod schema;
mod store;
pub mod text;

pub use self::store::{fingerprints_of, listing};

use self::read::Of;
use crate::hsds::repository::SourceRowKind;
use crate::hsds::said::Fields;
use crate::http::json::{length, weight};
use crate::http::routes::Routes;
use crate::organizations::model::{OrganizationInput, OrganizationKind};
use crate::services::model::{Capacity, NamedCapacity, ServiceInput};
use crate::services::rules::{LARGEST, MOST_VALUES};
use crate::types::{Identifier, Phone};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes.service(handlers::import_services);
}

/// Something a person should know of an imported record: what was left out, mended or not understood.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct Notice {
    /// What it is about, as a stable code, such as `hours_not_understood`.
    #[schema(example = "hours_not_understood")]
    pub code: &'static str,
    /// The field of the source or of the service.
    #[schema(example = "hours")]
    pub field: String,
    /// The notice in words.
    #[schema(example = "kept as text: Call for hours")]
    pub message: String,
}

impl Notice {
    /// A notice about a field.
    pub fn new(code: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, field: field.into(), message: message.into() }
    }
}

/// The organization that gives a service, as its source names it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Provider {
    /// Its key in the source.
    pub key: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Its web site.
    pub url: Option<String>,
    /// Its electronic mail.
    pub email: Option<String>,
    /// Its telephones.
    pub phones: Vec<Phone>,
    /// Keys of it in other systems, such as a charity number.
    pub identifiers: Vec<Identifier>,
    /// The key of the organization it is part of.
    pub parent: Option<String>,
    /// All that is known of it, where the source is a directory of Kith.
    pub content: Option<Box<OrganizationInput>>,
    /// What its source says of it besides; nothing where it is said elsewhere. See [`said`](crate::hsds::said).
    pub rest: Option<Fields>,
}

impl Provider {
    /// How large it is in memory, about, in bytes.
    pub fn bytes(&self) -> usize {
        let texts = [Some(&self.name), self.description.as_ref(), self.url.as_ref(), self.email.as_ref()];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let rest: usize = self.rest.iter().flatten().map(|(name, value)| name.len() + weight(value)).sum();
        texts + length(&self.phones) + length(&self.identifiers) + length(&self.content) + rest
    }

    /// What becomes of it, with its key in its source first among its identifiers.
    pub fn input(&self, source: &str) -> OrganizationInput {
        let known = self.content.as_deref().cloned();
        let own = Identifier { system: source.to_owned(), value: self.key.clone() };
        let others = self.identifiers.iter().filter(|identifier| identifier.system != source).cloned();
        OrganizationInput {
            description: self.description.clone(),
            url: self.url.clone(),
            email: self.email.clone(),
            phones: self.phones.clone(),
            identifiers: std::iter::once(own).chain(others).collect(),
            ..known.unwrap_or_else(|| OrganizationInput::named(self.name.clone(), OrganizationKind::Agency))
        }
    }

    /// As much of it as is kept: its record and what its source says of it besides are each as large as a service at most, for both are
    /// shown with each of its services. What is larger is left out and told.
    #[must_use]
    pub fn bounded(mut self, source: &str, notices: &mut Vec<Notice>) -> Self {
        for name in self.rest.as_mut().map(rest::fit_object).unwrap_or_default() {
            let told = format!("of what no field holds of the organization only {MOST_VALUES} values are kept");
            notices.push(Notice::new("left_out", format!("organization.{name}"), told));
        }
        let mut leave_out = |what: &str| {
            let told = format!("{what} of the organization is left out: it is more than {LARGEST} bytes");
            notices.push(Notice::new("left_out", "organization", told));
        };
        if self.rest.as_ref().is_some_and(|rest| length(rest) > LARGEST) {
            leave_out("what no field holds");
            self.rest = Some(Fields::new());
        }
        if length(&self.input(source)) > LARGEST {
            leave_out("all but the name");
            self = Self { key: self.key, name: self.name, parent: self.parent, rest: self.rest, ..Self::default() };
        }
        self
    }
}

/// A record that became a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The stable key of the service in its source.
    pub key: String,
    /// Where in the file it stands: the line of NDJSON and CSV, else the place in the order of records. From 1.
    pub position: u64,
    /// The service. Its provider stands in `provider_name` until it has an id.
    pub service: ServiceInput,
    /// Who gives it.
    pub provider: Option<Provider>,
    /// How much room it has, where the source says.
    pub capacity: Option<Capacity>,
    /// The rooms that it counts apart, where the source says.
    pub rooms: Vec<NamedCapacity>,
    /// The same for the same content: see [`keys::fingerprint`].
    pub fingerprint: String,
    /// What was left out, mended or not understood.
    pub notices: Vec<Notice>,
}

impl Parsed {
    /// How large it is in memory, about, in bytes.
    pub fn bytes(&self) -> usize {
        let beyond: usize = self.service.source_fields.values().map(weight).sum();
        length(&self.service) + beyond + self.provider.as_ref().map_or(0, Provider::bytes)
    }
}

/// A record that could not become a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its key in the source, where it has one.
    pub key: Option<String>,
    /// Where in the file it stands; see [`Parsed::position`].
    pub position: u64,
    /// What it is.
    pub of: Of,
    /// Why.
    pub reasons: Vec<Notice>,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A service.
    Parsed(Box<Parsed>),
    /// Nothing.
    Refused(Refused),
    /// An organization, whether it gives services or not, with what is to be told of it.
    Listed(Box<Provider>, Vec<Notice>),
    /// What belongs to no record: a taxonomy, a term and the like.
    Kept(Kept),
    /// No record: something is to be told of the file.
    Noted(Notice),
}

impl Outcome {
    /// How large it is in memory, about, in bytes. Of what is only told that is not much.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Parsed(parsed) => parsed.bytes(),
            Self::Listed(provider, _) => provider.bytes(),
            Self::Kept(kept) => weight(&kept.content),
            Self::Refused(_) | Self::Noted(_) => 0,
        }
    }
}

/// What a source says that belongs to no record.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// What it is.
    pub kind: SourceRowKind,
    /// Its key in the source.
    pub key: String,
    /// What is said, in the form of the standard.
    pub content: Value,
}
