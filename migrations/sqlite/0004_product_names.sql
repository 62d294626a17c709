-- Which event gave a product its name: an order that is taken in late brings no older name back. The rows that are there do
-- not know, so this read model is built anew from the log when the server starts.
DELETE FROM inventory;
DELETE FROM read_model_dead_letters WHERE model = 'inventory_demand';
DELETE FROM read_model_checkpoints WHERE model = 'inventory_demand';
ALTER TABLE inventory ADD COLUMN named_at INTEGER NOT NULL DEFAULT 0; -- a position
