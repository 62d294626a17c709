//! `ordo export`

use std::{
    io::{BufWriter, Write},
    sync::Arc,
};

use ordo_actors::{
    aggregate::{
        Aggregate,
        rehydrate::{Until, rehydrate},
    },
    log::{
        event::{EventEnvelope, Position},
        store::{EventStore, LogQuery},
        upcast::Upcasting,
    },
};
use serde_json::json;

use super::{
    CommandResult,
    arguments::{ExportCommand, Exported},
    output::Output,
    private_file::PrivateFile,
    progress::Progress,
};
use crate::{
    application::{Existing, open_existing_stores, upcasters},
    order::{Order, OrderState},
    ordering::external_id,
};

/// Events read at a time.
const PAGE: usize = 1000;

/// Writes orders or events as JSON lines. Holds one page of the log in memory, whatever its size.
pub fn run(args: &ExportCommand) -> CommandResult {
    actix_web::rt::System::new().block_on(async {
        let Existing { stores, missing, .. } = open_existing_stores(&args.store.url()?).await?;
        missing.iter().for_each(|missing| log::warn!("{missing}"));
        let mut store = stores.log;
        if args.what == Exported::Orders {
            store = Arc::new(Upcasting::new(store, upcasters()));
        }
        let file = args.output.as_deref().map(PrivateFile::create).transpose()?;
        match file {
            Some(file) => {
                write(args.what, store.as_ref(), &mut BufWriter::new(file.writer()?)).await?;
                file.finish()?;
            }
            None => write(args.what, store.as_ref(), &mut BufWriter::new(Output)).await?,
        }
        Ok(())
    })
}

async fn write(what: Exported, store: &dyn EventStore, out: &mut dyn Write) -> CommandResult {
    let head = store.head().await?.position;
    let progress = Progress::start("exporting", head.0);
    let mut last = Position::START;
    while last < head {
        let events = store.read_all(&LogQuery::after(last, PAGE)).await?;
        let Some(end) = events.last().map(|event| event.position) else { break };
        for event in events.iter().filter(|event| event.position <= head) {
            write_line(what, store, event, out).await?;
        }
        last = end;
        progress.at(last.0);
    }
    out.flush()?;
    progress.finish();
    Ok(())
}

async fn write_line(
    what: Exported,
    store: &dyn EventStore,
    event: &EventEnvelope,
    out: &mut dyn Write,
) -> Result<(), Box<dyn std::error::Error>> {
    match what {
        Exported::Events => serde_json::to_writer(&mut *out, event)?,
        // An order is written where it begins, as it is now.
        Exported::Orders if event.version.0 == 1 && event.aggregate_type == Order::TYPE => {
            let loaded = rehydrate::<Order>(store, event.aggregate_id, Until::Now, PAGE).await?;
            let Some(line) = order_line(event, &loaded.state) else { return Ok(()) };
            serde_json::to_writer(&mut *out, &line)?;
        }
        Exported::Orders => return Ok(()),
    }
    out.write_all(b"\n")?;
    Ok(())
}

/// The shape that `ordo import` reads.
fn order_line(created: &EventEnvelope, order: &Order) -> Option<serde_json::Value> {
    let view = order.view(created.aggregate_id, created.version)?;
    let outcome = match view.state {
        OrderState::Draft => "draft",
        OrderState::Submitted | OrderState::Reserved | OrderState::Processing => "submitted",
        OrderState::Completed => "completed",
        OrderState::Cancelled => "cancelled",
    };
    let items = view.items.iter().map(|line| {
        json!({
            "product_id": line.product_id,
            "product_name": line.product_name,
            "quantity": line.quantity,
            "unit_price_cents": line.unit_price_cents,
        })
    });
    let mut line = json!({
        "order_id": view.id,
        "customer_id": view.customer_id,
        "currency": view.currency,
        "placed_at": view.created_at,
        "outcome": outcome,
        "items": items.collect::<Vec<_>>(),
    });
    if let Some(external) = external_id(&created.metadata) {
        line["external_id"] = external.into();
    }
    Some(line)
}
