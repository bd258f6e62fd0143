-- A queue is kept by an expression of its own: no other index has it, so no planner takes another and sorts, whatever it believes to wait.
DROP INDEX webhook_deliveries_queue_idx;
CREATE INDEX webhook_deliveries_queue_idx ON webhook_deliveries (
    (CASE WHEN status = 'pending' THEN endpoint_id END), order_transaction_id, order_sequence, id
) WHERE status = 'pending';
