-- Most rows have none of these, and nobody asks for those that have none: they need not be written to an index.
DROP INDEX patients_primary_navigator_id_idx;
CREATE INDEX patients_primary_navigator_id_idx ON patients (primary_navigator_id, id) WHERE primary_navigator_id IS NOT NULL;
DROP INDEX patients_merged_into_id_idx;
CREATE INDEX patients_merged_into_id_idx ON patients (merged_into_id) WHERE merged_into_id IS NOT NULL;
DROP INDEX referrals_parent_id_idx;
CREATE INDEX referrals_parent_id_idx ON referrals (parent_id, id) WHERE parent_id IS NOT NULL;
DROP INDEX referrals_requester_practitioner_id_idx;
CREATE INDEX referrals_requester_practitioner_id_idx ON referrals (requester_practitioner_id, id) WHERE requester_practitioner_id IS NOT NULL;
DROP INDEX referrals_performer_practitioner_id_idx;
CREATE INDEX referrals_performer_practitioner_id_idx ON referrals (performer_practitioner_id, id) WHERE performer_practitioner_id IS NOT NULL;
DROP INDEX services_merged_into_id_idx;
CREATE INDEX services_merged_into_id_idx ON services (merged_into_id) WHERE merged_into_id IS NOT NULL;
DROP INDEX needs_screening_id_idx;
CREATE INDEX needs_screening_id_idx ON needs (screening_id) WHERE screening_id IS NOT NULL;
