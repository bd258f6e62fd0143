//! The codes of failures, and what each means to whoever meets it.

use std::borrow::Cow;

use super::{Error, ErrorKind};

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
