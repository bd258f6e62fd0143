-- Of a client's exports those are kept that ended last, however long ago they were asked for.
CREATE INDEX bulk_jobs_client_id_finished_at_idx ON bulk_jobs (client_id, kind, finished_at, id) WHERE finished_at IS NOT NULL;
