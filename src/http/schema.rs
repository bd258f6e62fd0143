//! Checks JSON against the published schema of a type.
//!
//! What the OpenAPI document says of a request body is what the server takes: both come from the same schema, so they cannot drift.

use std::any::TypeId;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, RwLock};

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use validator::{Validate, ValidationErrors, ValidationErrorsKind};

use super::json::push_token;
use crate::error::{Error, Fault, Result};

/// A fault list longer than this helps nobody; the rest is left out.
pub(super) const MOST_FAULTS: usize = 100;

/// The code of a fault of a member that a schema does not have.
const UNKNOWN_FIELD: &str = "unknown_field";

/// Where the document has its schemas.
const COMPONENTS: &str = "#/components/schemas/";

/// Reads a `T` from JSON: the schema first, with every fault told, then the rules across fields.
pub fn check<T: ToSchema + DeserializeOwned + Validate + 'static>(value: Value) -> Result<T> {
    fits::<T>(&value)?;
    let read: T = serde_path_to_error::deserialize(value).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            match segment {
                serde_path_to_error::Segment::Seq { index } => push_token(&mut pointer, &index.to_string()),
                serde_path_to_error::Segment::Map { key } => push_token(&mut pointer, key),
                serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => {}
            }
        }
        Error::invalid(pointer, "invalid", error.inner().to_string())
    })?;
    hold_rules(&read)?;
    Ok(read)
}

/// The same of a `T` that was read from something else than JSON.
pub fn check_read<T: ToSchema + Serialize + Validate + 'static>(read: &T) -> Result<()> {
    fits::<T>(&serde_json::to_value(read).map_err(Error::internal)?)?;
    hold_rules(read)
}

fn fits<T: ToSchema + 'static>(value: &Value) -> Result<()> {
    let faults = faults(&*validator_of::<T>()?, value);
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

fn hold_rules(read: &impl Validate) -> Result<()> {
    read.validate().map_err(|errors| {
        let mut faults = Vec::new();
        collect(&errors, &mut String::new(), &mut faults);
        faults.truncate(MOST_FAULTS);
        Error::Invalid(faults)
    })
}

/// The members of part of a `T` that are null and that its published schema does not have.
pub fn unknown_nulls<T: ToSchema + 'static>(part: &Value) -> Result<Vec<Fault>> {
    let is_null = |fault: &Fault| fault.code == UNKNOWN_FIELD && part.pointer(&fault.pointer).is_some_and(Value::is_null);
    Ok(faults(&*validator_of::<T>()?, part).into_iter().filter(is_null).collect())
}

/// Everything in which JSON does not fit a schema.
pub fn faults(validator: &Validator, value: &Value) -> Vec<Fault> {
    validator.iter_errors(value).flat_map(|error| faults_of(&error)).take(MOST_FAULTS).collect()
}

/// A schema that may refer to those of the document, made ready to check with.
pub fn compile(schema: &Value) -> Result<Validator> {
    let mut alone = Alone::default();
    let mut schema = alone.without_words(schema);
    if let Some(members) = schema.as_object_mut() {
        members.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        members.insert("components".into(), json!({ "schemas": alone.with_referred() }));
    }
    jsonschema::options().should_validate_formats(true).build(&schema).map_err(|error| Error::internal(error.to_string()))
}

/// Makes a schema stand alone, with no more of the document than it needs: a validator keeps all that it is built from.
#[derive(Default)]
struct Alone {
    referred: BTreeSet<String>,
}

