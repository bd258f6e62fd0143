//! HTTP of a referral's links, for the clients that make them.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, post};

use super::{NewReferralLink, ReferralLink, ReferralLinkInput};
use crate::app::State;
use crate::auth::links::Purpose;
use crate::auth::{Allowed, Principal, scope};
use crate::changes::{self, Action, Change};
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::http::command::{Command, Reply};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, HistoryQuery};
use crate::kind::{self, ReferralId};
use crate::links::{LinkRow, repository};
use crate::referrals::handlers::Referrals;
use crate::referrals::lifecycle::Party;
use crate::referrals::model::ReferralRow;
use crate::referrals::workflow;

/// The referral, for whose performer the caller may speak: the performer itself, or the requester where no system answers for it. Whom
/// the caller cannot speak for, it cannot let others speak for either.
fn spoken_for(conn: &mut DbConn, caller: &Principal, id: ReferralId) -> Result<ReferralRow> {
    let row = resource::get_row::<Referrals>(conn, caller, id)?;
    if workflow::parties(conn, caller.organization_id, &row)?.contains(&Party::Performer) {
        return Ok(row);
    }
    let detail = "Links are made by the performer, or by the requester where the performer has no system on Kith: whoever holds one answers \
                  for the performer.";
    Err(Error::Forbidden(detail.into()))
}

fn record(conn: &mut DbConn, caller: &Principal, referral: &ReferralRow, row: &LinkRow, action: Action) -> Result<()> {
    let link = ReferralLink::from(row);
    let change = Change::of(link.id, link.version, action, &link).owned_by(row.organization_id);
    changes::record(conn, &caller.actor(), change.about(referral.patient_id).within(referral.id))
}

/// Make a link to answer a referral
///
/// For an agency without a system: the address of a small page, in English and French, that works without scripts and on a telephone.
/// Whoever has it sees of the referral and the patient what the performer may see at that moment, accepts it or declines it with a reason,
/// and says how much room the service has. It is made by the performer, or by the requester where the performer has no system on Kith;
/// it opens this referral alone, until it runs out or is revoked. What is done by it is in the journal with the link and the name that
/// the person gave.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id.")), request_body = ReferralLinkInput, responses((status = 201, description = "The link, with its address.", body = NewReferralLink), (status = 409, description = "It was not sent: `referral_not_sent`; it is closed, or names no organization that could answer: `referral_closed`, `referral_unanswerable`."), (status = 410, description = "The referral, a draft, was deleted.")), security(("oauth2" = ["referrals:write"])))]
#[post("/v1/referrals/{id}/links")]
pub async fn create_referral_link(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::Referral>>,
    command: Command<ReferralLinkInput>,
) -> Result<HttpResponse> {
    let id = *id;
    let keys = app.authority.keys.fresh(&app.db, &app.clock).await?;
    let (links, base_url) = (app.authority.links.clone(), app.config.base_url.clone().unwrap_or_default());
    command
        .run(&app, &caller, move |conn, caller, input| {
            let referral = spoken_for(conn, caller, id)?;
            check_answerable(&referral)?;
            let row = LinkRow::new(caller, Purpose::AnswerReferral, id.cast(), input.recipient.clone(), input.lifetime());
            repository::insert(conn, &row)?;
            record(conn, caller, &referral, &row, Action::Created)?;
            let token = links.sign(row.purpose, &row.link(), keys.current())?;
            let made = NewReferralLink { link: ReferralLink::from(&row), url: format!("{base_url}/r/{token}") };
            Reply::created(&format!("/v1/referrals/{id}/links"), row.version, &made)
        })
        .await
}

fn check_answerable(referral: &ReferralRow) -> Result<()> {
    if referral.requested_at.is_none() {
        return Err(Error::conflict("referral_not_sent", "The referral was not sent, so that there is nothing to answer."));
    }
    if referral.status.is_final() {
        return Err(Error::conflict("referral_closed", "The referral is closed, so that there is nothing to answer."));
    }
    if referral.performer_id.is_none() {
        let detail = "The referral names no organization to which the patient could have consented and for which somebody could answer.";
        return Err(Error::conflict("referral_unanswerable", detail));
    }
    Ok(())
}

/// List the links to a referral
///
/// Oldest first, also those that have run out or were revoked; without their addresses.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id."), HistoryQuery), responses((status = 200, description = "A page of links.", body = Page<ReferralLink>), (status = 410, description = "The referral, a draft, was deleted.")), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/referrals/{id}/links")]
pub async fn list_referral_links(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    id: Path<Id<kind::Referral>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, caller, query) = (*id, caller.into_principal(), query.0);
    let fingerprint = page::fingerprint(&("links", id));
    let after: Option<Id<()>> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            resource::get_row::<Referrals>(conn, &caller, id)?;
            let rows = repository::list(conn, Purpose::AnswerReferral, id.cast(), after, query.limit.and_one())?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &LinkRow| row.id)
        })
        .await?;
    Ok(page.map(|row| ReferralLink::from(&row)).respond(&request))
}

/// Revoke the links to a referral
///
/// Every link that still opens it, whichever side made it.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id.")), responses((status = 204, description = "No link opens the referral any more."), (status = 410, description = "The referral, a draft, was deleted.")), security(("oauth2" = ["referrals:write"])))]
#[delete("/v1/referrals/{id}/links")]
pub async fn revoke_referral_links(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::Referral>>,
) -> Result<HttpResponse> {
    let (id, clock) = (*id, app.clock.clone());
    app.db
        .write(move |conn| {
            let caller = caller.now(&clock);
            let referral = resource::get_row::<Referrals>(conn, &caller, id)?;
            if workflow::parties(conn, caller.organization_id, &referral)?.is_empty() {
                return Err(Error::Forbidden("Only the requester and the performer of a referral revoke its links.".into()));
            }
            let revoked = repository::revoke(conn, Purpose::AnswerReferral, id.cast(), caller.at)?;
            revoked.iter().try_for_each(|row| record(conn, &caller, &referral, row, Action::Updated))
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
