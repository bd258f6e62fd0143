-- Directories of partners that are pulled. client_id is the client that last wrote the source: what is pulled is written in its name.
CREATE TABLE sources (
    id              UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    client_id       UUID NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    name            TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('active', 'paused')),
    content         JSONB NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    deleted_at      TIMESTAMPTZ,
    -- What the partner has changed up to this moment of its own clock has been pulled.
    pulled_to       TIMESTAMPTZ,
    next_pull_at    TIMESTAMPTZ NOT NULL,
    next_sweep_at   TIMESTAMPTZ NOT NULL,
    -- When there is something to do; null where the source is paused or deleted and no run is unfinished.
    wake_at         TIMESTAMPTZ,
    -- How many runs in a row have failed.
    failures        INTEGER NOT NULL,
    -- The worker that pulls, and until when nobody else does.
    leased_by       UUID,
    leased_until    TIMESTAMPTZ
);
CREATE UNIQUE INDEX sources_organization_id_name_key ON sources (organization_id, name) WHERE deleted_at IS NULL;
CREATE INDEX sources_organization_id_idx ON sources (organization_id, id);
CREATE INDEX sources_client_id_idx ON sources (client_id);
CREATE INDEX sources_wake_at_idx ON sources (wake_at) WHERE wake_at IS NOT NULL;

-- One reading of a source, from its first request to its last.
CREATE TABLE source_runs (
    id                    UUID NOT NULL PRIMARY KEY,
    source_id             UUID NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    kind                  TEXT NOT NULL CHECK (kind IN ('pull', 'sweep')),
    status                TEXT NOT NULL CHECK (status IN ('running', 'waiting', 'completed', 'failed')),
    is_requested          BOOLEAN NOT NULL,
    modified_after        TIMESTAMPTZ,
    -- The partner's clock when the run began.
    as_of                 TIMESTAMPTZ,
    next_page             INTEGER NOT NULL,
    attempts              INTEGER NOT NULL,
    next_attempt_at       TIMESTAMPTZ,
    error                 TEXT,
    error_detail          TEXT,
    records               INTEGER NOT NULL,
    created               INTEGER NOT NULL,
    updated               INTEGER NOT NULL,
    unchanged             INTEGER NOT NULL,
    refused               INTEGER NOT NULL,
    retired               INTEGER NOT NULL,
    organizations_created INTEGER NOT NULL,
    lines                 INTEGER NOT NULL,
    lines_left_out        INTEGER NOT NULL,
    started_at            TIMESTAMPTZ NOT NULL,
    updated_at            TIMESTAMPTZ NOT NULL,
    finished_at           TIMESTAMPTZ
);
CREATE INDEX source_runs_source_id_idx ON source_runs (source_id, id);
CREATE UNIQUE INDEX source_runs_source_id_key ON source_runs (source_id) WHERE finished_at IS NULL;
CREATE INDEX source_runs_finished_at_idx ON source_runs (finished_at) WHERE finished_at IS NOT NULL;

-- The records of a run of which something must be said.
CREATE TABLE source_run_lines (
    run_id UUID NOT NULL REFERENCES source_runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    line   JSONB NOT NULL,
    CONSTRAINT source_run_lines_run_id_number_key PRIMARY KEY (run_id, number)
);

-- Services of a source that its last sweeps did not list.
CREATE TABLE source_absences (
    source_id  UUID NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    service_id UUID NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    sweeps     INTEGER NOT NULL,
    CONSTRAINT source_absences_source_id_service_id_key PRIMARY KEY (source_id, service_id)
);
CREATE INDEX source_absences_service_id_idx ON source_absences (service_id);
