-- What the lines of a dry run would make or change, so that later lines find it: by digests of the ids and identifiers that it would be
-- known by, and of what else says that it would change. A job that has ended has none.
CREATE TABLE foreseen_resources (
    job_id      TEXT NOT NULL REFERENCES bulk_jobs (id) ON DELETE CASCADE,
    key         TEXT NOT NULL,
    -- The resource; a new one is nowhere but here.
    resource_id TEXT NOT NULL,
    is_new      INTEGER NOT NULL CHECK (is_new IN (0, 1)),
    -- A digest of what its last line says of it.
    content     TEXT,
    CONSTRAINT foreseen_resources_job_id_key_key PRIMARY KEY (job_id, key)
) STRICT, WITHOUT ROWID;
