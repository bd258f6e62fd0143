//! HTTP of referrals: the common verbs and the inbox.

use std::sync::Arc;

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};

use super::api::{CreateQuery, Referral, ReferralQuery};
use super::lifecycle::ReferralStatus;
use super::model::{ReferralHead, ReferralInput, ReferralRow};
use super::repository::{self, Chain, LONGEST_CHAIN};
use super::{shown, workflow};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope, sight};
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Fault, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::{Command, Reply};
use crate::http::etag::{IfMatch, IfNoneMatch, OptionalIfMatch};
use crate::http::page::{self, Limit, Page};
use crate::http::query::Query;
use crate::http::resource::{self, ByIdentifier, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, OrganizationId, ReferralId};
use crate::needs::handlers::Needs;
use crate::patients::api::PatientSummary;
use crate::patients::model::PatientRow;
use crate::screenings::handlers::Screenings;
use crate::services::row::ServiceRow;
use crate::types::Identifier;
use crate::{needs, organizations, patients, practitioners, screenings, services};

/// Referrals, for the common verbs.
#[derive(Debug)]
pub struct Referrals;

impl Resource for Referrals {
    type Kind = kind::Referral;
    type Input = ReferralInput;
    type Row = ReferralRow;
    type Shape = Referral;

    const PATH: &'static str = "/v1/referrals";

    fn head(row: &ReferralRow) -> Head<kind::Referral> {
        Head {
            id: row.id,
            owner: row.organization_id,
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: Some(row.patient_id),
            referral_id: Some(row.id),
        }
    }

    fn input(row: &ReferralRow) -> ReferralInput {
        row.input()
    }

    fn shape(row: ReferralRow) -> Referral {
        row.into()
    }

    /// The patient as far as the caller may see them, the service as it stands today, and what to know before relying on it.
    fn view(conn: &mut DbConn, caller: &Principal, shape: Referral) -> Result<Referral> {
        let patient = patients::repository::find(conn, shape.content.patient_id)?;
        let service = workflow::service(conn, &shape)?;
        let brief = service.as_ref().map(workflow::service_brief);
        let mut warnings = workflow::warnings(conn, &shape, service.as_ref(), caller.at)?;
        let seen = match &patient {
            Some(patient) => seen_of(conn, caller, &shape, patient)?,
            None => None,
        };
        let shape = match seen {
            Some(_) => shape,
            None => sight::one(conn, caller, shape, shown::shown)?,
        };
        let patient = patient.zip(seen);
        if let Some(service) = service.as_ref().filter(|_| !shape.status.is_final()) {
            warnings.extend(workflow::already_referred(conn, caller, &shape, service)?);
            if let Some((patient, seen)) = &patient {
                warnings.extend(workflow::not_eligible(patient, *seen, service, caller.at));
            }
        }
        let mut patient = patient.map(|(patient, seen)| PatientSummary::new(patient, seen));
        if let Some(patient) = &mut patient {
            patients::usability::judge_summary(conn, caller, patient)?;
        }
        Ok(Referral { patient, warnings: Some(warnings), service: brief, ..shape })
    }

    fn is_settled(_: &Principal, _: &ReferralRow) -> bool {
        false
    }

    fn identifiers(input: &ReferralInput) -> &[Identifier] {
        &input.identifiers
    }

