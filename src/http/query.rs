//! Query strings, checked as bodies are: against what the OpenAPI document publishes of the operation, with every fault told.
//!
//! The guard of an operation asks for the [`check`], so that one that takes no parameters refuses them as well.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::{Ready, ready};
use std::sync::{Arc, LazyLock, RwLock};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use chrono::NaiveDate;
use jsonschema::Validator;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value, json};
use url::form_urlencoded;
use uuid::Uuid;

use super::schema;
use crate::error::{Error, Fault, Result};
use crate::openapi;

/// The parameters of a query string.
///
/// `T` denies unknown fields; a repeated parameter is a `Vec`.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request).map(Self))
    }
}

/// Holds the query string of a request against what is published of its operation.
pub fn check(request: &HttpRequest) -> Result<()> {
    if request.match_info().get("id").is_some_and(|id| Uuid::try_parse(id).is_err()) {
        // The path is at fault first: it may be one of its own, with other methods.
        return Ok(());
    }
    let (text, parameters) = (request.query_string(), Parameters::of(request)?);
    if text.is_empty() && !parameters.has_required {
        return Ok(());
    }
    if is_text(text) {
        parameters.check(&heard(request.method().as_str(), &request.match_pattern().unwrap_or_default(), text)?)
    } else {
        Err(Error::malformed("The query string is not UTF-8, or contains the character U+0000."))
    }
}

/// Whether a query string is UTF-8 once it is decoded, without the character that one database cannot keep.
fn is_text(text: &str) -> bool {
    percent_encoding::percent_decode_str(text).decode_utf8().is_ok_and(|decoded| !decoded.contains('\0'))
}

/// Reads the parameters of an operation from a text in the form of a query string, wherever it came from.
pub fn read_text<T: DeserializeOwned>(method: &str, route: &str, text: &str) -> Result<T> {
    if !is_text(text) {
        return Err(Error::malformed("The parameters are not UTF-8, or contain the character U+0000."));
    }
    let text = heard(method, route, text)?;
    Parameters::of_operation(method, route)?.check(&text)?;
    deserialized(&text)
}

/// Reads a query string that has been checked.
pub fn read<T: DeserializeOwned>(request: &HttpRequest) -> Result<T> {
    deserialized(&heard(request.method().as_str(), &request.match_pattern().unwrap_or_default(), request.query_string())?)
}

/// The routes of the standard for other directories.
const STANDARD: &str = "/hsds/";

/// A query string as it is heard. The standard says neither how a truth value is written nor how a moment is, and its clients are others'
/// libraries: on its routes `True` and `1` are true, and a date is its midnight in UTC.
fn heard<'a>(method: &str, route: &str, text: &'a str) -> Result<Cow<'a, str>> {
    if text.is_empty() || !route.starts_with(STANDARD) {
        return Ok(Cow::Borrowed(text));
    }
    let parameters = Parameters::of_operation(method, route)?;
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let heard = parameters.forms.get(&*name).and_then(|(form, _)| form.heard(&name, &value));
        pairs.append_pair(&name, heard.as_deref().unwrap_or(&value));
    }
    Ok(Cow::Owned(pairs.finish()))
}

fn deserialized<T: DeserializeOwned>(text: &str) -> Result<T> {
    let reader = serde_html_form::Deserializer::from_bytes(text.as_bytes());
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let fault = Fault::new(error.path().to_string(), "invalid_parameter", without_value(&error.inner().to_string()));
        refusal(vec![fault])
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

/// The refusal of a query string with these faults; the pointer of each is the name of a parameter.
pub fn refusal(faults: Vec<Fault>) -> Error {
    Error::Malformed { detail: "The query string has faults; see errors.".into(), faults }
}

/// How the text of a parameter is read before it is held against its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Number,
    Boolean,
}

impl Form {
    fn of(schema: &Value) -> Self {
        match schema.get("type").and_then(Value::as_str) {
            Some("integer" | "number") => Self::Number,
            Some("boolean") => Self::Boolean,
            _ => Self::Text,
        }
    }

    /// Another way to write the same, which is the one that is published; none where there is none.
    fn heard(self, name: &str, text: &str) -> Option<String> {
        match (self, text.to_ascii_lowercase().as_str()) {
            (Self::Boolean, "true" | "1") => Some("true".into()),
            (Self::Boolean, "false" | "0") => Some("false".into()),
            (Self::Text, date) if name == "modified_after" => Some(format!("{}T00:00:00Z", date.parse::<NaiveDate>().ok()?)),
            _ => None,
        }
    }

    /// The value; a text that is none of this form stays a text, which the schema then refuses by its type.
    fn read(self, text: String) -> Value {
        let read = match self {
            Self::Text => None,
            Self::Number => text.parse::<Number>().ok().map(Value::Number),
            Self::Boolean => text.parse::<bool>().ok().map(Value::Bool),
        };
        read.unwrap_or(Value::String(text))
    }
}

