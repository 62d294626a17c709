//! The route table, on one screen.

use actix_web::{
    Route, guard,
    middleware::{Compress, from_fn},
    web::{ServiceConfig, delete, patch, post, resource, route},
};

use super::{
    admin_projections, admin_sagas, answer_budget, customers, docs, events, fulfilment, health, inventory, items,
    list_orders, order_steps, orders,
};

/// GET, and HEAD: the same without the body.
fn get() -> Route {
    route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Every path the server answers.
#[rustfmt::skip]
pub fn routes(app: &mut ServiceConfig) {
    app.service(resource("/orders").route(get().to(list_orders::current).wrap(from_fn(answer_budget::wrap)).wrap(Compress::default())).route(post().to(orders::create)))
        .service(resource("/orders/history").wrap(from_fn(answer_budget::wrap)).wrap(Compress::default()).route(get().to(list_orders::history)))
        .service(resource("/orders/{id}").route(get().to(orders::get)))
        .service(resource("/orders/{id}/items").route(post().to(items::add)))
        .service(resource("/orders/{id}/items/{line_id}").route(patch().to(items::change)).route(delete().to(items::remove)))
        .service(resource("/orders/{id}/submit").route(post().to(order_steps::submit)))
        .service(resource("/orders/{id}/reserve").route(post().to(order_steps::reserve)))
        .service(resource("/orders/{id}/process").route(post().to(order_steps::process)))
        .service(resource("/orders/{id}/complete").route(post().to(order_steps::complete)))
        .service(resource("/orders/{id}/cancel").route(post().to(order_steps::cancel)))
        .service(resource("/orders/{id}/returns").route(post().to(order_steps::return_items)))
        .service(resource("/orders/{id}/fulfill").route(post().to(fulfilment::fulfill)))
        .service(resource("/orders/{id}/saga").route(get().to(fulfilment::show)))
        .service(resource("/orders/{id}/events").wrap(from_fn(answer_budget::wrap)).wrap(Compress::default()).route(get().to(events::of_order)))
        .service(resource("/events").wrap(from_fn(answer_budget::wrap)).wrap(Compress::default()).route(get().to(events::of_log)))
        .service(resource("/customers").wrap(from_fn(answer_budget::wrap)).wrap(Compress::default()).route(get().to(customers::list)))
        .service(resource("/customers/{id}").route(get().to(customers::get)))
        .service(resource("/customers/{id}/orders").wrap(from_fn(answer_budget::wrap)).wrap(Compress::default()).route(get().to(customers::orders)))
        .service(resource("/inventory").wrap(from_fn(answer_budget::wrap)).wrap(Compress::default()).route(get().to(inventory::list)))
        .service(resource("/inventory/{product_id}").route(get().to(inventory::get)))
        .service(resource("/admin/projections").route(get().to(admin_projections::projections)))
        .service(resource("/admin/projections/{name}").route(get().to(admin_projections::projection)))
        .service(resource("/admin/projections/{name}/rebuild").route(post().to(admin_projections::rebuild)))
        .service(resource("/admin/dead-letters").route(get().to(admin_projections::dead_letters)))
        .service(resource("/admin/dead-letters/{name}/{id}/retry").route(post().to(admin_projections::retry)))
        .service(resource("/admin/dead-letters/{name}/{id}/skip").route(post().to(admin_projections::skip)))
        .service(resource("/admin/sagas").route(get().to(admin_sagas::list)))
        .service(resource("/admin/sagas/{id}/retry").route(post().to(admin_sagas::retry)))
        .service(resource("/admin/sagas/{id}/skip").route(post().to(admin_sagas::skip)))
        .service(resource("/admin/sagas/{id}/force-compensate").route(post().to(admin_sagas::force_compensate)))
        .service(resource("/admin/sagas/{id}/annotate").route(post().to(admin_sagas::annotate)))
        .service(resource("/health").route(get().to(health::health)))
        .service(resource("/livez").route(get().to(health::live)))
        .service(resource("/readyz").route(get().to(health::ready)))
        .service(resource("/metrics").route(get().to(health::metrics)))
        .service(resource("/openapi.json").route(get().to(docs::openapi)))
        .service(resource("/problems/{name}").route(get().to(docs::problem)))
        .service(resource("/docs").route(get().to(docs::to_page)))
        .service(resource("/docs/{file:.*}").route(get().to(docs::page)));
}
