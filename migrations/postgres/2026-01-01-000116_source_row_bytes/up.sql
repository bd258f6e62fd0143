-- How many bytes these rows are, their keys among them, about: a few large rows are as much as many.
ALTER TABLE source_row_counts ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
UPDATE source_row_counts SET bytes = (
    SELECT coalesce(sum(octet_length(source_rows.key) + octet_length(source_rows.content::text)), 0) FROM source_rows
    WHERE source_rows.kind = source_row_counts.kind AND source_rows.organization_id = source_row_counts.organization_id
);
