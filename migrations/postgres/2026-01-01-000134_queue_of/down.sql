DROP INDEX webhook_deliveries_queue_idx;
CREATE INDEX webhook_deliveries_queue_idx ON webhook_deliveries (endpoint_id, order_transaction_id, order_sequence, id) WHERE status = 'pending';
