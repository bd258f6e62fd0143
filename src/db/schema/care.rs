//! Referrals, the waiting lists on their way, and the duties that follow them.

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Requests that a program or an agency help a patient.
    referrals (id) {
        id -> Id,
        organization_id -> Id,
        patient_id -> Id,
        performer_id -> Nullable<Id>,
        service_id -> Nullable<Id>,
        parent_id -> Nullable<Id>,
        kind -> Text,
        status -> Text,
        business_status -> Nullable<Text>,
        status_reason -> Document,
        outcome -> Nullable<Text>,
        priority -> Text,
        requester_practitioner_id -> Nullable<Id>,
        performer_practitioner_id -> Nullable<Id>,
        due_on -> Nullable<Date>,
        requested_at -> Nullable<Instant>,
        status_at -> Instant,
        content -> Document,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
        manager_id -> Id,
        consent_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// The changes of referrals' statuses.
    referral_transitions (id) {
        id -> Id,
        organization_id -> Id,
        referral_id -> Id,
        from_status -> Nullable<Text>,
        to_status -> Text,
        content -> Document,
        client_id -> Nullable<Id>,
        on_behalf_of -> Nullable<Text>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// The words between the two sides of a referral.
    referral_messages (id) {
        id -> Id,
        organization_id -> Id,
        referral_id -> Id,
        content -> Document,
        client_id -> Nullable<Id>,
        on_behalf_of -> Nullable<Text>,
        acknowledged_at -> Nullable<Instant>,
        version -> BigInt,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Who waits for room at a service.
    waitlist_entries (id) {
        id -> Id,
        organization_id -> Id,
        service_id -> Id,
        referral_id -> Id,
        room -> Text,
        priority -> Text,
        priority_rank -> Integer,
        joined_at -> Instant,
        status -> Text,
        offer_expires_at -> Nullable<Instant>,
        content -> Document,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Duties to reach a person by a date.
    follow_ups (id) {
        id -> Id,
        organization_id -> Id,
        patient_id -> Id,
        referral_id -> Nullable<Id>,
        practitioner_id -> Nullable<Id>,
        purpose -> Text,
        status -> Text,
        due_on -> Date,
        closed_at -> Nullable<Instant>,
        conclusion -> Document,
        content -> Document,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
        manager_id -> Id,
        awaited_id -> Nullable<Id>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// The attempts to reach a person.
    contact_attempts (id) {
        id -> Id,
        organization_id -> Id,
        follow_up_id -> Id,
        at -> Instant,
        outcome -> Text,
        minutes -> Nullable<Integer>,
        content -> Document,
        client_id -> Nullable<Id>,
        on_behalf_of -> Nullable<Text>,
        created_at -> Instant,
    }
}
