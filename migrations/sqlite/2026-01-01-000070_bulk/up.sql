-- Imports and exports that go on beside the requests, whichever process runs them. They are seen by the client that asked for them alone.
CREATE TABLE bulk_jobs (
    id              TEXT NOT NULL PRIMARY KEY,
    kind            TEXT NOT NULL CHECK (kind IN ('import', 'export')),
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    client_id       TEXT NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    -- What the token permitted; what the client may do when the work is done limits it further.
    scopes          TEXT NOT NULL,
    on_behalf_of    TEXT,
    request_id      TEXT,
    status          TEXT NOT NULL CHECK (status IN ('receiving', 'queued', 'running', 'completed', 'failed', 'cancelled')),
    -- What was asked for, and how far it has come.
    content         TEXT NOT NULL,
    progress        TEXT NOT NULL,
    lines           INTEGER NOT NULL,
    lines_total     INTEGER,
    bytes           INTEGER NOT NULL,
    bytes_total     INTEGER,
    created         INTEGER NOT NULL,
    updated         INTEGER NOT NULL,
    unchanged       INTEGER NOT NULL,
    refused         INTEGER NOT NULL,
    error           TEXT,
    created_at      TEXT NOT NULL,
    started_at      TEXT,
    updated_at      TEXT NOT NULL,
    finished_at     TEXT,
    -- The worker that runs it, and until when nobody else does.
    leased_by       TEXT,
    leased_until    TEXT
) STRICT;
CREATE INDEX bulk_jobs_client_id_idx ON bulk_jobs (client_id, kind, id);
CREATE INDEX bulk_jobs_organization_id_idx ON bulk_jobs (organization_id, status);
CREATE INDEX bulk_jobs_open_idx ON bulk_jobs (updated_at) WHERE finished_at IS NULL;
CREATE INDEX bulk_jobs_finished_at_idx ON bulk_jobs (finished_at) WHERE finished_at IS NOT NULL;

-- Files of jobs, in pieces of whole lines, packed with gzip: what is to be imported, what became of it, what was exported.
CREATE TABLE bulk_chunks (
    job_id     TEXT NOT NULL REFERENCES bulk_jobs (id) ON DELETE CASCADE,
    file       TEXT NOT NULL,
    first_line INTEGER NOT NULL,
    lines      INTEGER NOT NULL,
    content    BLOB NOT NULL,
    CONSTRAINT bulk_chunks_job_id_file_first_line_key PRIMARY KEY (job_id, file, first_line)
) STRICT;
