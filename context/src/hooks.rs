//! Async hooks: who watches the life of resources, and how events reach them.
//!
//! An event goes to the hooks that were enabled when it began. What a callback enables or
//! disables takes effect when the outermost emission has ended. Resources that a callback
//! creates emit nothing, for life, nor do those that they create: a hook may use the runtime
//! without watching itself for ever.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io::Write as _;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::activation::Activation;
use crate::id::AsyncId;
use crate::info::ResourceRef;
use crate::kind::ResourceKind;

/// Callbacks for the life of async resources: Node's `createHook` object.
///
/// All are optional. `init` runs in the creator's context, `before` and `after` in the
/// resource's, `destroy` in the empty one with execution id 0. A panic in a callback is printed
/// and aborts the process.
pub trait AsyncHooks {
    /// A resource was created. It need not come to `before`.
    fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, resource: &ResourceRef) {
        let _ = (id, kind, trigger, resource);
    }

    /// The resource's code is about to run: a poll, or a callback.
    fn before(&self, id: AsyncId) {
        let _ = id;
    }

    /// The resource's code has returned, or is unwinding.
    fn after(&self, id: AsyncId) {
        let _ = id;
    }

    /// The resource has ended. Delivered later, in the check phase.
    fn destroy(&self, id: AsyncId) {
        let _ = id;
    }

    /// A task has completed.
    fn promise_resolve(&self, id: AsyncId) {
        let _ = id;
    }

    /// Whether these hooks get the events of tasks: Node's option `trackPromises`. Asked once,
    /// by [`create_hook`]. With `false`, no event of a task comes, `promise_resolve` included;
    /// tasks keep their ids, and what they create tells them as its trigger.
    ///
    /// ```
    /// use lunation_context::{AsyncHooks, AsyncId, ResourceKind, ResourceRef, create_hook};
    ///
    /// struct Callbacks;
    /// impl AsyncHooks for Callbacks {
    ///     fn init(&self, _: AsyncId, kind: ResourceKind, _: AsyncId, _: &ResourceRef) {
    ///         assert_ne!(kind, ResourceKind::Task);
    ///     }
    ///
    ///     fn tracks_tasks(&self) -> bool {
    ///         false
    ///     }
    /// }
    /// create_hook(Callbacks).enable();
    /// ```
    fn tracks_tasks(&self) -> bool {
        true
    }
}

/// Bit of the mask: at least one hook is enabled.
const HOOKS: u8 = 1;
/// Bit of the mask: a poll hook was installed on this thread once.
const POLL_HOOKS: u8 = 2;
/// Bit of the mask: a diagnostics channel had a subscriber on this thread once.
const CHANNELS: u8 = 4;

type Shared = Rc<Created<dyn AsyncHooks>>;

struct Created<H: ?Sized> {
    tracks_tasks: bool,
    hooks: H,
}

#[derive(Default)]
struct Registry {
    /// In the order of enabling. An emission holds a copy of the pointer.
    enabled: RefCell<Option<Rc<[Shared]>>>,
    /// Emissions under way.
    depth: Cell<u32>,
    /// What to enable (true) or disable when the outermost emission ends.
    changes: RefCell<Vec<(Shared, bool)>>,
    /// Ended resources whose `destroy` was not delivered yet; empty while no hook is enabled.
    destroyed: RefCell<VecDeque<(AsyncId, ResourceKind)>>,
}

thread_local! {
    static MASK: Cell<u8> = const { Cell::new(0) };
    static REGISTRY: Registry = const {
        Registry {
            enabled: RefCell::new(None),
            depth: Cell::new(0),
            changes: RefCell::new(Vec::new()),
            destroyed: RefCell::new(VecDeque::new()),
        }
    };
}

/// Is there anything to do around entering a resource? One load and one branch.
#[inline]
pub fn observed() -> bool {
    MASK.get() & (HOOKS | POLL_HOOKS) != 0
}

/// Might anybody be told of the begin and the end of a resource, by hooks or by channels?
#[inline]
pub fn watched() -> bool {
    MASK.get() & (HOOKS | CHANNELS) != 0
}