    fn find(conn: &mut DbConn, caller: &Principal, id: ReferralId) -> Result<Option<ReferralRow>> {
        repository::find(conn, caller, id)
    }

    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&ReferralRow>, input: &mut ReferralInput) -> Result<()> {
        let Some(row) = current else {
            check(conn, caller, None, input, true)?;
            return Ok(());
        };
        permit_change(row, input)?;
        keep(conn, row, input)?;
        check_change(conn, caller, row, input)
    }

    fn prepare_patched(conn: &mut DbConn, caller: &Principal, row: &ReferralRow, input: &mut ReferralInput) -> Result<()> {
        permit_change(row, input)?;
        permit_clearing(row, input)?;
        if row.service_id != input.service_id {
            leave_provider(conn, row, input)?;
        } else if let (None, Some(_), Some(id)) = (input.performer_organization_id, row.performer_id, input.service_id) {
            // Where nobody else is asked any more, it is whoever gives the service.
            input.performer_organization_id = services::repository::find(conn, id)?.and_then(|service| service.provider_id);
        }
        if row.status != ReferralStatus::Draft {
            input.consent = None;
        }
        check_change(conn, caller, row, input)
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: ReferralId, input: ReferralInput) -> Result<ReferralRow> {
        let manager = patients::repository::manager(conn, input.patient_id)?;
        let draft = ReferralRow::draft(id, caller.organization_id, manager, input, caller.at);
        workflow::insert(conn, caller, draft)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &ReferralRow, mut input: ReferralInput) -> Result<Option<ReferralRow>> {
        // Who only repeats the consent that the draft has does not say that the patient gives it anew.
        let is_repeated = input.consent == row.content.consent;
        // It names nobody: what one patient agreed to, of one performer, says nothing of another of either.
        let is_for_another = input.patient_id != row.patient_id || input.performer_organization_id != row.performer_id;
        if is_repeated && is_for_another {
            input.consent = None;
        }
        let consent_at = if is_repeated { row.consent_at.filter(|_| !is_for_another) } else { Some(caller.at) };
        let mut next = ReferralRow {
            manager_id: patients::repository::manager(conn, input.patient_id)?,
            patient_id: input.patient_id,
            performer_id: input.performer_organization_id,
            service_id: input.service_id,
            parent_id: input.parent_id,
            kind: input.kind,
            priority: input.priority,
            requester_practitioner_id: input.requester_practitioner_id,
            performer_practitioner_id: input.performer_practitioner_id,
            consent_at,
            content: Json(input),
            version: row.version + 1,
            updated_at: caller.at,
            ..row.clone()
        };
        next.due_on = workflow::due_on(&next);
        Ok(repository::replace(conn, row, &next)?.then_some(next))
    }

    fn delete(conn: &mut DbConn, caller: &Principal, row: &ReferralRow) -> Result<Option<ReferralRow>> {
        if row.status != ReferralStatus::Draft {
            let detail = "A referral that was sent cannot be deleted; cancel it, or mark it as entered_in_error.";
            return Err(Error::conflict("not_a_draft", detail));
        }
        let next = ReferralRow { version: row.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), ..row.clone() };
        Ok(repository::replace(conn, row, &next)?.then_some(next))
    }
}

/// What the caller sees of the patient: whoever manages them or takes part in their care as elsewhere, the performer what the consent
/// to the referral covers. Nobody sees one who was deleted.
pub(super) fn seen_of(conn: &mut DbConn, caller: &Principal, referral: &Referral, patient: &PatientRow) -> Result<Option<Categories>> {
    if patient.deleted_at.is_some() {
        return Ok(None);
    }
    let of_patient = sight::of(conn, caller, patient.organization_id, patient.id)?;
    let of_referral = match referral.content.performer_organization_id {
        Some(performer) if performer == caller.organization_id => sight::to_performer(conn, patient.id, performer, caller.at)?,
        _ => None,
    };
    Ok([of_patient, of_referral].into_iter().flatten().reduce(Categories::union))
}

/// What was sent stays what it was: whom it is for and whom it asks cannot change under the performer's hands.
fn permit_change(row: &ReferralRow, input: &ReferralInput) -> Result<()> {
    if row.status.is_final() {
        return Err(Error::conflict("referral_closed", "The referral is closed; its content can no longer change."));
    }
    if row.status == ReferralStatus::Draft {
        return Ok(());
    }
    let is_assigned_anew = input.performer_practitioner_id.is_some() && input.performer_practitioner_id != row.performer_practitioner_id;
    let is_supported_anew = input.support_intensity.is_some() && input.support_intensity != row.content.support_intensity;
    let is_same = input.patient_id == row.patient_id
        && !is_assigned_anew
        && !is_supported_anew
        && input.kind == row.kind
        && input.service_id == row.service_id
        && (input.performer_organization_id.is_none() || input.performer_organization_id == row.performer_id)
        && input.parent_id == row.parent_id;
    if is_same { Ok(()) } else { Err(sent()) }
}

