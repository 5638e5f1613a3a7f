//! Failures, which are bugs: what a panic, or stored state that cannot be read, does to the shop it met.
//!
//! A shop at which the engine failed may be half changed. It is dropped, and nothing is decided for it
//! until the caller brings it anew. What the engine keeps about shops beside them (`books`, `stored`) is
//! changed before or after a shop is at work and never meanwhile; the room that commands share
//! (`draft::Scratch`, the log) is emptied or cut back.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::engine::{Engine, Error, Ran};
use crate::refusal::{Reason, Refusal};

/// The canonical code of a call that failed: INTERNAL.
pub const FAILED: i32 = 13;

/// Shops at which the engine failed, and what is not told yet.
#[derive(Default)]
pub struct Failing {
    /// Each with the presence sessions that had agents there.
    pub shops: BTreeMap<Arc<str>, Vec<String>>,
    /// (shop, what happened).
    untold: Vec<(String, String)>,
}

/// Does this; says what happened if it panics. What it was changing is not to be used any more then.
pub fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| text_of(&*panic))
}

/// The same where an error, too, is a failure.
pub fn caught<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, String> {
    attempt(work)?.map_err(|error| error.to_string())
}

/// Reads bytes and changes nothing half; for a panic an error that says what is no such thing.
pub fn reading<T>(what: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    attempt(work).unwrap_or_else(|panic| {
        let text = format!("not {what}: it contradicts itself: {panic}");
        Err(Error::Value(text))
    })
}

#[cold]
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic").to_owned()
}

impl Failing {
    /// Takes those out for which this is so.
    pub fn take(&mut self, which: impl Fn(&Arc<str>) -> bool) -> BTreeMap<Arc<str>, Vec<String>> {
        let (taken, left) = std::mem::take(&mut self.shops)
            .into_iter()
            .partition(|(id, _)| which(id));
        self.shops = left;
        taken
    }
}

impl Engine {
    /// The shop is not used any more until it is brought anew.
    #[cold]
    pub(crate) fn fail(&mut self, shop_id: &str, what: String) {
        let sessions = caught(|| {
            let loaded = self.shops.get(shop_id);
            let loaded =
                loaded.map(|shop| shop.session_ids().into_iter().map(String::from).collect());
            let stored = self.stored.get(shop_id);
            Ok(loaded.or_else(|| stored.map(|place| place.session_ids.clone())))
        });
        self.take(shop_id);
        self.stored.take(shop_id);
        let sessions = sessions.ok().flatten().unwrap_or_default();
        self.failing.shops.insert(shop_id.into(), sessions);
        self.failing.untold.push((shop_id.to_owned(), what));
    }

    /// What a call is answered that failed; `shop_id`: at this shop, or none was at work.
    #[cold]
    pub(crate) fn failed(&mut self, shop_id: &str, what: String) -> Ran {
        let partition = (!shop_id.is_empty()).then(|| self.partition_of(shop_id));
        if shop_id.is_empty() {
            self.failing.untold.push((String::new(), what));
        } else {
            self.fail(shop_id, what);
        }
        self.refuse(Refusal::of(Reason::Internal, ""), partition)
    }

    /// Why nothing can be said about a shop; none: the engine has not failed at it.
    pub(crate) fn unavailable(&self, shop_id: &str) -> Option<Refusal> {
        let failed = self.failing.shops.contains_key(shop_id);
        failed.then(|| Refusal::of(Reason::ShopUnavailable, "shop_id"))
    }

    /// Why a shop is neither in memory nor stored.
    pub(crate) fn not_there(&self, shop_id: &str) -> Error {
        if self.failing.shops.contains_key(shop_id) {
            return Error::Value(format!("{shop_id} has failed"));
        }
        Error::UnknownShop(shop_id.to_owned())
    }

    /// Failures since this was asked last: shop (empty: at none) and what happened.
    pub fn failures(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.failing.untold)
    }

    /// Does something with a loaded shop, which has failed if this fails.
    pub(crate) fn at<T>(
        &mut self,
        shop_id: &str,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        attempt(|| work(self)).unwrap_or_else(|what| {
            let text = format!("{shop_id}: {what}");
            self.fail(shop_id, what);
            Err(Error::Value(text))
        })
    }
}
