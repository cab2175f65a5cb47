//! `Snapshot`: a captured frame in which code can run.

use crate::flow::Flow;
use crate::frame::Frame;
use crate::scoped::Scoped;

/// All stores as they are at one moment. It is one counted pointer, no resource and no id.
///
/// A snapshot keeps alive the values it holds. Node's `AsyncLocalStorage.snapshot()`, which
/// makes a resource, is [`snapshot`](crate::snapshot()).
///
/// ```
/// use lunation_context::{AsyncLocalStorage, Snapshot};
///
/// static USER: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
/// let snapshot = USER.run("ann", Snapshot::capture);
/// assert_eq!(USER.cloned(), None);
/// assert_eq!(snapshot.run(|| USER.cloned()), Some("ann"));
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    frame: Frame,
}

impl Snapshot {
    /// Captures the current stores, all of them, whatever their `Inherit`.
    #[inline]
    pub fn capture() -> Snapshot {
        Snapshot { frame: Frame::capture() }
    }

    /// Runs `f` with these stores and no others. What `f` changes ends with the call.
    #[inline]
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        Flow::new(self.frame.clone(), 0).run(f)
    }

    /// A future whose polls and drop run with these stores; it keeps what it changes.
    pub fn scope<F>(&self, future: F) -> Scoped<F> {
        Scoped::new(self.frame.clone(), future)
    }
}
