UPDATE changes SET body = json_remove(body, '$.noted_by')
WHERE resource_type = 'appointment' AND json_extract(body, '$.noted_by') IS NOT NULL;
ALTER TABLE appointments DROP COLUMN noted_by;
