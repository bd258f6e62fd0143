CREATE INDEX webhook_deliveries_subject_idx ON webhook_deliveries (endpoint_id, subject_id, order_transaction_id, order_sequence, id) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_due_idx ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE status = 'pending';
CREATE INDEX webhook_endpoints_wake_at_idx ON webhook_endpoints (wake_at) WHERE wake_at IS NOT NULL;
DROP INDEX webhook_endpoints_status_wake_at_idx;
