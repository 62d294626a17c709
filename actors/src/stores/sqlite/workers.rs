//! Threads with a connection each, so that no actor is blocked by the disk.

use std::{io, sync::Arc, thread};

use crate::log::store::StoreError;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

/// Most jobs that wait for a thread; further callers wait to enter the queue.
const QUEUE: usize = 1_024;

type Job<C> = Box<dyn FnOnce(&C) + Send>;

/// A few threads with a `C` each.
pub struct Workers<C> {
    /// None once closing.
    jobs: Option<mpsc::Sender<Job<C>>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl<C: Send + 'static> Workers<C> {
    /// Starts a thread for each connection.
    pub fn start(name: &'static str, connections: Vec<C>) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let threads = connections
            .into_iter()
            .enumerate()
            .map(|(number, connection)| {
                let queue = Arc::clone(&queue);
                thread::Builder::new().name(format!("{name}-{number}")).spawn(move || serve(&connection, &queue))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Runs `work` on one of the threads. Skipped when the caller has gone before its turn came.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&C) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |connection: &C| {
            if !answer.is_closed() {
                // A caller that has gone meanwhile does not miss the answer.
                let _ = answer.send(work(connection));
            }
        });
        let stopped = || StoreError::Unavailable("the store is closed".to_owned());
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

impl<C> Drop for Workers<C> {
    /// Waits for the jobs under way.
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("a thread of the store panicked");
            }
        }
    }
}

fn serve<C>(connection: &C, queue: &Mutex<mpsc::Receiver<Job<C>>>) {
    loop {
        let next = queue.lock().blocking_recv();
        let Some(job) = next else { return };
        job(connection);
    }
}
