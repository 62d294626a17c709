//! Subscribers that come and go at moments drawn by lot.

use ordo_actors::log::event::{EventEnvelope, Position};
use serde_json::Value;
use std::{collections::HashMap, sync::Arc};

use super::{examples::*, subscription::SubscribeRequest, topic::Topic};
use crate::order::CustomerId;

/// Subscribers come, look, pause and go at moments drawn by lot, on a ring so small that they fall off it.
#[actix_web::test]
async fn whenever_subscribers_come_and_go_each_sees_exactly_its_part_of_the_log_in_order() {
    let world = World::with_ring(16).await;
    let customers = ["ada", "bob", "cyd"];
    let mut lot = Lot(7);
    let mut orders = Vec::new();
    let mut tales: HashMap<usize, (Topic, Vec<u64>, Position, Option<Subscriber>)> = HashMap::new();
    for round in 0..600 {
        match lot.draw(6) {
            0 | 1 => orders.push(world.place(customers[lot.draw(3)]).await),
            2 if !orders.is_empty() => world.submit(orders.swap_remove(lot.draw(orders.len()))).await,
            3 => {
                let topic = match lot.draw(3) {
                    0 => Topic::Orders,
                    1 => Topic::Customer(CustomerId::new(customers[lot.draw(3)]).unwrap()),
                    _ => orders.first().map_or(Topic::Orders, |order| Topic::Order(*order)),
                };
                tales.insert(round, (topic, Vec::new(), Position::START, None));
            }
            _ => {}
        }
        for (topic, seen, place, subscriber) in tales.values_mut() {
            match lot.draw(8) {
                0 => end(subscriber, seen, place),
                1 | 2 => {
                    let resume = SubscribeRequest { after: Some(*place), ..request(topic.clone()) };
                    let subscriber = subscriber.get_or_insert_with(|| world.subscribe(resume));
                    for _ in 0..lot.draw(5) {
                        subscriber.step().await;
                    }
                }
                _ => {}
            }
        }
    }
    world.visible().await;
    let log = world.log().await;
    for (topic, mut seen, mut place, mut subscriber) in tales.into_values() {
        end(&mut subscriber, &mut seen, &mut place);
        let mut last = world.subscribe(SubscribeRequest { after: Some(place), ..request(topic.clone()) });
        last.until_caught_up().await;
        seen.extend(last.positions());
        assert_eq!(seen, expected(&topic, &log), "{topic}");
    }
}

/// The client goes, and remembers the position of the last thing it heard.
fn end(subscriber: &mut Option<Subscriber>, seen: &mut Vec<u64>, place: &mut Position) {
    let Some(subscriber) = subscriber.take() else { return };
    seen.extend(subscriber.positions());
    *place = subscriber.heard.iter().filter_map(super::server_frame::position).next_back().unwrap_or(*place);
}

fn expected(topic: &Topic, log: &[Arc<EventEnvelope>]) -> Vec<u64> {
    let mut owner = HashMap::new();
    log.iter()
        .filter(|event| {
            if event.event_type == "OrderCreated" {
                let payload: Value = serde_json::from_str(event.payload.get()).unwrap();
                owner.insert(event.aggregate_id, payload["customer_id"].as_str().unwrap().to_owned());
            }
            match topic {
                Topic::Orders => true,
                Topic::Order(order) => event.aggregate_id == *order,
                Topic::Customer(customer) => owner[&event.aggregate_id] == customer.as_str(),
            }
        })
        .map(|event| event.position.0)
        .collect()
}

/// Numbers that look random and are the same every time (Knuth's MMIX generator).
struct Lot(u64);

impl Lot {
    fn draw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}
