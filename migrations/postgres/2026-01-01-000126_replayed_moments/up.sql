-- Of what only time brought about at the place that an endpoint has reached in a replay, up to which delivery that was sent again; null where
-- none was.
ALTER TABLE webhook_endpoints ADD COLUMN replayed_id UUID;
