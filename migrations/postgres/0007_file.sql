-- Nothing: only a file has to say what it is. The number is taken so that both databases count alike.
SELECT 1;
