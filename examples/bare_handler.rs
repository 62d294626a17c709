//! The ceiling: actix-web answering the same POST with JSON in and out and nothing behind it. What the server reaches is told
//! as a share of this, measured in the same run.

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Deserialize)]
struct Order {
    customer_id: Option<String>,
    items: Vec<Item>,
}

#[derive(Deserialize, Serialize)]
struct Item {
    product_id: String,
    product_name: String,
    quantity: i64,
    unit_price_cents: i64,
}

#[derive(Serialize)]
struct Created {
    order_id: Uuid,
    state: &'static str,
    version: u64,
    position: u64,
}

#[derive(Serialize)]
struct Shown {
    id: Uuid,
    items: Vec<Item>,
}

async fn create(order: web::Json<Order>) -> HttpResponse {
    let version = order.items.len() as u64 + u64::from(order.customer_id.is_some());
    HttpResponse::Created().json(Created { order_id: Uuid::now_v7(), state: "Draft", version, position: 1 })
}

async fn show(id: web::Path<Uuid>) -> HttpResponse {
    let item = Item { product_id: "widget".into(), product_name: "Widget".into(), quantity: 2, unit_price_cents: 1000 };
    HttpResponse::Ok().json(Shown { id: *id, items: vec![item] })
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8081".into());
    HttpServer::new(|| App::new().route("/orders", web::post().to(create)).route("/orders/{id}", web::get().to(show)))
        .bind(address)?
        .run()
        .await
}
