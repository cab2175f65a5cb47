//! The flow of one request: everything of it runs in here.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use lunation_context::{Activation, AsyncId, Frame, ResourceKind};

use crate::http::failure::Failure;

/// What is told about failures.
pub(super) type Report = Rc<dyn Fn(&Failure)>;

/// The resource of one request and its only flow. It moves from the service's future to the
/// response body; its drop ends the resource.
pub(super) struct Flow {
    activation: Activation,
    report: Report,
}

impl Flow {
    /// A new request on the connection `socket`.
    pub(super) fn begin(
        site: &'static Location<'static>,
        socket: AsyncId,
        frame: Frame,
        report: Report,
    ) -> Flow {
        let kind = ResourceKind::HttpIncomingMessage;
        Flow { activation: Activation::create_with(kind, site, Some(socket), frame), report }
    }

    /// Runs a part of the request, with `before` and `after`. `None` if it panicked, which is
    /// reported in here too.
    pub(super) fn run<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        self.activation.run(|| self.guard(f))
    }

    /// The same without the hooks: for drops and for questions.
    pub(super) fn run_silent<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        self.activation.run_silent(|| self.guard(f))
    }

    fn guard<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(result) => Some(result),
            Err(payload) => {
                (self.report)(&Failure::Panic(payload));
                None
            }
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.activation.end();
        // What the stores hold is dropped in the request as well.
        self.run_silent(|| self.activation.release());
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.activation.fmt(f)
    }
}
