-- What falls due is looked for among those that are open, again and again; most are closed.
CREATE INDEX follow_ups_open_due_on_idx ON follow_ups (due_on, id) WHERE status = 'open' AND deleted_at IS NULL;
