//! `Activation`: the running flow, as the thread's current pointer sees it.

use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::boxes;
use crate::flow::Flow;
use crate::frame::Frame;
use crate::id::AsyncId;
use crate::info::{Facts, ResourceInfo, ResourceRef};
use crate::kind::ResourceKind;
use crate::origin::Origin;

/// Who hears of the life of a resource: the highest two bits of its mark, above its kind.
pub(crate) type Voice = u8;
/// The hooks.
pub(crate) const OTHER: Voice = 0;
/// The hooks that track tasks.
pub(crate) const TASK: Voice = 1;
/// Nobody: it is the root or the loop. What they create has a voice.
pub(crate) const TOP: Voice = 2;
/// Nobody; neither does anybody hear of what it creates.
pub(crate) const SILENT: Voice = 3;

const VOICE_SHIFT: u32 = 6;
// A new resource has the right voice: its mark is the code of its kind.
const _: () = assert!(ResourceKind::TASK_BIT == TASK << VOICE_SHIFT);

/// One flow of a resource: its identity and its live frame.
///
/// A task embeds one in its cell and keeps it between polls; a callback gets one on the stack
/// for each call. Entering it makes it current: see [`Activation::run`].
// The flow first: the pointer to it is then the pointer to the activation.
#[repr(C)]
pub struct Activation {
    pub(crate) flow: Flow,
    id: AsyncId,
    trigger: AsyncId,
    pub(crate) origin: Origin,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Activation>() == 40);

impl Activation {
    /// Puts the parts together; no hook runs, and the name of a `User` kind is still missing.
    #[inline]
    pub(crate) fn assemble(
        id: AsyncId,
        trigger: AsyncId,
        kind: ResourceKind,
        frame: Frame,
        site: &'static Location<'static>,
    ) -> Activation {
        Activation { id, trigger, flow: Flow::new(frame, kind.code()), origin: Origin::new(site) }
    }

    /// Keeps the kind's name, for which the activation has no room.
    pub(crate) fn describe_as(&self, kind: ResourceKind) {
        self.origin.describe(|| ResourceInfo::new(self.facts(kind)));
    }

    /// A description that it does not keep.
    #[cold]
    #[inline(never)]
    pub(crate) fn describe(&self) -> Rc<ResourceInfo> {
        ResourceInfo::new(self.facts(self.kind()))
    }

    /// A further flow of the same resource, in `frame`.
    #[inline]
    pub(crate) fn sibling(&self, frame: Frame) -> Activation {
        Activation {
            id: self.id,
            trigger: self.trigger,
            flow: Flow::new(frame, self.flow.mark()),
            origin: self.origin.clone(),
        }
    }

    /// A further flow of the same resource in the frame of this one: for what the runtime still has
    /// to run in a resource that has ended.
    pub fn again(&self) -> Activation {
        self.sibling(self.flow.frame.get())
    }

    /// A root whose parts are all known at compile time.
    #[track_caller]
    pub(crate) const fn fixed(id: AsyncId) -> Activation {
        Activation {
            id,
            trigger: AsyncId::LOOP,
            flow: Flow::new(Frame::empty(), TOP << VOICE_SHIFT | ResourceKind::Root.code()),
            origin: Origin::new(Location::caller()),
        }
    }

    /// The root of a runtime's main future, which starts in `frame`: id 1, no hook events.
    #[track_caller]
    pub fn root(frame: Frame) -> Activation {
        let root = Activation::fixed(AsyncId::ROOT);
        root.flow.frame.replace(frame);
        root
    }

    /// The loop itself: id 0, empty frame, no hook events.
    #[track_caller]
    pub fn of_loop() -> Activation {
        Activation::fixed(AsyncId::LOOP)
    }

    /// The resource's id.
    #[inline]
    pub fn id(&self) -> AsyncId {
        self.id
    }

    /// The id of the resource that caused it.
    #[inline]
    pub fn trigger_id(&self) -> AsyncId {
        self.trigger
    }

