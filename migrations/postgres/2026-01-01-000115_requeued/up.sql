-- When something was last queued for the endpoint before what waited already: whoever goes along its queue begins anew.
ALTER TABLE webhook_endpoints ADD COLUMN requeued_at TIMESTAMPTZ;
