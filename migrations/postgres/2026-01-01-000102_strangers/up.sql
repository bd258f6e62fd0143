-- What a stranger asked for is kept for a day, in codes alone, and nobody could read it in the journal: what there is of it goes.
UPDATE unmet_needs SET match_id = NULL WHERE organization_id IS NULL;
DELETE FROM matches WHERE organization_id IS NULL;
DELETE FROM changes WHERE resource_type = 'match' AND owner_id IS NULL;
