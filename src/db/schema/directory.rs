//! The directory of services.

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Community services.
    services (id) {
        id -> Id,
        organization_id -> Id,
        provider_id -> Nullable<Id>,
        name -> Text,
        name_key -> Text,
        kind -> Text,
        status -> Text,
        last_verified_on -> Nullable<Date>,
        content -> Document,
        capacity -> Nullable<Document>,
        capacity_status -> Text,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
        capacities -> Document,
        merged_into_id -> Nullable<Id>,
        distinct_from -> Document,
        own_content -> Nullable<Document>,
        queue -> Nullable<Document>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// What merges of services can be taken back with.
    service_merges (duplicate_id) {
        duplicate_id -> Id,
        survivor_id -> Id,
        merged_at -> Instant,
        content -> Document,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// The rows that became another service's with a merge.
    service_merge_rows (duplicate_id, row_id) {
        duplicate_id -> Id,
        row_id -> Id,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Changes of a service that others than its keeper suggest.
    service_suggestions (id) {
        id -> Id,
        service_id -> Id,
        organization_id -> Id,
        client_id -> Id,
        keeper_id -> Id,
        status -> Text,
        content -> Document,
        decision_note -> Nullable<Text>,
        decided_at -> Nullable<Instant>,
        applied_version -> Nullable<BigInt>,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// What providers said of the room that a service has.
    capacity_entries (id) {
        id -> Id,
        service_id -> Id,
        organization_id -> Nullable<Id>,
        client_id -> Nullable<Id>,
        recorded_at -> Instant,
        content -> Document,
        capacity_key -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// What each source last said of its services.
    imported_services (service_id) {
        service_id -> Id,
        organization_id -> Id,
        source -> Text,
        fingerprint -> Text,
        statement -> Nullable<Document>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// How the latest referrals to services and organizations were answered.
    responsiveness (resource_type, resource_id) {
        resource_type -> Text,
        resource_id -> Id,
        figures -> Document,
        counted_at -> Nullable<Instant>,
        refresh_at -> Nullable<Instant>,
    }
}
