-- Exports walk along the ids of what an organization sees, one way of seeing after the other.
CREATE INDEX follow_ups_organization_id_id_idx ON follow_ups (organization_id, id);
CREATE INDEX follow_ups_manager_id_id_idx ON follow_ups (manager_id, id);
