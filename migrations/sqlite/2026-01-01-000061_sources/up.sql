-- Directories of partners that are pulled. client_id is the client that last wrote the source: what is pulled is written in its name.
CREATE TABLE sources (
    id              TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    client_id       TEXT NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    name            TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('active', 'paused')),
    content         TEXT NOT NULL,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    deleted_at      TEXT,
    -- What the partner has changed up to this moment of its own clock has been pulled.
    pulled_to       TEXT,
    next_pull_at    TEXT NOT NULL,
    next_sweep_at   TEXT NOT NULL,
    -- When there is something to do; null where the source is paused or deleted and no run is unfinished.
    wake_at         TEXT,
    -- How many runs in a row have failed.
    failures        INTEGER NOT NULL,
    -- The worker that pulls, and until when nobody else does.
    leased_by       TEXT,
    leased_until    TEXT
) STRICT;
CREATE UNIQUE INDEX sources_organization_id_name_key ON sources (organization_id, name) WHERE deleted_at IS NULL;
CREATE INDEX sources_organization_id_idx ON sources (organization_id, id);
CREATE INDEX sources_client_id_idx ON sources (client_id);
CREATE INDEX sources_wake_at_idx ON sources (wake_at) WHERE wake_at IS NOT NULL;

-- One reading of a source, from its first request to its last.
CREATE TABLE source_runs (
    id                    TEXT NOT NULL PRIMARY KEY,
    source_id             TEXT NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    kind                  TEXT NOT NULL CHECK (kind IN ('pull', 'sweep')),
    status                TEXT NOT NULL CHECK (status IN ('running', 'waiting', 'completed', 'failed')),
    is_requested          INTEGER NOT NULL CHECK (is_requested IN (0, 1)),
    modified_after        TEXT,
    -- The partner's clock when the run began.
    as_of                 TEXT,
    next_page             INTEGER NOT NULL,
    attempts              INTEGER NOT NULL,
    next_attempt_at       TEXT,
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
    started_at            TEXT NOT NULL,
    updated_at            TEXT NOT NULL,
    finished_at           TEXT
) STRICT;
CREATE INDEX source_runs_source_id_idx ON source_runs (source_id, id);
CREATE UNIQUE INDEX source_runs_source_id_key ON source_runs (source_id) WHERE finished_at IS NULL;
CREATE INDEX source_runs_finished_at_idx ON source_runs (finished_at) WHERE finished_at IS NOT NULL;

-- The records of a run of which something must be said.
CREATE TABLE source_run_lines (
    run_id TEXT NOT NULL REFERENCES source_runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    line   TEXT NOT NULL,
    CONSTRAINT source_run_lines_run_id_number_key PRIMARY KEY (run_id, number)
) STRICT;

-- Services of a source that its last sweeps did not list.
CREATE TABLE source_absences (
    source_id  TEXT NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    service_id TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    sweeps     INTEGER NOT NULL,
    CONSTRAINT source_absences_source_id_service_id_key PRIMARY KEY (source_id, service_id)
) STRICT;
CREATE INDEX source_absences_service_id_idx ON source_absences (service_id);
