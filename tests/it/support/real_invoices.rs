//! A year of real invoices, where `ORDO_REAL_DATA` names the folder that has them.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::ordo_command::{Ended, run};

pub const COLUMNS: &str = "order=InvoiceNo,customer=CustomerID,product=StockCode,name=Description,quantity=Quantity,\
                       price=UnitPrice,time=InvoiceDate";

pub const SAMPLE: (&str, &str) = ("online_retail_sample.csv.zst", "oracle_sample.json");
const YEAR: (&str, &str) = ("online_retail.csv.zst", "oracle_full.json");

/// The folder, or a word that this was left out.
pub fn real_data() -> Option<PathBuf> {
    let folder = env::var_os("ORDO_REAL_DATA").map(PathBuf::from);
    if folder.is_none() {
        // Past the test harness, which would swallow it.
        io::stderr().write_all(b"left out: an import of real invoices (ORDO_REAL_DATA is not set)\n").unwrap();
    }
    folder
}

/// What is imported in the usual run.
pub fn usual() -> (&'static str, &'static str) {
    if cfg!(debug_assertions) && env::var_os("ORDO_TEST_FULL_YEAR").is_none() { SAMPLE } else { YEAR }
}

pub fn import(file: &str, store: &str, further: &[&str]) -> Ended {
    let mut arguments = vec!["import", file, "--currency", "GBP", "--map", COLUMNS, "--json", "--store", store];
    arguments.extend(further);
    run(&arguments)
}

/// Imports real invoices; gives what it reported.
pub fn import_real(file: &Path, store: &str) -> Value {
    let report = import(file.to_str().unwrap(), store, &["--format", "csv"]).expect(0);
    serde_json::from_str(&report.out).unwrap()
}

pub fn digest(lines: impl Iterator<Item = String>) -> String {
    Sha256::digest(lines.collect::<String>())
        .iter()
        .fold(String::new(), |text, byte| text + format!("{byte:02x}").as_str())
}
