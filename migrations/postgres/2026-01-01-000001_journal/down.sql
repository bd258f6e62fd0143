DROP TABLE idempotency_keys;
DROP TABLE identifiers;
DROP TABLE changes;
DROP FUNCTION journal_base();
