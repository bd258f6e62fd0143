//! Services as searches show them.
//!
//! The same services are found again and again, and writing them out as JSON costs more than finding them. So the text of a service is
//! kept for as long as it is true: for one version, one day (freshness is counted in days) and one audience. Only why it was found
//! differs from search to search, and how it answers referrals and what its provider is called from minute to minute; these are written in
//! when the page is put together.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::NaiveDate;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::Serialize;

use super::api::{SearchHit, Service};
use super::row::ServiceRow;
use super::search::ServiceFacets;
use crate::auth::DirectoryReader;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::kind::{OrganizationId, ServiceId};
use crate::responsiveness::Responsiveness;

/// Bytes of texts kept in memory.
const KEPT_BYTES: u64 = 24 << 20;
/// Texts that are expected to be kept.
const KEPT_TEXTS: usize = 6_000;

/// How the text of a service ends of which nothing is told that the record itself does not say.
const PLAIN_END: &str = "\"provided_by\":null,\"responsiveness\":null,\"hit\":null}";

/// What is told of a service in a search besides the record, and changes without it: its last members.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// What whoever gives it is called.
    pub provided_by: Option<String>,
    /// How it answers referrals.
    pub responsiveness: Option<Responsiveness>,
    /// Why it was found.
    pub hit: SearchHit,
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Who has logged in.
    Client,
    /// Anyone.
    Stranger,
}

impl From<&DirectoryReader> for Audience {
    fn from(reader: &DirectoryReader) -> Self {
        if reader.principal.is_some() { Self::Client } else { Self::Stranger }
    }
}

/// A service at a moment, as this audience may see it.
pub fn shown(row: ServiceRow, audience: Audience, now: Instant) -> Service {
    let service = Service::of(row).at(now);
    match audience {
        Audience::Client => service,
        Audience::Stranger => service.for_strangers(),
    }
}

/// A service as JSON, but for the end.
#[derive(Debug)]
pub struct ServiceText {
    version: i64,
    day: NaiveDate,
    provider_id: Option<OrganizationId>,
    provider_name: Option<Box<str>>,
    json: Box<str>,
}

impl ServiceText {
    fn of(row: &ServiceRow, audience: Audience, now: Instant) -> Result<Self> {
        let text = serde_json::to_string(&shown(row.clone(), audience, now)).map_err(Error::internal)?;
        let json = text.strip_suffix(PLAIN_END).ok_or_else(|| Error::internal("a service ends otherwise"))?;
        let provider_name = row.content.provider_name.as_deref().map(Box::from);
        Ok(Self { version: row.version, day: day(now), provider_id: row.content.provider_id, provider_name, json: json.into() })
    }

    /// The organization that gives the service, where one is named.
    pub const fn provider_id(&self) -> Option<OrganizationId> {
        self.provider_id
    }

    /// What whoever gives the service is called, by the names of the organizations.
    pub fn provided_by(&self, names: &HashMap<OrganizationId, Arc<str>>) -> Option<String> {
        let name = match self.provider_id {
            Some(id) => names.get(&id).map(|name| &**name),
            None => self.provider_name.as_deref(),
        };
        name.map(str::to_owned)
    }
}

fn day(now: Instant) -> NaiveDate {
    now.utc().date_naive()
}

/// The texts written last.
#[derive(Debug)]
pub struct ServiceTexts(Cache<(ServiceId, Audience), Arc<ServiceText>, Size>);

#[derive(Debug, Clone)]
struct Size;

impl Weighter<(ServiceId, Audience), Arc<ServiceText>> for Size {
    fn weight(&self, _: &(ServiceId, Audience), text: &Arc<ServiceText>) -> u64 {
        (text.json.len() + text.provider_name.as_deref().map_or(0, str::len) + size_of::<ServiceText>()) as u64
    }
}

impl Default for ServiceTexts {
    fn default() -> Self {
        Self(Cache::with_weighter(KEPT_TEXTS, KEPT_BYTES, Size))
    }
}

