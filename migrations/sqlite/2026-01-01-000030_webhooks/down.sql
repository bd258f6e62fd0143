DROP INDEX referrals_due_on_id_idx;
DROP TABLE webhook_dues;
DROP TABLE webhook_state;
DROP TABLE webhook_attempts;
DROP TABLE webhook_deliveries;
DROP TABLE webhook_endpoints;
