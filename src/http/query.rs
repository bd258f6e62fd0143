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
        let fault = Fault::new(error.path().to_string(), "invalid_parameter", without_value(&error.inner().to_string()));
        Error::Malformed { detail: "The query string has a fault; see errors.".into(), faults: vec![fault] }
    })
}

/// What serde says of a value, without the value: ``unknown variant `Ada`, expected `a` or `b` ``. It may be a name that was looked for in
/// the wrong place, and errors are kept in the logs of callers.
fn without_value(message: &str) -> String {
    let quotes = ["unknown variant ", "unknown field ", "invalid value: ", "invalid type: "].iter().any(|start| message.starts_with(start));
    match message.rsplit_once(", expected ").filter(|_| quotes) {
        Some((_, expected)) => format!("must be {expected}"),
        None if quotes => "is not known here".into(),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_value;

    #[test]
    fn values_are_not_repeated() {
        for (message, expected) in [
            ("unknown variant `Ada, expected `, expected `a` or `b`", "must be `a` or `b`"),
            ("unknown variant `Ada`, there are no variants", "is not known here"),
            ("invalid value: string \"Ada\", expected an instant", "must be an instant"),
            ("missing field `near`", "missing field `near`"),
            ("invalid digit found in string", "invalid digit found in string"),
        ] {
            assert_eq!(without_value(message), expected);
        }
    }
}
