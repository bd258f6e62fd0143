ALTER TABLE bulk_jobs DROP COLUMN attempts;
