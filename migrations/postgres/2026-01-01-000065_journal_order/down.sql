DROP TRIGGER changes_order ON changes;
DROP FUNCTION order_change();
