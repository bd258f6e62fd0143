//! Webhooks.

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Where events are sent.
    webhook_endpoints (id) {
        id -> Id,
        organization_id -> Id,
        client_id -> Id,
        status -> Text,
        status_reason -> Nullable<Text>,
        status_at -> Instant,
        content -> Document,
        secret -> Text,
        previous_secret -> Nullable<Text>,
        previous_secret_expires_at -> Nullable<Instant>,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
        behind_transaction_id -> Nullable<BigInt>,
        behind_sequence -> Nullable<BigInt>,
        is_replaying -> Bool,
        wake_at -> Nullable<Instant>,
        failures -> Integer,
        failing_since -> Nullable<Instant>,
        leased_by -> Nullable<Id>,
        leased_until -> Nullable<Instant>,
        consents_told_at -> Instant,
        consents_told_id -> Id,
        rests_until -> Nullable<Instant>,
        requeued_at -> Nullable<Instant>,
        dues_told -> BigInt,
        replayed_id -> Nullable<Id>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// What is to be sent, is being tried, or was sent.
    webhook_deliveries (id) {
        id -> Id,
        endpoint_id -> Id,
        event_key -> Text,
        event_type -> Text,
        event_at -> Instant,
        sequence -> BigInt,
        subject_id -> Id,
        order_transaction_id -> BigInt,
        order_sequence -> BigInt,
        resource_type -> Text,
        resource_id -> Id,
        version -> BigInt,
        status -> Text,
        attempt_count -> Integer,
        next_attempt_at -> Instant,
        created_at -> Instant,
        finished_at -> Nullable<Instant>,
        is_of_time -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// The attempts to send.
    webhook_attempts (id) {
        id -> Id,
        delivery_id -> Id,
        at -> Instant,
        status_code -> Nullable<Integer>,
        duration_ms -> Integer,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// From which day on what falls due is told to webhooks, and the number of the last that did.
    webhook_state (name) {
        name -> Text,
        due_since -> Nullable<Date>,
        last_due -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// What fell due, in the order in which it was found.
    webhook_dues (event_type, resource_id, due_on) {
        event_type -> Text,
        resource_id -> Id,
        due_on -> Date,
        number -> BigInt,
        noted_at -> Instant,
        sequence -> BigInt,
        order_transaction_id -> BigInt,
        order_sequence -> BigInt,
    }
}
