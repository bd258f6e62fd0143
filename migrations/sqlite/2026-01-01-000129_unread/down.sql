ALTER TABLE source_runs RENAME COLUMN has_listed TO has_counted;
DROP TABLE source_unread;
