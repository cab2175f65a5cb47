//! Ticks and microtasks.

use crate::current;
use crate::task::callback;
use lunation_context::{Activation, Frame, ResourceKind};
use std::panic::Location;

/// Calls `callback` as soon as the running callback or task poll has returned, before any
/// microtask. Node: `process.nextTick`.
///
/// It is a `TickObject` resource, which captures the context now.
///
/// # Panics
/// Outside of a runtime. A panic of the callback goes to
/// [`Builder::on_unhandled`](crate::Builder::on_unhandled).
///
/// ```
/// use lunation_executor::{Runtime, next_tick, queue_microtask};
/// use std::{cell::RefCell, rc::Rc};
///
/// let journal = Rc::new(RefCell::new(Vec::new()));
/// let runtime = Runtime::new();
/// runtime.enter(|| {
///     let (micro, tick) = (journal.clone(), journal.clone());
///     queue_microtask(move || micro.borrow_mut().push("microtask"));
///     next_tick(move || tick.borrow_mut().push("tick"));
/// });
/// runtime.run_to_idle();
/// assert_eq!(*journal.borrow(), ["tick", "microtask"]);
/// ```
#[track_caller]
pub fn next_tick(callback: impl FnOnce() + 'static) {
    let site = Location::caller();
    current::with_core(|core| {
        let frame = Frame::inherit();
        let activation = || Activation::prepare_with(ResourceKind::TickObject, site, None, frame);
        callback::push::<_, true>(core, &core.ticks, callback, activation);
    });
}

/// Calls `callback` in the microtask queue, which runs after the ticks, in order with the polls of
/// tasks. Node: `queueMicrotask`.
///
/// It is a `Microtask` resource, which captures the context now.
///
/// # Panics
/// As for [`next_tick`].
#[track_caller]
pub fn queue_microtask(callback: impl FnOnce() + 'static) {
    let site = Location::caller();
    current::with_core(|core| {
        let frame = Frame::inherit();
        let activation = || Activation::prepare_with(ResourceKind::Microtask, site, None, frame);
        callback::push::<_, true>(core, &core.microtasks, callback, activation);
    });
}
