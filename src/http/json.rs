//! JSON read strictly: what one reader would take one way and another differently is refused here, once, for all bodies.

use std::cell::Cell;
use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::schema::MOST_FAULTS;
use crate::error::{Error, Fault, Result};

/// Arrays and objects stand in each other so many deep at most. What is kept is read again with others around it, and serde_json takes 127.
const DEEPEST: u8 = 64;
/// The most values in a body: in memory each needs some thirty times what the shortest is on the wire, and for each something may be wrong.
/// A service with as many corners of polygons as fit into a body has fewer.
const MOST_VALUES: usize = 100_000;
/// The most in a record of another system that is asked for by itself, and in what stands in one as a text.
pub const MOST_OF_RECORD: usize = 500_000;
/// The most in a line of a directory that somebody sends: an organization with all of its thousands of services may be one.
pub const MOST_OF_LINE: usize = 2_000_000;
/// The most in a list that another system answers with: the ids of a whole directory may be one.
pub const MOST_OF_LIST: usize = 4_000_000;
/// The most in a record of a file that lies on the machine.
pub const MOST_OF_FILED: usize = 4_000_000;
/// The bytes of the longest key of a body. The place of whatever is wrong below it names it.
const LONGEST_KEY: usize = 1_024;
/// So many characters of the place of a U+0000 are told.
const LONGEST_POINTER: usize = 300;

/// Parses a body.
///
/// Refused beyond what JSON itself refuses: a key given twice or longer than 1,024 bytes, nesting deeper than 64, more than 100,000 values,
/// and U+0000, which one of the databases cannot store. A whole number written with a fraction (`1.0`) is that whole number, as JSON Schema has it.
pub fn parse(bytes: &[u8]) -> Result<Value> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Reader::strict(&Cell::new(0)).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value)).map_err(|error| {
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
    let fault = |pointer: &str| {
        let shown: String = pointer.chars().take(LONGEST_POINTER).collect();
        Fault::new(shown, "nul_character", "must not contain the character U+0000")
    };
    let length = pointer.len();
    match value {
        _ if faults.len() >= MOST_FAULTS => {}
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

/// A value as it is once it has been written and read: a whole number has no fraction.
pub fn as_read(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()).and_then(whole) {
            Some(whole) => whole.into(),
            None => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(as_read).collect(),
        Value::Object(members) => members.into_iter().map(|(name, member)| (name, as_read(member))).collect(),
        other => other,
    }
}

/// The bytes of a value as it is written.
pub fn length(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |text| text.len())
}

/// How many values a value is, with all that stand in it.
pub fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    }
}

/// The bytes of memory that a value takes, about: an object of one short member takes sixty times as many as it has as text.
pub fn weight(value: &Value) -> usize {
    /// Of an object's table.
    const TABLE: usize = 320;
    /// Of a member, besides its value: its place in the table, and its key.
    const MEMBER: usize = 64;
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(weight).sum(),
            Value::Object(members) => TABLE + members.iter().map(|(key, member)| MEMBER + key.len() + weight(member)).sum::<usize>(),
            _ => 0,
        }
}

/// Whether serde_json tells itself by this key that a text is to be read as more JSON, so that nobody else may use it.
pub fn is_private(key: &str) -> bool {
    key.starts_with("$serde_json::private::")
}

/// A text without U+0000, which one of the databases cannot store.
pub fn without_nul(mut text: String) -> String {
    if text.contains('\0') {
        text.retain(|letter| letter != '\0');
    }
    text
}

/// Parses what another system says of its own, up to so many values. Of a key that is given twice the last value stands. U+0000 is
/// left out of keys and texts.
///
/// # Errors
/// What is no JSON, nested deeper than [`parse`] takes it, or of more values.
pub fn foreign(bytes: &[u8], most: usize) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Reader::foreign(&Cell::new(0), most).deserialize(&mut reader)?;
    reader.end().map(|()| value)
}

/// A value of a file of another system, which is read piece by piece.
#[derive(Debug, Clone, Copy)]
pub struct Foreign;

impl<'de> DeserializeSeed<'de> for Foreign {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        Reader::foreign(&Cell::new(0), MOST_OF_FILED).deserialize(deserializer)
    }
}

/// Reads a value within bounds.
#[derive(Clone, Copy)]
struct Reader<'c> {
    /// How many more arrays and objects may stand in each other.
    room: u8,
    /// How many values were read.
    values: &'c Cell<usize>,
    /// How many may be.
    most: usize,
    /// Whether what another system says is read: a key may be given twice, and be of any length.
    is_foreign: bool,
}

impl<'c> Reader<'c> {
    const fn strict(values: &'c Cell<usize>) -> Self {
        Self { room: DEEPEST, values, most: MOST_VALUES, is_foreign: false }
    }

    const fn foreign(values: &'c Cell<usize>, most: usize) -> Self {
        Self { most, is_foreign: true, ..Self::strict(values) }
    }

