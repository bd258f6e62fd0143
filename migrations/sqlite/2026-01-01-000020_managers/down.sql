DROP INDEX consents_grantee_id_organization_id_idx;
DROP INDEX consents_grantee_id_id_idx;
DROP INDEX follow_ups_due_on_idx;
DROP INDEX follow_ups_manager_id_idx;
ALTER TABLE follow_ups DROP COLUMN manager_id;
DROP INDEX referrals_manager_id_idx;
ALTER TABLE referrals DROP COLUMN manager_id;
