ALTER TABLE services DROP COLUMN queue;
