//! What is a store's own, and what all stores have in common.

mod equal_logs;
mod first_release;
mod postgres_contract;
mod postgres_nodes;
mod postgres_opening;
mod postgres_outcomes;
mod postgres_pooler;
mod postgres_rows;
mod postgres_slow;
mod postgres_text;
mod postgres_two_nodes;
mod rot;
mod row_tables;
mod several_nodes;
mod sqlite_file;
mod sqlite_rows;
mod sqlite_store;
