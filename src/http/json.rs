//! JSON read strictly: what one reader would take one way and another differently is refused here, once, for all bodies.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{Error, Fault, Result};

/// Parses a body.
///
/// Refused beyond what JSON itself refuses: a key given twice, nesting deeper than 128, and U+0000, which one of the databases
/// cannot store. A whole number written with a fraction (`1.0`) is that whole number, as JSON Schema has it.
pub fn parse(bytes: &[u8]) -> Result<Value> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        // serde_json's message ends in the place, which is said once and in our words.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let (line, column) = (error.line(), error.column());
        Error::malformed(format!("The body is not JSON that can be read: {message} (line {line}, column {column})."))
    })?;
    let mut faults = Vec::new();
    if bytes.windows(6).any(|window| window == b"\\u0000") {
        find_nul(&value, &mut String::new(), &mut faults);
    }
    if faults.is_empty() { Ok(value) } else { Err(Error::Invalid(faults)) }
}

fn find_nul(value: &Value, pointer: &mut String, faults: &mut Vec<Fault>) {
    let fault = |pointer: &str| Fault::new(pointer, "nul_character", "must not contain the character U+0000");
    let length = pointer.len();
    match value {
        Value::String(text) if text.contains('\0') => faults.push(fault(pointer)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                push_token(pointer, &index.to_string());
                find_nul(item, pointer, faults);
                pointer.truncate(length);
            }
        }
        Value::Object(members) => {
            for (key, item) in members {
                push_token(pointer, key);
                if key.contains('\0') {
                    faults.push(fault(pointer));
                }
                find_nul(item, pointer, faults);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

/// Appends a reference token to a JSON pointer, escaped as RFC 6901 §3 asks.
pub fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

/// The number without its fraction, where it has none and every whole number up to it is held exactly (2⁵³).
#[expect(clippy::cast_possible_truncation, reason = "whole and within the range that a float holds exactly")]
pub fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<Value, E> {
        if let Some(whole) = whole(value) {
            return Ok(Value::Number(whole.into()));
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }
    fn visit_str<E>(self, text: &str) -> std::result::Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }
    fn visit_string<E>(self, text: String) -> std::result::Result<Value, E> {
        Ok(Value::String(text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> std::result::Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key is given twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code(bytes: &[u8]) -> &'static str {
        parse(bytes).unwrap_err().kind().code
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        assert_eq!(code(br#"{"a":1,"b":{"c":1,"c":2}}"#), "malformed_request");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for bytes in [&b"{"[..], b"", b"NaN", b"1e400", br#""\ud800""#, b"\"\xff\"", b"{} x", b"[1,]"] {
            assert_eq!(code(bytes), "malformed_request", "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(code("[".repeat(10_000).as_bytes()), "malformed_request");
    }

    #[test]
    fn a_nul_is_refused_with_its_place_and_an_escaped_backslash_is_not_one() {
        let Error::Invalid(faults) = parse(br#"{"a/b":["x","\u0000"]}"#).unwrap_err() else { panic!("not a fault") };
        assert_eq!(faults[0].pointer, "/a~1b/1");
        assert_eq!(parse(br#"["\\u0000"]"#).unwrap(), json!(["\\u0000"]));
    }

    #[test]
    fn a_whole_number_with_a_fraction_is_whole() {
        assert_eq!(parse(b"[1.0, 1.5, -3e2]").unwrap(), json!([1, 1.5, -300]));
    }
}
