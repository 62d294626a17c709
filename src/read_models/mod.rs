//! Orders as lists, customers and demand: folds of the log into rows, and how those rows are found again.
//!
//! ```text
//! events -> order_projection -> orders before and after -> current_orders, order_history,      -> row changes
//!                                                          customer_orders, inventory_demand        |
//! rows found <- index_scan <- order_search <- filters and sort              tables <-----------------------+
//! ```
//! **Invariant:** a read model is a pure function of orders before and after, and remembers nothing: the states it folds on
//! (`stream_states`) are facts that all readers share. The same events give the same rows, however they are cut into batches.

pub mod tables;

// From events to rows.
mod changes;
mod order_projection;
mod stream_states;

mod current_orders;
mod customer_orders;
mod inventory_demand;
mod order_history;
mod order_rows;
mod saga_list;

// From rows to readers.
mod index_scan;
mod kind;
mod order_search;
mod reader;
mod saga_index;

// At work.
mod projections;

// The same rows, found another way.
mod comparison;
mod oracle;

#[cfg(test)]
mod batch_tests;
#[cfg(test)]
mod comparison_tests;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod failure_tests;
#[cfg(test)]
mod order_search_tests;
#[cfg(test)]
mod projection_tests;

pub use comparison::Comparison;
pub use current_orders::CurrentOrders;
pub use customer_orders::CustomerOrders;
pub use index_scan::{Cursor, IndexScan, ResultPage, RowSource};
pub use inventory_demand::InventoryDemand;
pub use kind::ReadModelKind;
pub use oracle::ReferenceFold;
pub use order_history::OrderHistory;
pub use order_projection::OrderProjection;
pub use order_search::{OrderFilter, OrderSearch, OrderSort, OrderTables, orders_of};
pub use projections::{Projections, all};
pub use reader::{ReadModelProgress, ReadModels, ReadPosition};
pub use saga_index::SagaIndex;
pub use saga_list::SagaList;
pub use stream_states::StreamStates;
