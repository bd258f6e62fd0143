-- Imports and exports that go on beside the requests, whichever process runs them. They are seen by the client that asked for them alone.
CREATE TABLE bulk_jobs (
    id              UUID NOT NULL PRIMARY KEY,
    kind            TEXT NOT NULL CHECK (kind IN ('import', 'export')),
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    client_id       UUID NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    -- What the token permitted; what the client may do when the work is done limits it further.
    scopes          TEXT NOT NULL,
    on_behalf_of    TEXT,
    request_id      TEXT,
    status          TEXT NOT NULL CHECK (status IN ('receiving', 'queued', 'running', 'completed', 'failed', 'cancelled')),
    -- What was asked for, and how far it has come.
    content         JSONB NOT NULL,
    progress        JSONB NOT NULL,
    lines           BIGINT NOT NULL,
    lines_total     BIGINT,
    bytes           BIGINT NOT NULL,
    bytes_total     BIGINT,
    created         BIGINT NOT NULL,
    updated         BIGINT NOT NULL,
    unchanged       BIGINT NOT NULL,
    refused         BIGINT NOT NULL,
    error           TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    started_at      TIMESTAMPTZ,
    updated_at      TIMESTAMPTZ NOT NULL,
    finished_at     TIMESTAMPTZ,
    -- The worker that runs it, and until when nobody else does.
    leased_by       UUID,
    leased_until    TIMESTAMPTZ
);
CREATE INDEX bulk_jobs_client_id_idx ON bulk_jobs (client_id, kind, id);
CREATE INDEX bulk_jobs_organization_id_idx ON bulk_jobs (organization_id, status);
CREATE INDEX bulk_jobs_open_idx ON bulk_jobs (updated_at) WHERE finished_at IS NULL;
CREATE INDEX bulk_jobs_finished_at_idx ON bulk_jobs (finished_at) WHERE finished_at IS NOT NULL;

-- Files of jobs, in pieces of whole lines, packed with gzip: what is to be imported, what became of it, what was exported.
CREATE TABLE bulk_chunks (
    job_id     UUID NOT NULL REFERENCES bulk_jobs (id) ON DELETE CASCADE,
    file       TEXT NOT NULL,
    first_line BIGINT NOT NULL,
    lines      INTEGER NOT NULL,
    content    BYTEA NOT NULL,
    CONSTRAINT bulk_chunks_job_id_file_first_line_key PRIMARY KEY (job_id, file, first_line)
);