/// Nor does whoever asks take away from what was sent whom it asks, or what the performer has said.
fn permit_clearing(row: &ReferralRow, input: &ReferralInput) -> Result<()> {
    let before = row.input();
    let is_cleared = (before.performer_organization_id.is_some() && input.performer_organization_id.is_none())
        || (before.performer_practitioner_id.is_some() && input.performer_practitioner_id.is_none())
        || (before.support_intensity.is_some() && input.support_intensity.is_none());
    if is_cleared && row.status != ReferralStatus::Draft { Err(sent()) } else { Ok(()) }
}

fn sent() -> Error {
    let detail = "The referral was sent; its patient, kind, service, performer and parent can no longer change, and the performer alone \
                  assigns a practitioner and says how much support it gives.";
    Error::conflict("referral_sent", detail)
}

/// What the server filled in, or the performer said, stays where it is not named again.
pub fn keep(conn: &mut DbConn, row: &ReferralRow, input: &mut ReferralInput) -> Result<()> {
    if row.service_id == input.service_id {
        input.performer_organization_id = input.performer_organization_id.or(row.performer_id);
    } else {
        leave_provider(conn, row, input)?;
    }
    if row.status != ReferralStatus::Draft {
        input.consent = None;
        input.performer_practitioner_id = row.performer_practitioner_id;
        input.support_intensity = row.content.support_intensity;
        input.acknowledge_by = input.acknowledge_by.or(row.content.acknowledge_by);
        input.decide_by = input.decide_by.or(row.content.decide_by);
        input.first_contact_by = input.first_contact_by.or(row.content.first_contact_by);
    }
    Ok(())
}

/// Another service has another provider: whoever gave the one before is asked no more, unless they were asked whatever they give.
fn leave_provider(conn: &mut DbConn, row: &ReferralRow, input: &mut ReferralInput) -> Result<()> {
    if let Some(before) = row.service_id
        && input.performer_organization_id == row.performer_id
        && services::repository::find(conn, before)?.is_some_and(|service| service.provider_id == row.performer_id)
    {
        input.performer_organization_id = None;
    }
    Ok(())
}

fn check_change(conn: &mut DbConn, caller: &Principal, row: &ReferralRow, input: &mut ReferralInput) -> Result<()> {
    if input.parent_id.is_some() && input.parent_id != row.parent_id {
        repository::lock_drafts(conn, row.organization_id)?;
    }
    check(conn, caller, Some(row), input, true)?;
    Ok(())
}

/// Fails with everything that is wrong with what is named, and fills in the performer. Only one that is open asks its service for anything.
/// Gives who manages the patient.
pub(super) fn check(
    conn: &mut DbConn,
    caller: &Principal,
    current: Option<&ReferralRow>,
    input: &mut ReferralInput,
    is_open: bool,
) -> Result<OrganizationId> {
    let mut faults = Vec::new();
    check_services(conn, current, input, is_open, &mut faults)?;
    let manager = check_references(conn, caller, current, input, &mut faults)?;
    if faults.is_empty() { Ok(manager) } else { Err(Error::Invalid(faults)) }
}

/// Fills in the performer of a referral to a service, and refuses services that cannot be referred to. One that has been referred to
/// stays named, whatever became of it.
fn check_services(
    conn: &mut DbConn,
    current: Option<&ReferralRow>,
    input: &mut ReferralInput,
    is_open: bool,
    faults: &mut Vec<Fault>,
) -> Result<()> {
    if let Some(id) = input.service_id
        && current.is_none_or(|row| row.service_id != Some(id))
    {
        services::repository::hold(conn, id)?;
        match services::repository::find(conn, id)?.filter(ServiceRow::is_listed) {
            None => faults.push(Fault::new("/service_id", "not_found", "is not a service")),
            Some(service) if is_open && service.content.accepts_referrals == Some(false) => {
                faults.push(Fault::new("/service_id", "not_referable", "takes no referrals"));
            }
            Some(service) => input.performer_organization_id = input.performer_organization_id.or(service.provider_id),
        }
    }
    for (index, offer) in input.offered.iter().enumerate() {
        if services::repository::find(conn, offer.service_id)?.is_none() {
            faults.push(Fault::new(format!("/offered/{index}/service_id"), "not_found", "is not a service"));
        }
    }
    Ok(())
}