impl ServiceTexts {
    /// The text of this version of a service, where it is kept.
    pub fn get(&self, id: ServiceId, version: i64, audience: Audience, now: Instant) -> Option<Arc<ServiceText>> {
        self.0.get(&(id, audience)).filter(|text| text.version == version && text.day == day(now))
    }

    /// The text of a row, which is kept.
    pub fn write(&self, row: &ServiceRow, audience: Audience, now: Instant) -> Result<Arc<ServiceText>> {
        let text = Arc::new(ServiceText::of(row, audience, now)?);
        self.0.insert((row.id, audience), Arc::clone(&text));
        Ok(text)
    }
}

/// A [`ServicePage`](super::api::ServicePage) as JSON.
pub fn page(found: &[(Arc<ServiceText>, Told)], next: Option<&str>, facets: Option<&ServiceFacets>) -> Result<Vec<u8>> {
    let texts: usize = found.iter().map(|(text, _)| text.json.len()).sum();
    let mut page = Vec::with_capacity(texts + 200 * found.len() + 200);
    page.extend_from_slice(b"{\"items\":[");
    for (number, (text, told)) in found.iter().enumerate() {
        if number > 0 {
            page.push(b',');
        }
        page.extend_from_slice(text.json.as_bytes());
        let end = serde_json::to_string(told).map_err(Error::internal)?;
        page.extend_from_slice(end.trim_start_matches('{').as_bytes());
    }
    page.extend_from_slice(b"],\"next\":");
    serde_json::to_writer(&mut page, &next).map_err(Error::internal)?;
    page.extend_from_slice(b",\"facets\":");
    serde_json::to_writer(&mut page, &facets).map_err(Error::internal)?;
    page.push(b'}');
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::super::api::ServicePage;
    use super::*;
    use crate::db::types::Id;

    /// 2026-06-01, noon.
    fn noon() -> Instant {
        Instant::from_timestamp(1_780_315_200).unwrap()
    }

    fn row(name: &str) -> ServiceRow {
        let input = serde_json::from_value(serde_json::json!({ "name": name, "connector_notes": "Ask for Sam." })).unwrap();
        ServiceRow::new(Id::generate(), Id::generate(), input, noon())
    }

    fn told() -> Told {
        let hit = SearchHit { score: 0.82, distance_m: Some(1240), place: None, matched_terms: vec!["a \"quoted\" word".into()] };
        Told { provided_by: Some("Seniors' Centre".into()), responsiveness: None, hit }
    }

    #[test]
    fn a_page_of_kept_texts_reads_as_one_that_is_written_anew() {
        let (now, texts) = (noon(), ServiceTexts::default());
        for audience in [Audience::Client, Audience::Stranger] {
            for count in 0..3 {
                let rows: Vec<ServiceRow> = (0..count).map(|number| row(&format!("Meals \"{number}\""))).collect();
                let found: Vec<_> = rows.iter().map(|row| (texts.write(row, audience, now).unwrap(), told())).collect();
                let items = rows.iter().map(|row| Service {
                    provided_by: told().provided_by,
                    hit: Some(told().hit),
                    ..shown(row.clone(), audience, now)
                });
                let items = items.collect();
                let (next, facets) = (Some("eyJ2IjoxfQ".to_owned()), (count == 2).then(ServiceFacets::default));
                let kept = page(&found, next.as_deref(), facets.as_ref()).unwrap();
                assert_eq!(String::from_utf8(kept).unwrap(), serde_json::to_string(&ServicePage { items, next, facets }).unwrap());
            }
        }
    }

    #[test]
    fn a_text_is_good_for_its_version_its_day_and_its_audience() {
        let (now, texts, row) = (noon(), ServiceTexts::default(), row("Meals"));
        texts.write(&row, Audience::Client, now).unwrap();
        let is_kept = |version, audience, now| texts.get(row.id, version, audience, now).is_some();
        assert!(is_kept(1, Audience::Client, now));
        assert!(!is_kept(2, Audience::Client, now));
        assert!(!is_kept(1, Audience::Stranger, now));
        assert!(!is_kept(1, Audience::Client, now.plus(chrono::Duration::days(1))));
    }
}