    /// The resource's kind.
    #[inline]
    pub fn kind(&self) -> ResourceKind {
        let position = self.flow.mark() & ResourceKind::POSITION;
        if position == ResourceKind::Task.code() & ResourceKind::POSITION {
            return ResourceKind::Task;
        }
        match ResourceKind::PROVIDERS.get(usize::from(position)) {
            Some(kind) => *kind,
            None => self.existing_resource().map_or(ResourceKind::User(""), |it| it.kind()),
        }
    }

    #[inline]
    pub(crate) fn id_and_kind(&self) -> (AsyncId, ResourceKind) {
        (self.id, self.kind())
    }

    /// Is it a task whose voice is `TASK`?
    #[inline]
    pub(crate) fn is_audible_task(&self) -> bool {
        self.flow.mark() == ResourceKind::Task.code()
    }

    #[inline]
    pub(crate) fn voice(&self) -> Voice {
        self.flow.mark() >> VOICE_SHIFT
    }

    /// Where the resource was created.
    pub fn site(&self) -> &'static Location<'static> {
        self.origin.site()
    }

    /// Takes the live frame out; the flow goes on with the empty one.
    #[inline]
    pub(crate) fn take_frame(&self) -> Frame {
        self.flow.frame.take()
    }

    /// Whether the flow holds any value.
    #[inline]
    pub fn has_frame(&self) -> bool {
        !self.flow.frame.is_null()
    }

    /// Whether it holds neither values nor a description: dropping it does nothing then.
    #[inline]
    pub fn is_bare(&self) -> bool {
        // Both looked at: that is one test.
        !self.has_frame() & !self.is_described()
    }

    /// The flow has ended: drops what it holds, which may run user code.
    #[inline]
    pub fn release(&self) {
        self.flow.release();
    }

    /// [`release`](Self::release) that returns an empty frame, if it can be had with the memory of
    /// the old one: for the next of many short flows to start from.
    #[inline]
    pub fn recycle(&self) -> Frame {
        self.flow.recycle()
    }

    /// [`release`](Self::release) for who has to contain user code: `guard` is to call what it
    /// gets, and is not called if nothing that dies has code to run.
    #[inline]
    pub fn release_within(&self, guard: impl FnOnce(fn())) {
        if self.has_frame() {
            self.flow.release_later();
            if boxes::is_queued() {
                guard(boxes::dispose_queued);
            }
        }
    }

    /// Replaces the live frame and returns the old one.
    #[inline]
    pub fn set_frame(&self, frame: Frame) -> Frame {
        self.flow.frame.replace(frame)
    }

    /// A shareable reference to the resource; allocates at the first call.
    pub fn resource(&self) -> ResourceRef {
        ResourceRef(self.origin.describe(|| self.describe()))
    }

    /// A hook has kept the description that it was shown: it is the resource's from now on.
    #[cold]
    #[inline(never)]
    pub(crate) fn keep(&self, resource: ResourceRef) {
        self.origin.describe(|| resource.0);
    }

    /// The reference that [`resource`](Self::resource) has made, if anybody asked for one.
    pub fn existing_resource(&self) -> Option<ResourceRef> {
        self.origin.description().map(ResourceRef)
    }

    #[inline]
    pub(crate) fn facts(&self, kind: ResourceKind) -> Facts {
        Facts { id: self.id, trigger: self.trigger, kind, site: self.site() }
    }

    /// Whether it holds a description. Without one and without a frame, dropping it does nothing.
    #[inline]
    pub fn is_described(&self) -> bool {
        self.origin.is_described()
    }

    /// Marks it as one that emits no hook events: for `hooks::silence`.
    pub(crate) fn mark_silent(&self) {
        self.flow.add_mark(SILENT << VOICE_SHIFT);
    }
}

impl fmt::Debug for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activation")
            .field("id", &self.id)
            .field("trigger_id", &self.trigger)
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}
