-- The records that were merged into a service are listed page by page, in order of their ids.
DROP INDEX services_merged_into_id_idx;
CREATE INDEX services_merged_into_id_idx ON services (merged_into_id, id) WHERE merged_into_id IS NOT NULL;