/// Everything that is named exists for the caller. What a referral has named, or the one that it goes on from, can be named on. Gives who
/// manages the patient.
fn check_references(
    conn: &mut DbConn,
    caller: &Principal,
    current: Option<&ReferralRow>,
    input: &ReferralInput,
    faults: &mut Vec<Fault>,
) -> Result<OrganizationId> {
    let patient = input.patient_id;
    if let Some(id) = input.performer_organization_id
        && !organizations::repository::exists(conn, id)?
    {
        faults.push(Fault::new("/performer_organization_id", "not_found", "is not an organization"));
    }
    let parent = parent_of(conn, caller, current, input, faults)?;
    let (manager, categories) = match asked_to_help(conn, caller, parent.as_ref())? {
        Some(seen) => seen,
        None => {
            let sight = sight::referenced(conn, caller, patient, "/patient_id")?;
            (sight.owner, sight.categories)
        }
    };
    let known: Vec<&ReferralInput> = [current, parent.as_ref()].into_iter().flatten().map(|row| &row.content.0).collect();
    check_practitioners(conn, caller, input, faults)?;
    for (index, need) in input.need_ids.iter().enumerate() {
        let is_known = known.iter().any(|known| known.need_ids.contains(need));
        let found = if is_known { needs::repository::find(conn, *need)? } else { Needs::find(conn, caller, *need)? };
        if found.is_none_or(|row| row.patient_id != patient || row.deleted_at.is_some()) {
            faults.push(Fault::new(format!("/need_ids/{index}"), "not_found", "is not a need of this patient"));
        }
    }
    if let Some(id) = input.screening_id {
        let is_known = known.iter().any(|known| known.screening_id == Some(id));
        let found = if is_known { screenings::repository::find(conn, id)? } else { Screenings::find(conn, caller, id)? };
        if found.is_none_or(|row| row.patient_id != patient || row.deleted_at.is_some()) {
            faults.push(Fault::new("/screening_id", "not_found", "is not a screening of this patient"));
        }
    }
    if let Some(id) = input.match_id {
        let is_shown = categories.contains(DataCategory::Needs) || known.iter().any(|known| known.match_id == Some(id));
        let by = Some(caller.organization_id).filter(|_| !is_shown);
        if !repository::is_match_of(conn, id, patient, by)? {
            faults.push(Fault::new("/match_id", "not_found", "is not a match of this patient"));
        }
    }
    Ok(manager)
}

/// The referral that one goes on from, where the caller sees it and it is of the same patient.
fn parent_of(
    conn: &mut DbConn,
    caller: &Principal,
    current: Option<&ReferralRow>,
    input: &ReferralInput,
    faults: &mut Vec<Fault>,
) -> Result<Option<ReferralRow>> {
    let Some(id) = input.parent_id else { return Ok(None) };
    let fault = |code, message: String| Fault::new("/parent_id", code, message);
    let found = repository::find(conn, caller, id)?;
    let Some(parent) = found.filter(|parent| parent.patient_id == input.patient_id && parent.deleted_at.is_none()) else {
        faults.push(fault("not_found", "is not a referral of this patient".into()));
        return Ok(None);
    };
    // What is said already makes no chain longer.
    if current.is_none_or(|row| row.parent_id != Some(id)) {
        faults.extend(match repository::chain(conn, id, current.map(|row| row.id))? {
            Chain::Ends => None,
            Chain::Circle => Some(fault("not_allowed", "must go on neither from this referral nor from itself".into())),
            Chain::TooLong => Some(fault("too_many", format!("must go on from at most {LONGEST_CHAIN} referrals, one from the other"))),
        });
    }
    Ok(Some(parent))
}

