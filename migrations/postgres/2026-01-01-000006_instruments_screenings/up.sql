-- A version of a screening instrument. organization_id is whose client loaded it; none for those that came with Kith or by the command line.
CREATE TABLE instruments (
    id              UUID NOT NULL PRIMARY KEY,
    organization_id UUID REFERENCES organizations (id) ON DELETE RESTRICT,
    code            TEXT NOT NULL,
    edition         TEXT NOT NULL,
    content         JSONB NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    deleted_at      TIMESTAMPTZ
);
CREATE UNIQUE INDEX instruments_code_edition_key ON instruments (code, edition) WHERE deleted_at IS NULL;
CREATE INDEX instruments_organization_id_idx ON instruments (organization_id, id);

-- One person's answers to an instrument, and what was found in them. organization_id is that of whoever recorded them.
CREATE TABLE screenings (
    id              UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    patient_id      UUID NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    instrument_id   UUID NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    instrument_code TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('draft', 'completed', 'declined', 'entered_in_error')),
    completed_at    TIMESTAMPTZ,
    rescreen_on     DATE,
    content         JSONB NOT NULL,
    findings        JSONB NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    deleted_at      TIMESTAMPTZ
);
CREATE INDEX screenings_organization_id_idx ON screenings (organization_id, id);
CREATE INDEX screenings_organization_id_rescreen_on_idx ON screenings (organization_id, rescreen_on) WHERE rescreen_on IS NOT NULL;
CREATE INDEX screenings_patient_id_idx ON screenings (patient_id, id);
CREATE INDEX screenings_patient_id_instrument_code_idx ON screenings (patient_id, instrument_code, completed_at);
CREATE INDEX screenings_instrument_id_idx ON screenings (instrument_id);
