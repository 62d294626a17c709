//! What stands between those who log and the reader of the log: a queue with a limit in bytes, and a thread of its own that
//! writes. Whoever logs never waits. Lines that find no room are dropped and counted, and the count stands in the log where they
//! are missing.

use std::{collections::VecDeque, io::Write, sync::Arc, thread, time::Duration};

use parking_lot::{Condvar, Mutex};
use prometheus::IntCounter;

/// Lines on their way to the log. Cloning gives another end of the same queue.
#[derive(Clone)]
pub struct LogQueue(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    most_bytes: usize,
    dropped: IntCounter,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    /// Of the lines above, and of those that are being written.
    bytes: usize,
    /// Since the newest of the lines: nothing is taken until this has been told, or the count would stand in the wrong place.
    dropped: u64,
    /// The thread has lines in its hands.
    writing: bool,
}

impl LogQueue {
    /// Starts the thread. At most `most_bytes` wait; `tell` makes the line that says how many were dropped.
    ///
    /// # Errors
    /// The machine gives no thread.
    pub fn start(
        out: impl Write + Send + 'static,
        most_bytes: usize,
        dropped: IntCounter,
        tell: impl Fn(u64) -> Vec<u8> + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Shared { waiting: Mutex::default(), changed: Condvar::new(), most_bytes, dropped };
        let queue = Self(Arc::new(shared));
        let writer = queue.clone();
        thread::Builder::new().name("log".into()).spawn(move || writer.write_to(out, &tell))?;
        Ok(queue)
    }

    /// Hands a line over, or drops it when there is no room. Never waits.
    pub fn push(&self, line: &[u8]) {
        self.enqueue(line, self.0.most_bytes);
    }

    /// Hands a line over that must not be lost, room or not: for the last sentence of a process.
    pub fn push_last(&self, line: &[u8]) {
        self.enqueue(line, usize::MAX);
    }

    fn enqueue(&self, line: &[u8], most_bytes: usize) {
        let mut waiting = self.0.waiting.lock();
        let is_last = most_bytes == usize::MAX;
        if !is_last && (waiting.dropped > 0 || waiting.bytes + line.len() > most_bytes) {
            waiting.dropped += 1;
            self.0.dropped.inc();
        } else {
            waiting.bytes += line.len();
            waiting.lines.push_back(line.to_vec());
        }
        drop(waiting);
        self.0.changed.notify_all();
    }

    /// Waits until all that was handed over has been written, `patience` at most; tells whether it has.
    pub fn flush(&self, patience: Duration) -> bool {
        let mut waiting = self.0.waiting.lock();
        let has_work = |waiting: &mut Waiting| waiting.writing || waiting.dropped > 0 || !waiting.lines.is_empty();
        !self.0.changed.wait_while_for(&mut waiting, has_work, patience).timed_out()
    }

    /// Writes for ever. What cannot be written counts as dropped.
    fn write_to(&self, mut out: impl Write, tell: &dyn Fn(u64) -> Vec<u8>) {
        loop {
            let (lines, dropped) = self.take();
            for line in lines {
                self.write_line(&mut out, &line);
                self.0.waiting.lock().bytes -= line.len();
            }
            if dropped > 0 {
                self.write_line(&mut out, &tell(dropped));
            }
            self.0.waiting.lock().writing = false;
            self.0.changed.notify_all();
        }
    }

    /// Waits for lines and takes them all, with the number of those that are missing after them.
    fn take(&self) -> (VecDeque<Vec<u8>>, u64) {
        let mut waiting = self.0.waiting.lock();
        self.0.changed.wait_while(&mut waiting, |waiting| waiting.lines.is_empty() && waiting.dropped == 0);
        waiting.writing = true;
        (std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.dropped))
    }

    fn write_line(&self, out: &mut impl Write, line: &[u8]) {
        if out.write_all(line).and_then(|()| out.flush()).is_err() {
            self.0.dropped.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    /// A reader that takes a line when it is told to.
    struct Reader {
        leave: mpsc::Receiver<()>,
        read: mpsc::Sender<String>,
    }

    impl Write for Reader {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.leave.recv().map_err(std::io::Error::other)?;
            self.read.send(String::from_utf8_lossy(line).into_owned()).map_err(std::io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn queue(most_bytes: usize) -> (LogQueue, mpsc::Sender<()>, mpsc::Receiver<String>, IntCounter) {
        let (leave, leaves) = mpsc::channel();
        let (sender, read) = mpsc::channel();
        let dropped = IntCounter::new("dropped", "Lines.").unwrap();
        let tell = |count| format!("{count} dropped").into_bytes();
        let reader = Reader { leave: leaves, read: sender };
        (LogQueue::start(reader, most_bytes, dropped.clone(), tell).unwrap(), leave, read, dropped)
    }

    #[test]
    fn lines_that_nobody_reads_are_dropped_and_their_number_stands_where_they_are_missing() {
        let (queue, leave, read, dropped) = queue(10);
        ["aaaa", "bbbb", "cccc", "dd", "e"].iter().for_each(|line| queue.push(line.as_bytes()));
        assert!(!queue.flush(Duration::ZERO));
        (0..2).for_each(|_| leave.send(()).unwrap());
        assert_eq!([read.recv().unwrap(), read.recv().unwrap()], ["aaaa", "bbbb"]);
        leave.send(()).unwrap();
        assert_eq!(read.recv().unwrap(), "3 dropped");
        assert!(queue.flush(PATIENCE));
        queue.push(b"ffff");
        leave.send(()).unwrap();
        assert_eq!((read.recv().unwrap().as_str(), dropped.get()), ("ffff", 3));
    }

    #[test]
    fn the_last_sentence_comes_out_when_there_is_no_room_left() {
        let (queue, leave, read, _) = queue(4);
        ["aaaa", "b"].iter().for_each(|line| queue.push(line.as_bytes()));
        queue.push_last(b"the end");
        (0..3).for_each(|_| leave.send(()).unwrap());
        let read: Vec<_> = (0..3).map(|_| read.recv().unwrap()).collect();
        assert!(read.contains(&"the end".to_owned()) && read[0] == "aaaa", "{read:?}");
        assert!(queue.flush(PATIENCE));
    }

    #[test]
    fn a_line_longer_than_all_that_may_wait_is_dropped_alone() {
        let (queue, leave, read, _) = queue(4);
        queue.push(b"too long");
        leave.send(()).unwrap();
        assert_eq!(read.recv().unwrap(), "1 dropped");
        assert!(queue.flush(PATIENCE));
        queue.push(b"ok");
        leave.send(()).unwrap();
        assert_eq!(read.recv().unwrap(), "ok");
    }
}
