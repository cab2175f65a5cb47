//! Async hooks: who watches the life of resources, and how events reach them.
//!
//! An event goes to the hooks that were enabled when it began. What a callback enables or
//! disables takes effect when the outermost emission has ended. Resources that a callback
//! creates emit nothing, for life, nor do those that they create: a hook may use the runtime
//! without watching itself for ever.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Write as _;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::activation::{Activation, OTHER, SILENT, TASK, TOP, Voice};
pub use crate::callbacks::AsyncHooks;
use crate::callbacks::{Created, Shared};
use crate::current::with_current;
use crate::enabled::Enabled;
use crate::id::AsyncId;
use crate::info::ResourceRef;
use crate::kind::ResourceKind;

/// Bit of the mask: at least one hook is enabled.
const HOOKS: u8 = 1;
/// Bit of the mask: a poll hook was installed on this thread once.
const POLL_HOOKS: u8 = 2;
/// Bit of the mask: a diagnostics channel had a subscriber on this thread once.
const CHANNELS: u8 = 4;
/// Bit of the mask: a resource that emits nothing, nor what it creates, was on this thread once.
const SILENCE: u8 = 8;

struct Registry {
    enabled: Enabled,
    /// What to enable (true) or disable when the outermost emission ends.
    changes: RefCell<Vec<(Shared, bool)>>,
    /// Ended resources whose `destroy` was not delivered yet; empty while no hook is enabled.
    destroyed: RefCell<Vec<(AsyncId, ResourceKind)>>,
    /// A description for the next `init`: few hooks keep what they are shown.
    spare: Cell<Option<ResourceRef>>,
}

/// Empties the registry at thread exit. It is apart so that the registry itself has no destructor:
/// an access is then a plain load, and works in every other destructor.
struct Owner;

thread_local! {
    static MASK: Cell<u8> = const { Cell::new(0) };
    static REGISTRY: ManuallyDrop<Registry> = const {
        ManuallyDrop::new(Registry {
            enabled: Enabled::none(),
            changes: RefCell::new(Vec::new()),
            destroyed: RefCell::new(Vec::new()),
            spare: Cell::new(None),
        })
    };
    static REGISTRY_OWNER: Owner = const { Owner };
}

/// Is there anything to do around entering a resource? One load and one branch.
#[inline]
pub fn observed() -> bool {
    MASK.get() & (HOOKS | POLL_HOOKS) != 0
}

/// Is there anything to do about the begin and the end of a resource, for hooks or for channels?
#[inline]
pub fn watched() -> bool {
    MASK.get() & (HOOKS | CHANNELS | SILENCE) != 0
}

/// Is there anything to do about a new resource: hooks to tell, or silence to inherit?
#[inline]
pub(crate) fn expecting() -> bool {
    MASK.get() & (HOOKS | SILENCE) != 0
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

/// Makes a resource emit no events, for life; what it creates will ask it.
pub(crate) fn silence(resource: &Activation) {
    resource.mark_silent();
    MASK.set(MASK.get() | SILENCE);
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
    if REGISTRY_OWNER.try_with(|_| ()).is_err() {
        // The thread is exiting: there is nothing left to watch.
        return;
    }
    REGISTRY.with(|registry| {
        if registry.enabled.is_emitting() {
            registry.changes.borrow_mut().push((Rc::clone(hooks), enable));
            registry.enabled.note_changes();
        } else {
            registry.apply(hooks, enable);
        }
    });
}

impl Drop for Owner {
    fn drop(&mut self) {
        MASK.set(MASK.get() & !HOOKS);
        REGISTRY.with(|registry| {
            // An emission is under way if a callback exits the process.
            let emitting = registry.enabled.is_emitting();
            let enabled = (!emitting).then(|| registry.enabled.replace(Vec::new()));
            drop((enabled, registry.changes.take(), registry.destroyed.take()));
            drop(registry.spare.take());
        });
    }
}

impl Registry {
    /// Enables or disables; no emission is under way.
    fn apply(&self, hooks: &Shared, enable: bool) {
        let mut all = self.enabled.all();
        let position = all.iter().position(|other| Rc::ptr_eq(other, hooks));
        match position {
            Some(position) if !enable => drop(all.remove(position)),
            None if enable => all.push(Rc::clone(hooks)),
            _ => return,
        }
        if all.is_empty() {
            MASK.set(MASK.get() & !HOOKS);
            self.destroyed.borrow_mut().clear();
        } else {
            MASK.set(MASK.get() | HOOKS);
        }
        // The last owner of a hook may be dropped with it.
        drop(self.enabled.replace(all));
    }

    /// Delivers one event. Inlined where it is told: with hooks enabled this is most of what an
    /// event costs.
    #[inline(always)]
    fn emit(
        &self,
        voice: Voice,
        event: &str,
        subject: impl Fn() -> (AsyncId, ResourceKind),
        deliver: impl FnOnce(&dyn AsyncHooks),
    ) {
        let call = |hooks: &dyn AsyncHooks| abort_on_panic(event, subject, || deliver(hooks));
        if self.enabled.emit(voice, call) {
            apply_changes();
        }
    }

    /// `init` of a resource without a description: shows one that is lent.
    /// Inlined twice: most resources are tasks, whose kind need not be looked up.
    #[inline(always)]
    fn emit_init(&self, created: &Activation, voice: Voice, kind: ResourceKind) {
        let facts = created.facts(kind);
        let lent = match self.spare.take() {
            Some(spare) => spare.describing(facts),
            None => ResourceRef(created.describe()),
        };
        self.show(created, voice, kind, &lent);
        if lent.is_in_use() {
            created.keep(lent);
        } else {
            self.spare.set(Some(lent));
        }
    }

    #[inline(always)]
    fn show(&self, created: &Activation, voice: Voice, kind: ResourceKind, resource: &ResourceRef) {
        let (id, trigger) = (created.id(), created.trigger_id());
        let subject = || created.id_and_kind();
        self.emit(voice, "init", subject, |hooks| hooks.init(id, kind, trigger, resource));
    }

    #[cold]
    #[inline(never)]
    fn flush_destroys(&self) {
        let mut batch = Vec::new();
        Activation::of_loop().enter(|| {
            loop {
                // Unless a callback ends something, the next swap puts the queue's memory back.
                mem::swap(&mut batch, &mut *self.destroyed.borrow_mut());
                if batch.is_empty() {
                    break;
                }
                for ended in &batch {
                    let voice = if ended.1 == ResourceKind::Task { TASK } else { OTHER };
                    self.emit(voice, "destroy", || *ended, |hooks| hooks.destroy(ended.0));
                }
                batch.clear();
            }
        });
    }
}

/// Does what waits for the end of the outermost emission, if that was it.
#[cold]
#[inline(never)]
fn apply_changes() {
    REGISTRY.with(|registry| {
        if registry.enabled.take_changes() {
            let changes = mem::take(&mut *registry.changes.borrow_mut());
            for (hooks, enable) in changes {
                registry.apply(&hooks, enable);
            }
        }
    });
}

/// Calls a hook: it has no caller that could handle its panic, and going on would hide events.
#[inline]
pub(crate) fn abort_on_panic(
    event: &str,
    subject: impl Fn() -> (AsyncId, ResourceKind),
    call: impl FnOnce(),
) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
        abort(event, subject, payload);
    }
}

