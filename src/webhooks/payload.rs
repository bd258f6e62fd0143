//! What is sent: `{ "type", "timestamp", "data" }`, written anew for every attempt from the journal, as the endpoint's client sees it then.
//!
//! A queue holds no content. What was withdrawn while an event waited is not sent, and what is deleted from the journal is nowhere else.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::events::{self, WebhookEventType};
use super::model::{DeliveryRow, EndpointRow, WebhookPayload};
use crate::auth::Principal;
use crate::auth::model::Standing;
use crate::auth::repository::find_standing;
use crate::changes::view::{Reader, View, consent_at};
use crate::changes::{self, Entry};
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Error, Result};
use crate::kind::{ClientId, OrganizationId, PatientId, ReferralId, ResourceType};

/// An event, as it is posted to an endpoint.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WebhookEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub event_type: WebhookEventType,
    /// When it happened.
    pub timestamp: Instant,
    /// What it is about.
    pub data: WebhookData,
}

/// What an event is about. Of a thin payload the last four fields are absent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WebhookData {
    /// What kind of resource it is about.
    pub resource_type: ResourceType,
    /// The id of that resource.
    #[schema(value_type = PatientId)]
    pub resource_id: Id<()>,
    /// Its version after what happened; 0 with `patient.reset`.
    #[schema(example = 2)]
    pub version: i64,
    /// The patient it is about.
    #[schema(required = true)]
    pub patient_id: Option<PatientId>,
    /// The referral it belongs to.
    #[schema(required = true)]
    pub referral_id: Option<ReferralId>,
    /// Where to read it, or the list that has it where it cannot be read by itself (links, need levels, navigators); relative where the
    /// server does not know its own address, null for a client and with `patient.reset`.
    #[schema(required = true, example = "https://kith.example.ca/v1/referrals/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")]
    pub url: Option<String>,
    /// The organization that did it; absent for the passing of time, the server itself and the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
    /// The client that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// The person who acted in the client's system, as that system said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Dana Whitford")]
    pub on_behalf_of: Option<String>,
    /// The resource as it then stood, as far as the client that wrote the endpoint sees it; absent where it must be read to be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub resource: Option<Value>,
}

/// What the client of an endpoint may do; `None` where it may no longer call.
pub fn standing(conn: &mut DbConn, endpoint: &EndpointRow) -> Result<Option<Standing>> {
    Ok(find_standing(conn, endpoint.client_id)?.filter(|standing| standing.is_active))
}

/// The bodies of deliveries of one endpoint, in their order; `None` of each where its client does not see what the delivery is about, and of
/// all where it may no longer call.
pub fn bodies(
    conn: &mut DbConn,
    endpoint: &EndpointRow,
    deliveries: &[DeliveryRow],
    base_url: Option<&str>,
    now: Instant,
) -> Result<Option<Vec<Option<String>>>> {
    let Some(standing) = standing(conn, endpoint)? else { return Ok(None) };
    let caller = Principal::of_client(endpoint.client_id, endpoint.organization_id, standing.scopes, now);
    let mut reader = Reader::new(&caller);
    let sequences: Vec<i64> = deliveries.iter().map(|delivery| delivery.sequence).collect();
    let entries = changes::numbered(conn, &sequences)?;
    let mut bodies = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let body = match entries.get(&delivery.sequence) {
            Some(entry) => event(conn, &mut reader, delivery, entry, endpoint.content.payload, base_url)?,
            None => None,
        };
        bodies.push(body.map(|body| serde_json::to_string(&body)).transpose().map_err(Error::internal)?);
    }
    Ok(Some(bodies))
}

fn event(
    conn: &mut DbConn,
    reader: &mut Reader<'_>,
    delivery: &DeliveryRow,
    entry: &Entry,
    payload: WebhookPayload,
    base_url: Option<&str>,
) -> Result<Option<WebhookEvent>> {
    if delivery.event_type == WebhookEventType::PatientReset {
        return Ok(reader.follows_patients().then(|| reset(delivery)));
    }
    let is_seen = match delivery.event_type {
        WebhookEventType::ScreeningSafetyAlert => reader.sees_alerts(conn, entry)?,
        _ => reader.view(conn, entry)? != View::Nothing,
    };
    if !is_seen {
        return Ok(None);
    }
    let is_full = payload == WebhookPayload::Full;
    let is_told = is_full && delivery.event_type.is_act();
    // What has left is not to be held any more.
    let shows = is_full && delivery.event_type != WebhookEventType::ReferralLeft;
    let resource = if shows { reader.resource(conn, entry)? } else { None };
    let resource = match entry.resource_type {
        ResourceType::Consent => resource.map(|consent| consent_at(consent, reader.caller().at)).transpose()?,
        _ => resource,
    };
    let data = WebhookData {
        resource_type: entry.resource_type,
        resource_id: entry.resource_id,
        version: entry.version,
        patient_id: entry.patient_id,
        referral_id: entry.referral_id,
        url: path(entry)?.map(|path| format!("{}{path}", base_url.unwrap_or_default())),
        organization_id: entry.organization_id.filter(|_| is_told),
        client_id: entry.client_id.filter(|_| is_told),
        on_behalf_of: entry.on_behalf_of.clone().filter(|_| is_told),
        resource,
    };
    Ok(Some(WebhookEvent { event_type: delivery.event_type, timestamp: delivery.event_at, data }))
}

