//! The flow of one request: everything of it runs in here.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use lunation_context::{Activation, AsyncId, Frame, ResourceKind};

use crate::http::failure::Failure;
use crate::http::watched::Line;

/// What is told about failures.
pub(super) type Report = Rc<dyn Fn(&Failure)>;

/// A connection as its requests know it.
pub(super) struct Link {
    pub(super) line: Arc<Line>,
    pub(super) socket: AsyncId,
    pub(super) report: Report,
    /// Where the server was made.
    pub(super) site: &'static Location<'static>,
    /// What requests start from.
    pub(super) frame: Frame,
    /// Empty, with the memory of the last request's frame.
    pub(super) blank: Cell<Frame>,
}

impl Link {
    fn first_frame(&self) -> Frame {
        if self.frame.is_empty() { self.blank.take() } else { self.frame.clone() }
    }
}

/// The resource of one request and its only flow. It moves from the service's future to the
/// response body; whoever has it must [end](Flow::end) it.
pub(super) struct Flow {
    activation: Activation,
    link: Rc<Link>,
}

impl Flow {
    /// A new request.
    // In its caller: else hyper moves the answer as a whole, with the room for its future.
    #[inline(always)]
    pub(super) fn begin(link: &Rc<Link>, has_body: bool) -> Flow {
        link.line.progress.begin_request(has_body);
        let kind = ResourceKind::HttpIncomingMessage;
        let (trigger, frame) = (Some(link.socket), link.first_frame());
        let activation = Activation::create_with(kind, link.site, trigger, frame);
        Flow { activation, link: link.clone() }
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

    /// Ends a flow, if it has not ended: `drop_rest` drops what still lies in it. What its stores
    /// hold is dropped in the request as well.
    pub(super) fn end(flow: &mut Option<Flow>, drop_rest: impl FnOnce()) {
        let Some(flow) = flow.take() else { return };
        let Flow { activation, link } = &flow;
        activation.run_silent(|| {
            flow.guard(drop_rest);
            activation.end();
            if activation.has_frame() {
                flow.guard(|| link.blank.set(activation.recycle()));
            }
        });
        link.line.progress.end_request();
    }

    fn guard<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(result) => Some(result),
            Err(payload) => {
                (self.link.report)(&Failure::Panic(payload));
                None
            }
        }
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.activation.fmt(f)
    }
}
