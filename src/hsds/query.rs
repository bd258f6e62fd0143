//! What can be asked of the face: the parameters of the standard, in a query string or, by POST, in a body.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use actix_web::{FromRequest, HttpRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use crate::db::types::Instant;
use crate::error::{Error, Fault, Result};
use crate::http::{body, json, query, schema};
use crate::kind::ServiceId;
use crate::text_enum;

/// Entries of a page where nothing is said.
pub const PER_PAGE: u32 = 100;

text_enum! {
    /// The form of an answer.
    #[derive(Default)]
    pub enum Format {
        /// A page.
        #[default]
        Json = "json",
        /// Newline-delimited JSON.
        Ndjson = "ndjson",
    }
}

/// Which part of a list is asked for, and in what form.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The number of the page, from 1.
    pub page: Option<u32>,
    /// Entries of a page.
    pub per_page: Option<u32>,
    /// The form.
    pub format: Option<Format>,
}

/// Declares the parameters of a list: its own, of which what is said in brackets holds in a query string and in a body, what follows
/// `query` in the former alone; and those by which every list is paged.
macro_rules! list_queries {
    ($(
        $(#[$meta:meta])*
        $name:ident as $schema:ident { $($(#[$doc:meta])* $field:ident: $type:ident [$($said:tt)*] $(query [$($query:tt)*])?,)* }
    )+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Default, Deserialize, ToSchema, IntoParams, Validate)]
            #[serde(deny_unknown_fields, default)]
            #[schema(as = $schema)]
            #[into_params(parameter_in = Query)]
            pub struct $name {
                $(
                    $(#[$doc])*
                    #[schema($($said)*)]
                    #[param($($said)* $($($query)*)?)]
                    pub $field: Option<$type>,
                )*
                /// The number of the page, from 1.
                #[schema(minimum = 1, maximum = 2147483647, example = 1)]
                #[param(minimum = 1, maximum = 2147483647, example = 1)]
                pub page: Option<u32>,
                /// Entries of a page, at most 1,000; 100 where absent.
                #[schema(minimum = 1, maximum = 1000, example = 100)]
                #[param(minimum = 1, maximum = 1000, example = 100)]
                pub per_page: Option<u32>,
                /// `ndjson` gives everything at once, an object in each line; `page` and `per_page` do not count then.
                #[param(inline)]
                pub format: Option<Format>,
            }

            impl $name {
                /// Which part of the list is asked for.
                pub const fn part(&self) -> Part {
                    Part { page: self.page, per_page: self.per_page, format: self.format }
                }
            }
        )+
    };
}

list_queries! {
    /// Which services.
    ServicesQuery as HsdsServicesQuery {
        /// Words to look for, English or French; the best answers come first.
        search: String [max_length = 300, example = "food bank"],
        /// Only what carries this term.
        taxonomy_term_id: ServiceId [value_type = Option<String>, format = Uuid, example = "87a3eddc-6dcd-57ec-bda9-e2f74cb6db2e"],
        /// Only what carries a term of this taxonomy.
        taxonomy_id: ServiceId [value_type = Option<String>, format = Uuid, example = "0a1b9c3e-5d7f-5a2b-8c4d-1e3f5a7b9c0d"],
        /// Only what this organization gives.
        organization_id: ServiceId [value_type = Option<String>, format = Uuid, example = "609fa8c7-5013-5d54-a4dd-ea3d32c2f2ee"],
        /// Only what was changed at this moment or later; a change of anything that hangs on a service counts. RFC 3339; in a query string or a form, a date is its midnight in UTC. It bears the moment at which it was being written, so ask for five minutes more than you have read.
        modified_after: Instant [] query [inline],
        /// Only ids and dates, all on one page unless `per_page` is given: for a partner's sweep.
        minimal: bool [example = false],
        /// Everything nested, as the service by its id.
        full: bool [example = false],
    }

    /// Which services at locations.
    ServiceAtLocationsQuery as HsdsServiceAtLocationsQuery {
        /// Words to look for, English or French; the best answers come first.
        search: String [max_length = 300, example = "food bank"],
        /// Only what carries this term.
        taxonomy_term_id: ServiceId [value_type = Option<String>, format = Uuid, example = "87a3eddc-6dcd-57ec-bda9-e2f74cb6db2e"],
        /// Only what carries a term of this taxonomy.
        taxonomy_id: ServiceId [value_type = Option<String>, format = Uuid, example = "0a1b9c3e-5d7f-5a2b-8c4d-1e3f5a7b9c0d"],
        /// Only what this organization gives.
        organization_id: ServiceId [value_type = Option<String>, format = Uuid, example = "609fa8c7-5013-5d54-a4dd-ea3d32c2f2ee"],
        /// Only what was changed at this moment or later; a change of anything that hangs on a service counts. RFC 3339; in a query string or a form, a date is its midnight in UTC. It bears the moment at which it was being written, so ask for five minutes more than you have read.
        modified_after: Instant [] query [inline],
        /// Everything nested, as by its id.
        full: bool [example = false],
        /// A postal code, which has a digit. Leaves out services that serve other postal codes only.
        postcode: String [max_length = 20, pattern = "[0-9]", example = "V0X 1A0"],
        /// Metres from the middle of `postcode`: only locations known to lie within. The middle is that of the places of the directory with this code, else with its first three letters; where there are none, 400.
        proximity: String [pattern = "^[0-9]{1,8}(\\.[0-9]{1,6})?$", example = "5000"],
    }

    /// Which organizations.
    OrganizationsQuery as HsdsOrganizationsQuery {
        /// Words, all of which must occur.
        search: String [max_length = 300, example = "food"],
        /// Only what carries this term.
        taxonomy_term_id: ServiceId [value_type = Option<String>, format = Uuid, example = "87a3eddc-6dcd-57ec-bda9-e2f74cb6db2e"],
        /// Only what carries a term of this taxonomy.
        taxonomy_id: ServiceId [value_type = Option<String>, format = Uuid, example = "0a1b9c3e-5d7f-5a2b-8c4d-1e3f5a7b9c0d"],
        /// Everything nested, as the organization by its id.
        full: bool [example = false],
        /// With all of their services, everything nested.
        full_service: bool [example = false],
    }

    /// Which taxonomies.
    TaxonomiesQuery as HsdsTaxonomiesQuery {
        /// Words, all of which must occur.
        search: String [max_length = 300, example = "food"],
    }

    /// Which terms.
    TaxonomyTermsQuery as HsdsTaxonomyTermsQuery {
        /// Words, all of which must occur.
        search: String [max_length = 300, example = "food"],
        /// Only terms of this taxonomy.
        taxonomy_id: ServiceId [value_type = Option<String>, format = Uuid, example = "0a1b9c3e-5d7f-5a2b-8c4d-1e3f5a7b9c0d"],
        /// Only terms below this one.
        parent_id: ServiceId [value_type = Option<String>, format = Uuid, example = "87a3eddc-6dcd-57ec-bda9-e2f74cb6db2e"],
        /// Only terms that have none above them.
        top_only: bool [example = true],
    }
}

/// One sub-query for the organization by its id.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct OrganizationQuery {
    /// With all of its services, everything nested; else with their own fields.
    #[param(example = false)]
    pub full_service: Option<bool>,
}

/// What a POST asks: the parameters of the GET of the same path, as the standard has it in the query string, or as a JSON object or a form,
/// which counts where both say something. It changes nothing.
#[derive(Debug)]
pub struct Asked<T>(pub T);

const MEDIA_TYPES: &[&str] = &["application/json", "application/x-www-form-urlencoded"];

impl<T: ToSchema + DeserializeOwned + Validate + 'static> FromRequest for Asked<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let query = request.query_string().to_owned();
        let route = request.match_pattern().unwrap_or_default();
        if !has_body(request) {
            return Box::pin(async move { query::read_text("POST", &route, &query).map(Self) });
        }
        let bytes = body::read(request, payload, MEDIA_TYPES);
        let given = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_json = given.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
        Box::pin(async move {
            let bytes = bytes.await?;
            if bytes.is_empty() {
                return query::read_text("POST", &route, &query).map(Self);
            }
            let (asked, pairs) = if is_json {
                let value = json::parse(&bytes)?;
                let pairs = pairs(&value);
                (schema::check(value)?, pairs)
            } else {
                let text = String::from_utf8(bytes.to_vec()).map_err(|_| Error::malformed("The body is not UTF-8."))?;
                let pairs = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
                (query::read_text("GET", &route, &text).map_err(of_body)?, pairs)
            };
            if query.is_empty() {
                return Ok(Self(asked));
            }
            let is_said = |name: &str| pairs.iter().any(|(said, _): &(String, String)| said == name);
            let besides = form_urlencoded::parse(query.as_bytes()).into_owned().filter(|(name, _)| !is_said(name));
            let mut all = form_urlencoded::Serializer::new(String::new());
            all.extend_pairs(besides.collect::<Vec<_>>()).extend_pairs(&pairs);
            query::read_text("POST", &route, &all.finish()).map(Self)
        })
    }
}

/// Whether a request says anything of a body, or has one.
fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) => length > 0,
        None => headers.contains_key(TRANSFER_ENCODING) || headers.contains_key(CONTENT_TYPE),
    }
}

/// The members of an object that say something, as parameters.
fn pairs(value: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    value.as_object().into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

/// The faults of parameters that came in a form: understood, and not valid.
fn of_body(error: Error) -> Error {
    match error {
        Error::Malformed { faults, .. } if !faults.is_empty() => {
            let pointed = faults.into_iter().map(|fault| {
                let mut pointer = String::new();
                json::push_token(&mut pointer, &fault.pointer);
                Fault { pointer, ..fault }
            });
            Error::Invalid(pointed.collect())
        }
        other => other,
    }
}
