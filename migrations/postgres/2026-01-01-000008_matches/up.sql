-- What was suggested to whom. organization_id is whose client asked; none where a stranger asked the public directory. Of a match
-- without a patient nothing personal is kept.
CREATE TABLE matches (
    id              UUID        NOT NULL PRIMARY KEY,
    organization_id UUID                 REFERENCES organizations (id) ON DELETE RESTRICT,
    patient_id      UUID                 REFERENCES patients (id) ON DELETE RESTRICT,
    outcome         TEXT        NOT NULL CHECK (outcome IN ('suggested', 'some_unanswered', 'nothing_suitable')),
    is_sensitive    BOOLEAN     NOT NULL,
    content         JSONB       NOT NULL,
    version         BIGINT      NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    deleted_at      TIMESTAMPTZ
);
CREATE INDEX matches_organization_id_idx ON matches (organization_id, id);
CREATE INDEX matches_patient_id_idx ON matches (patient_id, id);

-- Needs that no service met, found by a match or reported by somebody who looked. Areas are coarse enough to name nobody.
CREATE TABLE unmet_needs (
    id              UUID        NOT NULL PRIMARY KEY,
    organization_id UUID                 REFERENCES organizations (id) ON DELETE RESTRICT,
    patient_id      UUID                 REFERENCES patients (id) ON DELETE RESTRICT,
    match_id        UUID                 REFERENCES matches (id) ON DELETE RESTRICT,
    domain          TEXT        NOT NULL,
    reason          TEXT        NOT NULL CHECK (reason IN ('no_service', 'all_full', 'too_far', 'out_of_area', 'wrong_language',
        'not_eligible', 'no_coverage', 'cost', 'hours', 'mode', 'transport', 'accessibility', 'culture', 'refused', 'unsafe', 'closed',
        'other')),
    postal_prefix   TEXT,
    city            TEXT,
    region          TEXT,
    content         JSONB       NOT NULL,
    version         BIGINT      NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    deleted_at      TIMESTAMPTZ
);
CREATE INDEX unmet_needs_organization_id_idx ON unmet_needs (organization_id, id);
CREATE INDEX unmet_needs_patient_id_idx ON unmet_needs (patient_id, domain);
CREATE INDEX unmet_needs_match_id_idx ON unmet_needs (match_id);
CREATE INDEX unmet_needs_domain_idx ON unmet_needs (domain, created_at);
