-- A version of a screening instrument. organization_id is whose client loaded it; none for those that came with Kith or by the command line.
CREATE TABLE instruments (
    id              TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT REFERENCES organizations (id) ON DELETE RESTRICT,
    code            TEXT NOT NULL,
    edition         TEXT NOT NULL,
    content         TEXT NOT NULL,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    deleted_at      TEXT
) STRICT;
CREATE UNIQUE INDEX instruments_code_edition_key ON instruments (code, edition) WHERE deleted_at IS NULL;
CREATE INDEX instruments_organization_id_idx ON instruments (organization_id, id);

-- One person's answers to an instrument, and what was found in them. organization_id is that of whoever recorded them.
CREATE TABLE screenings (
    id              TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    patient_id      TEXT NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    instrument_id   TEXT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    instrument_code TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('draft', 'completed', 'declined', 'entered_in_error')),
    completed_at    TEXT,
    rescreen_on     TEXT,
    content         TEXT NOT NULL,
    findings        TEXT NOT NULL,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    deleted_at      TEXT
) STRICT;
CREATE INDEX screenings_organization_id_idx ON screenings (organization_id, id);
CREATE INDEX screenings_organization_id_rescreen_on_idx ON screenings (organization_id, rescreen_on) WHERE rescreen_on IS NOT NULL;
CREATE INDEX screenings_patient_id_idx ON screenings (patient_id, id);
CREATE INDEX screenings_patient_id_instrument_code_idx ON screenings (patient_id, instrument_code, completed_at);
CREATE INDEX screenings_instrument_id_idx ON screenings (instrument_id);
