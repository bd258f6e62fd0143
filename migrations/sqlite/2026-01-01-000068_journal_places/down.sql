CREATE TABLE responsiveness_state (
    name           TEXT NOT NULL PRIMARY KEY,
    transaction_id INTEGER NOT NULL,
    sequence       INTEGER NOT NULL,
    holder         TEXT,
    held_until     TEXT
) STRICT;
INSERT INTO responsiveness_state
    SELECT 'journal', transaction_id, sequence, holder, held_until FROM journal_places WHERE name = 'responsiveness';

CREATE TABLE webhook_state_before (
    name           TEXT NOT NULL PRIMARY KEY,
    transaction_id INTEGER NOT NULL,
    sequence       INTEGER NOT NULL,
    holder         TEXT,
    held_until     TEXT,
    due_since      TEXT
) STRICT;
INSERT INTO webhook_state_before
    SELECT webhook_state.name, transaction_id, sequence, holder, held_until, due_since FROM journal_places, webhook_state
    WHERE journal_places.name = 'webhooks';
DROP TABLE webhook_state;
ALTER TABLE webhook_state_before RENAME TO webhook_state;
DROP TABLE journal_places;
