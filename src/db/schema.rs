//! The tables, once for both databases. Written by hand; `tests/api/migrations.rs` holds it against both.
#![expect(missing_docs, reason = "the columns stand in the migrations, where the comments are")]

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

diesel::joinable!(clients -> organizations (organization_id));
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

    /// How the latest referrals to services and organizations were answered.
    responsiveness (resource_type, resource_id) {
        resource_type -> Text,
        resource_id -> Id,
        figures -> Document,
        counted_at -> Nullable<Instant>,
        refresh_at -> Nullable<Instant>,
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

    /// Which client holds which places.
    held_places (appointment_id) {
        appointment_id -> Id,
        client_id -> Id,
        held_until -> Instant,
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

diesel::joinable!(webhook_endpoints -> clients (client_id));
diesel::joinable!(webhook_deliveries -> webhook_endpoints (endpoint_id));
diesel::allow_tables_to_appear_in_same_query!(webhook_endpoints, webhook_deliveries, clients, organizations);
diesel::allow_tables_to_appear_in_same_query!(webhook_dues, referrals);
diesel::allow_tables_to_appear_in_same_query!(webhook_dues, follow_ups);
diesel::joinable!(contact_attempts -> follow_ups (follow_up_id));
diesel::allow_tables_to_appear_in_same_query!(consents, contact_attempts, follow_ups, patient_keys, patients, practitioners, referrals);
diesel::allow_tables_to_appear_in_same_query!(bulk_chunks, bulk_jobs);
diesel::allow_tables_to_appear_in_same_query!(foreseen_resources, bulk_jobs);
diesel::allow_tables_to_appear_in_same_query!(unmet_needs, consents);
diesel::allow_tables_to_appear_in_same_query!(unmet_needs, patients);
diesel::allow_tables_to_appear_in_same_query!(changes, referrals);
diesel::joinable!(appointments -> slots (slot_id));
diesel::allow_tables_to_appear_in_same_query!(appointments, slots);
diesel::allow_tables_to_appear_in_same_query!(appointments, consents);
diesel::allow_tables_to_appear_in_same_query!(appointments, patients);
diesel::allow_tables_to_appear_in_same_query!(appointments, referrals);
diesel::allow_tables_to_appear_in_same_query!(waitlist_entries, referrals);
diesel::allow_tables_to_appear_in_same_query!(waitlist_entries, consents);
diesel::allow_tables_to_appear_in_same_query!(waitlist_entries, patients);
diesel::allow_tables_to_appear_in_same_query!(imported_services, services);
diesel::allow_tables_to_appear_in_same_query!(held_places, appointments);
diesel::allow_tables_to_appear_in_same_query!(service_merge_rows, capacity_entries);
diesel::allow_tables_to_appear_in_same_query!(service_merge_rows, links);
diesel::allow_tables_to_appear_in_same_query!(service_merge_rows, referrals);
diesel::allow_tables_to_appear_in_same_query!(service_merge_rows, service_suggestions);
diesel::allow_tables_to_appear_in_same_query!(service_merge_rows, slots);
