-- What was tried before is not known any more.
SELECT 1;
