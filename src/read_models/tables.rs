//! The tables of the read models, as the migrations make them.

use ordo_actors::projection::row_store::{
    Column,
    ColumnType::{Int, Text},
    Table,
};

const fn int(name: &'static str) -> Column {
    Column { name, kind: Int }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Text }
}

/// What an order's row holds, wherever it stands: columns to choose and sort by, and the order as clients see it.
const ORDER_COLUMNS: &[Column] =
    &[text("order_id"), text("customer_id"), text("state"), int("created_at"), int("total_cents"), text("doc")];

/// By time; by customer, state and total.
const ORDER_INDEXES: &[&[usize]] = &[&[3], &[1, 3], &[2, 3], &[4]];

/// The key is the order of the pages: an index beside it would cost as much again, for every line of every order.
const PRODUCT_COLUMNS: &[Column] = &[text("product_id"), int("created_at"), text("order_id")];

/// Orders that have not come to their end.
pub static CURRENT_ORDERS: Table =
    Table { name: "current_orders", columns: ORDER_COLUMNS, key: 1, indexes: ORDER_INDEXES };

/// Which of them hold a product.
pub static CURRENT_ORDER_PRODUCTS: Table =
    Table { name: "current_order_products", columns: PRODUCT_COLUMNS, key: 3, indexes: &[] };

/// Orders that were completed or cancelled.
pub static ORDER_HISTORY: Table =
    Table { name: "order_history", columns: ORDER_COLUMNS, key: 1, indexes: ORDER_INDEXES };

/// Which of them hold a product.
pub static ORDER_HISTORY_PRODUCTS: Table =
    Table { name: "order_history_products", columns: PRODUCT_COLUMNS, key: 3, indexes: &[] };

/// Customers, and what their orders come to.
pub static CUSTOMERS: Table = Table {
    name: "customers",
    columns: &[
        text("customer_id"),
        int("total_orders"),
        int("active_orders"),
        int("completed_orders"),
        int("cancelled_orders"),
        int("total_spent_cents"),
        int("first_order_at"),
        int("last_order_at"),
    ],
    key: 1,
    indexes: &[&[5], &[1]],
};

/// The orders of a customer, whatever their state.
pub static CUSTOMER_ORDERS: Table = Table {
    name: "customer_orders",
    columns: &[text("customer_id"), int("created_at"), text("order_id"), text("state"), text("doc")],
    key: 3,
    indexes: &[],
};

/// Products, and how much of them is wanted.
pub static INVENTORY: Table = Table {
    name: "inventory",
    columns: &[
        text("product_id"),
        text("product_name"),
        int("quantity_ordered"),
        int("quantity_active"),
        int("quantity_reserved"),
        int("quantity_completed"),
        int("revenue_cents"),
        int("order_count"),
        // The position of the event that gave it its name: an order that is taken in late brings no older one back.
        int("named_at"),
    ],
    key: 1,
    indexes: &[&[2], &[6]],
};

/// Sagas, those that need an operator first.
pub static SAGAS: Table = Table {
    name: "sagas",
    columns: &[
        text("saga_id"),
        text("order_id"),
        text("kind"),
        text("state"),
        int("attention"),
        int("started_at"),
        int("updated_at"),
        text("doc"),
    ],
    key: 1,
    indexes: &[&[4, 6], &[3, 6]],
};