/// Is at least one hook enabled on this thread?
#[inline]
pub fn enabled() -> bool {
    MASK.get() & HOOKS != 0
}

/// Was a poll hook ever installed on this thread?
#[inline]
pub(crate) fn has_poll_hooks() -> bool {
    MASK.get() & POLL_HOOKS != 0
}

pub(crate) fn note_channel() {
    MASK.set(MASK.get() | CHANNELS);
}

pub(crate) fn note_poll_hook() {
    MASK.set(MASK.get() | POLL_HOOKS);
}

/// Makes a set of hooks, disabled at first: Node's `createHook`.
///
/// ```
/// use lunation_context::{AsyncHooks, AsyncId, AsyncResource, create_hook, hooks};
/// use std::{cell::Cell, rc::Rc};
///
/// struct Count(Rc<Cell<u32>>);
/// impl AsyncHooks for Count {
///     fn before(&self, _id: AsyncId) {
///         self.0.set(self.0.get() + 1);
///     }
/// }
///
/// let runs = Rc::new(Cell::new(0));
/// let hook = create_hook(Count(runs.clone()));
/// hook.enable();
/// AsyncResource::new("EXAMPLE").run_in_async_scope(|| ());
/// hook.disable();
/// assert_eq!(runs.get(), 1);
/// assert!(!hooks::enabled());
/// ```
pub fn create_hook(hooks: impl AsyncHooks + 'static) -> Hook {
    let tracks_tasks = hooks.tracks_tasks();
    Hook { hooks: Rc::new(Created { tracks_tasks, hooks }) }
}

/// A set of hooks made by [`create_hook`]. Dropping the handle does not disable it.
#[derive(Clone)]
pub struct Hook {
    hooks: Shared,
}

impl Hook {
    /// Delivers events to it from now on, after the hooks enabled before. Enabling it twice is
    /// enabling it once. Inside a hook callback it waits for the outermost emission to end.
    pub fn enable(&self) -> &Self {
        request(&self.hooks, true);
        self
    }

    /// Delivers no more events to it. Inside a hook callback it waits for the outermost
    /// emission to end.
    pub fn disable(&self) -> &Self {
        request(&self.hooks, false);
        self
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").finish_non_exhaustive()
    }
}

fn request(hooks: &Shared, enable: bool) {
    // In a thread-local destructor there is nothing left to watch.
    let _ = REGISTRY.try_with(|registry| {
        if registry.depth.get() == 0 {
            registry.apply(hooks, enable);
        } else {
            registry.changes.borrow_mut().push((Rc::clone(hooks), enable));
        }
    });
}

fn is_same(a: &Shared, b: &Shared) -> bool {
    Rc::ptr_eq(a, b)
}

impl Registry {
    fn apply(&self, hooks: &Shared, enable: bool) {
        let old = self.enabled.borrow().clone();
        let known = old.as_deref().unwrap_or_default();
        if known.iter().any(|other| is_same(other, hooks)) == enable {
            return;
        }
        let kept = known.iter().filter(|other| !is_same(other, hooks)).cloned();
        let new: Rc<[Shared]> = kept.chain(enable.then(|| Rc::clone(hooks))).collect();
        if new.is_empty() {
            MASK.set(MASK.get() & !HOOKS);
            self.destroyed.borrow_mut().clear();
            // Bound first: the last owner of a hook may be dropped with it.
            let replaced = self.enabled.take();
            drop(replaced);
        } else {
            MASK.set(MASK.get() | HOOKS);
            let replaced = self.enabled.replace(Some(new));
            drop(replaced);
        }
    }

    #[cold]
    #[inline(never)]
    fn apply_changes(&self) {
        let changes = mem::take(&mut *self.changes.borrow_mut());
        for (hooks, enable) in changes {
            self.apply(&hooks, enable);
        }
    }

    fn next_destroyed(&self) -> Option<(AsyncId, ResourceKind)> {
        self.destroyed.borrow_mut().pop_front()
    }
}

