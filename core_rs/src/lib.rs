//! The face for Python: extract, call, return. Every rule is in `fenliu-engine`, committing in `appender.rs`;
//! the signatures are those of `server/fenliu/engine/_core.pyi`.

mod appender;
mod sqlite;

use std::ffi::CString;
use std::sync::{Mutex, MutexGuard};

use fenliu_engine::proto::fenliu::engine::v1::CommandKind;
use fenliu_engine::{Answer, Error, PartitionEntries};
use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// From this many elements on, a batch lets other Python threads run meanwhile.
const LONG_BATCH: usize = 64;
/// A single request of more bytes than this, which is one for settings, does so too.
const LONG_REQUEST: usize = 4096;
/// A request has at least about this many bytes.
const SMALL_REQUEST: usize = 16;

type Decided<'py> = (i32, Bound<'py, PyBytes>, i64, Bound<'py, PyBytes>);
/// Code, results, total, batch id, entries, decided.
type DecidedBatch<'py> = (i32, Bound<'py, PyBytes>, usize, u64, Entries<'py>, usize);
type Flushed<'py> = (
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Vec<Bound<'py, PyBytes>>,
);
type Entries<'py> = Vec<(u32, usize, Bound<'py, PyBytes>)>;

/// The state of many shops and every rule of dispatch: a pure state machine.
#[pyclass(frozen, module = "fenliu.engine._core")]
struct Engine {
    partitions: u32,
    inner: Mutex<fenliu_engine::Engine>,
}

impl Engine {
    fn lock(&self) -> PyResult<MutexGuard<'_, fenliu_engine::Engine>> {
        self.inner
            .lock()
            .map_err(|_| PyRuntimeError::new_err("the engine failed in an earlier call"))
    }
}

#[pymethods]
impl Engine {
    #[new]
    fn new(partitions: i64) -> PyResult<Self> {
        // What fits no u32 is as wrong as 0.
        let partitions = u32::try_from(partitions).unwrap_or(0);
        Ok(Self {
            partitions,
            inner: Mutex::new(fenliu_engine::Engine::new(partitions).map_err(to_py)?),
        })
    }

