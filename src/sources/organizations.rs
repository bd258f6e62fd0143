//! The organizations of a partner that give no service, and so come with none.
//!
//! The standard asks the list of them of nobody, and what a sweep does not get of it is asked for by the next one: that costs the run a
//! word, and no more.

use serde_json::Value;
use url::Url;

use super::fetch::{Fetcher, Miss};
use super::model::SourceRunError;
use super::own;
use super::pages::{self, Before, MOST_PAGES};
use super::worker::{MOST_BARE, Stop, Tally, ask, list, next_unread};
use super::writing::{Behind, Turn};
use crate::db::DbConn;
use crate::identifiers;
use crate::import::Notice;
use crate::import::hsds::organization;
use crate::import::load::{BATCH, Load};
use crate::import::mapping::Mapping;
use crate::import::read::{Of, Raw};
use crate::import::report::{Line, Verdict};
use crate::kind::ResourceType;

/// Reads those that are not known, page by page. Those that give services have come with these.
pub(super) async fn read(turn: &mut Turn<'_>, fetcher: &Fetcher, base: &Url, has_time: impl Fn() -> bool) -> Result<(), Stop> {
    let (mut before, mut tally) = (Before::default(), Tally::default());
    while read_each(turn, fetcher, base, &mut tally, &has_time).await? && turn.run.next_page <= MOST_PAGES {
        let number = turn.run.next_page;
        let asked = pages::organizations(base, number);
        let page = match turn.lease.held(list(fetcher, &asked, number, &mut before)).await? {
            Ok((page, _)) => page,
            Err(miss) => {
                if !miss.is_of_no_list() {
                    turn.tell(vec![not_read(&miss)]).await??;
                }
                return Ok(());
            }
        };
        // Behind the last no page is read.
        let next = if page.is_last { MOST_PAGES + 1 } else { number + 1 };
        let mut ids = unknown(turn, &page.records).await?;
        if ids.len() > MOST_BARE {
            ids.truncate(MOST_BARE);
            let detail =
                format!("GET {}: of a page with more organizations that are not known the first {MOST_BARE} are read", asked.path());
            turn.tell(vec![not_read(&Miss::new(SourceRunError::NotHsds, detail))]).await??;
        }
        turn.put_off(ids, Some(Behind::Organizations { next })).await??;
        if !has_time() {
            return Err(Stop::Rest);
        }
    }
    Ok(())
}

/// The ids of those that are not known, and none of this server.
async fn unknown(turn: &Turn<'_>, records: &[Value]) -> Result<Vec<String>, Stop> {
    let (owner, source) = (turn.source.organization_id, turn.source.name.clone());
    let mapping = Mapping::hsds(&source);
    let keyed = |record: &Value| {
        let id = pages::id(record).filter(|id| pages::can_be_asked_for(id))?;
        Some((id, organization::known_as(&mapping, record)?))
    };
    let listed: Vec<(String, [String; 2])> = records.iter().filter_map(keyed).collect();
    let find = move |conn: &mut DbConn| {
        let mut unknown = Vec::new();
        for listed in listed.chunks(BATCH) {
            let keys: Vec<&str> = listed.iter().flat_map(|(_, keys)| keys).map(String::as_str).collect();
            let known = identifiers::of_values(conn, owner, ResourceType::Organization, &source, &keys)?;
            let is_unknown = |keys: &[String; 2]| !keys.iter().any(|key| known.contains_key(key));
            unknown.extend(listed.iter().filter(|(_, keys)| is_unknown(keys)).map(|(id, _)| id.clone()));
        }
        Ok(unknown)
    };
    let unknown = turn.lease.held(turn.app.db.read(find)).await??;
    Ok(turn.lease.held(own::without_organizations(&turn.app.db, unknown)).await??)
}

/// Asks one by one for those that were noted, and writes what gives no service. False where no more are to be asked for: the partner says
/// that it answers none, or a turn has gone by in which most of them could not be read.
async fn read_each(
    turn: &mut Turn<'_>,
    fetcher: &Fetcher,
    base: &Url,
    tally: &mut Tally,
    has_time: impl Fn() -> bool,
) -> Result<bool, Stop> {
    loop {
        let unread = next_unread(turn).await?;
        if unread.is_empty() {
            return Ok(true);
        }
        if tally.asked > 0 && !has_time() {
            return Err(Stop::Rest);
        }
        let urls: Vec<Url> = unread.iter().map(|one| pages::organization(base, &one.record_id)).collect();
        let answers = turn.lease.held(ask(fetcher, &urls)).await?;
        let Some(last) = unread.iter().take(answers.len()).next_back() else { return Ok(false) };
        tally.add(&answers);
        let misses: Vec<Miss> = answers.iter().filter_map(|answer| answer.as_ref().err()).cloned().collect();
        let found = answers.into_iter().filter_map(Result::ok).flatten().filter_map(without_services);
        let found: Vec<Raw> = found.map(|value| Raw { of: Of::Organization, ..Raw::new(0, Ok(value)) }).collect();
        let load = Load::piecemeal(turn.source.organization_id, &turn.source.name);
        turn.take(load, found, Behind::Unread(last.number)).await??;
        if !misses.is_empty() {
            turn.tell(misses.iter().map(not_read).collect()).await??;
        }
        if misses.iter().any(Miss::is_of_all) {
            return Ok(false);
        }
        // A few that fail for good hold up nobody; a partner that takes its time to fail would be asked for hours.
        if tally.is_of_most() && !has_time() {
            let detail = "most of the organizations that were asked for could not be read: the next sweep asks for the others";
            turn.tell(vec![not_read(&Miss::new(SourceRunError::NotHsds, detail))]).await??;
            return Ok(false);
        }
    }
}

/// An organization that gives no service; none where it gives any.
fn without_services(mut organization: Value) -> Option<Value> {
    let services = organization.as_object_mut()?.shift_remove("services");
    let gives_any = services.is_some_and(|services| services.as_array().is_none_or(|services| !services.is_empty()) && !services.is_null());
    (!gives_any).then_some(organization)
}

/// What is told of those that could not be read.
fn not_read(miss: &Miss) -> Line {
    let notices = vec![Notice::new("organizations_not_read", "organizations", miss.detail.clone())];
    Line { position: None, key: None, verdict: Verdict::Noted, service_id: None, notices }
}