fn check_practitioners(conn: &mut DbConn, caller: &Principal, input: &ReferralInput, faults: &mut Vec<Fault>) -> Result<()> {
    if let Some(id) = input.requester_practitioner_id {
        practitioners::repository::check_own(conn, caller.organization_id, id, "/requester_practitioner_id", faults)?;
    }
    if let Some(id) = input.performer_practitioner_id {
        let performer = input.performer_organization_id.unwrap_or(caller.organization_id);
        if practitioners::repository::find_living(conn, id)?.is_none_or(|row| row.organization_id != performer) {
            faults.push(Fault::new("/performer_practitioner_id", "not_found", "is not a practitioner of the performer"));
        }
    }
    Ok(())
}

/// Whoever was asked to help may ask others while the referral is open and the consent to it stands, though it sees no more of the
/// patient than that referral shows. Gives who manages the patient, and what is seen of them.
fn asked_to_help(conn: &mut DbConn, caller: &Principal, parent: Option<&ReferralRow>) -> Result<Option<(OrganizationId, Categories)>> {
    let own = caller.organization_id;
    let asked = parent.filter(|parent| parent.performer_id == Some(own) && parent.status.is_open());
    let Some(parent) = asked else { return Ok(None) };
    let seen = sight::to_performer(conn, parent.patient_id, own, caller.at)?;
    Ok(seen.map(|seen| (parent.manager_id, seen)))
}

/// What a draft names is looked at again when it is sent: since it was written, a consent may have ended, a service may be gone.
pub fn check_draft(conn: &mut DbConn, caller: &Principal, row: &ReferralRow) -> Result<()> {
    Referrals::prepare(conn, caller, Some(row), &mut row.input()).map_err(|error| match error {
        Error::Invalid(_) => {
            let detail =
                "Something that the draft names is no longer there, or not for this organization. To hear what, put the draft again.";
            Error::conflict("draft_outdated", detail)
        }
        other => other,
    })
}

/// List referrals
///
/// Those that the caller's organization made or received and, once they are sent, those of patients whom it manages or who let it see their
/// referrals; newest first.
#[utoipa::path(tag = "referrals", params(ReferralQuery), responses((status = 200, description = "A page of referrals.", body = Page<Referral>)), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/referrals")]
pub async fn list_referrals(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    query: Query<ReferralQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&ReferralQuery { cursor: None, limit: Limit::default(), ..query.clone() });
    let before: Option<ReferralId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let kept = Arc::clone(&app.kept);
    let page = app
        .db
        .read_briefly(move |conn| {
            let heads = repository::list(conn, &caller, &query, before)?;
            let page = Page::from_rows(heads, query.limit, fingerprint, |head: &ReferralHead| head.id)?;
            let items = shown::items(conn, &caller, &page.items)?;
            let read = |ids: &[ReferralId]| {
                let rows = repository::find_all(conn, ids)?;
                shown::shown(conn, &caller, rows.into_iter().map(Referral::from).collect())
            };
            Ok(Page { items: kept.page(&items, |referral: &Referral| referral.id, read)?, next: page.next })
        })
        .await?;
    Ok(page.respond_written(&request))
}

/// Create a referral
///
/// It is sent at once, unless `draft=true` keeps it back. Sending to another organization needs the patient's consent, given before
/// or in `consent`. A full service is a warning in the answer, not a refusal.
#[utoipa::path(tag = "referrals", params(CreateQuery), request_body = ReferralInput, responses((status = 201, description = "The new referral.", body = Referral)), security(("oauth2" = ["referrals:write"])))]
#[post("/v1/referrals")]
pub async fn create_referral(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    query: Query<CreateQuery>,
    command: Command<ReferralInput>,
) -> Result<HttpResponse> {
    let is_draft = query.0.draft;
    command
        .run(&app, &caller, move |conn, caller, input| {
            let shape = create(conn, caller, Id::generate(), input.clone(), is_draft)?;
            let shape = Referrals::view(conn, caller, shape)?;
            Reply::created(&resource::location::<Referrals>(shape.id), shape.version, &shape)
        })
        .await
}