impl Alone {
    /// The schema without what is meant for readers only. Notes which schemas of the document it refers to.
    fn without_words(&mut self, schema: &Value) -> Value {
        let Value::Object(members) = schema else { return schema.clone() };
        if let Some(name) = members.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix(COMPONENTS)) {
            self.referred.insert(name.to_owned());
        }
        let mut kept = Map::new();
        for (keyword, value) in members {
            let value = match (keyword.as_str(), value) {
                ("title" | "description" | "example" | "examples" | "deprecated", _) => continue,
                ("properties" | "patternProperties" | "$defs", Value::Object(schemas)) => {
                    schemas.iter().map(|(name, schema)| (name.clone(), self.without_words(schema))).collect()
                }
                ("oneOf" | "anyOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
                    schemas.iter().map(|schema| self.without_words(schema)).collect()
                }
                ("items" | "additionalProperties" | "unevaluatedProperties" | "propertyNames" | "not", _) => self.without_words(value),
                _ => value.clone(),
            };
            kept.insert(keyword.clone(), value);
        }
        // Of an object that has no fields at all, the validator names those that it should not have only where it is told so.
        if kept.get("additionalProperties") == Some(&Value::Bool(false)) {
            kept.entry("properties").or_insert_with(|| json!({}));
        }
        Value::Object(kept)
    }

    /// The schemas of the document that were referred to, and those that they refer to.
    fn with_referred(mut self) -> Map<String, Value> {
        let mut schemas = Map::new();
        while let Some(name) = self.referred.pop_first() {
            if !schemas.contains_key(&name)
                && let Some(schema) = crate::openapi::schemas().get(&name)
            {
                let schema = self.without_words(schema);
                schemas.insert(name, schema);
            }
        }
        schemas
    }
}

/// Whether JSON fits the published schema of a `T`; quicker than [`check`], and silent about why.
pub fn is_valid<T: ToSchema + 'static>(value: &Value) -> bool {
    validator_of::<T>().is_ok_and(|validator| validator.is_valid(value))
}

/// The lists of JSON that have more entries than the published schema of a `T` lets them, by their pointers: how many they may have.
pub fn excess<T: ToSchema + 'static>(value: &Value) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    if let Ok(validator) = validator_of::<T>() {
        validator.iter_errors(value).for_each(|error| add_excess(&error, &mut found));
    }
    found
}

fn add_excess(error: &ValidationError<'_>, found: &mut HashMap<String, usize>) {
    match error.kind() {
        ValidationErrorKind::MaxItems { limit } => {
            found.insert(error.instance_path().as_str().to_owned(), usize::try_from(*limit).unwrap_or(usize::MAX));
        }
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            context.iter().flatten().for_each(|error| add_excess(error, found));
        }
        _ => {}
    }
}

fn validator_of<T: ToSchema + 'static>() -> Result<Arc<Validator>> {
    static CACHE: LazyLock<RwLock<HashMap<TypeId, Arc<Validator>>>> = LazyLock::new(RwLock::default);
    let id = TypeId::of::<T>();
    if let Ok(cache) = CACHE.read()
        && let Some(validator) = cache.get(&id)
    {
        return Ok(Arc::clone(validator));
    }
    let validator = Arc::new(compile(&json!({ "$ref": format!("{COMPONENTS}{}", T::name()) }))?);
    if let Ok(mut cache) = CACHE.write() {
        cache.insert(id, Arc::clone(&validator));
    }
    Ok(validator)
}

