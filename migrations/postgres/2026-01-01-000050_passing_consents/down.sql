DROP INDEX consents_valid_from_idx;
DROP INDEX consents_valid_until_idx;
