//! What clients say, checked whole, so that every fault is named at once.

use ordo_actors::log::event::{Epoch, Position};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{subscription::SubscribeRequest, topic::Topic};
use crate::http::{
    error::{Fault, Problem},
    query_params::COUNTABLE,
};

/// Longest name of a subscription, in characters.
const ID_CHARS: usize = 64;

/// A frame that can be followed.
#[derive(Debug)]
pub enum ClientFrame {
    Subscribe { id: String, request: SubscribeRequest },
    Unsubscribe { id: String },
    Ping,
}

/// A frame that cannot; with the id of the subscription it speaks of, if it has one.
#[derive(Debug)]
pub struct BadFrame {
    pub id: Option<String>,
    pub problem: Problem,
}

impl ClientFrame {
    /// Reads a frame.
    pub fn read(text: &str) -> Result<Self, BadFrame> {
        let members = match serde_json::from_str(text) {
            Ok(Value::Object(members)) => members,
            Ok(_) => return Err(unreadable(None, "a frame is a JSON object")),
            Err(error) => return Err(unreadable(None, &error.to_string())),
        };
        let id = members.get("id").and_then(Value::as_str).filter(|id| fit(id)).map(str::to_owned);
        let mut reader = Reader { members, faults: Vec::new() };
        let frame = match reader.members.remove("type").as_ref().map(Value::as_str) {
            Some(Some("subscribe")) => reader.subscribe(),
            Some(Some("unsubscribe")) => reader.id().map(|id| Self::Unsubscribe { id }),
            Some(Some("ping")) => Some(Self::Ping),
            Some(_) => return Err(unreadable(id, "type is subscribe, unsubscribe or ping")),
            None => return Err(unreadable(id, "a frame has a type: subscribe, unsubscribe or ping")),
        };
        reader.finish(id, frame)
    }
}

fn unreadable(id: Option<String>, detail: &str) -> BadFrame {
    BadFrame { id, problem: Problem::invalid(detail) }
}

fn fit(id: &str) -> bool {
    !id.is_empty() && id.chars().count() <= ID_CHARS && !id.chars().any(char::is_control)
}

/// Checks a topic, a position and a log, from a frame or a query; `place` makes a pointer of a name.
pub fn check_topic(text: Option<&str>, place: impl Fn(&str) -> String, faults: &mut Vec<Fault>) -> Option<Topic> {
    let read = text.ok_or_else(|| "is missing: orders, order:<id> or customer:<id>".to_owned()).and_then(str::parse);
    read.map_err(|detail| faults.push(Fault { pointer: place("topic"), detail })).ok()
}

/// A snapshot is of one order.
pub fn check_snapshot(asked: bool, topic: Option<&Topic>, place: impl Fn(&str) -> String, faults: &mut Vec<Fault>) {
    if asked && !matches!(topic, None | Some(Topic::Order(_))) {
        let detail = "is for order:<id>; for more than one order read GET /orders and subscribe after its X-Position";
        faults.push(Fault { pointer: place("snapshot"), detail: detail.to_owned() });
    }
}

