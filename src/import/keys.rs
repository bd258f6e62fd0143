//! Stable keys, ids and fingerprints: the same record has the same ones whenever it comes again.

use base16ct::HexDisplay;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::text::slug;
pub use crate::identifiers::stable_id;
use crate::services::model::{Capacity, NamedCapacity, ServiceInput};

/// A key made of what names a record, where its id cannot be trusted to: readable, and different for different parts.
pub fn content_key(parts: &[&str]) -> String {
    let slugs: Vec<String> = parts.iter().map(|part| slug(part)).collect();
    let digest = Sha256::digest(slugs.join("\0").as_bytes());
    let mut readable: String = slugs.iter().filter(|slug| !slug.is_empty()).map(String::as_str).collect::<Vec<_>>().join("/");
    if let Some((cut, _)) = readable.char_indices().nth(100) {
        readable.truncate(cut);
    }
    format!("{readable}-{}", hex(digest.get(..5).unwrap_or_default()))
}

/// A fingerprint of everything that a source says of a service, also of when it was last modified, for that is shown; but for `metadata`,
/// which some sources write anew whenever they are asked. It does not know when the record was imported.
pub fn fingerprint(service: &Value, capacity: Option<&Capacity>, rooms: &[NamedCapacity], provider: Option<&super::Provider>) -> String {
    let mut digest = Sha256::new();
    let provider = provider.map(|p| ((&p.key, &p.name, &p.description, &p.url, &p.email, &p.phones, &p.identifiers), &p.rest));
    let named = provider.map(|(named, _)| named);
    let service = without_metadata(service.clone());
    // What follows from what is said of a room is said with it.
    let capacity = capacity.map(|room| room.stated(false));
    for part in [serde_json::to_vec(&service).unwrap_or_default(), written(&capacity), serde_json::to_vec(&named).unwrap_or_default()] {
        digest.update(part);
        digest.update(b"\0");
    }
    // What is said of its organization besides, where it is said here.
    if let Some(rest) = provider.and_then(|(_, rest)| rest.as_ref()).filter(|rest| !rest.is_empty()) {
        let rest = without_metadata(Value::Object(rest.clone()));
        digest.update(serde_json::to_vec(&rest).unwrap_or_default());
    }
    // What counts no room apart has the fingerprint that it had before rooms were read.
    if !rooms.is_empty() {
        let stated = |named: &NamedCapacity| NamedCapacity { key: named.key.clone(), capacity: named.capacity.stated(false) };
        let rooms: Vec<NamedCapacity> = rooms.iter().map(stated).collect();
        digest.update(written(&rooms));
    }
    hex(digest.finalize().get(..16).unwrap_or_default())
}

/// Rooms as they were written before it was told of each whether its status follows: so what is known keeps its fingerprint. In JSON nothing
/// but the name of a member has these quotes.
fn written(rooms: &impl Serialize) -> Vec<u8> {
    let text = serde_json::to_string(rooms).unwrap_or_default();
    let plain = ["null", "true"].iter().fold(text, |text, value| text.replace(&format!(",\"is_status_derived\":{value}"), ""));
    plain.into_bytes()
}

fn without_metadata(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(name, _)| name != "metadata");
            Value::Object(kept.map(|(name, member)| (name, without_metadata(member))).collect())
        }
        Value::Array(items) => items.into_iter().map(without_metadata).collect(),
        other => other,
    }
}

/// A key that fits an identifier: long ones are cut and end in a digest of the whole.
pub fn fitted(key: &str) -> String {
    if key.chars().count() <= MAX_KEY {
        return key.to_owned();
    }
    let digest = hex(Sha256::digest(key.as_bytes()).get(..8).unwrap_or_default());
    let head: String = key.chars().take(MAX_KEY - digest.len() - 1).collect();
    format!("{head}-{digest}")
}

/// Whether a key in another system is as long as an identifier may be.
pub fn fits(system: &str, value: &str) -> bool {
    [system, value].iter().all(|text| text.chars().count() <= MAX_KEY)
}

/// The name of an organization as it may be; long ones are cut.
pub fn fitted_name(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

/// The longest system and value of an identifier.
const MAX_KEY: usize = 200;
/// The longest name of an organization.
const MAX_NAME: usize = 300;

fn hex(bytes: &[u8]) -> String {
    format!("{:x}", HexDisplay(bytes))
}

/// Sets what every imported service carries: its source and key.
pub fn mark(service: &mut ServiceInput, source: &str, key: &str) {
    let own = crate::types::Identifier { system: source.to_owned(), value: key.to_owned() };
    service.identifiers.retain(|identifier| identifier.system != own.system);
    service.identifiers.insert(0, own);
    service.provenance.source = Some(source.to_owned());
    service.provenance.record = Some(key.to_owned());
    service.provenance.imported_at = None;
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::kind::{Organization, OrganizationId, Service};

    #[test]
    fn ids_depend_on_owner_source_kind_and_key() {
        let owner = OrganizationId::from_uuid(Uuid::from_u128(7));
        let other = OrganizationId::from_uuid(Uuid::from_u128(8));
        let id = stable_id::<Service>(owner, "a", "1");
        assert_eq!(id, stable_id::<Service>(owner, "a", "1"));
        assert_ne!(id, stable_id::<Service>(other, "a", "1"));
        assert_ne!(id, stable_id::<Service>(owner, "b", "1"));
        assert_ne!(id.uuid(), stable_id::<Organization>(owner, "a", "1").uuid());
        assert_eq!(id.uuid().get_version_num(), 5);
    }

    #[test]
    fn content_keys_differ_where_the_parts_do() {
        assert_eq!(
            content_key(&["St. Mary's", "12 Main St"]),
            content_key(&["st marys".replace("marys", "mary s").as_str(), "12 main st"])
        );
        assert_ne!(content_key(&["a", "b c"]), content_key(&["a b", "c"]));
        assert!(content_key(&["x".repeat(500).as_str()]).len() < 150);
        assert_eq!(fitted(&"k".repeat(300)).chars().count(), 200);
        assert_eq!(fitted("svc-1"), "svc-1");
    }
}
