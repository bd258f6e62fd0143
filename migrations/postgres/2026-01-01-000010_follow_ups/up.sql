-- A duty to reach a person by a date. organization_id is the one whose duty it is.
CREATE TABLE follow_ups (
    id              UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    patient_id      UUID NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    referral_id     UUID REFERENCES referrals (id) ON DELETE RESTRICT,
    practitioner_id UUID REFERENCES practitioners (id) ON DELETE RESTRICT,
    purpose         TEXT NOT NULL CHECK (purpose IN ('first_contact', 'check_in', 'barrier_review', 'outcome_review', 'closing')),
    status          TEXT NOT NULL CHECK (status IN ('open', 'completed', 'cancelled')),
    due_on          DATE NOT NULL,
    closed_at       TIMESTAMPTZ,
    conclusion      JSONB NOT NULL,
    content         JSONB NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    deleted_at      TIMESTAMPTZ
);
CREATE INDEX follow_ups_organization_id_idx ON follow_ups (organization_id, due_on, id);
CREATE INDEX follow_ups_organization_id_status_idx ON follow_ups (organization_id, status, due_on, id);
CREATE INDEX follow_ups_patient_id_idx ON follow_ups (patient_id, due_on, id);
CREATE INDEX follow_ups_referral_id_idx ON follow_ups (referral_id, due_on, id);
CREATE INDEX follow_ups_practitioner_id_idx ON follow_ups (practitioner_id, status, due_on, id);

-- One try to reach a person.
CREATE TABLE contact_attempts (
    id              UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    follow_up_id    UUID NOT NULL REFERENCES follow_ups (id) ON DELETE RESTRICT,
    at              TIMESTAMPTZ NOT NULL,
    outcome         TEXT NOT NULL CHECK (outcome IN ('no_answer', 'voicemail', 'reached', 'wrong_number', 'declined')),
    minutes         INTEGER,
    content         JSONB NOT NULL,
    client_id       UUID,
    on_behalf_of    TEXT,
    created_at      TIMESTAMPTZ NOT NULL
);
CREATE INDEX contact_attempts_follow_up_id_idx ON contact_attempts (follow_up_id, id);
CREATE INDEX contact_attempts_organization_id_idx ON contact_attempts (organization_id, id);
