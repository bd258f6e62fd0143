//! What people here have changed of a service, and what its source says since.
//!
//! Field by field: what somebody here has changed stands until the source says something else of the same field than it did when it was
//! changed; then the source has news, which count. Either is told.

use serde_json::{Map, Value};
use validator::Validate as _;

use super::Notice;
use crate::error::{Error, Result};
use crate::http::json::push_token;
use crate::services::model::ServiceInput;

/// Fields of which this decides nothing: those of the source alone, and those in which both say their own.
const BESIDE: &[&str] = &["identifiers", "provenance", "source_fields", "connector_notes"];
/// Who gives a service stands in two fields, which go together.
const PROVIDER: [&str; 2] = ["provider_id", "provider_name"];

/// What comes of it.
#[derive(Debug)]
pub struct Reconciled {
    /// What the service says from now on.
    pub service: ServiceInput,
    /// What of it stands against the source, and what no longer does.
    pub notices: Vec<Notice>,
}

/// Where the words of people here stand, and where no longer.
#[derive(Default)]
struct Fields {
    kept: Vec<String>,
    replaced: Vec<String>,
}

/// What a service says whose source said `base`, where people here have made `ours` of it, and the source now says `theirs`.
pub fn reconciled(base: &ServiceInput, ours: &ServiceInput, theirs: ServiceInput) -> Result<Reconciled> {
    if base == ours {
        return Ok(Reconciled { service: theirs, notices: Vec::new() });
    }
    let members = |service: &ServiceInput| match serde_json::to_value(service) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Error::internal("a service is an object")),
        Err(fault) => Err(Error::internal(fault)),
    };
    let (base, ours, mut merged) = (members(base)?, members(ours)?, members(&theirs)?);
    let mut fields = Fields::default();
    fields.reconcile_provider(&base, &ours, &mut merged);
    fields.reconcile(&base, &ours, &mut merged, &mut String::new());
    let merged = serde_json::from_value::<ServiceInput>(Value::Object(merged)).map_err(Error::internal)?;
    // Two halves that are true by themselves may not fit, such as the ages from and to which it serves.
    let service = if merged.validate().is_ok() {
        merged
    } else {
        fields.replaced.append(&mut fields.kept);
        theirs
    };
    let notice = |code, text: &'static str| move |field: String| Notice::new(code, field, text);
    let kept = fields.kept.into_iter().map(notice("change_kept", "what was changed here stands: its source says what it said before"));
    let replaced =
        fields.replaced.into_iter().map(notice("change_replaced", "it was changed here, and its source says something else since"));
    Ok(Reconciled { service, notices: kept.chain(replaced).collect() })
}

impl Fields {
    fn reconcile(&mut self, base: &Map<String, Value>, ours: &Map<String, Value>, theirs: &mut Map<String, Value>, pointer: &mut String) {
        let is_top = pointer.is_empty();
        for (name, our) in ours {
            if is_top && (BESIDE.contains(&name.as_str()) || PROVIDER.contains(&name.as_str())) {
                continue;
            }
            let was = base.get(name).unwrap_or(&Value::Null);
            let length = pointer.len();
            push_token(pointer, name);
            match (was, our, theirs.get_mut(name)) {
                (was, our, _) if was == our => {}
                (Value::Object(was), Value::Object(our), Some(Value::Object(their))) => self.reconcile(was, our, their, pointer),
                (was, our, their) => {
                    let is = their.as_deref().unwrap_or(&Value::Null);
                    if is == was {
                        self.kept.push(pointer.clone());
                        theirs.insert(name.clone(), our.clone());
                    } else if is != our {
                        self.replaced.push(pointer.clone());
                    }
                }
            }
            pointer.truncate(length);
        }
    }

    fn reconcile_provider(&mut self, base: &Map<String, Value>, ours: &Map<String, Value>, theirs: &mut Map<String, Value>) {
        let of = |members: &Map<String, Value>| PROVIDER.map(|name| members.get(name).cloned().unwrap_or_default());
        let (was, our, is) = (of(base), of(ours), of(theirs));
        if was == our || is == our {
            return;
        }
        let field = if was[0] == our[0] { "/provider_name" } else { "/provider_id" }.to_owned();
        if is != was {
            return self.replaced.push(field);
        }
        theirs.extend(PROVIDER.map(str::to_owned).into_iter().zip(our));
        self.kept.push(field);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(service: Value) -> ServiceInput {
        serde_json::from_value(service).unwrap()
    }

    fn told(reconciled: &Reconciled) -> Vec<(&str, &str)> {
        reconciled.notices.iter().map(|notice| (notice.code, notice.field.as_str())).collect()
    }

    #[test]
    fn what_was_changed_here_stands_until_the_source_says_something_else_of_it() {
        let base =
            read(json!({ "name": "Lunch", "description": "Soup", "email": "a@b.ca", "eligibility": { "min_age": 55, "text": "Seniors" } }));
        let ours = read(json!({
            "name": "Lunch Club", "description": "Stew", "email": "a@b.ca", "eligibility": { "min_age": 60, "text": "Seniors" },
        }));
        let theirs = read(json!({
            "name": "Lunch", "description": "Salad", "email": "new@b.ca", "eligibility": { "min_age": 55, "text": "Elders" },
        }));
        let it = reconciled(&base, &ours, theirs.clone()).unwrap();
        assert_eq!(
            (it.service.name.as_str(), it.service.description.as_deref(), it.service.email.as_deref()),
            ("Lunch Club", Some("Salad"), Some("new@b.ca"))
        );
        assert_eq!((it.service.eligibility.min_age, it.service.eligibility.text.as_deref()), (Some(60), Some("Elders")));
        assert_eq!(told(&it), [("change_kept", "/name"), ("change_kept", "/eligibility/min_age"), ("change_replaced", "/description")]);
        let it = reconciled(&theirs, &it.service, read(json!({ "name": "Lunch for all" }))).unwrap();
        assert_eq!((it.service.name.as_str(), told(&it)[0]), ("Lunch for all", ("change_replaced", "/name")));
        let same = reconciled(&base, &base, theirs.clone()).unwrap();
        assert_eq!((same.service, same.notices.len()), (theirs, 0));
    }

    #[test]
    fn halves_that_do_not_fit_are_the_sources() {
        let base = read(json!({ "name": "Youth", "eligibility": { "min_age": 10, "max_age": 30 } }));
        let ours = read(json!({ "name": "Youth", "eligibility": { "min_age": 25, "max_age": 30 } }));
        let theirs = read(json!({ "name": "Youth", "eligibility": { "min_age": 10, "max_age": 20 } }));
        let it = reconciled(&base, &ours, theirs.clone()).unwrap();
        assert_eq!(it.service, theirs);
        assert_eq!(told(&it), [("change_replaced", "/eligibility/min_age")]);
    }
}
