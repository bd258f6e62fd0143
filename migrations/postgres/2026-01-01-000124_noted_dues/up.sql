-- What fell due is noted in an order, with the entry of the journal that is told and the place at which the journal ended then: each
-- endpoint is told of it in its turn, whenever it comes there. Those noted before were told to whoever was to hear of them.
ALTER TABLE webhook_dues ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
UPDATE webhook_dues SET number = -numbered.place
FROM (SELECT event_type, resource_id, due_on, row_number() OVER () AS place FROM webhook_dues) AS numbered
WHERE (webhook_dues.event_type, webhook_dues.resource_id, webhook_dues.due_on) = (numbered.event_type, numbered.resource_id, numbered.due_on);
ALTER TABLE webhook_dues ADD COLUMN noted_at TIMESTAMPTZ NOT NULL DEFAULT '1970-01-01T00:00:00Z';
ALTER TABLE webhook_dues ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhook_dues ADD COLUMN order_transaction_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhook_dues ADD COLUMN order_sequence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhook_dues ALTER COLUMN number DROP DEFAULT, ALTER COLUMN noted_at DROP DEFAULT, ALTER COLUMN sequence DROP DEFAULT,
    ALTER COLUMN order_transaction_id DROP DEFAULT, ALTER COLUMN order_sequence DROP DEFAULT;
CREATE UNIQUE INDEX webhook_dues_number_key ON webhook_dues (number);

-- The last number that was given.
ALTER TABLE webhook_state ADD COLUMN last_due BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhook_state ALTER COLUMN last_due DROP DEFAULT;
-- Up to which number an endpoint was told.
ALTER TABLE webhook_endpoints ADD COLUMN dues_told BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhook_endpoints ALTER COLUMN dues_told DROP DEFAULT;
