-- A queue is walked in its order; no statement asks for one subject or one moment of it.
DROP INDEX webhook_deliveries_subject_idx;
DROP INDEX webhook_deliveries_due_idx;

-- Who is next to be sent something.
DROP INDEX webhook_endpoints_wake_at_idx;
CREATE INDEX webhook_endpoints_status_wake_at_idx ON webhook_endpoints (status, wake_at) WHERE wake_at IS NOT NULL;
