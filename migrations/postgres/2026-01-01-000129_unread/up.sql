-- What a run has found listed and asks for one by one, in the order of `number`, until it has been read.
CREATE TABLE source_unread (
    run_id    UUID NOT NULL REFERENCES source_runs (id) ON DELETE CASCADE,
    number    INTEGER NOT NULL,
    record_id TEXT NOT NULL,
    CONSTRAINT source_unread_run_id_number_key PRIMARY KEY (run_id, number)
);

-- Whether a run has read the list to its end. A sweep counts what it lacks in the same transaction, and so counts nothing twice.
ALTER TABLE source_runs RENAME COLUMN has_counted TO has_listed;
