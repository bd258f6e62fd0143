-- How many bytes these rows are, their keys among them, about: a few large rows are as much as many.
ALTER TABLE source_row_counts ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE source_row_counts SET bytes = (
    SELECT coalesce(sum(length(CAST(source_rows.key AS BLOB)) + length(CAST(source_rows.content AS BLOB))), 0) FROM source_rows
    WHERE source_rows.kind = source_row_counts.kind AND source_rows.organization_id = source_row_counts.organization_id
);
