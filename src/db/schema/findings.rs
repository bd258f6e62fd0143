//! What is found out of people's needs, and what was suggested to them.

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Screening instruments, one row for each edition.
    instruments (id) {
        id -> Id,
        organization_id -> Nullable<Id>,
        code -> Text,
        edition -> Text,
        content -> Document,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// People's answers to instruments, and what was found in them.
    screenings (id) {
        id -> Id,
        organization_id -> Id,
        patient_id -> Id,
        instrument_id -> Id,
        instrument_code -> Text,
        status -> Text,
        completed_at -> Nullable<Instant>,
        rescreen_on -> Nullable<Date>,
        content -> Document,
        findings -> Document,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// What patients lack or wish.
    needs (id) {
        id -> Id,
        organization_id -> Id,
        patient_id -> Id,
        screening_id -> Nullable<Id>,
        domain -> Text,
        status -> Text,
        is_sensitive -> Bool,
        content -> Document,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// What was suggested to whom.
    matches (id) {
        id -> Id,
        organization_id -> Nullable<Id>,
        patient_id -> Nullable<Id>,
        outcome -> Text,
        is_sensitive -> Bool,
        content -> Document,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Needs that no service met.
    unmet_needs (id) {
        id -> Id,
        organization_id -> Nullable<Id>,
        patient_id -> Nullable<Id>,
        match_id -> Nullable<Id>,
        domain -> Text,
        reason -> Text,
        postal_prefix -> Nullable<Text>,
        city -> Nullable<Text>,
        region -> Nullable<Text>,
        content -> Document,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
    }
}
