use tokio::sync::watch;

/// A place where calls can be held, so that a test sees what happens while they are under way.
///
/// Open at first. A test closes it, waits until so many calls stand there, looks around, and lets them through.
#[derive(Debug)]
pub struct Gate {
    state: watch::Sender<GateState>,
}

#[derive(Debug, Clone, Copy)]
struct GateState {
    closed: bool,
    /// Calls that have come to the gate while it was closed.
    arrived: u64,
    /// How many of these may go on.
    released: u64,
}

impl Default for Gate {
    fn default() -> Self {
        Self { state: watch::Sender::new(GateState { closed: false, arrived: 0, released: 0 }) }
    }
}

impl Gate {
    /// Holds every call that comes from now on.
    pub fn close(&self) {
        self.state.send_modify(|state| state.closed = true);
    }

    /// Lets everything through, now and from now on.
    pub fn open(&self) {
        self.state.send_modify(|state| {
            state.closed = false;
            state.released = state.arrived;
        });
    }

    /// Lets the next `calls` through, in the order in which they came or will come, and stays closed.
    pub fn let_through(&self, calls: u64) {
        self.state.send_modify(|state| state.released += calls);
    }

    /// Waits until at least `calls` calls stand at the gate.
    pub async fn holds(&self, calls: u64) {
        let mut state = self.state.subscribe();
        let waited = state.wait_for(|state| state.arrived.saturating_sub(state.released) >= calls).await;
        debug_assert!(waited.is_ok(), "the gate outlives its borrow");
    }

    /// Goes through the gate, or waits at it.
    pub(super) async fn pass(&self) {
        let mut ticket = None;
        self.state.send_if_modified(|state| {
            if state.closed {
                state.arrived += 1;
                ticket = Some(state.arrived);
            }
            state.closed
        });
        let Some(ticket) = ticket else { return };
        let mut state = self.state.subscribe();
        let passed = state.wait_for(|state| state.released >= ticket).await;
        debug_assert!(passed.is_ok(), "the gate outlives its borrow");
    }
}
