//! `TransferSnapshot`: stores on their way to another thread.

use std::fmt;

use crate::boxes::Parcel;
use crate::flow::Flow;
use crate::frame::{Frame, FrameSlot};
use crate::key::{index_of, is_live};

/// Clones of what the transferable storages hold at one moment; it can be sent to any thread.
///
/// It carries the values of storages built with [`transferable`]; all others read as unset where
/// it is run. Blocking jobs carry one by themselves.
///
/// ```
/// use lunation_context::{AsyncLocalStorage, TransferSnapshot};
///
/// static USER: AsyncLocalStorage<String> = AsyncLocalStorage::builder().transferable().build();
///
/// let stores = USER.run("ann".to_owned(), TransferSnapshot::capture);
/// let worker = std::thread::spawn(|| stores.run(|| USER.cloned()));
/// assert_eq!(worker.join().unwrap().as_deref(), Some("ann"));
/// ```
///
/// [`transferable`]: crate::StorageBuilder::transferable
#[derive(Default)]
pub struct TransferSnapshot {
    parcels: Vec<(usize, Box<dyn Parcel>)>,
}

impl TransferSnapshot {
    /// Clones the current values of the transferable storages, whatever their `Inherit`.
    pub fn capture() -> TransferSnapshot {
        TransferSnapshot::of(&Frame::capture())
    }

    /// Clones what `frame` holds for transferable storages.
    pub fn of(frame: &Frame) -> TransferSnapshot {
        // `frame` holds the values while the clones, user code, are made.
        let live = frame.values().filter(|(_, value)| is_live(value.key()));
        let packed = live.filter_map(|(_, value)| Some((index_of(value.key()), value.pack()?)));
        TransferSnapshot { parcels: packed.collect() }
    }

    /// Runs `f` on this thread, under the running resource, with these stores and no others. What
    /// `f` changes ends with the call.
    pub fn run<R>(self, f: impl FnOnce() -> R) -> R {
        Flow::new(self.into_frame(), 0).run(f)
    }

    /// The values in boxes of this thread.
    pub(crate) fn into_frame(self) -> Frame {
        let frame = FrameSlot::default();
        for (index, parcel) in self.parcels {
            // Each index once: nothing is replaced.
            drop(frame.set(index, Some(parcel.unpack())));
        }
        frame.take()
    }
}

impl Clone for TransferSnapshot {
    /// Clones the values once more: for several threads.
    fn clone(&self) -> TransferSnapshot {
        let parcels = self.parcels.iter();
        let parcels = parcels.map(|(index, parcel)| (*index, parcel.duplicate())).collect();
        TransferSnapshot { parcels }
    }
}

impl fmt::Debug for TransferSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferSnapshot").field("stores", &self.parcels.len()).finish()
    }
}
