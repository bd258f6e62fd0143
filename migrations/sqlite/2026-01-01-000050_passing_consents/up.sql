-- The consents that begin or end at a moment of their own, which nobody writes down when it comes. Few consents have one, and the others
-- are in neither index.
CREATE INDEX consents_valid_until_idx ON consents (valid_until, id) WHERE valid_until IS NOT NULL;
CREATE INDEX consents_valid_from_idx ON consents (valid_from, id) WHERE valid_from > created_at;
