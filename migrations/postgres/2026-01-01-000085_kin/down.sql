ALTER TABLE source_runs DROP COLUMN has_counted;
DROP TABLE source_kin;
