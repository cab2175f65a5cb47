//! Typed cells of callbacks: ticks and microtasks.
#![allow(unsafe_code, reason = "raw cells; see the unsafe fence in ARCHITECTURE.md")]

use crate::task::header::{Header, Owner, VTable};
use crate::task::pool::Home;
use crate::task::queue::{self, Core, Queue};
use crate::task::waker;
use lunation_context::Activation;
use std::cell::Cell;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// A tick or a microtask. RESOURCE: it runs inside its activation; else it is a bare wake-up.
#[repr(C)]
struct CallbackCell<F, const RESOURCE: bool> {
    header: Header,
    callback: ManuallyDrop<F>,
}

/// Drops what a callback's header still holds; the cell is freed next.
#[inline(never)]
fn empty(header: &mut Header, core: &Core) {
    waker::drop_frame(core, &header.activation);
    if header.activation.is_described() {
        let described = mem::replace(&mut header.activation, Activation::of_loop());
        // The extensions are user values.
        core.guard(&header.activation, move || drop(described));
    }
}

impl<F: FnOnce() + 'static, const RESOURCE: bool> CallbackCell<F, RESOURCE> {
    const VTABLE: VTable = VTable {
        run: run_callback::<F, RESOURCE, true>,
        discard: run_callback::<F, RESOURCE, false>,
        home: Home::of::<Self>(),
        stage_at: 0,
        task: None,
    };
}

/// Appends a callback to a queue; `activation` prepares its activation and must not panic. While
/// the runtime ends the callback is dropped later, unrun.
#[inline]
pub(crate) fn push<F: FnOnce() + 'static, const RESOURCE: bool>(
    core: &Core,
    queue: &Queue,
    callback: F,
    activation: impl FnOnce() -> Activation,
) {
    let home = const { &Home::of::<CallbackCell<F, RESOURCE>>() };
    let cell = core.pool.allocate(home).cast::<CallbackCell<F, RESOURCE>>();
    let vtable = &CallbackCell::<F, RESOURCE>::VTABLE;
    let header = Header { activation: activation(), vtable, next: Cell::new(None) };
    // SAFETY: fresh memory for this very type.
    unsafe { cell.write(CallbackCell { header, callback: ManuallyDrop::new(callback) }) };
    if RESOURCE {
        // SAFETY: the cell was just made.
        unsafe { cell.as_ref() }.header.activation.announce();
    }
    // SAFETY: the cell was just made, and lives until it is popped and run or discarded.
    unsafe { queue.push(cell.cast()) };
}

/// `VTable::run` (RUN) and `discard` of callbacks. Discarding drops the closure in its resource.
unsafe fn run_callback<F: FnOnce() + 'static, const RESOURCE: bool, const RUN: bool>(
    cell: NonNull<Header>,
    _owner: Owner,
) {
    // The core is looked up when it is needed, so that nobody has to keep it over the call.
    // SAFETY: we are inside this loop, before and after the callback.
    let core = || unsafe { queue::core_here() };
    // SAFETY: a popped cell is alive, and ours; this table belongs to this type.
    let slot = unsafe { &mut *cell.cast::<CallbackCell<F, RESOURCE>>().as_ptr() };
    let activation = &slot.header.activation;
    // SAFETY: the callback is there, and taken this once: cells are popped once.
    let callback = || unsafe { ManuallyDrop::into_inner((&raw const slot.callback).read()) };
    let call = || if RUN { callback()() } else { drop(callback()) };
    // As `Core::guard` does.
    let call = || {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
            core().fail(activation, payload);
        }
    };
    if !RESOURCE {
        call();
    } else if RUN {
        activation.run_last_on_base(call);
    } else {
        activation.run_silent(call);
        activation.end();
    }
    // Nothing above unwinds: the callback's panics are caught, and so are those of who hears of
    // them.
    if !activation.is_bare() {
        empty(&mut slot.header, core());
    }
    let home = const { &Home::of::<CallbackCell<F, RESOURCE>>() };
    // SAFETY: it came from this pool with this home, and nothing is left in it.
    unsafe { core().pool.free(cell.cast(), home) };
}