    #[pyo3(signature = (kind, request, now_ms, actor = "", most_due = 0))]
    fn decide<'py>(
        &self,
        py: Python<'py>,
        kind: i64,
        request: &[u8],
        now_ms: i64,
        actor: &str,
        most_due: usize,
    ) -> PyResult<Decided<'py>> {
        let mut entry = Vec::new();
        let mut run = || {
            let mut engine = self.lock()?;
            let answer = engine.decide(kind, request, now_ms, actor, most_due, &mut entry);
            answer.map_err(to_py)
        };
        let answer = if request.len() > LONG_REQUEST || is_long(kind) {
            py.detach(run)?
        } else {
            run()?
        };
        Ok(decided(py, &answer, &entry))
    }

    #[pyo3(signature = (kind, batch, now_ms, first = 0, count = 4096, most_due = 0))]
    #[allow(clippy::too_many_arguments)] // those of the face
    fn decide_batch<'py>(
        &self,
        py: Python<'py>,
        kind: i64,
        batch: &[u8],
        now_ms: i64,
        first: usize,
        count: usize,
        most_due: usize,
    ) -> PyResult<DecidedBatch<'py>> {
        let run = || {
            self.lock()?
                .decide_batch(kind, batch, now_ms, first, count, most_due)
                .map_err(to_py)
        };
        let answer = if count.min(batch.len() / SMALL_REQUEST) > LONG_BATCH {
            py.detach(run)?
        } else {
            run()?
        };
        Ok((
            answer.code,
            PyBytes::new(py, &answer.results),
            answer.total,
            answer.batch_id,
            entries(py, &answer.entries),
            answer.decided,
        ))
    }

    #[pyo3(signature = (now_ms, most_due = 0, shop_id = ""))]
    fn tick<'py>(
        &self,
        py: Python<'py>,
        now_ms: i64,
        most_due: usize,
        shop_id: &str,
    ) -> PyResult<Entries<'py>> {
        let logged = py.detach(|| self.lock()?.tick(now_ms, most_due, shop_id).map_err(to_py))?;
        Ok(entries(py, &logged))
    }

    fn missing_due<'py>(&self, py: Python<'py>, now_ms: i64) -> PyResult<Bound<'py, PyBytes>> {
        let missing = py.detach(|| self.lock().map(|engine| engine.missing_due(now_ms)))?;
        Ok(PyBytes::new(py, &missing))
    }

    fn next_due(&self) -> PyResult<Option<i64>> {
        Ok(self.lock()?.next_due())
    }

    fn query<'py>(
        &self,
        py: Python<'py>,
        kind: i64,
        request: &[u8],
    ) -> PyResult<(i32, Bound<'py, PyBytes>, i64)> {
        let answer = py.detach(|| self.lock()?.query(kind, request).map_err(to_py))?;
        let (code, reply, partition, _) = decided(py, &answer, &[]);
        Ok((code, reply, partition))
    }

    #[pyo3(signature = (entries, start = 0, shop_id = ""))]
    fn apply<'py>(
        &self,
        py: Python<'py>,
        entries: &[u8],
        start: usize,
        shop_id: &str,
    ) -> PyResult<(usize, usize, Bound<'py, PyBytes>)> {
        let run = || self.lock()?.apply(entries, start, shop_id).map_err(to_py);
        let applied = py.detach(run)?;
        let missing = PyBytes::new(py, &applied.missing);
        Ok((applied.count, applied.end, missing))
    }

    fn redecide<'py>(&self, py: Python<'py>, entry: &[u8]) -> PyResult<Decided<'py>> {
        let mut made = Vec::new();
        let answer = py.detach(|| self.lock()?.redecide(entry, &mut made).map_err(to_py))?;
        Ok(decided(py, &answer, &made))
    }

    fn play<'py>(
        &self,
        py: Python<'py>,
        script: &[u8],
        playing: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let played = py.detach(|| self.lock()?.play(script, playing).map_err(to_py))?;
        Ok(PyBytes::new(py, &played))
    }

    #[pyo3(signature = (*, deleted = false))]
    fn shop_ids(&self, py: Python<'_>, deleted: bool) -> PyResult<Vec<String>> {
        py.detach(|| self.lock().map(|engine| engine.shop_ids(deleted)))
    }

    fn sessions(&self, py: Python<'_>) -> PyResult<Vec<(String, String)>> {
        py.detach(|| self.lock().map(|engine| engine.sessions()))
    }

    fn snapshot<'py>(&self, py: Python<'py>, shop_id: &str) -> PyResult<Bound<'py, PyBytes>> {
        let snapshot = py.detach(|| self.lock()?.snapshot(shop_id).map_err(to_py))?;
        Ok(PyBytes::new(py, &snapshot))
    }

    fn load_snapshot(&self, py: Python<'_>, snapshot: &[u8]) -> PyResult<()> {
        py.detach(|| self.lock()?.load_snapshot(snapshot).map_err(to_py))
    }

    fn state_hash<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let hash = py.detach(|| self.lock()?.state_hash().map_err(to_py))?;
        Ok(PyBytes::new(py, &hash))
    }

    fn take_partition(
        &self,
        py: Python<'_>,
        other: &Bound<'_, Self>,
        partition: i64,
    ) -> PyResult<()> {
        let other = other.get();
        if self.partitions != other.partitions {
            return Err(PyValueError::new_err("the engines differ in partitions"));
        }
        let Some(partition) = u32::try_from(partition)
            .ok()
            .filter(|p| *p < self.partitions)
        else {
            return Ok(());
        };
        // One lock at a time, so that two engines may take from each other.
        py.detach(|| {
            let shops = other.lock()?.remove_partition(partition);
            self.lock()?.put_partition(partition, shops);
            Ok(())
        })
    }

    fn take_shop(&self, py: Python<'_>, other: &Bound<'_, Self>, shop_id: &str) -> PyResult<()> {
        let other = other.get();
        if self.partitions != other.partitions {
            return Err(PyValueError::new_err("the engines differ in partitions"));
        }
        py.detach(|| {
            let shop = other.lock()?.remove_shop(shop_id);
            self.lock()?.put_shop(shop_id, shop);
            Ok(())
        })
    }

    fn failures(&self) -> PyResult<Vec<(String, String)>> {
        Ok(self.lock()?.failures())
    }

    fn load_manifest(&self, py: Python<'_>, manifest: &[u8]) -> PyResult<u32> {
        py.detach(|| self.lock()?.load_manifest(manifest).map_err(to_py))
    }

    fn install(&self, py: Python<'_>, manifest: &[u8]) -> PyResult<()> {
        py.detach(|| self.lock()?.install(manifest).map_err(to_py))
    }

    fn tidy(&self) -> PyResult<bool> {
        Ok(self.lock()?.tidy())
    }

    fn rotate(&self, partition: u32) -> PyResult<()> {
        self.lock()?.rotate(partition);
        Ok(())
    }

    fn put_chunk(&self, chunk_id: &[u8], content: &[u8]) -> PyResult<()> {
        self.lock()?.put_chunk(chunk_id, content).map_err(to_py)
    }

    fn put_filter(&self, chunk_id: &[u8], filter: &[u8]) -> PyResult<()> {
        self.lock()?.put_filter(chunk_id, filter).map_err(to_py)
    }

    fn touched(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        py.detach(|| self.lock().map(|engine| engine.touched()))
    }

    fn flush<'py>(&self, py: Python<'py>, shop_id: &str) -> PyResult<Flushed<'py>> {
        let flushed = py.detach(|| self.lock()?.flush(shop_id).map_err(to_py))?;
        Ok((
            PyBytes::new(py, &flushed.shop),
            PyBytes::new(py, &flushed.head),
            contents(py, &flushed.chunks),
        ))
    }

    fn missing_of<'py>(&self, py: Python<'py>, shop_id: &str) -> PyResult<Bound<'py, PyBytes>> {
        let missing = py.detach(|| self.lock()?.missing_of(shop_id).map_err(to_py))?;
        Ok(PyBytes::new(py, &missing))
    }

    fn memory(&self, py: Python<'_>) -> PyResult<usize> {
        py.detach(|| self.lock().map(|engine| engine.memory()))
    }

    fn shrink(&self, py: Python<'_>, limit: usize) -> PyResult<()> {
        py.detach(|| self.lock().map(|mut engine| engine.shrink(limit)))
    }
}

