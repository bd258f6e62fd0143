CREATE TABLE patients (
    id                   UUID        NOT NULL PRIMARY KEY,
    organization_id      UUID        NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    status               TEXT        NOT NULL CHECK (status IN ('active', 'inactive', 'deceased')),
    need_level           TEXT                 CHECK (need_level IN ('high', 'medium', 'low')),
    primary_navigator_id UUID                 REFERENCES practitioners (id) ON DELETE RESTRICT,
    merged_into_id       UUID                 REFERENCES patients (id) ON DELETE RESTRICT,
    content              JSONB       NOT NULL,
    version              BIGINT      NOT NULL CHECK (version >= 1),
    created_at           TIMESTAMPTZ NOT NULL,
    updated_at           TIMESTAMPTZ NOT NULL,
    deleted_at           TIMESTAMPTZ
);

CREATE INDEX patients_organization_id_idx ON patients (organization_id, id);
CREATE INDEX patients_primary_navigator_id_idx ON patients (primary_navigator_id, id);
CREATE INDEX patients_merged_into_id_idx ON patients (merged_into_id);

-- What a patient is found by: hashes of the owner and a trait. Derived from patients.content and rewritten with it, hence without a
-- foreign key, which would need an index of its own.
CREATE TABLE patient_keys (
    key        BIGINT NOT NULL,
    patient_id UUID   NOT NULL,
    CONSTRAINT patient_keys_key_patient_id_key PRIMARY KEY (key, patient_id)
);

CREATE TABLE patient_need_levels (
    id              UUID        NOT NULL PRIMARY KEY,
    patient_id      UUID        NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    organization_id UUID        NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    level           TEXT        NOT NULL CHECK (level IN ('high', 'medium', 'low')),
    assessed_on     DATE        NOT NULL,
    assessed_by_id  UUID                 REFERENCES practitioners (id) ON DELETE RESTRICT,
    reason          TEXT,
    created_at      TIMESTAMPTZ NOT NULL
);

CREATE INDEX patient_need_levels_patient_id_idx ON patient_need_levels (patient_id, id);
CREATE INDEX patient_need_levels_organization_id_idx ON patient_need_levels (organization_id);
CREATE INDEX patient_need_levels_assessed_by_id_idx ON patient_need_levels (assessed_by_id);

CREATE TABLE patient_navigators (
    id              UUID        NOT NULL PRIMARY KEY,
    patient_id      UUID        NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    organization_id UUID        NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    practitioner_id UUID        NOT NULL REFERENCES practitioners (id) ON DELETE RESTRICT,
    reason          TEXT,
    version         BIGINT      NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ NOT NULL,
    ended_at        TIMESTAMPTZ
);

CREATE INDEX patient_navigators_patient_id_idx ON patient_navigators (patient_id, id);
CREATE INDEX patient_navigators_organization_id_idx ON patient_navigators (organization_id);
CREATE INDEX patient_navigators_practitioner_id_idx ON patient_navigators (practitioner_id, id);
