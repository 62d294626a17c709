//! What is shown from outside: each module is one subject.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod http_bad_input;
mod http_concurrency;
mod http_conditional;
mod http_dry_run;
mod http_durability;
mod http_events;
mod http_every_response;
mod http_idempotency;
mod http_items;
mod http_openapi;
mod http_operations;
mod http_past;
mod http_placing;
mod http_positions;
mod http_returns;
mod http_shutdown;
mod http_steps;
mod layering;
mod live_client;
mod live_limits;
mod live_origin;
mod live_resume;
mod live_slow;
mod live_socket;
mod live_stream;
mod live_watch;
mod postgres_contract;
mod postgres_nodes;
mod postgres_opening;
mod postgres_outcomes;
mod postgres_server;
mod real_orders;
mod sqlite_store;
mod test_app;
mod wire;
