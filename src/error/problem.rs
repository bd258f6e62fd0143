//! The problem document of a failure (RFC 9457).

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Error, ErrorKind, Fault};
use crate::db::types::Instant;

/// An RFC 9457 problem document (`application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// A URI reference that identifies the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "/problems#version_mismatch")]
    pub problem_type: String,
    /// The kind in words; belongs to `code`.
    #[schema(example = "Version mismatch")]
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 412)]
    pub status: u16,
    /// Stable code to act on. Codes may be added.
    #[schema(example = "version_mismatch")]
    pub code: String,
    /// What happened, for a human; may change.
    #[schema(example = "If-Match does not name the present version, which is \"3\".")]
    pub detail: String,
    /// Every fault of the request, one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// On a version mismatch, the present version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 3)]
    pub current_version: Option<i64>,
    /// Where the resource was merged into another, the path of that one, also where that is not what the request asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/v1/patients/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")]
    pub merged_into: Option<String>,
    /// Where something newer is known of a room, the moment at which that was true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_as_of: Option<Instant>,
    /// Where the present state does not lead to the one that was asked for, those to which the caller can take it; absent where there are
    /// none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["received", "accepted"]))]
    pub leads_to: Vec<String>,
    /// Where a source is being read already, the run that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Uuid>,
    /// The request's id, as in `X-Request-Id` and in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")]
    pub request_id: Option<String>,
}

impl Problem {
    /// The media type of problem documents.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code, self.status)
    }
}

impl Error {
    fn detail(&self) -> String {
        match self {
            Self::Malformed { detail, .. } | Self::Conflict { detail, .. } => detail.clone(),
            Self::Invalid(faults) if faults.len() == 1 => "The request has a fault; see errors.".into(),
            Self::Invalid(faults) => format!("The request has {} faults; see errors.", faults.len()),
            Self::Unauthenticated(reason) | Self::NoToken(reason) => format!("A valid access token is required: {reason}."),
            Self::InsufficientScope(scope) => format!("This operation needs a token with the scope {scope}."),
            Self::Forbidden(reason) => reason.clone().into_owned(),
            Self::NotFound => "There is no such resource, or it is not visible to this client.".into(),
            Self::MethodNotAllowed { allow } => format!("This path has the methods {allow}."),
            Self::Gone => "The resource has been deleted.".into(),
            Self::Merged { into } => format!("The resource was merged into {into}."),
            Self::MergedSince { into } => {
                format!("The record was merged into {into}, which was merged into this service: take that merge back first.")
            }
            Self::Duplicate { constraint } if constraint.starts_with("identifiers_") => {
                "Another resource of this organization has the same identifier.".into()
            }
            Self::Duplicate { .. } => "A resource with the same key exists.".into(),
            Self::Reference { .. } => "The request refers to a resource that does not exist, or removes one that is in use.".into(),
            Self::IllegalTransition { from, to, leads_to } => match leads_to.as_slice() {
                [] => format!("It is {from} and cannot become {to}."),
                [only] => format!("It is {from} and cannot become {to}; it can become {only}."),
                [others @ .., last] => format!("It is {from} and cannot become {to}; it can become {} or {last}.", others.join(", ")),
            },
            Self::CapacityOutdated { known } => {
                format!("Something newer is known of this room, as of {known}; what was true before changes nothing.")
            }
            Self::RunUnfinished { run } => format!("Run {run} of the source is under way."),
            Self::VersionMismatch { current: Some(current) } => {
                format!("If-Match does not name the present version, which is \"{current}\".")
            }
            Self::VersionMismatch { current: None } => "If-Match asks for a version, and there is none: it is gone or never was.".into(),
            Self::PreconditionRequired => "Send If-Match with the version that this change is based on.".into(),
            Self::IdempotencyKeyReused => "This Idempotency-Key was used for a request with another body or path.".into(),
            Self::IdempotencyKeyInUse => "The first request with this Idempotency-Key is still running; try again.".into(),
            Self::TooLarge => "The body is larger than this server takes.".into(),
            Self::UnsupportedMediaType { expected } => format!("Send the body as {}.", expected.join(" or ")),
            Self::UnsupportedCoding => "Send the body as it is, or packed with gzip.".into(),
            Self::RangeNotSatisfiable { length } => format!("There are {length} bytes, and none of them is in the range."),
            Self::TooSlow => "The body did not arrive in the time that a request may take.".into(),
            Self::RateLimited { retry_after_seconds } => format!("Try again in {retry_after_seconds} s."),
            Self::TimedOut => "The request took longer than it may. Try again; an Idempotency-Key makes that safe.".into(),
            Self::Busy => "The server is busy. Try again; an Idempotency-Key makes that safe.".into(),
            Self::Unavailable(_) => "The server cannot use its database at present. Try again; an Idempotency-Key makes that safe.".into(),
            Self::Internal(_) => "Something failed on our side. It has been logged under the request id.".into(),
        }
    }

    /// The problem document, without the request id, which the response middleware adds.
    pub fn problem(&self) -> Problem {
        let ErrorKind { code, status, title } = self.kind();
        let errors = match self {
            Self::Malformed { faults, .. } | Self::Invalid(faults) | Self::Conflict { faults, .. } => faults.clone(),
            _ => Vec::new(),
        };
        let current_version = match self {
            Self::VersionMismatch { current } => *current,
            _ => None,
        };
        let merged_into = match self {
            Self::Merged { into } | Self::MergedSince { into } => Some(into.clone()),
            _ => None,
        };
        let current_as_of = match self {
            Self::CapacityOutdated { known } => Some(*known),
            _ => None,
        };
        let leads_to = match self {
            Self::IllegalTransition { leads_to, .. } => leads_to.iter().map(|state| (*state).to_owned()).collect(),
            _ => Vec::new(),
        };
        let run_id = match self {
            Self::RunUnfinished { run } => Some(*run),
            _ => None,
        };
        Problem {
            problem_type: format!("/problems#{code}"),
            title: title.into(),
            status,
            code: code.into(),
            detail: self.detail(),
            errors,
            current_version,
            merged_into,
            current_as_of,
            leads_to,
            run_id,
            request_id: None,
        }
    }
}
