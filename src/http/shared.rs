//! What all connections of a server share.

use std::fmt;
use std::panic::Location;

use hyper::Request;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::Service;
use lunation_context::Frame;

use crate::http::channels;
use crate::http::deadline::Limits;
use crate::http::flow::Report;
use crate::http::stop::Stop;

/// What runs first in each request.
pub(super) type OnRequest = Box<dyn Fn(&Parts)>;

/// What all connections of a server share.
pub(super) struct Shared<S> {
    pub(super) service: S,
    pub(super) on_request: Option<OnRequest>,
    pub(super) report: Report,
    /// What connections and requests start from.
    pub(super) frame: Frame,
    pub(super) site: &'static Location<'static>,
    pub(super) limits: Limits,
    pub(super) stop: Stop,
}

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("site", &format_args!("{}", self.site))
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<S: Service<Request<Incoming>>> Shared<S> {
    /// Begins to answer a request, in its flow.
    #[inline]
    pub(super) fn call(&self, request: Request<Incoming>) -> S::Future {
        channels::server_start(request.method(), request.uri());
        let Some(on_request) = &self.on_request else { return self.service.call(request) };
        let (parts, body) = request.into_parts();
        on_request(&parts);
        self.service.call(Request::from_parts(parts, body))
    }
}
