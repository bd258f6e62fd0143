//! The people who are helped, who accompanies them, and what they permit.

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// The people who are helped.
    patients (id) {
        id -> Id,
        organization_id -> Id,
        status -> Text,
        need_level -> Nullable<Text>,
        primary_navigator_id -> Nullable<Id>,
        merged_into_id -> Nullable<Id>,
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

    /// Hashes by which patients are found; see `patients::keys`.
    patient_keys (key, patient_id) {
        key -> BigInt,
        patient_id -> Id,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// The need levels that patients had.
    patient_need_levels (id) {
        id -> Id,
        patient_id -> Id,
        organization_id -> Id,
        level -> Text,
        assessed_on -> Date,
        assessed_by_id -> Nullable<Id>,
        reason -> Nullable<Text>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Who accompanied a patient, and when.
    patient_navigators (id) {
        id -> Id,
        patient_id -> Id,
        organization_id -> Id,
        practitioner_id -> Id,
        reason -> Nullable<Text>,
        version -> BigInt,
        created_at -> Instant,
        ended_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// What patients permit organizations.
    consents (id) {
        id -> Id,
        organization_id -> Id,
        patient_id -> Id,
        grantee_id -> Id,
        recorder_id -> Id,
        purposes -> Text,
        categories -> Text,
        valid_from -> Instant,
        valid_until -> Nullable<Instant>,
        withdrawn_at -> Nullable<Instant>,
        withdrawal_reason -> Nullable<Text>,
        content -> Document,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
    }
}
