//! Times that are offered, and places in them.

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Times at which somebody can come.
    slots (id) {
        id -> Id,
        organization_id -> Id,
        service_id -> Nullable<Id>,
        practitioner_id -> Nullable<Id>,
        starts_at -> Instant,
        ends_at -> Instant,
        places -> Integer,
        is_closed -> Bool,
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

    /// Places in slots, kept for patients.
    appointments (id) {
        id -> Id,
        organization_id -> Id,
        provider_id -> Id,
        patient_id -> Id,
        referral_id -> Nullable<Id>,
        slot_id -> Id,
        service_id -> Nullable<Id>,
        practitioner_id -> Nullable<Id>,
        status -> Text,
        starts_at -> Instant,
        ends_at -> Instant,
        held_until -> Nullable<Instant>,
        conclusion -> Document,
        content -> Document,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
        manager_id -> Id,
        noted_by -> Nullable<Id>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Which client holds which places.
    held_places (appointment_id) {
        appointment_id -> Id,
        client_id -> Id,
        held_until -> Instant,
    }
}
