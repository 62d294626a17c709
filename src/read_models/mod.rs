//! Orders as lists, customers and demand: folds of the log into rows.

pub mod tables;
