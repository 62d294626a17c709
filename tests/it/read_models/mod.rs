//! Lists, customers and demand: rows made of the log.

mod dead_letters;
mod decoding;
mod following;
mod generations;
mod lists;
mod real_year_lists;
