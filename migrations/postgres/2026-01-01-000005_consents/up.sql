-- purposes and categories are lists in the form |a|b|, for filters. organization_id manages the patient; recorder_id wrote it down.
CREATE TABLE consents (
    id                UUID        NOT NULL PRIMARY KEY,
    organization_id   UUID        NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    patient_id        UUID        NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    grantee_id        UUID        NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    recorder_id       UUID        NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    purposes          TEXT        NOT NULL,
    categories        TEXT        NOT NULL,
    valid_from        TIMESTAMPTZ NOT NULL,
    valid_until       TIMESTAMPTZ,
    withdrawn_at      TIMESTAMPTZ,
    withdrawal_reason TEXT,
    content           JSONB       NOT NULL,
    version           BIGINT      NOT NULL CHECK (version >= 1),
    created_at        TIMESTAMPTZ NOT NULL,
    updated_at        TIMESTAMPTZ NOT NULL,
    deleted_at        TIMESTAMPTZ
);

CREATE INDEX consents_organization_id_idx ON consents (organization_id, id);
CREATE INDEX consents_patient_id_idx ON consents (patient_id, id);
CREATE INDEX consents_grantee_id_idx ON consents (grantee_id, patient_id);
CREATE INDEX consents_recorder_id_idx ON consents (recorder_id, id);
