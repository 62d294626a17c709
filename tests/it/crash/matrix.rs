//! A server that is killed at every point of a fulfilment at which something has just become durable, here or at a partner: when
//! it has come back every saga ends or is stuck in sight, nobody has paid without getting a parcel or the money back, and no stock
//! is held. The judge is the ledger of `ordo partners`.
//!
//! A part of the cases, unless `ORDO_TEST_MATRIX=full`.
//!
//! A case is a call, what the partner makes of it, and where the call is at the kill: on its way, done and not answered, being
//! answered, or answered and noted. Many cases share one kill: each order's call is held where the case wants it. Calls that never
//! arrived arrive at last when all is over.

use std::io::Write as _;

use reqwest::{Method, blocking::Client};
use serde_json::{Value, json};

use crate::support::{
    api::{Reply, item, widget},
    effort::is_full,
    ordo_command::verify,
    partner_process::PartnerProcess,
    partner_proxy::{Moment, PartnerProxy},
    test_app::{Store, TestApp},
    waiting::wait_until,
};

const OUTCOMES: [&str; 6] = ["ok", "refuse", "error", "lose", "timeout", "duplicate"];
/// Cases that share a kill: few enough that no partner fails so often in a row that it is left alone.
const AT_ONCE: usize = 24;
/// What a draft is worth, and what comes back of it.
const WORTH: i64 = 2500;
const RETURNED: i64 = 1000;

/// Where a call is at the kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Held(Moment),
    /// Its answer is on its way to the server.
    Answering,
}

const POINTS: [At; 4] = [At::Held(Moment::Before), At::Held(Moment::After), At::Answering, At::Held(Moment::Next)];

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killed {
    Server,
    /// And again at the first thing it asks its partners when it is back.
    ServerTwice,
    /// With the partners, and again.
    BothTwice,
    Partners,
}

const KILLS: [Killed; 4] = [Killed::Server, Killed::ServerTwice, Killed::BothTwice, Killed::Partners];

#[derive(Debug, Clone)]
struct Case {
    /// What partners make of the first call of a kind.
    outcomes: Vec<(&'static str, &'static str)>,
    /// The order is cancelled while this call is held.
    cancelled_at: Option<(&'static str, Moment)>,
    /// The call, and where it is at the kill.
    call: &'static str,
    at: At,
    /// Whether items of a completed order come back.
    is_return: bool,
    /// How it may end.
    ends: &'static [&'static str],
}

impl Case {
    fn of(call: &'static str, outcome: &'static str, at: At) -> Self {
        let outcomes = vec![(call, outcome)];
        Self { outcomes, cancelled_at: None, call, at, is_return: false, ends: &["Completed"] }
    }

    /// A step of an order that nobody cancels. A partner that was killed has forgotten that it was to refuse.
    fn step(call: &'static str, outcome: &'static str, at: At) -> Self {
        let ends: &[&str] = if outcome == "refuse" { &["Failed", "Completed"] } else { &["Completed"] };
        Self { ends, ..Self::of(call, outcome, at) }
    }

    /// Undoing a step, because the next one was refused; or because of a cancellation while the last one was done.
    fn undo(call: &'static str, outcome: &'static str, at: At) -> Self {
        let mut case = Self { ends: &["Failed"], ..Self::of(call, outcome, at) };
        match call {
            "release" => case.outcomes.push(("charge", "refuse")),
            "void" => case.outcomes.push(("ship", "refuse")),
            _ => case.cancelled_at = Some(("ship", Moment::After)),
        }
        case
    }

    fn cancelled(call: &'static str, outcome: &'static str, moment: Moment) -> Self {
        let case = Self::of(call, outcome, At::Held(moment));
        Self { cancelled_at: Some((call, moment)), ends: &["Failed"], ..case }
    }

    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for outcome in OUTCOMES {
            for at in POINTS {
                all.extend(["reserve", "charge", "ship"].map(|call| Self::step(call, outcome, at)));
                all.extend(["release", "void", "call_back"].map(|call| Self::undo(call, outcome, at)));
                all.push(Self { is_return: true, ..Self::of("refund", outcome, at) });
            }
            for moment in [Moment::Before, Moment::After] {
                all.extend(["reserve", "charge", "ship"].map(|call| Self::cancelled(call, outcome, moment)));
            }
        }
        all
    }

    fn moment(&self) -> Moment {
        match self.at {
            At::Held(moment) => moment,
            At::Answering => Moment::After,
        }
    }
}

/// An order on its way through a case.
struct Tried {
    case: Case,
    path: String,
    saga: String,
}

impl Tried {
    fn order(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }

    fn state(&self, app: &TestApp) -> String {
        app.get(&self.saga).expect(200).json()["state"].as_str().unwrap().to_owned()
    }

    fn rests(&self, app: &TestApp) -> bool {
        !["Running", "Compensating"].contains(&self.state(app).as_str())
    }
}

/// A server, the proxy and the partners; and what the orders so far come to.
struct Matrix {
    app: TestApp,
    proxy: PartnerProxy,
    partners: PartnerProcess,
    client: Client,
    completed: i64,
    kept_cents: i64,
    stuck: u64,
}

impl Matrix {
    fn open(store: Store) -> Self {
        let partners = PartnerProcess::start_with(&["--silence-ms", "5", "--slow-ms", "5"]);
        let proxy = PartnerProxy::before(&partners.url(""));
        let flags = proxy.flags();
        let mut arguments: Vec<&str> = flags.iter().map(String::as_str).collect();
        arguments.extend(["--workers", "1", "--partner-seconds", "120"]);
        let app = TestApp::start_on(store, &arguments);
        Self { app, proxy, partners, client: Client::new(), completed: 0, kept_cents: 0, stuck: 0 }
    }

    fn script(&self, order: &str, call: &str, outcome: &str) {
        let script = json!({"order_id": order, "call": call, "outcomes": [outcome]});
        assert_eq!(self.client.post(self.partners.url("/script")).json(&script).send().unwrap().status(), 204);
    }

    fn post_async(&self, path: &str, body: &Value) -> Reply {
        Reply::to(self.app.request(Method::POST, path).header("Prefer", "respond-async").json(body))
    }

    fn run(&mut self, cases: &[Case], killed: Killed) {
        let tried: Vec<Tried> = cases.iter().map(|case| self.start(case)).collect();
        self.cancel_some(&tried);
        self.until_held(&tried, |one| one.case.moment() == Moment::Next);
        for one in tried.iter().filter(|one| one.case.at == At::Answering) {
            self.proxy.release(one.order());
        }
        self.kill(killed);
        if matches!(killed, Killed::ServerTwice | Killed::BothTwice) {
            for one in &tried {
                self.proxy.plan(one.order(), "any", Moment::Now);
            }
            self.app.restart();
            self.until_held(&tried, |_| true);
            self.kill(killed);
        }
        if killed != Killed::Partners {
            self.app.restart();
        }
        self.check(&tried);
    }

