//! Pages and the root, as the standard has them.

use serde::Serialize;
use utoipa::ToSchema;

use super::model::{Organization, Service, ServiceAtLocation, Taxonomy, TaxonomyTerm};

/// What the API is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = HsdsRoot)]
pub struct Root {
    /// The version of the standard.
    #[schema(example = "3.2")]
    pub version: String,
    /// Where our profile of it is described.
    #[schema(format = "uri", example = "https://kith.example.ca/hsds/profile")]
    pub profile: String,
    /// Where this document is.
    #[schema(format = "uri", example = "https://kith.example.ca/openapi.json")]
    pub openapi_url: String,
    /// What is served.
    #[schema(example = "The directory of community services of this Kith.")]
    pub description: String,
}

/// Declares a page of the standard for one kind of entry.
macro_rules! pages {
    ($($name:ident of $item:ty, $what:literal;)+) => {$(
        #[doc = concat!("A page of ", $what, ".")]
        #[derive(Debug, Clone, Serialize, ToSchema)]
        pub struct $name {
            /// How many there are in all.
            #[schema(example = 82)]
            pub total_items: usize,
            /// How many pages there are.
            #[schema(example = 1)]
            pub total_pages: usize,
            /// The number of this page, from 1.
            #[schema(example = 1)]
            pub page_number: usize,
            /// How many are on this page.
            #[schema(example = 1)]
            pub size: usize,
            /// Whether it is the first.
            #[schema(example = true)]
            pub first_page: bool,
            /// Whether none follows.
            #[schema(example = true)]
            pub last_page: bool,
            /// Whether there is nothing on it.
            #[schema(example = false)]
            pub empty: bool,
            /// The items of this page.
            pub contents: Vec<$item>,
        }
    )+};
}

pages! {
    HsdsServiceList of Service, "services";
    HsdsServiceAtLocationList of ServiceAtLocation, "services at locations";
    HsdsOrganizationList of Organization, "organizations";
    HsdsTaxonomyList of Taxonomy, "taxonomies";
    HsdsTaxonomyTermList of TaxonomyTerm, "terms";
}
