DELETE FROM capacity_entries WHERE capacity_key IS NOT NULL;
ALTER TABLE capacity_entries DROP COLUMN capacity_key;
ALTER TABLE services DROP COLUMN capacities;