    /// Brings an order on its way to where the case wants it.
    fn start(&self, case: &Case) -> Tried {
        let order = json!({"customer_id": "ada", "items": [widget(2), item("gadget", 1, 500)]});
        let path = self.app.place(&order);
        let id = path.rsplit('/').next().unwrap().to_owned();
        let mut saga = format!("{path}/saga");
        if case.is_return {
            Reply::to(
                self.app.request(Method::POST, &format!("{path}/fulfill")).header("Prefer", "wait=60").json(&json!({})),
            )
            .expect(200);
        }
        for (call, outcome) in &case.outcomes {
            self.script(&id, call, outcome);
        }
        let (call, moment) = case.cancelled_at.unwrap_or((case.call, case.moment()));
        self.proxy.plan(&id, call, moment);
        if case.is_return {
            let back = json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "broken"});
            let returned = self.app.post(&format!("{path}/returns"), &back).expect(202);
            returned.header("location").unwrap().clone_into(&mut saga);
        } else {
            let started = self.post_async(&format!("{path}/fulfill"), &json!({}));
            assert!([200, 202].contains(&started.status), "{}", started.body);
        }
        Tried { case: case.clone(), path, saga }
    }

    fn cancel_some(&self, tried: &[Tried]) {
        for one in tried {
            let Some(held) = one.case.cancelled_at else { continue };
            wait_until("a call that is held", || self.proxy.is_held(one.order()));
            self.post_async(&format!("{}/cancel", one.path), &json!({"reason": "changed my mind"})).expect(202);
            if held != (one.case.call, one.case.moment()) {
                self.proxy.plan(one.order(), one.case.call, one.case.moment());
            }
        }
    }

    /// Waits until every call is where its case wants it; or until the saga rests, where that may be instead.
    fn until_held(&self, tried: &[Tried], or_rests: impl Fn(&Tried) -> bool) {
        for one in tried {
            let is_there = || self.proxy.is_held(one.order()) || (or_rests(one) && one.rests(&self.app));
            wait_until(&format!("{:?} {}", one.case, one.order()), is_there);
        }
    }

    fn kill(&mut self, killed: Killed) {
        if killed != Killed::Partners {
            self.app.kill();
        }
        if matches!(killed, Killed::Partners | Killed::BothTwice) {
            self.partners.kill();
        }
        self.proxy.cut_all();
        if matches!(killed, Killed::Partners | Killed::BothTwice) {
            self.partners.restart();
        }
    }

    /// Every saga ends or waits in sight for an operator, who has it tried again; then the judge is asked.
    fn check(&mut self, tried: &[Tried]) {
        for one in tried {
            wait_until(&format!("the end of {:?} {}", one.case, one.order()), || one.rests(&self.app));
            if one.state(&self.app) == "Stuck" {
                self.operate(one);
            }
        }
        self.proxy.deliver_the_late();
        for one in tried {
            self.count(one);
        }
        let audit: Value = self.client.get(self.partners.url("/audit")).send().unwrap().json().unwrap();
        assert_eq!(audit["faults"], json!({}), "{audit}");
        let (totals, usd) = (&audit["totals"], &audit["totals"]["money"]["USD"]);
        let left = |done: &Value, undone: &str| done.as_i64().unwrap() - totals[undone].as_i64().unwrap();
        assert_eq!(left(&totals["reserved"], "released"), self.completed, "{audit}");
        assert_eq!(left(&totals["charged"], "voided"), self.completed, "{audit}");
        assert_eq!(left(&totals["shipped"], "called_back"), self.completed, "{audit}");
        let cents = ["charged", "voided", "refunded"].map(|sum| usd[sum].as_i64().unwrap_or_default());
        assert_eq!(cents[0] - cents[1] - cents[2], self.kept_cents, "{audit}");
    }

    fn operate(&mut self, one: &Tried) {
        let refused = one.case.outcomes[0].1 == "refuse" && !["reserve", "charge", "ship"].contains(&one.case.call);
        assert!(refused, "stuck without a refusal: {:?}", one.case);
        self.stuck += 1;
        let saga = self.app.get(&one.saga).json()["saga_id"].clone();
        let position = self.app.head();
        let seen =
            self.app.get(&format!("/admin/sagas?state=Stuck&limit=500&min_position={position}")).expect(200).json();
        assert!(seen.as_array().unwrap().iter().any(|stuck| stuck["saga_id"] == saga), "{saga} is not seen: {seen}");
        self.app.post(&format!("/admin/sagas/{}/retry", saga.as_str().unwrap()), &json!({"by": "op"})).expect(200);
        wait_until("the end after a retry", || one.rests(&self.app));
    }

    /// The order's state is that of its saga.
    fn count(&mut self, one: &Tried) {
        let (saga, order) = (one.state(&self.app), self.app.get(&one.path).expect(200).json());
        assert!(one.case.ends.contains(&saga.as_str()), "{saga}: {:?} {order}", one.case);
        if saga == "Failed" {
            assert_eq!(order["state"], "Cancelled", "{:?} {order}", one.case);
            return;
        }
        assert_eq!(order["state"], "Completed", "{:?} {order}", one.case);
        let refunded = if one.case.is_return { RETURNED } else { 0 };
        assert_eq!(order["refunded_cents"], refunded, "{:?} {order}", one.case);
        self.completed += 1;
        self.kept_cents += WORTH - refunded;
    }
}

/// Neighbours have little in common.
fn shuffled(cases: &[Case]) -> Vec<Case> {
    let stride = 37;
    assert!(!cases.len().is_multiple_of(stride));
    (0..cases.len()).map(|at| cases[at * stride % cases.len()].clone()).collect()
}

fn through_the_matrix(store: Store, kills: &[Killed]) {
    let mut matrix = Matrix::open(store);
    let (mut cases, begun) = (shuffled(&Case::all()), std::time::Instant::now());
    let kills = if is_full() { &KILLS[..] } else { kills };
    if !is_full() {
        cases.truncate(AT_ONCE);
    }
    for killed in kills {
        for some in cases.chunks(AT_ONCE) {
            matrix.run(some, *killed);
        }
    }
    let url = matrix.app.store();
    matrix.app.kill();
    verify(&url);
    let (tried, seconds) = (cases.len() * kills.len(), begun.elapsed().as_secs());
    let told = format!("{tried} cases in {seconds} s, {} of them stuck until an operator came\n", matrix.stuck);
    std::io::stderr().write_all(told.as_bytes()).unwrap();
}

#[test]
fn a_server_killed_at_any_durable_point_of_a_fulfilment_leaves_nothing_open_on_sqlite() {
    through_the_matrix(Store::sqlite(), &[Killed::ServerTwice]);
}

#[test]
fn a_server_killed_at_any_durable_point_of_a_fulfilment_leaves_nothing_open_on_postgres() {
    through_the_matrix(Store::postgres(), &[Killed::BothTwice]);
}
