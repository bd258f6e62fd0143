//! The journal, how far it has been read, and what every resource and request has beside itself.

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// The journal: every change of every resource, written in the change's own transaction.
    changes (sequence) {
        sequence -> BigInt,
        transaction_id -> BigInt,
        at -> Instant,
        organization_id -> Nullable<Id>,
        client_id -> Nullable<Id>,
        on_behalf_of -> Nullable<Text>,
        request_id -> Nullable<Text>,
        resource_type -> Text,
        resource_id -> Id,
        owner_id -> Nullable<Id>,
        version -> BigInt,
        action -> Text,
        patient_id -> Nullable<Id>,
        referral_id -> Nullable<Id>,
        body -> Document,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Up to where the journal has been read on for all processes.
    journal_places (name) {
        name -> Text,
        transaction_id -> BigInt,
        sequence -> BigInt,
        holder -> Nullable<Id>,
        held_until -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// The keys under which other systems know resources.
    identifiers (owner_id, resource_type, system, value) {
        owner_id -> Id,
        resource_type -> Text,
        system -> Text,
        value -> Text,
        resource_id -> Id,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// What was answered to a request with an idempotency key.
    idempotency_keys (client_id, key) {
        client_id -> Id,
        key -> Text,
        route -> Text,
        body_hash -> Text,
        status -> Integer,
        headers -> Document,
        body -> Text,
        created_at -> Instant,
    }
}
