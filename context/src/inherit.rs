//! What a new resource gets of the current frame.

use crate::boxes::Inherited;
use crate::frame::{Frame, FrameSlot};
use crate::key::is_live;

impl Frame {
    /// The current frame as a new resource inherits it: each storage's `Inherit` is applied.
    ///
    /// Costs one count unless a storage that is not `Inherit::Always` has a value; then the
    /// `Inherit::Map` functions run here, in the creator.
    #[inline]
    pub fn inherit() -> Frame {
        let frame = Frame::capture();
        if frame.is_special() { inherit_special(&frame) } else { frame }
    }
}

#[cold]
#[inline(never)]
fn inherit_special(frame: &Frame) -> Frame {
    let heir = FrameSlot::default();
    for (index, value) in frame.values() {
        if !is_live(value.key()) {
            continue;
        }
        // `frame` holds the values while user code runs.
        let inherited = match value.inherit() {
            Inherited::Same => value,
            Inherited::Nothing => continue,
            Inherited::New(mapped) => mapped,
        };
        drop(heir.set(index, Some(inherited)));
    }
    heir.take()
}