    /// A key or a text as it is taken.
    fn text(self, text: String) -> String {
        if self.is_foreign { without_nul(text) } else { text }
    }

    fn inside<E: serde::de::Error>(self) -> std::result::Result<Self, E> {
        let room = self.room.checked_sub(1).ok_or_else(|| E::custom(format!("nested deeper than {DEEPEST}")))?;
        Ok(Self { room, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > self.most {
            return Err(D::Error::custom(format!("more than {} values", self.most)));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
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
        Ok(Value::String(self.text(text.to_owned())))
    }
    fn visit_string<E>(self, text: String) -> std::result::Result<Value, E> {
        Ok(Value::String(self.text(text)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> std::result::Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let key = self.text(key);
            if is_private(&key) {
                return Err(A::Error::custom("a key that is not allowed"));
            }
            if key.len() > LONGEST_KEY && !self.is_foreign {
                return Err(A::Error::custom(format!("a key of more than {LONGEST_KEY} bytes")));
            }
            let value = members.next_value_seed(inside)?;
            if object.insert(key, value).is_some() && !self.is_foreign {
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
    fn what_could_not_be_read_again_with_others_around_it_is_refused() {
        let nested = |depth: usize| format!("{}1{}", r#"{"a":["#.repeat(depth / 2), "]}".repeat(depth / 2));
        let raw = r#"{"$serde_json::private::RawValue": "[1]"}"#;
        for (text, is_taken) in [(nested(64).as_str(), true), (&nested(66), false), (raw, false)] {
            let both = (parse(text.as_bytes()).is_ok(), foreign(text.as_bytes(), MOST_OF_RECORD).is_ok());
            assert_eq!(both, (is_taken, is_taken), "{text}");
        }
        let many = format!("[{}0]", "0,".repeat(MOST_VALUES));
        assert!(foreign(many.as_bytes(), MOST_OF_RECORD).is_ok());
        assert!(foreign(many.as_bytes(), MOST_VALUES).is_err());
        assert_eq!(code(many.as_bytes()), "malformed_request");
        let long = format!(r#"{{"{}": 1}}"#, "k".repeat(LONGEST_KEY + 1));
        assert!(foreign(long.as_bytes(), MOST_OF_RECORD).is_ok());
        assert_eq!(code(long.as_bytes()), "malformed_request");
    }

    #[test]
    fn of_many_nuls_a_hundred_are_told_and_of_a_long_place_its_beginning() {
        let body = format!(r#"{{"{}":{{"{0}":[{}1]}}}}"#, "é".repeat(400), r#""\u0000","#.repeat(1_000));
        let Error::Invalid(faults) = parse(body.as_bytes()).unwrap_err() else { panic!("not a fault") };
        assert_eq!(faults.len(), MOST_FAULTS);
        assert!(faults.iter().all(|fault| fault.pointer.chars().count() == LONGEST_POINTER));
    }

    #[test]
    fn of_what_others_say_twice_the_last_stands() {
        assert_eq!(foreign(br#"{"a":1,"a":2}"#, 3).unwrap(), json!({ "a": 2 }));
        assert!(foreign(b"{} x", 3).is_err());
        assert!(foreign(b"[1, 2]", 2).unwrap_err().to_string().starts_with("more than 2 values"));
    }

    #[test]
    fn what_others_say_is_read_without_nuls() {
        assert_eq!(foreign(br#"{"a\u0000b":["\u0000c\u0000", {"\u0000": 1}]}"#, 5).unwrap(), json!({ "ab": ["c", { "": 1 }] }));
        assert!(foreign(br#"{"$serde_json\u0000::private::RawValue":"[1]"}"#, 5).is_err(), "no key becomes one that nobody may use");
    }

    #[test]
    fn a_nul_is_refused_with_its_place_and_an_escaped_backslash_is_not_one() {
        let Error::Invalid(faults) = parse(br#"{"a/b":["x","\u0000"]}"#).unwrap_err() else { panic!("not a fault") };
        assert_eq!(faults[0].pointer, "/a~1b/1");
        assert_eq!(parse(br#"["\\u0000"]"#).unwrap(), json!(["\\u0000"]));
    }

    #[test]
    fn a_value_is_as_many_as_stand_in_it_and_weighs_more_than_its_text() {
        for (text, count, least) in [("1", 1, 48), ("[1,2]", 3, 150), (r#"{"a":1}"#, 2, 450), (r#"[{"a":[]},"x"]"#, 4, 600)] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(values(&value), count, "{text}");
            assert!((least..2 * least).contains(&weight(&value)), "{text} weighs {}", weight(&value));
        }
    }

    #[test]
    fn a_whole_number_with_a_fraction_is_whole() {
        assert_eq!(parse(b"[1.0, 1.5, -3e2]").unwrap(), json!([1, 1.5, -300]));
    }
}
