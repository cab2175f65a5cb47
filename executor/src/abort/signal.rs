//! Controllers, signals and those who listen to them.

use crate::callback::{Timeout, queue_microtask, set_timeout};
use crate::current;
use crate::time::Elapsed;
use lunation_context::execution_async_resource;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

/// Why something was aborted: any error, or a text.
pub type AbortReason = Arc<dyn Error + Send + Sync>;

/// What was under way was aborted. Node: `AbortError`.
///
/// Its [`source`](Error::source) is the reason, Node's `cause`.
#[derive(Debug, Clone)]
pub struct AbortError(AbortReason);

impl AbortError {
    fn new(reason: impl Into<Box<dyn Error + Send + Sync>>) -> AbortError {
        AbortError(Arc::from(reason.into()))
    }

    /// What [`AbortController::abort_with`] was given.
    pub fn reason(&self) -> &AbortReason {
        &self.0
    }
}

impl fmt::Display for AbortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation was aborted")
    }
}

impl Error for AbortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// Aborts what was given its [signal](AbortController::signal). Node: `AbortController`.
///
/// Clones are the same controller. Dropping it aborts nothing.
///
/// ```
/// use lunation_executor::{AbortController, Runtime, promises, time};
/// use std::time::Duration;
///
/// Runtime::new().block_on(async {
///     let controller = AbortController::new();
///     let signal = controller.signal();
///     let hour = promises::with_signal(&signal).set_timeout(Duration::from_secs(3600), "done");
///     controller.abort_with("the user left");
///     let error = hour.await.unwrap_err();
///     assert_eq!(error.to_string(), "the operation was aborted");
///     assert_eq!(error.reason().to_string(), "the user left");
/// });
/// ```
#[derive(Debug, Clone, Default)]
pub struct AbortController(AbortSignal);

impl AbortController {
    /// A controller whose signal is not aborted.
    pub fn new() -> AbortController {
        AbortController::default()
    }

    /// The signal for what is to be aborted.
    pub fn signal(&self) -> AbortSignal {
        self.0.clone()
    }

    /// [`abort_with`](Self::abort_with), with "this operation was aborted" as the reason.
    pub fn abort(&self) {
        self.abort_with(NO_REASON);
    }

    /// Aborts the signal and those made of it by [`AbortSignal::any`], and calls all their
    /// listeners: those of the signal first. The second abort does nothing. Node:
    /// `controller.abort(reason)`.
    ///
    /// Listeners run here and now, in the context of this call; what one of them changes, the next
    /// sees. One that panics does not stop the others: its panic is that of a plain callback of
    /// the running resource.
    ///
    /// # Panics
    /// Outside of a runtime, if a listener does.
    pub fn abort_with(&self, reason: impl Into<Box<dyn Error + Send + Sync>>) {
        self.0.abort_all(AbortError::new(reason));
    }
}

const NO_REASON: &str = "this operation was aborted";

type Listener = Box<dyn FnOnce(&AbortError)>;

/// Says that what was given it is to end. Node: `AbortSignal`.
///
/// Clones are the same signal. Any future ends with it by [`abortable`](Self::abortable), the
/// timers of [`promises`](crate::promises) by [`with_signal`](crate::promises::with_signal).
#[derive(Clone, Default)]
pub struct AbortSignal(Rc<Inner>);

#[derive(Default)]
struct Inner {
    /// Set once, when it is aborted.
    error: OnceCell<AbortError>,
    /// By their numbers: in the order of their registration.
    listeners: RefCell<BTreeMap<u64, Listener>>,
    /// The signals made of this one by `any`.
    dependents: RefCell<BTreeMap<u64, Weak<Inner>>>,
    last_number: Cell<u64>,
    /// What this one was made of by `any`, with its number there.
    sources: RefCell<Vec<(AbortSignal, u64)>>,
    timer: OnceCell<Timeout>,
}

impl AbortSignal {
    /// A signal that is aborted already. Node: `AbortSignal.abort(reason)`.
    pub fn abort(reason: impl Into<Box<dyn Error + Send + Sync>>) -> AbortSignal {
        let signal = AbortSignal::default();
        signal.0.mark(&AbortError::new(reason));
        signal
    }