/// Writes a referral under an id that nobody has: a draft, or one that is sent at once.
pub fn create(conn: &mut DbConn, caller: &Principal, id: ReferralId, mut input: ReferralInput, is_draft: bool) -> Result<Referral> {
    if is_draft {
        return Ok(resource::insert_with_id::<Referrals>(conn, caller, id, input)?.1);
    }
    let manager = check(conn, caller, None, &mut input, true)?;
    let sent = resource::insert_prepared::<Referrals>(conn, caller, input, |conn, input| {
        let mut row = ReferralRow::draft(id, caller.organization_id, manager, input, caller.at);
        workflow::send(conn, caller, &mut row, None)?;
        workflow::insert(conn, caller, row)
    });
    Ok(sent?.1)
}

/// Create or replace a referral by identifier
///
/// Among those of the caller's organization. A new one is a draft.
#[utoipa::path(tag = "referrals", params(ByIdentifier), request_body = ReferralInput, responses((status = 200, description = "The referral, replaced.", body = Referral), (status = 201, description = "The new referral, a draft.", body = Referral), (status = 409, description = "It was sent, or is closed: `referral_sent`, `referral_closed`.")), security(("oauth2" = ["referrals:write"])))]
#[put("/v1/referrals/by-identifier")]
pub async fn upsert_referral(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    key: Query<ByIdentifier>,
    version: OptionalIfMatch,
    input: Valid<ReferralInput>,
) -> Result<HttpResponse> {
    resource::put_by_identifier::<Referrals>(&app, &caller, &key.0, version, input.0).await
}

/// Read a referral
///
/// With the patient as far as the caller may see them: the performer sees the summary that the consent allows.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id.")), responses((status = 200, description = "The referral.", body = Referral)), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/referrals/{id}")]
pub async fn get_referral(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    id: Path<Id<kind::Referral>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<Referrals>(&app, &caller, *id, &known).await
}

/// Replace a referral
///
/// A draft freely; one that was sent keeps its patient, kind, service, performer, parent, and due dates that are not named again. What
/// the performer has said of it is not undone.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id.")), request_body = ReferralInput, responses((status = 200, description = "The referral as it now is.", body = Referral), (status = 409, description = "It was sent, or is closed: `referral_sent`, `referral_closed`.")), security(("oauth2" = ["referrals:write"])))]
#[put("/v1/referrals/{id}")]
pub async fn update_referral(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::Referral>>,
    version: IfMatch,
    input: Valid<ReferralInput>,
) -> Result<HttpResponse> {
    resource::put::<Referrals>(&app, &caller, *id, version, input.0).await
}

/// Change a referral
///
/// What is sent changes, the rest stays. Null clears: the due dates too, and in a draft the performer, which is then the service's
/// provider. Once it is sent, its patient, kind, service, performer and parent stay as they are, and so does what the performer has said
/// of it: whoever clears one of these hears `referral_sent`. Once it is closed, all of it stays.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id.")), responses((status = 200, description = "The referral as it now is.", body = Referral), (status = 409, description = "It was sent, or is closed: `referral_sent`, `referral_closed`.")), security(("oauth2" = ["referrals:write"])))]
#[patch("/v1/referrals/{id}")]
pub async fn patch_referral(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::Referral>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<Referrals>(&app, &caller, *id, version, patch).await
}

/// Delete a draft
///
/// One that was never sent. It reads as 410 from then on; its history stays. Cancel one that was sent.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id.")), responses((status = 204, description = "It is deleted."), (status = 409, description = "It was sent: `not_a_draft`.")), security(("oauth2" = ["referrals:write"])))]
#[delete("/v1/referrals/{id}")]
pub async fn delete_referral(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::Referral>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<Referrals>(&app, &caller, *id, version).await
}

/// Read the history of a referral
///
/// Every version, oldest first.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/referrals/{id}/history")]
pub async fn list_referral_history(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    id: Path<Id<kind::Referral>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(resource::history::<Referrals>(&app, &caller, *id, query.0).await?.respond(&request))
}
