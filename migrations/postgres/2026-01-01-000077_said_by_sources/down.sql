ALTER TABLE imported_services DROP COLUMN statement;
