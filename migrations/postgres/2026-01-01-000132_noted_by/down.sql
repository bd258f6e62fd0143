UPDATE changes SET body = body - 'noted_by' WHERE resource_type = 'appointment' AND body ->> 'noted_by' IS NOT NULL;
ALTER TABLE appointments DROP COLUMN noted_by;
