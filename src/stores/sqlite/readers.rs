//! Reading connections on threads of their own, so that no read waits for the writer or blocks an actor.

use std::{io, sync::Arc, thread};

use ordo_actors::store::StoreError;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

/// Most reads that wait for a thread; whoever comes after them waits to enter the queue.
const QUEUE: usize = 1_024;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// A few threads with a connection each.
pub struct Readers {
    /// None once closing.
    jobs: Option<mpsc::Sender<Job>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Readers {
    /// Starts a thread for each connection.
    pub fn start(connections: Vec<Connection>) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let threads = connections
            .into_iter()
            .enumerate()
            .map(|(number, connection)| {
                let queue = Arc::clone(&queue);
                thread::Builder::new().name(format!("sqlite-reader-{number}")).spawn(move || serve(&connection, &queue))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Runs `work` on one of the threads. Skipped when the caller has gone before its turn came.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |connection: &Connection| {
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

impl Drop for Readers {
    /// Waits for the reads under way.
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("a reading thread of the store panicked");
            }
        }
    }
}

fn serve(connection: &Connection, queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let next = queue.lock().blocking_recv();
        let Some(job) = next else { return };
        job(connection);
    }
}
