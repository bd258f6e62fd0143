-- What two organizations have with each other is found by both: each may have any number with others.
CREATE INDEX referrals_organization_id_performer_id_idx ON referrals (organization_id, performer_id, id);
CREATE INDEX appointments_organization_id_provider_id_idx ON appointments (organization_id, provider_id, starts_at, id);
