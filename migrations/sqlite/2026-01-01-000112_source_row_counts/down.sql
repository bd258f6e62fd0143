DROP INDEX source_rows_kind_idx;
CREATE INDEX source_rows_kind_changed_at_revision_idx ON source_rows (kind, changed_at, revision);
DROP TABLE source_row_counts;
