//! The thread that commits groups of records, and never waits for the interpreter's lock.
//!
//! Beside a busy interpreter a thread of its own waits for that lock each time it comes back from SQLite, up to
//! the interpreter's switch interval, and the loop is interrupted for it. Knows the statement it was given, no table.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::{CString, c_int};
use std::fs::File;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::sqlite::{Connection, Library, Statement, Value};

/// Statements for groups of up to so many rows are kept.
const KEPT: usize = 64;
/// What stands for the rows in a statement, and one of them.
const ROWS: &str = "{rows}";
const ROW: &str = "(?, ?, ?, ?)";

/// Partition, number of the record before, append id, record.
pub type Row = (i64, i64, Vec<u8>, Vec<u8>);
type Group = (u64, Vec<Row>);
/// The group's number; how many rows went in, or what SQLite says.
pub type Done = (u64, Result<usize, String>);

/// Where and how it writes.
pub struct Target {
    pub library: Library,
    pub path: CString,
    pub busy_ms: c_int,
    /// Run on each new connection.
    pub setup: CString,
    /// The statement, a transaction of its own, with ROWS in it.
    pub insert: String,
    /// Written to when there is something to collect. Stays the caller's, open until `close` is done.
    pub notify: RawFd,
}

#[derive(Default)]
struct Shared {
    done: Mutex<Vec<Done>>,
    /// Whether somebody is writing: this thread, or whoever has paused it.
    writing: Mutex<bool>,
    free: Condvar,
}

impl Shared {
    fn begin(&self) {
        let writing = self
            .free
            .wait_while(lock(&self.writing), |writing| *writing);
        *writing.unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn end(&self) {
        *lock(&self.writing) = false;
        self.free.notify_one();
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread, seen from outside.
pub struct Appender {
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

struct Running {
    groups: Sender<Group>,
    thread: JoinHandle<()>,
}

impl Appender {
    pub fn start(target: Target) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (groups, received) = channel();
        let its = Arc::clone(&shared);
        let thread = Builder::new().name("fenliu-append".into()).spawn(move || {
            let writer = Writer {
                target,
                statements: HashMap::new(),
                connection: None,
            };
            writer.serve(&received, &its);
        })?;
        Ok(Self {
            shared,
            running: Mutex::new(Some(Running { groups, thread })),
        })
    }

    /// Hands a group in; whether it was taken, which it is until `close`.
    pub fn append(&self, number: u64, rows: Vec<Row>) -> bool {
        match &*lock(&self.running) {
            Some(running) => running.groups.send((number, rows)).is_ok(),
            None => false,
        }
    }

    /// What has been done since the last call, in order.
    pub fn collect(&self) -> Vec<Done> {
        std::mem::take(&mut *lock(&self.shared.done))
    }

    /// Waits until nothing is being written, and has nothing written until `resume`.
    pub fn pause(&self) {
        self.shared.begin();
    }

    pub fn resume(&self) {
        self.shared.end();
    }

    /// Waits for what was handed in and gives the database free.
    pub fn close(&self) {
        let running = lock(&self.running).take();
        if let Some(Running { groups, thread }) = running {
            drop(groups);
            // Its panics are caught, and there is nothing to be done about one here.
            let _ = thread.join();
        }
    }
}

struct Writer {
    target: Target,
    // Before their connection, so that they go first.
    statements: HashMap<usize, Statement>,
    connection: Option<Connection>,
}

impl Writer {
    fn serve(mut self, groups: &Receiver<Group>, shared: &Shared) {
        for (number, rows) in groups {
            shared.begin();
            let written = catch_unwind(AssertUnwindSafe(|| self.write(&rows)))
                .unwrap_or_else(|_| Err("the thread that writes failed".into()));
            if written.is_err() {
                // A connection that failed once is not trusted again.
                self.statements.clear();
                self.connection = None;
            }
            shared.end();
            lock(&shared.done).push((number, written));
            self.tell();
        }
    }

    fn write(&mut self, rows: &[Row]) -> Result<usize, String> {
        let Target {
            library,
            path,
            busy_ms,
            setup,
            insert,
            ..
        } = &self.target;
        if self.connection.is_none() {
            self.connection = Some(Connection::open(*library, path, *busy_ms, setup)?);
        }
        let Some(connection) = &self.connection else {
            unreachable!("opened above")
        };
        let values: Vec<Value<'_>> = rows
            .iter()
            .flat_map(|(partition, before, id, record)| {
                [
                    Value::Integer(*partition),
                    Value::Integer(*before),
                    Value::Blob(id),
                    Value::Blob(record),
                ]
            })
            .collect();
        let text = || insert.replace(ROWS, &vec![ROW; rows.len()].join(","));
        if rows.len() > KEPT {
            return connection.run(&connection.prepare(&text())?, &values);
        }
        let statement = match self.statements.entry(rows.len()) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(place) => place.insert(connection.prepare(&text())?),
        };
        connection.run(statement, &values)
    }

    fn tell(&self) {
        // Not to be closed here. A pipe that is full has been written to.
        let notify = ManuallyDrop::new(unsafe { File::from_raw_fd(self.target.notify) });
        let _ = (&*notify).write(&[0]);
    }
}