/// The faults behind one schema error: several for unknown fields, those of the one real branch for an optional object.
fn faults_of(error: &ValidationError<'_>) -> Vec<Fault> {
    let at = error.instance_path().as_str();
    let one = |code: &'static str, message: String| vec![Fault::new(at, code, message)];
    let child = |name: &str| {
        let mut pointer = at.to_owned();
        push_token(&mut pointer, name);
        pointer
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            vec![Fault::new(child(property.as_str().unwrap_or_default()), "required", "is required")]
        }
        ValidationErrorKind::AdditionalProperties { unexpected } | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(|name| Fault::new(child(name), UNKNOWN_FIELD, "is not a field of this resource")).collect()
        }
        ValidationErrorKind::Type { kind } => one("type", format!("must be {}", type_name(kind))),
        ValidationErrorKind::Enum { options } => one("not_allowed", format!("must be one of {options}")),
        ValidationErrorKind::Constant { expected_value } => one("not_allowed", format!("must be {expected_value}")),
        ValidationErrorKind::MinLength { limit } => one("too_short", format!("must have at least {limit} characters")),
        ValidationErrorKind::MaxLength { limit } => one("too_long", format!("must have at most {limit} characters")),
        ValidationErrorKind::MinItems { limit } => one("too_few", format!("must have at least {limit} entries")),
        ValidationErrorKind::MaxItems { limit } => one("too_many", format!("must have at most {limit} entries")),
        ValidationErrorKind::MinProperties { limit } => one("too_few", format!("must have at least {limit} members")),
        ValidationErrorKind::MaxProperties { limit } => one("too_many", format!("must have at most {limit} members")),
        ValidationErrorKind::UniqueItems => one("not_unique", "must not contain an entry twice".into()),
        ValidationErrorKind::Minimum { limit } => one("out_of_range", format!("must be at least {limit}")),
        ValidationErrorKind::Maximum { limit } => one("out_of_range", format!("must be at most {limit}")),
        ValidationErrorKind::ExclusiveMinimum { limit } => one("out_of_range", format!("must be greater than {limit}")),
        ValidationErrorKind::ExclusiveMaximum { limit } => one("out_of_range", format!("must be less than {limit}")),
        ValidationErrorKind::Pattern { pattern } => one("format", format!("must match {pattern}")),
        ValidationErrorKind::Format { format } => one("format", format!("must be a valid {format}")),
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => nested(context, at),
        _ => one("invalid", "is not valid".into()),
    }
}

/// An optional object is `null` or the object: unless the value is of another type altogether, the object's own faults are told.
fn nested(context: &[Vec<ValidationError<'static>>], at: &str) -> Vec<Fault> {
    let is_of_another_type = |errors: &&Vec<ValidationError<'static>>| {
        errors.iter().any(|error| error.instance_path().as_str() == at && matches!(error.kind(), ValidationErrorKind::Type { .. }))
    };
    let meant = context.iter().find(|errors| !is_of_another_type(errors)).or_else(|| context.last());
    meant.map_or_else(|| vec![Fault::new(at, "invalid", "is not valid")], |errors| errors.iter().flat_map(faults_of).collect())
}

fn type_name(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(name) => format!("of type {name}"),
        TypeKind::Multiple(names) => {
            let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            format!("of type {}", names.join(" or "))
        }
    }
}

fn collect(errors: &ValidationErrors, pointer: &mut String, faults: &mut Vec<Fault>) {
    let length = pointer.len();
    let mut fields: Vec<_> = errors.errors().iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    for (field, kind) in fields {
        // Rules of a whole struct name the field they speak of in a `pointer` parameter, relative to the struct.
        if field != "__all__" {
            push_token(pointer, field);
        }
        match kind {
            ValidationErrorsKind::Struct(inner) => collect(inner, pointer, faults),
            ValidationErrorsKind::List(items) => {
                let length = pointer.len();
                for (index, inner) in items {
                    push_token(pointer, &index.to_string());
                    collect(inner, pointer, faults);
                    pointer.truncate(length);
                }
            }
            ValidationErrorsKind::Field(list) => faults.extend(list.iter().map(|error| {
                let place = error.params.get("pointer").and_then(Value::as_str).unwrap_or_default();
                let message = error.message.clone().unwrap_or_else(|| "is not valid".into());
                Fault::new(format!("{pointer}{place}"), error.code.clone(), message)
            })),
        }
        pointer.truncate(length);
    }
}

/// A broken rule across fields, for functions behind `#[validate(schema(function = …))]`; the pointer is relative to the struct.
pub fn rule(pointer: &str, code: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> validator::ValidationError {
    let mut error = validator::ValidationError::new(code).with_message(message.into());
    error.add_param("pointer".into(), &pointer);
    error
}
