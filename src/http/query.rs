//! Query strings: unknown parameters and bad values are told by name.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use crate::error::{Error, Fault, Result};

/// The parameters of a query string.
///
/// `T` denies unknown fields; a repeated parameter is a `Vec`.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

/// Reads a query string.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    let is_text = percent_encoding::percent_decode_str(text).decode_utf8().is_ok_and(|decoded| !decoded.contains('\0'));
    if !is_text {
        return Err(Error::malformed("The query string is not UTF-8, or contains the character U+0000."));
    }
    let reader = serde_html_form::Deserializer::from_bytes(text.as_bytes());
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let message = error.inner().to_string();
        // A parameter that is not there has no place in the string; serde names it in the message.
        let fault = match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            Some(name) => Fault::new(name, "required", "is required"),
            None => Fault::new(error.path().to_string(), "invalid_parameter", message),
        };
        Error::Malformed { detail: "The query string has a fault; see errors.".into(), faults: vec![fault] }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        #[expect(dead_code, reason = "only its faults are looked at")]
        near: u8,
    }

    fn fault(text: &str) -> (String, String) {
        let Error::Malformed { faults, .. } = parse::<Filter>(text).unwrap_err() else { panic!("not malformed") };
        (faults[0].pointer.clone(), faults[0].code.to_string())
    }

    #[test]
    fn a_fault_names_its_parameter_even_where_that_is_missing() {
        assert_eq!(fault(""), ("near".into(), "required".into()));
        assert_eq!(fault("near=x"), ("near".into(), "invalid_parameter".into()));
        assert_eq!(fault("near=1&far=2"), ("far".into(), "invalid_parameter".into()));
    }
}