/// What an operation publishes of its query string.
#[derive(Debug)]
struct Parameters {
    /// By name, the form and whether the parameter may be repeated.
    forms: HashMap<String, (Form, bool)>,
    has_required: bool,
    validator: Validator,
}

/// What is known of operations, by the route and the method.
type Operations = HashMap<String, HashMap<String, Arc<Parameters>>>;

impl Parameters {
    /// Those of the operation that a request is for.
    fn of(request: &HttpRequest) -> Result<Arc<Self>> {
        Self::of_operation(request.method().as_str(), &request.match_pattern().unwrap_or_default())
    }

    fn of_operation(method: &str, route: &str) -> Result<Arc<Self>> {
        static CACHE: LazyLock<RwLock<Operations>> = LazyLock::new(RwLock::default);
        if let Ok(cache) = CACHE.read()
            && let Some(known) = cache.get(route).and_then(|methods| methods.get(method))
        {
            return Ok(Arc::clone(known));
        }
        let published = openapi::document().get("paths").and_then(|paths| paths.get(route)?.get(method.to_lowercase())?.get("parameters"));
        let built = Arc::new(Self::published(published.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default())?);
        if let Ok(mut cache) = CACHE.write() {
            cache.entry(route.to_owned()).or_default().insert(method.to_owned(), Arc::clone(&built));
        }
        Ok(built)
    }

    fn published(parameters: &[Value]) -> Result<Self> {
        let (mut forms, mut properties, mut required) = (HashMap::new(), Map::new(), Vec::new());
        for parameter in parameters.iter().filter(|parameter| parameter.get("in").is_some_and(|place| place == "query")) {
            let (Some(name), Some(schema)) = (parameter.get("name").and_then(Value::as_str), parameter.get("schema")) else { continue };
            let items = schema.get("items");
            forms.insert(name.to_owned(), (Form::of(items.unwrap_or(schema)), items.is_some()));
            properties.insert(name.to_owned(), schema.clone());
            if parameter.get("required") == Some(&Value::Bool(true)) {
                required.push(name);
            }
        }
        let has_required = !required.is_empty();
        let schema = json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
        Ok(Self { forms, has_required, validator: schema::compile(&schema)? })
    }

    /// Holds a query string against what is published.
    fn check(&self, text: &str) -> Result<()> {
        let pairs: Vec<(String, String)> = serde_html_form::from_str(text).map_err(|error| Error::malformed(error.to_string()))?;
        let (mut values, mut faults) = (Map::new(), Vec::new());
        for (name, text) in pairs {
            match self.forms.get(&name) {
                Some((form, true)) => {
                    let list = values.entry(name).or_insert_with(|| json!([]));
                    if let Some(list) = list.as_array_mut() {
                        list.push(form.read(text));
                    }
                }
                Some(_) if values.contains_key(&name) => faults.push(Fault::new(name, "repeated", "must be given once")),
                Some((form, false)) => {
                    values.insert(name, form.read(text));
                }
                None => faults.push(Fault::new(name, "unknown_parameter", "is not a parameter of this operation")),
            }
        }
        faults.extend(schema::faults(&self.validator, &Value::Object(values)).into_iter().map(|fault| {
            let name = fault.pointer.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
            Fault { pointer: name, ..fault }
        }));
        if faults.is_empty() { Ok(()) } else { Err(refusal(faults)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<(String, String)> {
        let parameters = json!([
            { "name": "q", "in": "query", "schema": { "type": "string", "maxLength": 3 } },
            { "name": "id", "in": "query", "schema": { "type": "array", "items": { "type": "string", "minLength": 1 } } },
            { "name": "limit", "in": "query", "schema": { "type": "integer", "minimum": 1 } },
            { "name": "draft", "in": "query", "required": true, "schema": { "type": "boolean" } },
            { "name": "If-Match", "in": "header", "required": true, "schema": { "type": "string" } },
        ]);
        match Parameters::published(parameters.as_array().unwrap()).unwrap().check(text) {
            Ok(()) => Vec::new(),
            Err(Error::Malformed { faults, .. }) => faults.into_iter().map(|fault| (fault.pointer, fault.code.into_owned())).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn what_fits_what_is_published_passes() {
        for text in ["draft=true", "draft=false&q=&limit=7", "draft=true&id=a&id=b&q=a%20b"] {
            assert_eq!(faults(text), [], "{text}");
        }
    }

    #[test]
    fn every_fault_is_told_with_the_name_of_its_parameter() {
        let told = faults("q=long&q=er&id=&limit=many&draft=yes&other=1");
        let expected = [
            ("q", "repeated"),
            ("other", "unknown_parameter"),
            ("q", "too_long"),
            ("id", "too_short"),
            ("limit", "type"),
            ("draft", "type"),
        ];
        let mut told: Vec<(&str, &str)> = told.iter().map(|(name, code)| (name.as_str(), code.as_str())).collect();
        told.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(told, expected);
        assert_eq!(faults(""), [("draft".to_owned(), "required".to_owned())]);
    }

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
