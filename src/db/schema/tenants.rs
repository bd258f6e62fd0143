//! Who takes part: organizations, their people and systems, and links for people who are no clients.

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Health authorities, clinics, programs, agencies and directories.
    organizations (id) {
        id -> Id,
        organization_id -> Id,
        parent_id -> Nullable<Id>,
        kind -> Text,
        name -> Text,
        name_key -> Text,
        is_active -> Bool,
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

    /// The people who act for an organization.
    practitioners (id) {
        id -> Id,
        organization_id -> Id,
        name_key -> Text,
        roles -> Text,
        languages -> Text,
        is_active -> Bool,
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

    /// The systems that call the API.
    clients (id) {
        id -> Id,
        organization_id -> Id,
        name -> Text,
        scopes -> Text,
        secret_hash -> Text,
        previous_secret_hash -> Nullable<Text>,
        previous_secret_expires_at -> Nullable<Instant>,
        is_active -> Bool,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// The keys that sign access tokens.
    signing_keys (kid) {
        kid -> Text,
        pem -> Text,
        created_at -> Instant,
        retired_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::sql_types::*;

    /// Links for people who are no clients.
    links (id) {
        id -> Id,
        organization_id -> Id,
        purpose -> Text,
        subject_id -> Id,
        client_id -> Id,
        on_behalf_of -> Nullable<Text>,
        recipient -> Nullable<Text>,
        expires_at -> Instant,
        revoked_at -> Nullable<Instant>,
        version -> BigInt,
        created_at -> Instant,
    }
}
