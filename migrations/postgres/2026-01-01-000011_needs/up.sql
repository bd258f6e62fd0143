-- What a patient lacks or wishes. organization_id is that of whoever recorded it.
CREATE TABLE needs (
    id              UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    patient_id      UUID NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    screening_id    UUID REFERENCES screenings (id) ON DELETE RESTRICT,
    domain          TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('active', 'being_addressed', 'met', 'unmet', 'declined', 'entered_in_error')),
    is_sensitive    BOOLEAN NOT NULL,
    content         JSONB NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    deleted_at      TIMESTAMPTZ
);
CREATE INDEX needs_organization_id_idx ON needs (organization_id, id);
CREATE INDEX needs_patient_id_idx ON needs (patient_id, id);
CREATE INDEX needs_screening_id_idx ON needs (screening_id);
