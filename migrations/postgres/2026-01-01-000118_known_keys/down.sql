DROP INDEX identifiers_value_idx;
