//! What is pulled from directories of partners.

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Directories of partners that are pulled.
    sources (id) {
        id -> Id,
        organization_id -> Id,
        client_id -> Id,
        name -> Text,
        status -> Text,
        content -> Document,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
        pulled_to -> Nullable<Instant>,
        next_pull_at -> Instant,
        next_sweep_at -> Instant,
        wake_at -> Nullable<Instant>,
        failures -> Integer,
        leased_by -> Nullable<Id>,
        leased_until -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Readings of sources.
    source_runs (id) {
        id -> Id,
        source_id -> Id,
        kind -> Text,
        status -> Text,
        is_requested -> Bool,
        modified_after -> Nullable<Instant>,
        as_of -> Nullable<Instant>,
        next_page -> Integer,
        attempts -> Integer,
        next_attempt_at -> Nullable<Instant>,
        error -> Nullable<Text>,
        error_detail -> Nullable<Text>,
        records -> Integer,
        created -> Integer,
        updated -> Integer,
        unchanged -> Integer,
        refused -> Integer,
        retired -> Integer,
        organizations_created -> Integer,
        lines -> Integer,
        lines_left_out -> Integer,
        started_at -> Instant,
        updated_at -> Instant,
        finished_at -> Nullable<Instant>,
        has_listed -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// The records of a run of which something must be said.
    source_run_lines (run_id, number) {
        run_id -> Id,
        number -> Integer,
        line -> Document,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// What a run has found listed and asks for one by one, until it has been read.
    source_unread (run_id, number) {
        run_id -> Id,
        number -> Integer,
        record_id -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Services that the last sweeps of a source did not list.
    source_absences (source_id, service_id) {
        source_id -> Id,
        service_id -> Id,
        sweeps -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Which organizations are part of which, as a source says and nobody has joined them yet.
    source_kin (source_id, part) {
        source_id -> Id,
        part -> Text,
        whole -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// How many rows of a kind an organization's sources have in `source_rows`, of how many bytes, and how often any of them has changed.
    source_row_counts (kind, organization_id) {
        kind -> Text,
        organization_id -> Id,
        kept -> BigInt,
        revisions -> BigInt,
        bytes -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// What sources of directories say that no record of ours holds.
    source_rows (organization_id, source, kind, key) {
        organization_id -> Id,
        source -> Text,
        kind -> Text,
        key -> Text,
        content -> Document,
        changed_at -> Instant,
        revision -> Integer,
    }
}
