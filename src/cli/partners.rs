//! `ordo partners`

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;

use super::{
    CommandResult, Misuse,
    output::say,
    serve::{outlive_hangups, told_to_stop},
};
use crate::{
    config::names_memory,
    fulfilment::call::PartnerRole,
    guard::host::AllowedHost,
    partner_sim::{
        fault_injection::{FaultPlan, Rates},
        server::{PartnerServer, PartnerServerSettings},
    },
};

/// `ordo partners`
#[derive(Debug, Args)]
pub struct PartnersCommand {
    /// Address and port; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// A name by which it may be asked besides those of this machine; several with commas
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    allow_host: Vec<AllowedHost>,
    /// The file that remembers every call.
    #[arg(long, default_value = "ordo-data/partners.db", value_name = "PATH", value_parser = ledger)]
    ledger: PathBuf,
    /// How many of each product there are [default: as many as are asked for]
    #[arg(long, value_name = "QUANTITY")]
    stock: Option<u64>,
    /// Share of reservations, charges and shipments that are refused, 0 to 1. Each share can be set for one partner, too:
    /// --payments-refuse 0.2
    #[arg(long, default_value_t = 0.0, value_parser = share, value_name = "SHARE")]
    refuse: f64,
    /// Share of calls that are turned away before anything is done
    #[arg(long, default_value_t = 0.0, value_parser = share, value_name = "SHARE")]
    error: f64,
    /// Share of calls that are done and never answered
    #[arg(long, default_value_t = 0.0, value_parser = share, value_name = "SHARE")]
    timeout_after_work: f64,
    /// Share of calls that are neither done nor answered
    #[arg(long, default_value_t = 0.0, value_parser = share, value_name = "SHARE")]
    lose: f64,
    /// Share of calls that are answered late
    #[arg(long, default_value_t = 0.0, value_parser = share, value_name = "SHARE")]
    slow: f64,
    /// Share of calls that arrive twice
    #[arg(long, default_value_t = 0.0, value_parser = share, value_name = "SHARE")]
    duplicate: f64,
    #[command(flatten)]
    inventory: InventoryRates,
    #[command(flatten)]
    payments: PaymentsRates,
    #[command(flatten)]
    shipping: ShippingRates,
    /// How late a late answer is
    #[arg(long, default_value_t = 500, value_name = "MILLISECONDS")]
    slow_ms: u64,
    /// How long a caller is kept who gets no answer
    #[arg(long, default_value_t = 15_000, value_name = "MILLISECONDS")]
    silence_ms: u64,
    /// Which calls fare ill: the same seed and the same calls give the same again
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
}

/// The shares of one partner, where they differ from those of all.
macro_rules! rates_of_one {
    ($name:ident, $partner:literal) => {
        #[derive(Debug, Args)]
        struct $name {
            #[arg(long = concat!($partner, "-refuse"), id = concat!($partner, "-refuse"), value_parser = share, hide = true)]
            refuse: Option<f64>,
            #[arg(long = concat!($partner, "-error"), id = concat!($partner, "-error"), value_parser = share, hide = true)]
            error: Option<f64>,
            #[arg(long = concat!($partner, "-timeout-after-work"), id = concat!($partner, "-timeout"), value_parser = share, hide = true)]
            timeout: Option<f64>,
            #[arg(long = concat!($partner, "-lose"), id = concat!($partner, "-lose"), value_parser = share, hide = true)]
            lose: Option<f64>,
            #[arg(long = concat!($partner, "-slow"), id = concat!($partner, "-slow"), value_parser = share, hide = true)]
            slow: Option<f64>,
            #[arg(long = concat!($partner, "-duplicate"), id = concat!($partner, "-duplicate"), value_parser = share, hide = true)]
            duplicate: Option<f64>,
        }

        impl $name {
            fn over(&self, all: Rates) -> Rates {
                Rates {
                    refuse: self.refuse.unwrap_or(all.refuse),
                    error: self.error.unwrap_or(all.error),
                    timeout: self.timeout.unwrap_or(all.timeout),
                    lose: self.lose.unwrap_or(all.lose),
                    slow: self.slow.unwrap_or(all.slow),
                    duplicate: self.duplicate.unwrap_or(all.duplicate),
                }
            }
        }
    };
}

rates_of_one!(InventoryRates, "inventory");
rates_of_one!(PaymentsRates, "payments");
rates_of_one!(ShippingRates, "shipping");

/// A ledger is a file: one in memory would forget what it has answered.
fn ledger(text: &str) -> Result<PathBuf, String> {
    if names_memory(text) { Err("the ledger is a file: name one".into()) } else { Ok(text.into()) }
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "a share is 0 to 1".into())
}

impl PartnersCommand {
    fn rates(&self, partner: PartnerRole) -> Rates {
        let all = Rates {
            refuse: self.refuse,
            error: self.error,
            timeout: self.timeout_after_work,
            lose: self.lose,
            slow: self.slow,
            duplicate: self.duplicate,
        };
        match partner {
            PartnerRole::Inventory => self.inventory.over(all),
            PartnerRole::Payments => self.payments.over(all),
            PartnerRole::Shipping => self.shipping.over(all),
        }
    }

    fn settings(&self) -> Result<PartnerServerSettings, Misuse> {
        for partner in PartnerRole::ALL {
            if self.rates(partner).sum() > 1.0 {
                return Err(Misuse(format!("the shares of {} are more than 1 together", partner.name())));
            }
        }
        Ok(PartnerServerSettings {
            listen: self.listen,
            hosts: self.allow_host.clone(),
            ledger: self.ledger.clone(),
            stock: self.stock,
            faults: FaultPlan::with_rates(self.seed, |partner| self.rates(partner)),
            slow: Duration::from_millis(self.slow_ms),
            hang_for: Duration::from_millis(self.silence_ms),
        })
    }
}

/// Runs the stand-in until it is told to stop.
pub fn run(args: &PartnersCommand) -> CommandResult {
    let settings = args.settings()?;
    actix_web::rt::System::new().block_on(async {
        outlive_hangups();
        let server = PartnerServer::start(settings)?;
        welcome(server.address(), args);
        server.run(told_to_stop()).await?;
        Ok(())
    })
}

fn welcome(address: SocketAddr, args: &PartnersCommand) {
    // Nobody need read it.
    let _ = say(&format!(
        "ordo partners are ready\n\
         \n\
         \x20 inventory  http://{address}/inventory\n\
         \x20 payments   http://{address}/payments\n\
         \x20 shipping   http://{address}/shipping\n\
         \x20 audit      http://{address}/\n\
         \x20 ledger     {ledger}\n\
         \n\
         Serve orders with them:\n\
         \n\
         \x20 ordo serve --inventory-url http://{address}/inventory --payments-url http://{address}/payments \
         --shipping-url http://{address}/shipping\n",
        ledger = args.ledger.display(),
    ));
}
