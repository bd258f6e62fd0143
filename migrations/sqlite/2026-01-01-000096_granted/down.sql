CREATE INDEX consents_grantee_id_idx ON consents (grantee_id, patient_id);
DROP INDEX consents_granted_idx;
