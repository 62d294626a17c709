//! The list of read models.

/// The read models there are, in the order in which operators see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadModelKind {
    /// Orders that have not ended.
    CurrentOrders,
    /// Orders that have.
    OrderHistory,
    /// Customers and their orders.
    CustomerOrders,
    /// Products and the demand for them.
    InventoryDemand,
    /// Sagas.
    Sagas,
}

impl ReadModelKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::CurrentOrders, Self::OrderHistory, Self::CustomerOrders, Self::InventoryDemand, Self::Sagas];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_stands_at_its_number() {
        for (number, kind) in ReadModelKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }
}
