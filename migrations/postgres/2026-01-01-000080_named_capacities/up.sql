-- The rooms that a service counts apart from its default one, such as places kept for newcomers.
ALTER TABLE services ADD COLUMN capacities JSONB NOT NULL DEFAULT '[]';

-- Which of them an entry is about; null for the default one.
ALTER TABLE capacity_entries ADD COLUMN capacity_key TEXT;
