-- Statistics come back by themselves.
SELECT 1;
