-- What was tried in vain, of all that waits for an endpoint: an endpoint that becomes active again is sent it at once.
CREATE INDEX webhook_deliveries_tried_idx ON webhook_deliveries (endpoint_id, attempt_count) WHERE status = 'pending' AND attempt_count > 0;
