-- Up to where those have read the journal who read it on for all processes, and the process that does so for now.
CREATE TABLE journal_places (
    name           TEXT NOT NULL PRIMARY KEY,
    transaction_id INTEGER NOT NULL,
    sequence       INTEGER NOT NULL,
    holder         TEXT,
    held_until     TEXT
) STRICT;
INSERT INTO journal_places SELECT 'webhooks', transaction_id, sequence, holder, held_until FROM webhook_state;
INSERT INTO journal_places SELECT 'responsiveness', transaction_id, sequence, holder, held_until FROM responsiveness_state;
DROP TABLE responsiveness_state;

-- What is left is from which day on what falls due is told.
ALTER TABLE webhook_state DROP COLUMN transaction_id;
ALTER TABLE webhook_state DROP COLUMN sequence;
ALTER TABLE webhook_state DROP COLUMN holder;
ALTER TABLE webhook_state DROP COLUMN held_until;
