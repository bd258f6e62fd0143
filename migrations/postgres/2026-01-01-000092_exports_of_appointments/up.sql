-- Exports walk along the ids of what an organization sees, one way of seeing after the other.
CREATE INDEX slots_organization_id_id_idx ON slots (organization_id, id);
DROP INDEX slots_organization_id_idx;
CREATE INDEX appointments_organization_id_id_idx ON appointments (organization_id, id);
CREATE INDEX appointments_provider_id_id_idx ON appointments (provider_id, id);
CREATE INDEX appointments_manager_id_id_idx ON appointments (manager_id, id);
