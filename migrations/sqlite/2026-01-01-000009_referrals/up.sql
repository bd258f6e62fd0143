-- A request that a program or an agency help a patient. organization_id is the requester.
CREATE TABLE referrals (
    id                        TEXT NOT NULL PRIMARY KEY,
    organization_id           TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    patient_id                TEXT NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    performer_id              TEXT REFERENCES organizations (id) ON DELETE RESTRICT,
    service_id                TEXT REFERENCES services (id) ON DELETE RESTRICT,
    parent_id                 TEXT REFERENCES referrals (id) ON DELETE RESTRICT,
    kind                      TEXT NOT NULL CHECK (kind IN ('navigation', 'service')),
    status                    TEXT NOT NULL CHECK (status IN ('draft', 'requested', 'received', 'accepted', 'rejected', 'in_progress', 'on_hold', 'completed', 'failed', 'cancelled', 'entered_in_error')),
    business_status           TEXT CHECK (business_status IN ('awaiting_triage', 'awaiting_information', 'awaiting_contact', 'awaiting_booking', 'booked', 'waitlisted', 'attended', 'no_show', 'plan_made', 'referred_on')),
    status_reason             TEXT NOT NULL,
    outcome                   TEXT CHECK (outcome IN ('need_met', 'partly_met', 'resourced_elsewhere', 'enrolled', 'attended', 'information_only', 'not_met', 'unknown')),
    priority                  TEXT NOT NULL CHECK (priority IN ('routine', 'urgent', 'asap')),
    requester_practitioner_id TEXT REFERENCES practitioners (id) ON DELETE RESTRICT,
    performer_practitioner_id TEXT REFERENCES practitioners (id) ON DELETE RESTRICT,
    due_on                    TEXT,
    requested_at              TEXT,
    status_at                 TEXT NOT NULL,
    content                   TEXT NOT NULL,
    version                   INTEGER NOT NULL CHECK (version >= 1),
    created_at                TEXT NOT NULL,
    updated_at                TEXT NOT NULL,
    deleted_at                TEXT,
    CHECK (parent_id <> id)
) STRICT;
CREATE INDEX referrals_organization_id_idx ON referrals (organization_id, id);
CREATE INDEX referrals_organization_id_status_idx ON referrals (organization_id, status, id);
CREATE INDEX referrals_performer_id_idx ON referrals (performer_id, id);
CREATE INDEX referrals_performer_id_status_idx ON referrals (performer_id, status, id);
CREATE INDEX referrals_patient_id_idx ON referrals (patient_id, id);
CREATE INDEX referrals_service_id_idx ON referrals (service_id, id);
CREATE INDEX referrals_parent_id_idx ON referrals (parent_id, id);
CREATE INDEX referrals_requester_practitioner_id_idx ON referrals (requester_practitioner_id, id);
CREATE INDEX referrals_performer_practitioner_id_idx ON referrals (performer_practitioner_id, id);
CREATE INDEX referrals_due_on_idx ON referrals (performer_id, due_on) WHERE due_on IS NOT NULL;

-- A change of a referral's status, or of the finer word for it. organization_id is that of the side that made it.
CREATE TABLE referral_transitions (
    id              TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    referral_id     TEXT NOT NULL REFERENCES referrals (id) ON DELETE RESTRICT,
    from_status     TEXT,
    to_status       TEXT NOT NULL,
    content         TEXT NOT NULL,
    client_id       TEXT,
    on_behalf_of    TEXT,
    created_at      TEXT NOT NULL
) STRICT;
CREATE INDEX referral_transitions_referral_id_idx ON referral_transitions (referral_id, id);
CREATE INDEX referral_transitions_organization_id_idx ON referral_transitions (organization_id, id);

-- A word between the requester and the performer of a referral. organization_id is that of the side that wrote it.
CREATE TABLE referral_messages (
    id              TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    referral_id     TEXT NOT NULL REFERENCES referrals (id) ON DELETE RESTRICT,
    content         TEXT NOT NULL,
    client_id       TEXT,
    on_behalf_of    TEXT,
    acknowledged_at TEXT,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT NOT NULL
) STRICT;
CREATE INDEX referral_messages_referral_id_idx ON referral_messages (referral_id, id);
CREATE INDEX referral_messages_organization_id_idx ON referral_messages (organization_id, id);