/// Delivers one event to every enabled hook that wants those of this kind. Generic in the event and
/// inlined where that is told: with hooks enabled this is most of what an event costs.
#[inline]
fn emit(event: &str, id: AsyncId, kind: ResourceKind, deliver: impl Fn(&dyn AsyncHooks)) {
    let _ = REGISTRY.try_with(|registry| {
        let Some(enabled) = registry.enabled.borrow().clone() else { return };
        let depth = registry.depth.get();
        registry.depth.set(depth + 1);
        let is_task = kind == ResourceKind::Task;
        let wanting = enabled.iter().filter(|hook| !is_task || hook.tracks_tasks);
        abort_on_panic(event, id, kind, || wanting.for_each(|hook| deliver(&hook.hooks)));
        registry.depth.set(depth);
        if depth == 0 && !registry.changes.borrow().is_empty() {
            registry.apply_changes();
        }
    });
}

/// Calls a hook: it has no caller that could handle its panic, and going on would hide events.
#[inline]
pub(crate) fn abort_on_panic(event: &str, id: AsyncId, kind: ResourceKind, call: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
        abort(event, id, kind, &*payload);
    }
}

#[cold]
#[inline(never)]
fn abort(event: &str, id: AsyncId, kind: ResourceKind, payload: &(dyn Any + Send)) -> ! {
    let message = message_of(payload);
    let report = format!("lunation: hook panicked in {event} of {kind}({id}): {message}\n");
    let _ = std::io::stderr().write_all(report.as_bytes());
    std::process::abort();
}

pub(crate) fn message_of(payload: &(dyn Any + Send)) -> &str {
    match payload.downcast_ref::<&'static str>() {
        Some(text) => text,
        None => payload.downcast_ref::<String>().map_or("(no message)", String::as_str),
    }
}

/// Tells the hooks about a new resource, or silences it if a hook callback creates it.
#[cold]
#[inline(never)]
pub(crate) fn emit_init(created: &Activation) {
    let in_callback = REGISTRY.try_with(|registry| registry.depth.get() > 0);
    if in_callback.unwrap_or(true) {
        created.silence();
    }
    if !created.is_silent() {
        let (id, kind, trigger) = (created.id(), created.kind(), created.trigger_id());
        let resource = created.resource();
        emit("init", id, kind, |hooks| hooks.init(id, kind, trigger, &resource));
    }
}

/// `before`, for an activation that is current.
#[inline]
pub(crate) fn emit_before(running: &Activation) {
    if enabled() && !running.is_silent() {
        let id = running.id();
        emit("before", id, running.kind(), |hooks| hooks.before(id));
    }
}

/// `after`, for an activation that is still current.
#[inline]
pub(crate) fn emit_after(running: &Activation) {
    if enabled() && !running.is_silent() {
        let id = running.id();
        emit("after", id, running.kind(), |hooks| hooks.after(id));
    }
}

pub(crate) fn emit_promise_resolve(resolved: &Activation) {
    if enabled() && !resolved.is_silent() {
        let id = resolved.id();
        let kind = resolved.kind();
        emit("promise_resolve", id, kind, |hooks| hooks.promise_resolve(id));
    }
}

/// Queues `destroy`; no user code runs.
#[cold]
#[inline(never)]
pub(crate) fn queue_destroy(ended: &Activation) {
    if enabled() && !ended.is_silent() {
        let entry = (ended.id(), ended.kind());
        let _ = REGISTRY.try_with(|registry| registry.destroyed.borrow_mut().push_back(entry));
    }
}

/// Delivers the queued `destroy` events, also those that a `destroy` callback queues meanwhile.
///
/// For the event loop: it calls this in each check phase, before the immediates.
#[inline]
pub fn flush_destroys() {
    if enabled() {
        flush();
    }
}

#[cold]
#[inline(never)]
fn flush() {
    Activation::of_loop().enter(|| {
        while let Ok(Some((id, kind))) = REGISTRY.try_with(Registry::next_destroyed) {
            emit("destroy", id, kind, |hooks| hooks.destroy(id));
        }
    });
}
