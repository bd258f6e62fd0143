//! Imports and exports of many resources.

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Imports and exports that go on beside the requests.
    bulk_jobs (id) {
        id -> Id,
        kind -> Text,
        organization_id -> Id,
        client_id -> Id,
        scopes -> Text,
        on_behalf_of -> Nullable<Text>,
        request_id -> Nullable<Text>,
        status -> Text,
        content -> Document,
        progress -> Document,
        lines -> BigInt,
        lines_total -> Nullable<BigInt>,
        bytes -> BigInt,
        bytes_total -> Nullable<BigInt>,
        created -> BigInt,
        updated -> BigInt,
        unchanged -> BigInt,
        refused -> BigInt,
        error -> Nullable<Text>,
        created_at -> Instant,
        started_at -> Nullable<Instant>,
        updated_at -> Instant,
        finished_at -> Nullable<Instant>,
        leased_by -> Nullable<Id>,
        leased_until -> Nullable<Instant>,
        attempts -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Their files, in pieces of whole lines.
    bulk_chunks (job_id, file, first_line) {
        job_id -> Id,
        file -> Text,
        first_line -> BigInt,
        lines -> Integer,
        content -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// For what ids stand that imports have named what was there already.
    loaded_ids (owner_id, resource_type, former_id) {
        owner_id -> Id,
        resource_type -> Text,
        former_id -> Id,
        resource_id -> Id,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// What the lines of dry runs would make or change.
    foreseen_resources (job_id, key) {
        job_id -> Id,
        key -> Id,
        resource_id -> Id,
        is_new -> Bool,
        content -> Nullable<Id>,
    }
}
