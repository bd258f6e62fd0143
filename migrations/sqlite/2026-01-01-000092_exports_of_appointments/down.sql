DROP INDEX appointments_manager_id_id_idx;
DROP INDEX appointments_provider_id_id_idx;
DROP INDEX appointments_organization_id_id_idx;
CREATE INDEX slots_organization_id_idx ON slots (organization_id);
DROP INDEX slots_organization_id_id_idx;
