//! What can go wrong, in the words of the domain, and the RFC 9457 problem document it becomes.
//!
//! This is the only place that knows HTTP statuses of failures. Clients match `code`; `detail` is prose and may change.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::db::types::Instant;

/// The result of anything that can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One fault of a request: where it is, what kind it is, and a sentence about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the body; for a query parameter or header, its name.
    #[schema(example = "/names/0/family")]
    pub pointer: String,
    /// Stable code of the fault.
    #[schema(example = "required")]
    pub code: Cow<'static, str>,
    /// What is wrong, for a human.
    #[schema(example = "is required")]
    pub message: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.into(), message: message.into() }
    }
}

/// Everything a handler or a repository function can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be parsed: broken JSON, a bad id, an unknown query parameter, a spoiled cursor.
    #[error("the request cannot be understood: {detail}")]
    Malformed {
        /// What is wrong, for a human.
        detail: String,
        /// The faults, where they can be told one by one.
        faults: Vec<Fault>,
    },
    /// Parsed, and wrong.
    #[error("the request is not valid")]
    Invalid(Vec<Fault>),
    /// Credentials that are not valid.
    #[error("no valid access token: {0}")]
    Unauthenticated(&'static str),
    /// No credentials, or none of the kind that is taken.
    #[error("no access token: {0}")]
    NoToken(&'static str),
    /// The token lacks a scope.
    #[error("the token lacks the scope {0}")]
    InsufficientScope(&'static str),
    /// The caller may see it but not do this.
    #[error("not permitted: {0}")]
    Forbidden(Cow<'static, str>),
    /// It does not exist, or the caller may not know that it does.
    #[error("not found")]
    NotFound,
    /// The path exists, not with this method.
    #[error("method not allowed")]
    MethodNotAllowed {
        /// The methods it has, as the `Allow` header lists them.
        allow: String,
    },
    /// It was deleted.
    #[error("it has been deleted")]
    Gone,
    /// It was merged into another.
    #[error("it was merged into {into}")]
    Merged {
        /// The path of the survivor.
        into: String,
    },
    /// It was merged into another, which was merged into this one since: the later merge is taken back first.
    #[error("it was merged into {into}, which was merged since")]
    MergedSince {
        /// The path of the other.
        into: String,
    },
    /// A unique key is taken.
    #[error("already exists")]
    Duplicate {
        /// The constraint, `table_column_key`.
        constraint: String,
    },
    /// A row that must exist does not, or one that is in use cannot go.
    #[error("refers to what does not exist or is in use")]
    Reference {
        /// The constraint, where the database names it.
        constraint: String,
    },
    /// The state machine has no such step.
    #[error("cannot go from {from} to {to}")]
    IllegalTransition {
        /// The present state.
        from: &'static str,
        /// The wished state.
        to: &'static str,
        /// The states that the caller can take it to, where they are to be told.
        leads_to: Vec<&'static str>,
    },
    /// It clashes with the present state of things.
    #[error("conflict: {detail}")]
    Conflict {
        /// Stable code.
        code: &'static str,
        /// What clashes, for a human.
        detail: String,
        /// What of the request clashes, where that can be told one by one.
        faults: Vec<Fault>,
    },
    /// Something newer is known of a room than what is said of it.
    #[error("something newer is known of the room, as of {known}")]
    CapacityOutdated {
        /// When that was true.
        known: Instant,
    },
    /// A source is being read already.
    #[error("run {run} of the source is under way")]
    RunUnfinished {
        /// The run.
        run: Uuid,
    },
    /// `If-Match` names another version.
    #[error("the version is another one")]
    VersionMismatch {
        /// The present version; `None` where there is nothing that could have one.
        current: Option<i64>,
    },
    /// `If-Match` is missing.
    #[error("If-Match is required")]
    PreconditionRequired,
    /// An idempotency key came again with another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// An idempotency key came again while its first request still runs.
    #[error("the first request with this idempotency key is still running")]
    IdempotencyKeyInUse,
    /// The body is larger than allowed.
    #[error("the body is too large")]
    TooLarge,
    /// The body is of a type that is not taken.
    #[error("the media type is not supported")]
    UnsupportedMediaType {
        /// The media types that are taken, the one that is meant first.
        expected: &'static [&'static str],
    },
    /// The body is packed in a way that is not taken.
    #[error("the content coding is not supported")]
    UnsupportedCoding,
    /// No byte of what is read is in the range that is asked for.
    #[error("the range cannot be satisfied")]
    RangeNotSatisfiable {
        /// How many bytes there are.
        length: u64,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// Too many requests.
    #[error("too many requests")]
    RateLimited {
        /// Seconds until the next one is taken.
        retry_after_seconds: u64,
    },
    /// The request took longer than it may.
    #[error("the request took too long")]
    TimedOut,
    /// The database is locked, its pool is empty or its queue full.
    #[error("busy")]
    Busy,
    /// The database cannot be reached, or cannot write: its server is down, its disk full, its file read-only.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Our fault.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A code with its fixed status and title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorKind {
    /// Stable, snake_case.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// The code in words.
    pub title: &'static str,
}

/// The codes of [`Error::Conflict`], and when each comes.
pub const CONFLICTS: &[(&str, &str)] = &[
    ("already_booked", "The patient has a place in this slot."),
    ("already_waiting", "The referral is on a waiting list already."),
    ("appointment_closed", "The appointment is over and can no longer change."),
    ("appointment_to_come", "The appointment has not begun; whether the person came is said later."),
    ("capacity_outdated", "Something newer is known of the room, as of current_as_of; what was true before changes nothing."),
    ("consent_ended", "Whoever is asked to take the patient on, or calls for it, does not see them, or no longer."),
    ("consent_withdrawn", "The consent has been withdrawn and can no longer change."),
    (
        "draft_outdated",
        "What the draft refers to has changed since it was written, or a consent was taken back; correct it before it is sent.",
    ),
    ("edition_exists", "This edition of the instrument is loaded with another content."),
    ("follow_up_closed", "The follow-up is completed or cancelled."),
    ("follow_up_in_use", "Something has been done about the follow-up; cancel it instead of deleting it."),
    ("instrument_in_use", "Screenings stand on the instrument; load the changed one as another edition."),
    ("job_finished", "The import or export has ended."),
    ("merge_not_kept", "What the record was before it was merged is not known, so that the merge cannot be taken back."),
    ("no_offer", "No place is kept for the entry of the waiting list, or no longer."),
    ("not_a_draft", "Only a draft can be deleted; cancel the referral."),
    ("not_merged", "The record was not merged into the service, or that was taken back."),
    ("not_waiting", "The entry stands in no waiting list any more."),
    ("organization_in_use", "Systems call for the organization, and nobody could any more; disable its clients first."),
    ("people_waiting", "People stand on the waiting list of what is to be removed; they leave it first."),
    ("referral_closed", "The referral is closed: its content can no longer change, and nobody waits or is expected by it."),
    ("referral_not_sent", "The referral is a draft; nobody else has it yet."),
    ("referral_sent", "The referral has been sent; what the performer relies on can no longer change."),
    ("referral_unanswerable", "The referral names no organization for which somebody could answer by a link."),
    ("run_unfinished", "A run of the source is under way, which run_id names; wait until it has ended."),
    ("screening_closed", "The screening is no longer a draft; retract it and record another."),
    ("slot_closed", "The slot is closed, or has begun; take another."),
    ("slot_full", "No place in the slot is free; take another."),
    ("slot_in_use", "Somebody has a place in the slot; move or cancel the appointment first, or close the slot."),
    ("source_exists", "The organization has a source of this name."),
    ("source_paused", "The source is paused; make it active first."),
    ("state_not_loaded", "An import cannot bring the resource to where it stood; it was not loaded."),
    ("suggestion_closed", "The suggestion has been accepted, refused or withdrawn."),
    ("suggestion_outdated", "What the suggestion changes has been changed since its base version; errors names it."),
    ("suggestion_unneeded", "The service says already what is suggested."),
    ("too_many_endpoints", "The organization has as many webhook endpoints as it may have; delete one first."),
    ("too_many_holds", "The client holds as many places as it may at once; confirm or cancel some, or let them run out."),
    ("too_many_holds_for_patient", "As many places are held for the patient as may be at once; confirm or cancel one first."),
    ("too_many_jobs", "The organization has as many imports and exports under way as it may have; wait until one has ended."),
    ("too_many_missing", "The file lacks so many services of this source that it cannot be a full one; nothing was retired."),
    ("too_many_sources", "The organization has as many sources as it may have; delete one first."),
    ("too_much_at_once", "One request would change so much that all others would wait for it; detail says what there is too much of."),
    ("webhook_disabled", "The webhook endpoint is disabled; make it active first."),
];

/// Every code that a problem can have and what it means, in order of status and code.
pub fn meanings() -> Vec<(ErrorKind, Cow<'static, str>)> {
    let one_of_each = [
        (Error::malformed(""), "The body is not JSON, an id is no UUID, a parameter is unknown, a cursor is spoiled."),
        (Error::Invalid(Vec::new()), "The request was understood and is not valid; every fault is in errors."),
        (Error::Unauthenticated(""), "There is no access token, or it is not valid."),
        (Error::InsufficientScope(""), "The token lacks the scope of the operation."),
        (Error::Forbidden("".into()), "The caller may see this, and not do this to it."),
        (Error::NotFound, "It does not exist, or the caller may not know that it does."),
        (Error::MethodNotAllowed { allow: String::new() }, "The path has other methods; Allow lists them."),
        (Error::TooSlow, "The body did not arrive in the time that a request may take."),
        (Error::Gone, "It has been deleted."),
        (Error::Merged { into: String::new() }, "It was merged into another; merged_into is its path."),
        (
            Error::MergedSince { into: String::new() },
            "The record that it was merged into, which merged_into names, was itself merged since; take that merge back first.",
        ),
        (Error::Duplicate { constraint: String::new() }, "Something with the same identifier or key exists."),
        (Error::Reference { constraint: String::new() }, "It refers to what does not exist, or removes what is in use."),
        (
            Error::IllegalTransition { from: "", to: "", leads_to: Vec::new() },
            "The present state does not lead to that one; leads_to names those that it leads to, where there are any.",
        ),
        (
            Error::VersionMismatch { current: Some(1) },
            "If-Match does not name the present version, which is in current_version and ETag where there is one.",
        ),
        (Error::PreconditionRequired, "If-Match is missing."),
        (Error::IdempotencyKeyReused, "The Idempotency-Key was used for another request."),
        (Error::IdempotencyKeyInUse, "The first request with this Idempotency-Key still runs; try again."),
        (Error::TooLarge, "The body is larger than the server takes."),
        (Error::UnsupportedMediaType { expected: &[] }, "The body is of another media type; detail names those that are taken."),
        (Error::UnsupportedCoding, "The body is packed in a way that is not taken; gzip is."),
        (Error::RangeNotSatisfiable { length: 0 }, "The file ends before the Range that is asked for; Content-Range says how long it is."),
        (Error::RateLimited { retry_after_seconds: 1 }, "Too many requests; try again after Retry-After."),
        (Error::TimedOut, "The request took longer than it may; try again."),
        (Error::unavailable(""), "The server cannot use its database at present; try again after Retry-After."),
        (Error::Busy, "The database is locked, or too many wait; try again after Retry-After."),
        (Error::internal(""), "Our fault; it is logged under the request id."),
    ];
    let conflicts = CONFLICTS.iter().map(|(code, meaning)| (Error::conflict(code, "").kind(), (*meaning).into()));
    let mut all: Vec<_> = one_of_each.iter().map(|(error, meaning)| (error.kind(), (*meaning).into())).chain(conflicts).collect();
    all.sort_by_key(|(kind, _)| (kind.status, kind.code));
    all
}

const fn kind(code: &'static str, status: u16, title: &'static str) -> ErrorKind {
    ErrorKind { code, status, title }
}

impl Error {
    /// An internal error with this cause, which is logged and never shown.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// A database that is not available, for this cause, which is logged and never shown.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    /// A request that cannot be understood.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::Malformed { detail: detail.into(), faults: Vec::new() }
    }

    /// One fault of an otherwise valid request.
    pub fn invalid(pointer: impl Into<String>, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(pointer, code, message)])
    }

    /// The same with its faults at other pointers: what was checked by itself is a part of what the caller sent.
    pub fn at_pointers(self, to: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Invalid(faults) => {
                Self::Invalid(faults.into_iter().map(|fault| Fault { pointer: to(&fault.pointer), ..fault }).collect())
            }
            other => other,
        }
    }

    /// A clash with the present state.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Conflict { code, detail: detail.into(), faults: Vec::new() }
    }

    /// Code, status and title.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed { .. } => kind("malformed_request", 400, "Malformed request"),
            Self::Invalid(_) => kind("invalid_request", 422, "Invalid request"),
            Self::Unauthenticated(_) | Self::NoToken(_) => kind("unauthenticated", 401, "Unauthenticated"),
            Self::InsufficientScope(_) => kind("insufficient_scope", 403, "Insufficient scope"),
            Self::Forbidden(_) => kind("forbidden", 403, "Forbidden"),
            Self::NotFound => kind("not_found", 404, "Not found"),
            Self::MethodNotAllowed { .. } => kind("method_not_allowed", 405, "Method not allowed"),
            Self::Gone => kind("gone", 410, "Gone"),
            Self::Merged { .. } => kind("merged", 410, "Merged into another"),
            Self::MergedSince { .. } => kind("merged_since", 409, "Conflict"),
            Self::Duplicate { .. } => kind("duplicate", 409, "Already exists"),
            Self::Reference { .. } => kind("reference_conflict", 409, "Reference conflict"),
            Self::IllegalTransition { .. } => kind("illegal_transition", 409, "Illegal transition"),
            Self::Conflict { code, .. } => kind(code, 409, "Conflict"),
            Self::CapacityOutdated { .. } => kind("capacity_outdated", 409, "Conflict"),
            Self::RunUnfinished { .. } => kind("run_unfinished", 409, "Conflict"),
            Self::VersionMismatch { .. } => kind("version_mismatch", 412, "Version mismatch"),
            Self::PreconditionRequired => kind("precondition_required", 428, "Precondition required"),
            Self::IdempotencyKeyReused => kind("idempotency_key_reused", 422, "Idempotency key reused"),
            Self::IdempotencyKeyInUse => kind("idempotency_key_in_use", 409, "Idempotency key in use"),
            Self::TooLarge => kind("body_too_large", 413, "Body too large"),
            Self::UnsupportedMediaType { .. } => kind("unsupported_media_type", 415, "Unsupported media type"),
            Self::UnsupportedCoding => kind("unsupported_content_coding", 415, "Unsupported content coding"),
            Self::RangeNotSatisfiable { .. } => kind("range_not_satisfiable", 416, "Range not satisfiable"),
            Self::TooSlow => kind("body_too_slow", 408, "Body too slow"),
            Self::RateLimited { .. } => kind("rate_limited", 429, "Too many requests"),
            Self::TimedOut => kind("timed_out", 503, "Timed out"),
            Self::Busy => kind("busy", 503, "Busy"),
            Self::Unavailable(_) => kind("unavailable", 503, "Unavailable"),
            Self::Internal(_) => kind("internal", 500, "Internal error"),
        }
    }

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

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::Internal(_) | Self::Unavailable(_) = self {
            log::error!("{}", Chain(self));
        }
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(Problem::MEDIA_TYPE);
        match self {
            Self::Unauthenticated(_) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"kith\", error=\"invalid_token\""));
            }
            // RFC 6750 §3.1: whoever sends no token is not told of a fault in it.
            Self::NoToken(_) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"kith\""));
            }
            Self::InsufficientScope(scope) => {
                let challenge = format!("Bearer realm=\"kith\", error=\"insufficient_scope\", scope=\"{scope}\"");
                response.insert_header((header::WWW_AUTHENTICATE, challenge));
            }
            // RFC 9110 §15.5.16.
            Self::UnsupportedMediaType { expected } => {
                response.insert_header((header::ACCEPT, expected.join(", ")));
            }
            Self::UnsupportedCoding => {
                response.insert_header((header::ACCEPT_ENCODING, "gzip"));
            }
            Self::MethodNotAllowed { allow } => {
                response.insert_header((header::ALLOW, allow.as_str()));
            }
            // RFC 9110 §15.5.17.
            Self::RangeNotSatisfiable { length } => {
                response.insert_header((header::CONTENT_RANGE, format!("bytes */{length}")));
            }
            Self::VersionMismatch { current: Some(current) } => {
                response.insert_header((header::ETAG, format!("\"{current}\"")));
            }
            Self::RateLimited { retry_after_seconds } => {
                response.insert_header((header::RETRY_AFTER, HeaderValue::from(*retry_after_seconds)));
            }
            Self::Busy | Self::TimedOut | Self::IdempotencyKeyInUse => {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            Self::Unavailable(_) => {
                response.insert_header((header::RETRY_AFTER, "5"));
            }
            _ => {}
        }
        response.json(self.problem())
    }
}

/// Writes an error with all its sources, for the log and the command line: displayed by itself, an error says nothing of them.
///
/// A JSON document that does not fit its type is told by its place alone, for serde's own words quote what is in it, and that may be
/// about a person. Database errors leave out what stands in the row as well.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut next = Some(self.0);
        while let Some(error) = next {
            f.write_str(separator)?;
            match error.downcast_ref::<serde_json::Error>() {
                Some(fault) if fault.is_data() => {
                    write!(f, "a JSON value of another form than expected at line {} column {}", fault.line(), fault.column())?;
                }
                _ => write!(f, "{error}")?,
            }
            separator = ": ";
            next = error.source();
        }
        Ok(())
    }
}
