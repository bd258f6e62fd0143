-- A transaction that wrote something else first has its number before it waits for a resource that another holds: what that one wrote
-- of the resource would then follow, in the feed, what is written later. Each change of a resource therefore stands no earlier than the
-- one before it. Readers miss nothing by it: they stop below the oldest open transaction, which is this one or an older.
CREATE FUNCTION order_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    NEW.transaction_id := greatest(NEW.transaction_id, (
        SELECT transaction_id FROM changes
        WHERE resource_type = NEW.resource_type AND resource_id = NEW.resource_id
        ORDER BY version DESC, sequence DESC LIMIT 1
    ));
    RETURN NEW;
END
$$;
CREATE TRIGGER changes_order BEFORE INSERT ON changes FOR EACH ROW WHEN (NEW.version > 1) EXECUTE FUNCTION order_change();