struct Reader {
    members: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Reader {
    fn subscribe(&mut self) -> Option<ClientFrame> {
        let id = self.id();
        let topic = self.members.remove("topic");
        let topic = match topic {
            Some(Value::String(text)) => check_topic(Some(&text), pointer, &mut self.faults),
            None => check_topic(None, pointer, &mut self.faults),
            Some(_) => self.fault("topic", "must be text"),
        };
        let after = self.optional("after").and_then(|value| self.position(&value));
        let epoch = self.optional("epoch").and_then(|value| self.epoch(&value));
        let snapshot = self.optional("snapshot").and_then(|value| match value {
            Value::Bool(snapshot) => Some(snapshot),
            _ => self.fault("snapshot", "must be true or false"),
        });
        let snapshot = snapshot.unwrap_or(false);
        check_snapshot(snapshot, topic.as_ref(), pointer, &mut self.faults);
        Some(ClientFrame::Subscribe { id: id?, request: SubscribeRequest { topic: topic?, after, epoch, snapshot } })
    }

    fn id(&mut self) -> Option<String> {
        match self.members.remove("id") {
            Some(Value::String(id)) if fit(&id) => Some(id),
            Some(_) => self.fault("id", "must be text of 1 to 64 characters, none of them a control character"),
            None => self.fault("id", "is missing: a name for the subscription, of the client's choice"),
        }
    }

    /// A member that may be absent or null.
    fn optional(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    fn position(&mut self, value: &Value) -> Option<Position> {
        let position = value.as_u64().filter(|position| COUNTABLE.contains(position)).map(Position);
        position.or_else(|| self.fault("after", "must be a position: a whole number, zero or more"))
    }

    fn epoch(&mut self, value: &Value) -> Option<Epoch> {
        let epoch = value.as_str().and_then(|text| Uuid::parse_str(text).ok()).map(Epoch);
        epoch.or_else(|| self.fault("epoch", "must be the epoch of an earlier answer, a UUID"))
    }

    fn fault<T>(&mut self, name: &str, detail: &str) -> Option<T> {
        self.faults.push(Fault { pointer: pointer(name), detail: detail.to_owned() });
        None
    }

    fn finish(mut self, id: Option<String>, frame: Option<ClientFrame>) -> Result<ClientFrame, BadFrame> {
        for name in std::mem::take(&mut self.members).keys() {
            let name = name.chars().take(ID_CHARS).collect::<String>();
            self.fault::<()>(&name, "is not known here");
        }
        match frame {
            Some(frame) if self.faults.is_empty() => Ok(frame),
            _ => Err(BadFrame { id, problem: Problem::validation(&self.faults) }),
        }
    }
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let bad = ClientFrame::read(text).unwrap_err();
        let errors = bad.problem.members["errors"].as_array().unwrap().clone();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_subscription_needs_a_name_and_a_topic_alone() {
        let frame = ClientFrame::read(r#"{"type":"subscribe","id":"a","topic":"orders"}"#).unwrap();
        let ClientFrame::Subscribe { id, request } = frame else { panic!("{frame:?}") };
        assert_eq!(
            (id.as_str(), request.topic, request.after, request.epoch, request.snapshot),
            ("a", Topic::Orders, None, None, false)
        );
    }

    #[test]
    fn null_is_absent() {
        let text = r#"{"type":"subscribe","id":"a","topic":"orders","after":null,"epoch":null,"snapshot":null}"#;
        assert!(ClientFrame::read(text).is_ok());
    }

    #[test]
    fn every_fault_is_named() {
        let text = r#"{"type":"subscribe","id":"","topic":"x","after":-1,"epoch":"x","snapshot":1,"a/b":2}"#;
        assert_eq!(faults(text), ["/id", "/topic", "/after", "/epoch", "/snapshot", "/a~1b"]);
    }

    #[test]
    fn a_position_is_a_whole_number_that_a_store_can_count_to() {
        for after in ["-1", "1.5", "\"1\"", "true", "9223372036854775808", "1e3"] {
            let text = format!(r#"{{"type":"subscribe","id":"a","topic":"orders","after":{after}}}"#);
            assert_eq!(faults(&text), ["/after"], "{after}");
        }
    }

    #[test]
    fn a_snapshot_is_of_one_order() {
        let text = r#"{"type":"subscribe","id":"a","topic":"customer:ada","snapshot":true}"#;
        assert_eq!(faults(text), ["/snapshot"]);
    }

    #[test]
    fn a_bad_frame_tells_whose_it_is_when_it_can() {
        assert_eq!(ClientFrame::read(r#"{"type":"nope","id":"a"}"#).unwrap_err().id.as_deref(), Some("a"));
        for text in ["", "x", "1", "[]", r#"{"type":1}"#, "{}", r#"{"type":"ping","type":2}"#] {
            assert_eq!(ClientFrame::read(text).unwrap_err().id, None, "{text}");
        }
    }
}