#[cold]
#[inline(never)]
fn abort(
    event: &str,
    subject: impl Fn() -> (AsyncId, ResourceKind),
    payload: Box<dyn Any + Send>,
) -> ! {
    let ((id, kind), message) = (subject(), message_of(&*payload));
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

/// Tells the hooks about a resource that the running one creates, or silences it: if that is silent
/// itself, or a hook callback is at it. For when one of them is [expected](expecting).
#[cold]
#[inline(never)]
pub(crate) fn emit_init(created: &Activation) {
    if MASK.get() & SILENCE != 0 {
        if with_current(Activation::voice) == SILENT {
            return silence(created);
        }
        if !enabled() {
            return;
        }
    }
    REGISTRY.with(|registry| {
        if registry.enabled.is_emitting() {
            return silence(created);
        }
        if created.is_audible_task() && !created.is_described() {
            registry.emit_init(created, TASK, ResourceKind::Task);
        } else if created.voice() < TOP {
            emit_init_of_other(created);
        }
    });
}

/// Apart: to hold any kind takes more registers, which have to be saved.
#[cold]
#[inline(never)]
fn emit_init_of_other(created: &Activation) {
    REGISTRY.with(|registry| {
        let (voice, kind) = (created.voice(), created.kind());
        match created.existing_resource() {
            Some(resource) => registry.show(created, voice, kind, &resource),
            None => registry.emit_init(created, voice, kind),
        }
    });
}

/// [`Registry::emit`] for the current activation.
#[inline]
fn emit_current(event: &str, running: &Activation, deliver: impl FnOnce(&dyn AsyncHooks)) {
    // Not of `running`: nothing needs to be kept over the call.
    let subject = || with_current(Activation::id_and_kind);
    REGISTRY.with(|registry| registry.emit(running.voice(), event, subject, deliver));
}

/// `before`, for an activation that is current.
#[inline]
pub(crate) fn emit_before(running: &Activation) {
    let id = running.id();
    emit_current("before", running, |hooks| hooks.before(id));
}

/// `after`, for an activation that is still current.
#[inline]
pub(crate) fn emit_after(running: &Activation) {
    let id = running.id();
    emit_current("after", running, |hooks| hooks.after(id));
}

/// A task has completed and ended. Of anything else only the end is told.
#[inline]
pub(crate) fn resolve_and_end(task: &Activation) {
    if !task.is_audible_task() {
        return end(task);
    }
    REGISTRY.with(|registry| {
        let (id, subject) = (task.id(), || task.id_and_kind());
        registry.emit(TASK, "promise_resolve", subject, |hooks| hooks.promise_resolve(id));
        if enabled() {
            registry.destroyed.borrow_mut().push((task.id(), ResourceKind::Task));
        }
    });
}

/// A resource has ended, and hooks are enabled.
#[cold]
#[inline(never)]
pub(crate) fn end(ended: &Activation) {
    if ended.voice() < TOP {
        REGISTRY.with(|registry| registry.destroyed.borrow_mut().push(ended.id_and_kind()));
    }
}

/// Delivers the queued `destroy` events, also those that a `destroy` callback queues meanwhile.
///
/// For the event loop: it calls this in each check phase, before the immediates.
#[inline]
pub fn flush_destroys() {
    if enabled() {
        REGISTRY.with(|registry| registry.flush_destroys());
    }
}
