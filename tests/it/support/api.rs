//! A client of the HTTP interface that knows its way around, whichever process serves it.

use std::time::Duration;

use reqwest::{
    Method,
    blocking::{Client, RequestBuilder, Response},
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::{Value, json};

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_mins(1);

/// One server as a client sees it.
pub struct Api {
    client: Client,
    base: String,
}

impl Api {
    /// A client of the server at this URL.
    pub fn at(base: String) -> Self {
        let client = Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { client, base }
    }

    /// Where a path is.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The host and port it listens on.
    pub fn address(&self) -> String {
        self.url("").trim_start_matches("http://").to_owned()
    }

    /// A request to be made up freely.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub fn get(&self, path: &str) -> Reply {
        Reply::to(self.request(Method::GET, path))
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        Reply::to(self.request(Method::POST, path).json(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Reply {
        Reply::to(self.request(Method::PATCH, path).json(body))
    }

    pub fn delete(&self, path: &str) -> Reply {
        Reply::to(self.request(Method::DELETE, path))
    }

    /// Sends text as it is, called JSON.
    pub fn post_text(&self, path: &str, body: impl Into<String>) -> Reply {
        Reply::to(self.request(Method::POST, path).header(CONTENT_TYPE, "application/json").body(body.into()))
    }

    /// Places a draft of two widgets for 10.00 each; gives its path.
    pub fn draft(&self) -> String {
        self.place(&json!({"customer_id": "ada", "items": [widget(2)]}))
    }

    /// Places an order; gives its path.
    pub fn place(&self, order: &Value) -> String {
        let placed = self.post("/orders", order).expect(201);
        placed.header("location").unwrap().to_owned()
    }

    /// An order of two widgets that has come to this state; gives its path.
    pub fn order_in(&self, state: &str) -> String {
        let path = self.draft();
        if state == "Cancelled" {
            self.post(&format!("{path}/cancel"), &json!({"reason": "ordered twice"})).expect(200);
            return path;
        }
        let steps = [
            ("Draft", ""),
            ("Submitted", "submit"),
            ("Reserved", "reserve"),
            ("Processing", "process"),
            ("Completed", "complete"),
        ];
        let last = steps.iter().position(|(name, _)| *name == state).unwrap();
        for (_, step) in &steps[1..=last] {
            self.post(&format!("{path}/{step}"), &json!({})).expect(200);
        }
        path
    }

    /// Places a draft worth 2500 of two products; gives its path.
    pub fn draft_of_two(&self) -> String {
        let order = json!({"customer_id": "ada", "items": [widget(2), item("gadget", 1, 500)]});
        self.place(&order)
    }

    /// Posts without waiting for any saga.
    pub fn post_async(&self, path: &str, body: &Value) -> Reply {
        Reply::to(self.request(Method::POST, path).header("Prefer", "respond-async").json(body))
    }

    pub fn fulfill(&self, path: &str) -> Reply {
        self.post(&format!("{path}/fulfill"), &json!({}))
    }

    /// The types of the events of a saga or an order.
    pub fn event_types(&self, id: &str) -> Vec<String> {
        let events = self.get(&format!("/events?aggregate_id={id}&limit=100")).expect(200).json();
        events.as_array().unwrap().iter().map(|event| event["event_type"].as_str().unwrap().to_owned()).collect()
    }

    /// The saga of an order, when it rests.
    pub fn rested(&self, path: &str) -> Value {
        let wait = self.request(Method::POST, &format!("{path}/fulfill")).header("Prefer", "wait=30");
        Reply::to(wait).expect(200);
        self.get(&format!("{path}/saga")).expect(200).json()
    }

    /// Waits until every list shows all that is in the log by now.
    pub fn wait_for_lists(&self) {
        let head = self.head();
        for list in ["/orders", "/orders/history", "/customers", "/inventory"] {
            // Each answer has waited for some seconds.
            let shown = (0..60).any(|_| self.get(&format!("{list}?limit=1&min_position={head}")).status == 200);
            assert!(shown, "{list} does not come to position {head}");
        }
    }

    /// How far the log has come.
    pub fn head(&self) -> u64 {
        self.get("/readyz").expect(200).json()["position"].as_u64().unwrap()
    }
}

/// The item most tests order.
pub fn widget(quantity: i64) -> Value {
    item("widget", quantity, 1000)
}

pub fn item(product: &str, quantity: i64, unit_price_cents: i64) -> Value {
    json!({"product_id": product, "product_name": format!("The {product}"), "quantity": quantity, "unit_price_cents": unit_price_cents})
}

/// An order of so many lines, each with a name of this length.
pub fn large_order(lines: u64, name: usize) -> Value {
    let items: Vec<Value> = (0..lines)
        .map(|line| json!({"product_id": format!("product-{line}"), "product_name": "n".repeat(name), "quantity": 1, "unit_price_cents": 100}))
        .collect();
    json!({"customer_id": "ada", "items": items})
}

/// An answer that has been read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    /// Sends a request and reads the answer.
    pub fn to(request: RequestBuilder) -> Self {
        Self::read(request.send().unwrap())
    }

    pub fn read(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.text().unwrap() }
    }

    /// Goes on when the status is this.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Goes on with the body when this is a whole problem of that kind.
    #[track_caller]
    pub fn problem(&self, status: u16, name: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{name}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(!problem["title"].as_str().unwrap().is_empty());
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        assert!(!problem["request_id"].as_str().unwrap().is_empty());
        problem
    }

    /// The pointers of a problem's faults, in order.
    #[track_caller]
    pub fn faults(&self) -> Vec<String> {
        let problem = self.problem(422, "validation-failed");
        let errors = problem["errors"].as_array().unwrap();
        assert!(errors.iter().all(|error| !error["detail"].as_str().unwrap().is_empty()), "{problem}");
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }
}
