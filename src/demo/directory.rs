//! The directory of the town, taken in as any HSDS file is.

use std::collections::HashMap;

use chrono::Duration;

use super::BuildError;
use super::cast::Cast;
use super::story::Memory;
use crate::app::App;
use crate::changes::Actor;
use crate::db::types::Instant;
use crate::import::importer::Importer;
use crate::import::keys::stable_id;
use crate::import::load::{Batch, Load};
use crate::import::mapping::Mapping;
use crate::import::read::{Form, read};
use crate::import::{Outcome, Parsed};
use crate::kind::{OrganizationId, Service};

/// The name of the source.
const SOURCE: &str = "alder-falls-demo";
/// The system of the identifiers by which the story calls the services.
const SERVICE_KEYS: &str = "https://directory.alderfalls.example.ca/services";

/// Imports the directory for the organization `directory`. The story then knows each service by `service.` and its key.
pub async fn import(app: &App, cast: &Cast, memory: &mut Memory, file: &str, now: Instant) -> Result<(), BuildError> {
    let owner = cast.client_of("directory")?.organization_id;
    let mut importer = Importer::new(Mapping::hsds(SOURCE));
    if importer.wants_survey() {
        read(file.as_bytes(), Form::Json, |raw| importer.survey(raw))?;
    }
    let mut load = app.db.read(move |conn| Load::open(conn, owner, SOURCE)).await?;
    let mut batches: Vec<Batch> = Vec::new();
    let mut give = |mut outcome: Outcome| {
        if let Outcome::Parsed(parsed) = &mut outcome {
            settle(parsed, &cast.providers, now);
            let key = parsed.service.identifiers.iter().find(|identifier| identifier.system == SERVICE_KEYS);
            if let Some(key) = key {
                memory.keep_id(format!("service.{}", key.value), stable_id::<Service>(owner, SOURCE, &parsed.key));
            }
        }
        batches.extend(load.take(outcome, &mut |_| ()));
    };
    read(file.as_bytes(), Form::Json, |raw| importer.take(raw, &mut give))?;
    importer.finish(&mut give);
    batches.extend(load.rest());
    let actor = Actor::operator(app.clock.now());
    for batch in batches {
        let actor = actor.clone();
        app.db.write(move |conn| batch.write(conn, &actor)).await?;
    }
    Ok(())
}

/// Links a service to its provider, where that is an organization of the town, and lets the provider have told of its room yesterday
/// rather than on the day of the import.
fn settle(parsed: &mut Parsed, providers: &HashMap<String, OrganizationId>, now: Instant) {
    if let Some(id) = parsed.provider.as_ref().and_then(|provider| providers.get(&provider.key)) {
        parsed.service.provider_id = Some(*id);
        parsed.service.provider_name = None;
        parsed.provider = None;
    }
    if let Some(capacity) = &mut parsed.capacity {
        capacity.as_of.get_or_insert(now.plus(-Duration::days(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::DeliveryMode;

    #[test]
    fn what_is_given_at_a_place_alone_has_one() {
        let mut importer = Importer::new(Mapping::hsds(SOURCE));
        if importer.wants_survey() {
            read(crate::demo::DIRECTORY.as_bytes(), Form::Json, |raw| importer.survey(raw)).unwrap();
        }
        let mut services = Vec::new();
        let mut give = |outcome: Outcome| {
            if let Outcome::Parsed(parsed) = outcome {
                services.push(parsed.service);
            }
        };
        read(crate::demo::DIRECTORY.as_bytes(), Form::Json, |raw| importer.take(raw, &mut give)).unwrap();
        importer.finish(&mut give);
        assert!(services.len() > 60, "{}", services.len());
        for service in services.iter().filter(|service| service.delivery_modes == [DeliveryMode::InPerson]) {
            assert!(!service.places.is_empty(), "{}", service.name);
        }
    }
}
