//! The `ordo` command: arguments, files, signals, start.

mod command_line;
mod log_nobody_reads;
mod output_files;
mod pipes;
mod real_orders;
mod real_year;
mod settings_reference;
mod signals;
mod starting;
