-- What a patient lacks or wishes. organization_id is that of whoever recorded it.
CREATE TABLE needs (
    id              TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    patient_id      TEXT NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    screening_id    TEXT REFERENCES screenings (id) ON DELETE RESTRICT,
    domain          TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('active', 'being_addressed', 'met', 'unmet', 'declined', 'entered_in_error')),
    is_sensitive    INTEGER NOT NULL CHECK (is_sensitive IN (0, 1)),
    content         TEXT NOT NULL,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    deleted_at      TEXT
) STRICT;
CREATE INDEX needs_organization_id_idx ON needs (organization_id, id);
CREATE INDEX needs_patient_id_idx ON needs (patient_id, id);
CREATE INDEX needs_screening_id_idx ON needs (screening_id);
