-- What a merge can be taken back with: how the duplicate stood, and what the record that stands for it took over.
CREATE TABLE service_merges (
    duplicate_id UUID NOT NULL PRIMARY KEY REFERENCES services (id) ON DELETE RESTRICT,
    survivor_id  UUID NOT NULL REFERENCES services (id) ON DELETE RESTRICT,
    merged_at    TIMESTAMPTZ NOT NULL,
    content      JSONB NOT NULL
);
CREATE INDEX service_merges_survivor_id_idx ON service_merges (survivor_id);

-- The rows that became another service's with it, of whatever table: no two rows have the same id.
CREATE TABLE service_merge_rows (
    duplicate_id UUID NOT NULL REFERENCES service_merges (duplicate_id) ON DELETE CASCADE,
    row_id       UUID NOT NULL,
    CONSTRAINT service_merge_rows_duplicate_id_row_id_key PRIMARY KEY (duplicate_id, row_id)
);
