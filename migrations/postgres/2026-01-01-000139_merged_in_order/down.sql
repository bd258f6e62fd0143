DROP INDEX services_merged_into_id_idx;
CREATE INDEX services_merged_into_id_idx ON services (merged_into_id) WHERE merged_into_id IS NOT NULL;
