DROP TABLE idempotency_keys;
DROP TABLE identifiers;
DROP TABLE changes;
