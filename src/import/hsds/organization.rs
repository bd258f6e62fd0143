//! Who gives a service.

use serde_json::Value;
use uuid::Uuid;

use super::{Part, Rows, own, places};
use crate::hsds::write::names;
use crate::import::draft::Draft;
use crate::import::mapping::{Mapping, Trust};
use crate::import::{Notice, Outcome, Provider, keys, rest, text};
use crate::types::Identifier;

/// Fields that have its name.
const NAMES: &[&str] = &["name", "legal_name"];

/// An organization that a package lists; none where it stands in for one that is not known.
pub fn listed(mapping: &Mapping, value: Value) -> Option<Outcome> {
    let mut part = Part::of(value)?;
    if own::is_own(&part.fields)
        && !own::is_added(&part.fields)
        && let Ok(provider) = own::organization(&part.fields, mapping)
    {
        return provider.map(|provider| listed_as(provider, mapping, Vec::new()));
    }
    let mut draft = Draft::new(mapping)?;
    let Some(provider) = read(&mut part, mapping, &mut draft) else {
        return Some(Outcome::Noted(Notice::new("row_left_out", "organizations.csv", "an organization without a name was left out")));
    };
    let mut left = part.rest("organization.", &mut draft);
    left.extend(draft.leftovers);
    let rest = Some(rest::of_organization(&provider, left, &mapping.source));
    // That it has fields of its own is told of services alone.
    draft.notices.retain(|notice| notice.code != "field_not_known");
    Some(listed_as(Provider { rest, ..provider }, mapping, draft.notices))
}

fn listed_as(provider: Provider, mapping: &Mapping, mut notices: Vec<Notice>) -> Outcome {
    let provider = provider.bounded(&mapping.source, &mut notices);
    Outcome::Listed(Box::new(provider), notices)
}

/// The keys under which an organization is known that a list names: its own, or that of one of which services tell the name alone. None
/// where it has no name.
pub fn known_as(mapping: &Mapping, record: &Value) -> Option<[String; 2]> {
    let mut part = Part::of(record.clone())?;
    let (_, name) = part.named_text(NAMES)?;
    Some([key(&mut part, &name, mapping), keys::fitted(&text::slug(&name))])
}

/// The key of an organization of this name, whose id is taken out.
fn key(organization: &mut Part, name: &str, mapping: &Mapping) -> String {
    // Who has no id is not everybody else without one.
    let id = organization.text(&["id"]).filter(|id| !Uuid::try_parse(id).is_ok_and(|id| id.is_nil()));
    // Ids repeat with other names behind them; a name belongs to the key unless the id is one for the whole world.
    let key = match id {
        Some(id) if is_uuid(&id) || mapping.keys.trust == Trust::Always => id,
        Some(id) if mapping.keys.trust == Trust::Unique => format!("{id}/{}", text::slug(name)),
        _ => text::slug(name),
    };
    keys::fitted(&key)
}

fn is_uuid(id: &str) -> bool {
    Uuid::try_parse(id).is_ok()
}

/// Reads an organization, but for what is left of it; none where it has no name.
pub fn read(organization: &mut Part, mapping: &Mapping, draft: &mut Draft) -> Option<Provider> {
    let (field, name) = organization.named_text(NAMES)?;
    let key = key(organization, &name, mapping);
    let whole = name;
    let name = keys::fitted_name(&whole);
    if name != whole {
        organization.refuse("name_cut", "organization.", field, Value::String(whole), draft);
    }
    // What it is part of can be told where ids are for the whole world. It stands as it is said, too, for that may come to nothing.
    let is_of_the_world = is_uuid(&key);
    let parent = organization.text(&["parent_organization_id"]);
    organization.keep("parent_organization_id", parent.clone().map_or(Value::Null, Value::String));
    let parent = parent.filter(|id| is_of_the_world && is_uuid(id));
    let uri = organization.fields.get("uri").cloned();
    let url = organization.url(&["website", "url", "uri"], "organization.", draft);
    organization.keep("uri", uri.unwrap_or_default());
    let email = organization.email("organization.", draft);
    let mut phones = Vec::new();
    places::phones(organization, &mapping.defaults.country, &mut phones, draft);
    let (mut identifiers, mut rows) = (Vec::new(), Rows::default());
    for mut row in organization.parts(&["organization_identifiers", "organization_identifier"]) {
        let whole = row.whole();
        match (row.text(&["identifier_scheme"]), row.text(&["identifier"])) {
            (Some(system), Some(value)) if keys::fits(&system, &value) => {
                let identifier = Identifier { system, value };
                let kind = row.text(&["identifier_type"]);
                row.keep("identifier_type", kind.map_or(Value::Null, Value::String));
                rows.rest(names::of_identifier(&identifier), row.rest("organization.organization_identifiers.", draft));
                identifiers.push(identifier);
            }
            _ => {
                draft.notice("identifier_not_understood", "organization.organization_identifiers", "kept in source_fields");
                rows.whole(whole);
            }
        }
    }
    rows.put(organization, "organization_identifiers");
    let description = organization.text(&["description"]);
    Some(Provider { key, name, description, url, email, phones, identifiers, parent, ..Provider::default() })
}
