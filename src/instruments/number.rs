//! Numbers that mostly are whole, written as people write them: `3`, not `3.0`.

use serde::{Serialize, Serializer};

/// Beyond this a float no longer holds every whole number (2⁵³).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes a whole number without a fraction.
pub fn plain<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    #[expect(clippy::cast_possible_truncation, reason = "whole and within the range that a float holds exactly")]
    if number.fract() == 0.0 && number.abs() < EXACT { (*number as i64).serialize(serializer) } else { number.serialize(serializer) }
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
