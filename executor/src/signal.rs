//! Signals of the operating system. Tokio: `tokio::signal`, `tokio::signal::unix`.

use crate::os_error::during;
use lunation_context::ResourceKind;
use lunation_reactor::{Interest, Registration, Registry, Source, Token};
use signal_hook::consts::{self, FORBIDDEN};
use signal_hook::low_level::signal_name;
use signal_hook_mio::v1_0::Signals;
use std::cell::RefCell;
use std::ffi::c_int;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::task::{Context, Poll};

/// Waits for an interrupt from the keyboard (SIGINT). Tokio: `signal::ctrl_c`; Node:
/// `process.once("SIGINT")`.
///
/// As [`signal`] with [`SignalKind::interrupt`], for one signal.
///
/// # Errors
/// The future gives the operating system's, when the handler cannot be installed; also outside of
/// a runtime.
///
/// # Cancel safety
/// Cancel safe; but a signal that arrives when no such future exists is lost.
#[track_caller]
pub fn ctrl_c() -> impl Future<Output = io::Result<()>> {
    // Now, not at the first poll: whoever has called this must not be killed by the signal.
    let signal = signal(SignalKind::interrupt());
    async move { signal?.recv().await }
}

/// Listens to a signal. Tokio: `signal::unix::signal`; Node: `process.on`.
///
/// The handler is installed by this call; from then on the default action, which for most signals
/// ends the process, is off for good, also after the [`Signal`] is dropped.
///
/// # Errors
/// The signal cannot be handled (SIGKILL, SIGSTOP, and SIGILL, SIGFPE, SIGSEGV, after which the
/// program cannot go on) or does not exist; outside of a runtime; the operating system's. The
/// error names the signal.
///
/// ```
/// use lunation_executor::Runtime;
/// use lunation_executor::signal::{SignalKind, signal};
///
/// Runtime::new().block_on(async {
///     let mut hangup = signal(SignalKind::hangup()).unwrap();
/// #   signal_hook::low_level::raise(signal_hook::consts::SIGHUP).unwrap();
///     hangup.recv().await.unwrap(); // read the configuration again
///     let error = signal(SignalKind::from_raw(9)).unwrap_err();
///     assert_eq!(error.to_string(), "listen to signal SIGKILL (9): it cannot be handled");
/// });
/// ```
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let signals = kind.install().map_err(|error| during("listen to signal", kind, error))?;
    let source = Shared(RefCell::new(signals));
    let registration = Registration::new(source, Interest::READABLE, ResourceKind::SignalWrap)?;
    registration.unref();
    Ok(Signal { kind, registration })
}

/// Which signal. Tokio: `signal::unix::SignalKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind(c_int);

impl SignalKind {
    /// The signal of this number.
    pub const fn from_raw(number: c_int) -> SignalKind {
        SignalKind(number)
    }

    /// The number.
    pub const fn as_raw_value(&self) -> c_int {
        self.0
    }

    /// SIGALRM: a timer of the system has expired.
    pub const fn alarm() -> SignalKind {
        SignalKind(consts::SIGALRM)
    }

    /// SIGCHLD: a child has ended or stopped.
    pub const fn child() -> SignalKind {
        SignalKind(consts::SIGCHLD)
    }

    /// SIGHUP: the terminal is gone; to daemons: read the configuration again.
    pub const fn hangup() -> SignalKind {
        SignalKind(consts::SIGHUP)
    }

    /// SIGINT: an interrupt from the keyboard.
    pub const fn interrupt() -> SignalKind {
        SignalKind(consts::SIGINT)
    }

    /// SIGIO: a descriptor is ready.
    pub const fn io() -> SignalKind {
        SignalKind(consts::SIGIO)
    }

    /// SIGPIPE: written to a pipe that nobody reads.
    pub const fn pipe() -> SignalKind {
        SignalKind(consts::SIGPIPE)
    }

    /// SIGQUIT: quit, from the keyboard.
    pub const fn quit() -> SignalKind {
        SignalKind(consts::SIGQUIT)
    }

    /// SIGTERM: the process is asked to end.
    pub const fn terminate() -> SignalKind {
        SignalKind(consts::SIGTERM)
    }

    /// SIGUSR1.
    pub const fn user_defined1() -> SignalKind {
        SignalKind(consts::SIGUSR1)
    }

    /// SIGUSR2.
    pub const fn user_defined2() -> SignalKind {
        SignalKind(consts::SIGUSR2)
    }

    /// SIGWINCH: the terminal has another size.
    pub const fn window_change() -> SignalKind {
        SignalKind(consts::SIGWINCH)
    }

    /// What the crate would panic at is refused here; the rest is left to the system.
    fn install(self) -> io::Result<Signals> {
        if FORBIDDEN.contains(&self.0) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it cannot be handled"));
        }
        if !(1..LIMIT).contains(&self.0) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no such signal"));
        }
        Signals::new([self.0])
    }
}

/// More than any system has.
const LIMIT: c_int = 128;

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match signal_name(self.0) {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A listener to one signal: a `SIGNALWRAP` resource, `before` and `after` around each arrival.
///
/// It never keeps [`Runtime::run_to_idle`](crate::Runtime::run_to_idle) going. Signals that arrive
/// before the first of them is received are received as one. Each `Signal` receives all signals of
/// its kind, whoever else listens. Dropping it ends the resource.
pub struct Signal {
    kind: SignalKind,
    registration: Registration<Shared>,
}

impl Signal {
    /// Waits for the next signal.
    ///
    /// # Errors
    /// It was made in another runtime than the one this is called in.
    ///
    /// # Cancel safety
    /// Cancel safe: no signal is lost.
    pub async fn recv(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`Signal::recv`].
    ///
    /// # Errors
    /// As for [`Signal::recv`].
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration.poll_io(context, Interest::READABLE, |signals| {
            let received = signals.0.borrow_mut().pending().next();
            received.map(drop).ok_or_else(|| io::ErrorKind::WouldBlock.into())
        })
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Signals as a source that can be asked through a shared reference.
struct Shared(RefCell<Signals>);

impl Source for Shared {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.0.get_mut().register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.0.get_mut().reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.0.get_mut().deregister(registry)
    }
}
