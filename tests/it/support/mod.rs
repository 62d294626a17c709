//! Servers, stores, clients and faults to test with.

pub mod in_process_app;
pub mod nodes;
pub mod old_log;
pub mod ordo_command;
pub mod partner_process;
pub mod pgbouncer;
pub mod postgres_server;
pub mod test_app;

pub mod api;
pub mod browser;
pub mod clients;
pub mod event_stream;
pub mod history_checker;
pub mod live_client;
pub mod raw_socket;
pub mod real_invoices;
pub mod scripted_server;
pub mod workload;

pub mod db_proxy;
pub mod partner_proxy;
pub mod small_fs;

pub mod effort;
pub mod rng;
pub mod waiting;
