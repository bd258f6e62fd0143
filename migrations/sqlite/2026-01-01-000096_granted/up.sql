-- Whom an organization is let in by is asked in every list: all that the question needs stands here.
CREATE INDEX consents_granted_idx ON consents (grantee_id, patient_id, purposes, categories, valid_from, valid_until)
    WHERE deleted_at IS NULL AND withdrawn_at IS NULL;
DROP INDEX consents_grantee_id_idx;