/// Whether a command's time grows with the shop, however short the request.
fn is_long(kind: i64) -> bool {
    const LONG: [CommandKind; 3] = [
        CommandKind::ExpireSession,
        CommandKind::SetWeights,
        CommandKind::DeleteShop,
    ];
    LONG.iter().any(|long| *long as i64 == kind)
}

fn decided<'py>(py: Python<'py>, answer: &Answer, entry: &[u8]) -> Decided<'py> {
    (
        answer.code,
        PyBytes::new(py, &answer.reply),
        answer.partition.map_or(-1, i64::from),
        PyBytes::new(py, entry),
    )
}

fn entries<'py>(py: Python<'py>, logged: &[PartitionEntries]) -> Entries<'py> {
    let entry = |of: &PartitionEntries| (of.partition, of.count, PyBytes::new(py, &of.entries));
    logged.iter().map(entry).collect()
}

fn contents<'py>(py: Python<'py>, chunks: &[Vec<u8>]) -> Vec<Bound<'py, PyBytes>> {
    let content = |chunk: &Vec<u8>| PyBytes::new(py, chunk);
    chunks.iter().map(content).collect()
}

fn to_py(error: Error) -> PyErr {
    match error {
        Error::Value(what) => PyValueError::new_err(what),
        Error::UnknownShop(shop_id) => PyKeyError::new_err(shop_id),
    }
}

