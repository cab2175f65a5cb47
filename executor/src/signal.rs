//! Signals of the operating system. Tokio: `tokio::signal`.

use lunation_context::ResourceKind;
use lunation_reactor::{Interest, Registration, Registry, Source, Token};
use signal_hook_mio::v1_0::Signals;
use std::cell::RefCell;
use std::ffi::c_int;
use std::future::Future;
use std::io;

/// Waits for an interrupt from the keyboard (SIGINT). Tokio: `signal::ctrl_c`; Node:
/// `process.once("SIGINT")`.
///
/// The handler is installed by this call; from then on the default action, which ends the process,
/// is off for good. The wait is a `SIGNALWRAP` resource, and does not keep
/// [`Runtime::run_to_idle`](crate::Runtime::run_to_idle) going.
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
    let registration = register(signal_hook::consts::SIGINT);
    async move { arrival(&registration?).await }
}

#[track_caller]
fn register(signal: c_int) -> io::Result<Registration<Shared>> {
    let signals = Shared(RefCell::new(Signals::new([signal])?));
    Registration::new(signals, Interest::READABLE, ResourceKind::SignalWrap)
}

/// Waits until this process gets the signal.
async fn arrival(registration: &Registration<Shared>) -> io::Result<()> {
    registration.unref();
    registration
        .async_io(Interest::READABLE, |signals| {
            let received = signals.0.borrow_mut().pending().next();
            received.map(drop).ok_or_else(|| io::ErrorKind::WouldBlock.into())
        })
        .await
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
