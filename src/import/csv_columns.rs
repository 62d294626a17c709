//! Which column of a CSV file holds what.

use std::str::FromStr;

use csv::StringRecord;

use super::ImportError;

/// The column names of a file, by what they hold: `order=InvoiceNo,customer=CustomerID,product=StockCode,quantity=Quantity,
/// price=UnitPrice` and, if the file has them, `name=Description,time=InvoiceDate`. A name with a comma cannot be mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMap {
    order: String,
    customer: String,
    product: String,
    quantity: String,
    price: String,
    name: Option<String>,
    time: Option<String>,
}

/// Where the columns stand in a row of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub order: usize,
    pub customer: usize,
    pub product: usize,
    pub quantity: usize,
    pub price: usize,
    pub name: Option<usize>,
    pub time: Option<usize>,
}

impl Default for ColumnMap {
    /// The columns are called `order`, `customer`, `product`, `quantity`, `price`; there is no `name` and no `time`.
    fn default() -> Self {
        let [order, customer, product, quantity, price] =
            ["order", "customer", "product", "quantity", "price"].map(str::to_owned);
        Self { order, customer, product, quantity, price, name: None, time: None }
    }
}

impl FromStr for ColumnMap {
    type Err = String;

    /// Reads `key=Column,...`; keys that are not mentioned keep their default.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut map = Self::default();
        for pair in text.split(',') {
            let Some((key, column)) = pair.split_once('=') else {
                return Err(format!("{pair:?} is not of the form key=Column"));
            };
            let column = column.trim().to_owned();
            match key.trim() {
                "order" => map.order = column,
                "customer" => map.customer = column,
                "product" => map.product = column,
                "quantity" => map.quantity = column,
                "price" => map.price = column,
                "name" => map.name = Some(column),
                "time" => map.time = Some(column),
                key => return Err(format!("{key:?} is none of order, customer, product, quantity, price, name, time")),
            }
        }
        Ok(map)
    }
}

impl ColumnMap {
    /// Finds the columns in a header.
    pub(super) fn locate(&self, header: &StringRecord) -> Result<Columns, ImportError> {
        let position = |wanted: &String| {
            header.iter().position(|name| name.trim() == wanted).ok_or_else(|| ImportError::MissingColumn {
                wanted: wanted.clone(),
                found: header.iter().collect::<Vec<_>>().join(", "),
            })
        };
        Ok(Columns {
            order: position(&self.order)?,
            customer: position(&self.customer)?,
            product: position(&self.product)?,
            quantity: position(&self.quantity)?,
            price: position(&self.price)?,
            name: self.name.as_ref().map(position).transpose()?,
            time: self.time.as_ref().map(position).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_finds_its_columns_wherever_they_stand() {
        let map: ColumnMap = "order=No,customer=Who, product = What".parse().unwrap();
        let columns = map.locate(&StringRecord::from(vec!["price", "What", " quantity ", "Who", "No"])).unwrap();
        assert_eq!((columns.order, columns.customer, columns.product), (4, 3, 1));
        assert_eq!((columns.quantity, columns.price, columns.name), (2, 0, None));
    }

    #[test]
    fn a_column_the_file_lacks_is_named_together_with_those_it_has() {
        let error = ColumnMap::default().locate(&StringRecord::from(vec!["order", "buyer"])).unwrap_err();
        assert_eq!(error.to_string(), "the file has no column \"customer\"; it has: order, buyer");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!("orders=No".parse::<ColumnMap>().unwrap_err().contains("none of order"));
        assert!("No".parse::<ColumnMap>().unwrap_err().contains("key=Column"));
    }
}
