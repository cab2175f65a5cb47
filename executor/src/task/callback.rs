//! Typed cells of callbacks: ticks and microtasks.
#![allow(unsafe_code, reason = "raw cells; see the unsafe fence in ARCHITECTURE.md")]

use crate::task::header::{Header, Owner, VTable};
use crate::task::pool::Home;
use crate::task::queue::{Core, Queue};
use crate::task::waker;
use lunation_context::Activation;
use std::cell::Cell;
use std::mem::{self, ManuallyDrop};
use std::ptr::NonNull;

/// A tick or a microtask. RESOURCE: it runs inside its activation; else it is a bare wake-up.
#[repr(C)]
struct CallbackCell<F, const RESOURCE: bool> {
    header: Header,
    callback: ManuallyDrop<F>,
}

/// Frees a callback's cell, also if its callback panics where nobody catches it.
struct FreeCallback<'a, F, const RESOURCE: bool> {
    cell: NonNull<CallbackCell<F, RESOURCE>>,
    core: &'a Core,
}

impl<F, const RESOURCE: bool> Drop for FreeCallback<'_, F, RESOURCE> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the cell was popped, so it is ours; the callback was moved out of it.
        let header = unsafe { &mut (*self.cell.as_ptr()).header };
        if header.activation.has_frame() || header.activation.is_described() {
            drop_header(header);
        }
        let home = const { &Home::of::<CallbackCell<F, RESOURCE>>() };
        // SAFETY: it came from this pool with this home.
        unsafe { self.core.pool.free(self.cell.cast(), home) };
    }
}

/// Drops what a callback's header still holds; the cell is freed next.
#[cold]
#[inline(never)]
fn drop_header(header: &mut Header) {
    drop(mem::replace(&mut header.activation, Activation::of_loop()));
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
    owner: Owner,
) {
    // SAFETY: we are inside this loop.
    let core = unsafe { owner.core() };
    let free = FreeCallback { cell: cell.cast::<CallbackCell<F, RESOURCE>>(), core };
    // SAFETY: a popped cell is alive; this table belongs to this type.
    let slot = unsafe { free.cell.as_ref() };
    let activation = &slot.header.activation;
    let call = || {
        // SAFETY: the callback is there, and read this once: cells are popped once.
        let callback = unsafe { (&raw const slot.callback).read() };
        let callback = ManuallyDrop::into_inner(callback);
        if RUN { callback() } else { drop(callback) }
    };
    if !RESOURCE {
        core.guard(activation, call);
    } else if RUN {
        activation.run(|| core.guard(activation, call));
        activation.end();
    } else {
        activation.run_silent(|| core.guard(activation, call));
        activation.end();
    }
    if activation.has_frame() {
        waker::drop_frame(core, activation);
    }
}
