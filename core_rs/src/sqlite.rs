//! The SQLite of the interpreter's own `sqlite3` module, called by the addresses of its functions.
//!
//! A copy of the library of our own is no choice: when two are at work on one file in one process, closing it in one
//! drops the locks of the other (<https://www.sqlite.org/howtocorrupt.html>, 2.2.1). Knows no table.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

type Handle = *mut c_void;

const OK: c_int = 0;
const DONE: c_int = 101;
const OPEN_READWRITE: c_int = 0x2;

/// Declares the table of functions once: their names, their types, and how they come out of addresses.
macro_rules! library {
    ($($name:ident($($argument:ty),*) -> $result:ty;)*) => {
        /// What is called of SQLite's interface (<https://www.sqlite.org/c3ref/funclist.html>).
        #[derive(Clone, Copy)]
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) -> $result,)*
        }

        /// The names, each without its `sqlite3_`, in the order of the addresses.
        pub const NAMES: [&str; [$(stringify!($name)),*].len()] = [$(stringify!($name)),*];

        impl Functions {
            /// # Safety
            /// The addresses are those of the functions named, of a library that stays loaded.
            unsafe fn at(addresses: [usize; NAMES.len()]) -> Self {
                let mut rest = addresses.into_iter();
                Self {
                    $($name: unsafe {
                        std::mem::transmute::<usize, unsafe extern "C" fn($($argument),*) -> $result>(
                            rest.next().unwrap_or_default(),
                        )
                    },)*
                }
            }
        }
    };
}

library! {
    open_v2(*const c_char, *mut Handle, c_int, *const c_char) -> c_int;
    close_v2(Handle) -> c_int;
    busy_timeout(Handle, c_int) -> c_int;
    exec(Handle, *const c_char, *const c_void, *const c_void, *const c_void) -> c_int;
    prepare_v2(Handle, *const c_char, c_int, *mut Handle, *const c_void) -> c_int;
    bind_int64(Handle, c_int, i64) -> c_int;
    bind_blob(Handle, c_int, *const c_void, c_int, *const c_void) -> c_int;
    step(Handle) -> c_int;
    reset(Handle) -> c_int;
    finalize(Handle) -> c_int;
    changes(Handle) -> c_int;
    errmsg(Handle) -> *const c_char;
}

/// SQLite.
#[derive(Clone, Copy)]
pub struct Library(Functions);

impl Library {
    /// # Safety
    /// The addresses are those of NAMES, of a library that stays loaded and is made for several threads.
    pub unsafe fn at(addresses: [usize; NAMES.len()]) -> Option<Self> {
        if addresses.contains(&0) {
            return None;
        }
        Some(Self(unsafe { Functions::at(addresses) }))
    }
}

/// A connection to a database, for one thread at a time. Ends its transaction when dropped.
pub struct Connection {
    of: Functions,
    database: Handle,
}

/// One value of a statement.
pub enum Value<'a> {
    Integer(i64),
    Blob(&'a [u8]),
}

impl Connection {
    /// Opens a database that is there, and runs the statements of `setup`.
    pub fn open(
        library: Library,
        path: &CStr,
        busy_ms: c_int,
        setup: &CStr,
    ) -> Result<Self, String> {
        let Library(of) = library;
        let mut database = ptr::null_mut();
        let code = unsafe {
            (of.open_v2)(
                path.as_ptr(),
                &raw mut database,
                OPEN_READWRITE,
                ptr::null(),
            )
        };
        if database.is_null() {
            return Err("out of memory".into());
        }
        let connection = Self { of, database };
        connection.check(code)?;
        connection.check(unsafe { (of.busy_timeout)(database, busy_ms) })?;
        let none = ptr::null();
        connection.check(unsafe { (of.exec)(database, setup.as_ptr(), none, none, none) })?;
        Ok(connection)
    }

    /// A statement, to be run any number of times while its connection is there.
    pub fn prepare(&self, text: &str) -> Result<Statement, String> {
        let text = CString::new(text).map_err(|error| error.to_string())?;
        let mut statement = ptr::null_mut();
        let to_its_end = -1;
        self.check(unsafe {
            (self.of.prepare_v2)(
                self.database,
                text.as_ptr(),
                to_its_end,
                &raw mut statement,
                ptr::null(),
            )
        })?;
        Ok(Statement {
            of: self.of,
            statement,
        })
    }

    /// Runs a statement of this connection's that gives no rows; how many rows it has changed.
    pub fn run(&self, statement: &Statement, values: &[Value<'_>]) -> Result<usize, String> {
        let result = self.bind_and_step(statement, values);
        // Says the error of the step once more, if there was one. What was bound is not looked at any more.
        unsafe { (self.of.reset)(statement.statement) };
        result
    }

    fn bind_and_step(&self, statement: &Statement, values: &[Value<'_>]) -> Result<usize, String> {
        let of = &self.of;
        for (place, value) in (1..).zip(values) {
            self.check(match value {
                Value::Integer(number) => unsafe {
                    (of.bind_int64)(statement.statement, place, *number)
                },
                Value::Blob(bytes) => {
                    let length = c_int::try_from(bytes.len()).map_err(|error| error.to_string())?;
                    // Null: not copied; it is there until the statement is done.
                    unsafe {
                        (of.bind_blob)(
                            statement.statement,
                            place,
                            bytes.as_ptr().cast(),
                            length,
                            ptr::null(),
                        )
                    }
                }
            })?;
        }
        match unsafe { (of.step)(statement.statement) } {
            DONE => Ok(usize::try_from(unsafe { (of.changes)(self.database) }).unwrap_or(0)),
            _ => Err(self.error()),
        }
    }

    fn check(&self, code: c_int) -> Result<(), String> {
        if code == OK {
            Ok(())
        } else {
            Err(self.error())
        }
    }

    fn error(&self) -> String {
        let text = unsafe { CStr::from_ptr((self.of.errmsg)(self.database)) };
        text.to_string_lossy().into_owned()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        unsafe { (self.of.close_v2)(self.database) };
    }
}

/// A prepared statement.
pub struct Statement {
    of: Functions,
    statement: Handle,
}

impl Drop for Statement {
    fn drop(&mut self) {
        // A connection that is closed before its statements is there until the last of them goes.
        unsafe { (self.of.finalize)(self.statement) };
    }
}
