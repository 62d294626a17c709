//! Orders and the log over HTTP, by a server that is a process of its own.

mod bad_input;
mod budget;
mod concurrency;
mod conditional;
mod dry_run;
mod durability;
mod event_docs;
mod events;
mod every_response;
mod guard;
mod guard_browser;
mod hostile_clients;
mod idempotency;
mod items;
mod openapi;
mod operations;
mod overload;
mod past;
mod placing;
mod positions;
mod reserved_ids;
mod returns;
mod shutdown;
mod slow_store;
mod steps;
mod visible_text;
