ALTER TABLE services DROP COLUMN own_content;
ALTER TABLE services DROP COLUMN distinct_from;
DROP INDEX services_merged_into_id_idx;
ALTER TABLE services DROP COLUMN merged_into_id;
