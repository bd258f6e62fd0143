-- The organization that manages the patient, beside the patient, so that a list of what it sees is a walk along an index. Derived from
-- patients.organization_id, which never changes, hence without a foreign key.
ALTER TABLE referrals ADD COLUMN manager_id TEXT NOT NULL DEFAULT '';
UPDATE referrals SET manager_id = (SELECT organization_id FROM patients WHERE patients.id = referrals.patient_id);
CREATE INDEX referrals_manager_id_idx ON referrals (manager_id, id);

ALTER TABLE follow_ups ADD COLUMN manager_id TEXT NOT NULL DEFAULT '';
UPDATE follow_ups SET manager_id = (SELECT organization_id FROM patients WHERE patients.id = follow_ups.patient_id);
CREATE INDEX follow_ups_manager_id_idx ON follow_ups (manager_id, due_on, id);
CREATE INDEX follow_ups_due_on_idx ON follow_ups (due_on, id);

-- The consents given to an organization in their order, and the owners of the patients who gave them.
CREATE INDEX consents_grantee_id_id_idx ON consents (grantee_id, id);
CREATE INDEX consents_grantee_id_organization_id_idx ON consents (grantee_id, organization_id);