/// That what is seen of a patient has changed, and nothing more: it is told though nothing is seen any more.
fn reset(delivery: &DeliveryRow) -> WebhookEvent {
    let data = WebhookData {
        resource_type: delivery.resource_type,
        resource_id: delivery.resource_id,
        version: delivery.version,
        patient_id: Some(delivery.resource_id.cast()),
        referral_id: None,
        url: None,
        organization_id: None,
        client_id: None,
        on_behalf_of: None,
        resource: None,
    };
    WebhookEvent { event_type: delivery.event_type, timestamp: delivery.event_at, data }
}

/// Where a resource is read, by itself or in a list; `None` for what the API does not give at all.
fn path(entry: &Entry) -> Result<Option<String>> {
    let id = entry.resource_id;
    let of_patient = |rest: &str| entry.patient_id.map(|patient| format!("/v1/patients/{patient}/{rest}"));
    let of_referral = |rest: &str| entry.referral_id.map(|referral| format!("/v1/referrals/{referral}/{rest}"));
    // What lies below another resource is found by that one's id, which its body names.
    let below = |field: &str, collection: &str, rest: &str| -> Result<Option<String>> {
        let body = events::body(entry)?;
        Ok(body.get(field).and_then(Value::as_str).map(|above| format!("/v1/{collection}/{above}/{rest}")))
    };
    Ok(match entry.resource_type {
        ResourceType::Client => None,
        ResourceType::NeedLevelAssessment => of_patient("need-levels"),
        ResourceType::NavigatorAssignment => of_patient("primary-navigators"),
        ResourceType::ReferralTransition => of_referral(&format!("transitions/{id}")),
        ResourceType::ReferralMessage => of_referral(&format!("messages/{id}")),
        ResourceType::ReferralLink => of_referral("links"),
        ResourceType::ScreeningLink => below("screening_id", "screenings", "links")?,
        ResourceType::ContactAttempt => below("follow_up_id", "follow-ups", &format!("attempts/{id}"))?,
        ResourceType::WaitlistEntry => below("service_id", "services", &format!("waitlist-entries/{id}"))?,
        ResourceType::CalendarLink => {
            let of_service = below("service_id", "services", "calendar-links")?;
            of_service.or(below("practitioner_id", "practitioners", "calendar-links")?)
        }
        ResourceType::Organization => Some(format!("/v1/organizations/{id}")),
        ResourceType::Practitioner => Some(format!("/v1/practitioners/{id}")),
        ResourceType::Patient => Some(format!("/v1/patients/{id}")),
        ResourceType::Consent => Some(format!("/v1/consents/{id}")),
        ResourceType::Need => Some(format!("/v1/needs/{id}")),
        ResourceType::Instrument => Some(format!("/v1/instruments/{id}")),
        ResourceType::Screening => Some(format!("/v1/screenings/{id}")),
        ResourceType::Service => Some(format!("/v1/services/{id}")),
        ResourceType::Match => Some(format!("/v1/matches/{id}")),
        ResourceType::Referral => Some(format!("/v1/referrals/{id}")),
        ResourceType::FollowUp => Some(format!("/v1/follow-ups/{id}")),
        ResourceType::Slot => Some(format!("/v1/slots/{id}")),
        ResourceType::Appointment => Some(format!("/v1/appointments/{id}")),
        ResourceType::UnmetNeed => Some(format!("/v1/unmet-needs/{id}")),
        ResourceType::ServiceSuggestion => Some(format!("/v1/service-suggestions/{id}")),
        ResourceType::Source => Some(format!("/v1/sources/{id}")),
        ResourceType::WebhookEndpoint => Some(format!("/v1/webhook-endpoints/{id}")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;
    use crate::changes::Action;
    use crate::db::types::Json;

    /// Where a made-up entry leads; its body names all that a resource may belong to.
    fn address(resource_type: ResourceType, body: Value) -> Option<String> {
        let entry = Entry {
            sequence: 1,
            transaction_id: 0,
            at: Instant::from_timestamp(1_780_315_200).unwrap(),
            organization_id: None,
            client_id: None,
            on_behalf_of: None,
            resource_type,
            resource_id: Id::generate(),
            owner_id: None,
            version: 1,
            action: Action::Created,
            patient_id: Some(Id::generate()),
            referral_id: Some(Id::generate()),
            request_id: None,
            body: Json(to_raw_value(&body).unwrap()),
        };
        path(&entry).unwrap()
    }

    /// Whether the document has an address that is read with GET.
    fn is_read(address: &str) -> bool {
        let paths = crate::openapi::document()["paths"].as_object().unwrap();
        let segments: Vec<&str> = address.split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<&str> = template.split('/').collect();
            let is_id = |part: &str, segment: &str| part.starts_with('{') && segment.parse::<uuid::Uuid>().is_ok();
            parts.len() == segments.len() && parts.iter().zip(&segments).all(|(part, segment)| part == segment || is_id(part, segment))
        };
        paths.iter().any(|(template, item)| item.get("get").is_some() && fits(template))
    }

    #[test]
    fn what_is_told_of_every_resource_leads_to_where_it_is_read() {
        let parents = ["service_id", "practitioner_id", "screening_id", "follow_up_id"];
        let body: Value = parents.map(|field| (field.to_owned(), json!(Id::<()>::generate()))).into_iter().collect();
        for kind in ResourceType::ALL {
            match address(*kind, body.clone()) {
                Some(address) => assert!(is_read(&address), "{kind}: {address}"),
                None => assert_eq!(*kind, ResourceType::Client, "a client alone is not read"),
            }
        }
        let of_practitioner = address(ResourceType::CalendarLink, json!({ "practitioner_id": Id::<()>::generate() })).unwrap();
        assert!(of_practitioner.starts_with("/v1/practitioners/") && is_read(&of_practitioner), "{of_practitioner}");
    }
}
