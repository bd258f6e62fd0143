//! Numbers that mostly are whole, written as people write them: `3`, not `3.0`.

use serde::{Serialize, Serializer};

use crate::http::json::whole;

/// Writes a whole number without a fraction.
pub fn plain<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match whole(*number) {
        Some(whole) => whole.serialize(serializer),
        None => number.serialize(serializer),
    }
}

/// The same for a number that may be absent.
pub fn option<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => plain(number, serializer),
        None => serializer.serialize_none(),
    }
}

/// The number as people write it.
pub fn text(number: f64) -> String {
    format!("{number}")
}
