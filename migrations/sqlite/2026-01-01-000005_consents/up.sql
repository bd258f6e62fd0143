-- purposes and categories are lists in the form |a|b|, for filters. organization_id manages the patient; recorder_id wrote it down.
CREATE TABLE consents (
    id                TEXT    NOT NULL PRIMARY KEY,
    organization_id   TEXT    NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    patient_id        TEXT    NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    grantee_id        TEXT    NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    recorder_id       TEXT    NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    purposes          TEXT    NOT NULL,
    categories        TEXT    NOT NULL,
    valid_from        TEXT    NOT NULL,
    valid_until       TEXT,
    withdrawn_at      TEXT,
    withdrawal_reason TEXT,
    content           TEXT    NOT NULL,
    version           INTEGER NOT NULL CHECK (version >= 1),
    created_at        TEXT    NOT NULL,
    updated_at        TEXT    NOT NULL,
    deleted_at        TEXT
) STRICT;

CREATE INDEX consents_organization_id_idx ON consents (organization_id, id);
CREATE INDEX consents_patient_id_idx ON consents (patient_id, id);
CREATE INDEX consents_grantee_id_idx ON consents (grantee_id, patient_id);
CREATE INDEX consents_recorder_id_idx ON consents (recorder_id, id);