#[pyfunction]
fn merge_chunks<'py>(
    py: Python<'py>,
    sources: Vec<Vec<Bound<'py, PyBytes>>>,
    first: &[u8],
    end: &[u8],
    now_ms: i64,
    contact_lifetime_ms: i64,
    contacts_since_ms: i64,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let sources: Vec<Vec<&[u8]>> = sources
        .iter()
        .map(|chunks| chunks.iter().map(|chunk| chunk.as_bytes()).collect())
        .collect();
    let merged = py.detach(|| {
        fenliu_engine::merge_chunks(
            &sources,
            first,
            end,
            now_ms,
            contact_lifetime_ms,
            contacts_since_ms,
        )
    });
    Ok(contents(py, &merged.map_err(to_py)?))
}

#[pyfunction]
fn filter_of<'py>(py: Python<'py>, content: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let filter = py
        .detach(|| fenliu_engine::filter_of(content))
        .map_err(to_py)?;
    Ok(PyBytes::new(py, &filter))
}

#[pyfunction]
fn partition_of(shop_id: &str, partitions: i64) -> PyResult<u32> {
    match u32::try_from(partitions) {
        Ok(partitions) if partitions > 0 => Ok(fenliu_engine::partition_of(shop_id, partitions)),
        _ => Err(PyValueError::new_err("partitions must be above 0")),
    }
}

/// Commits groups of records on a thread that never waits for the interpreter's lock.
#[pyclass(frozen, module = "fenliu.engine._core")]
struct Appender(appender::Appender);

#[pymethods]
impl Appender {
    #[classattr]
    const SQLITE: [&'static str; sqlite::NAMES.len()] = sqlite::NAMES;

    #[new]
    fn new(
        addresses: [usize; sqlite::NAMES.len()],
        path: &[u8],
        busy_ms: i32,
        setup: &str,
        insert: &str,
        notify: i32,
    ) -> PyResult<Self> {
        // What the caller of this class promises.
        let library = unsafe { sqlite::Library::at(addresses) };
        let target = appender::Target {
            library: library.ok_or_else(|| PyValueError::new_err("an address is 0"))?,
            path: CString::new(path)?,
            busy_ms,
            setup: CString::new(setup)?,
            insert: insert.into(),
            notify,
        };
        Ok(Self(appender::Appender::start(target)?))
    }

    fn append(
        &self,
        number: u64,
        rows: Vec<(i64, i64, Bound<'_, PyBytes>, Bound<'_, PyBytes>)>,
    ) -> bool {
        let own = |bytes: &Bound<'_, PyBytes>| bytes.as_bytes().to_vec();
        let rows = rows
            .iter()
            .map(|(partition, before, id, record)| (*partition, *before, own(id), own(record)));
        self.0.append(number, rows.collect())
    }

    fn collect(&self) -> Vec<(u64, usize, Option<String>)> {
        let done = self.0.collect().into_iter();
        done.map(|(number, written)| match written {
            Ok(rows) => (number, rows, None),
            Err(error) => (number, 0, Some(error)),
        })
        .collect()
    }

    fn pause(&self, py: Python<'_>) {
        py.detach(|| self.0.pause());
    }

    fn resume(&self) {
        self.0.resume();
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

#[pymodule]
mod _core {
    #[pymodule_export]
    const CORE: &str = "rust";
    /// Changes whenever _core.pyi does.
    #[pymodule_export]
    const API_VERSION: u32 = 8;
    #[pymodule_export]
    const RULES_VERSION: u32 = fenliu_engine::RULES_VERSION;
    #[pymodule_export]
    use super::{Appender, Engine, filter_of, merge_chunks, partition_of};
}