    /// A signal that is aborted after `delay`, with [`Elapsed`] as the reason. Node:
    /// `AbortSignal.timeout`.
    ///
    /// Its timer is a `Timeout` that never keeps the loop alive; listeners run in its context,
    /// that of this call. It is cleared when the last handle of the signal is dropped.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn timeout(delay: Duration) -> AbortSignal {
        let signal = AbortSignal::default();
        let aborted = Rc::downgrade(&signal.0);
        let timer = set_timeout(delay, move || {
            if let Some(inner) = aborted.upgrade() {
                AbortSignal(inner).abort_all(AbortError::new(Elapsed));
            }
        });
        timer.unref();
        signal.0.timer.get_or_init(|| timer);
        signal
    }

    /// A signal that is aborted as soon as one of `signals` is, with its reason. Node:
    /// `AbortSignal.any`.
    pub fn any<'a>(signals: impl IntoIterator<Item = &'a AbortSignal>) -> AbortSignal {
        let any = AbortSignal::default();
        for signal in signals {
            if let Some(error) = signal.0.error.get() {
                any.0.mark(error);
                return any;
            }
            any.depend_on(signal);
        }
        any
    }

    /// Whether it is aborted. Node: `signal.aborted`.
    pub fn aborted(&self) -> bool {
        self.0.error.get().is_some()
    }

    /// Why it is aborted; None if it is not. Node: `signal.reason`.
    pub fn reason(&self) -> Option<AbortReason> {
        self.0.error.get().map(|error| error.0.clone())
    }

    /// An error if it is aborted. Node: `signal.throwIfAborted()`.
    ///
    /// # Errors
    /// [`AbortError`], with the reason.
    pub fn throw_if_aborted(&self) -> Result<(), AbortError> {
        self.0.error.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Calls `listener` once, when the signal is aborted, in the context of whoever aborts; if it
    /// is aborted already, in a microtask. Dropping the result takes the listener back, unless it
    /// is [detached](AbortListener::detach). Node: `events.addAbortListener`.
    ///
    /// # Panics
    /// If it is aborted and this is called outside of a runtime.
    #[track_caller]
    pub fn on_abort(&self, listener: impl FnOnce(&AbortError) + 'static) -> AbortListener {
        match self.0.error.get().cloned() {
            None => self.listen(listener),
            Some(error) => {
                queue_microtask(move || listener(&error));
                AbortListener(None)
            }
        }
    }

    /// Number of listeners, waiting futures included. Node: `getEventListeners(signal).length`.
    pub fn listener_count(&self) -> usize {
        self.0.listeners.borrow().len()
    }

    /// A listener that is called at once if the signal is aborted already.
    pub(crate) fn listen(&self, listener: impl FnOnce(&AbortError) + 'static) -> AbortListener {
        if let Some(error) = self.0.error.get() {
            listener(error);
            return AbortListener(None);
        }
        let number = self.0.next_number();
        self.0.listeners.borrow_mut().insert(number, Box::new(listener));
        AbortListener(Some((self.clone(), number)))
    }

    /// Sources are never made by `any` themselves: those have sources instead.
    fn depend_on(&self, signal: &AbortSignal) {
        let indirect = signal.0.sources.borrow();
        if indirect.is_empty() {
            let number = signal.0.next_number();
            signal.0.dependents.borrow_mut().insert(number, Rc::downgrade(&self.0));
            self.0.sources.borrow_mut().push((signal.clone(), number));
        }
        for (source, _) in indirect.iter() {
            self.depend_on(source);
        }
    }

    /// All are aborted before the first listener hears of it.
    fn abort_all(&self, error: AbortError) {
        if !self.0.mark(&error) {
            return;
        }
        let dependents = self.0.dependents.take();
        let dependents = dependents.values().filter_map(Weak::upgrade);
        let dependents: Vec<_> = dependents.filter(|dependent| dependent.mark(&error)).collect();
        self.0.dispatch(&error);
        dependents.iter().for_each(|dependent| dependent.dispatch(&error));
    }
}

impl Inner {
    fn next_number(&self) -> u64 {
        self.last_number.set(self.last_number.get() + 1);
        self.last_number.get()
    }

    /// False if it was aborted before.
    fn mark(&self, error: &AbortError) -> bool {
        self.error.set(error.clone()).is_ok()
    }

    /// A listener that another one takes back is not called any more.
    fn dispatch(&self, error: &AbortError) {
        loop {
            let first = self.listeners.borrow_mut().pop_first();
            let Some((_, listener)) = first else { return };
            match current::try_current() {
                Some(event_loop) => {
                    let running = execution_async_resource();
                    event_loop.core.guard(&running, || listener(error));
                }
                None => listener(error),
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for (source, number) in self.sources.get_mut().drain(..) {
            source.0.dependents.borrow_mut().remove(&number);
        }
        if let Some(timer) = self.timer.take() {
            timer.clear();
        }
    }
}

impl fmt::Debug for AbortSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortSignal")
            .field("error", &self.0.error.get())
            .field("listeners", &self.listener_count())
            .finish()
    }
}

/// A listener of an [`AbortSignal`]: dropping it takes the listener back.
#[derive(Debug)]
#[must_use = "dropping it takes the listener back; `detach` leaves it there"]
pub struct AbortListener(Option<(AbortSignal, u64)>);

impl AbortListener {
    /// Leaves the listener with its signal for as long as that lives.
    ///
    /// The signal of a controller lives at least as long as that. One of [`AbortSignal::timeout`]
    /// or [`AbortSignal::any`] ends with its last handle, and its listeners with it: keep one.
    /// (Node keeps such a signal for its listeners.)
    pub fn detach(mut self) {
        self.0 = None;
    }
}

impl Drop for AbortListener {
    fn drop(&mut self) {
        if let Some((signal, number)) = self.0.take() {
            let listener = signal.0.listeners.borrow_mut().remove(&number);
            drop(listener);
        }
    }
}
