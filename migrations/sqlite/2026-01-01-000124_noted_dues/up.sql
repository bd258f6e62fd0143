-- What fell due is noted in an order, with the entry of the journal that is told and the place at which the journal ended then: each
-- endpoint is told of it in its turn, whenever it comes there. Those noted before were told to whoever was to hear of them.
ALTER TABLE webhook_dues ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
UPDATE webhook_dues SET number = -rowid;
ALTER TABLE webhook_dues ADD COLUMN noted_at TEXT NOT NULL DEFAULT '1970-01-01T00:00:00.000000Z';
ALTER TABLE webhook_dues ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhook_dues ADD COLUMN order_transaction_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhook_dues ADD COLUMN order_sequence INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX webhook_dues_number_key ON webhook_dues (number);

-- The last number that was given.
ALTER TABLE webhook_state ADD COLUMN last_due INTEGER NOT NULL DEFAULT 0;
-- Up to which number an endpoint was told.
ALTER TABLE webhook_endpoints ADD COLUMN dues_told INTEGER NOT NULL DEFAULT 0;
