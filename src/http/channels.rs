//! What servers and clients tell: built-in diagnostics channels under Node's names.

use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Uri};
use lunation_context::diagnostics_channel::Channel;
use lunation_context::{AsyncId, ResourceRef, execution_async_resource, hooks};

/// A server has got the head of a request: before `on_request` and the service, in the request's
/// context; what a subscriber sets with `enter_with` lasts until the end of the request. Node:
/// `http.server.request.start`.
pub static HTTP_SERVER_REQUEST_START: Channel<ServerMessage> =
    Channel::new("http.server.request.start");

/// The service has made a response; its body is still to come. In the request. Node:
/// `http.server.response.created`, which is before the handler runs.
pub static HTTP_SERVER_RESPONSE_CREATED: Channel<ServerMessage> =
    Channel::new("http.server.response.created");

/// The whole response has been given to the connection. In the request. Not published for
/// responses that break off, nor where a body is left out (`HEAD`). Node:
/// `http.server.response.finish`.
pub static HTTP_SERVER_RESPONSE_FINISH: Channel<ServerMessage> =
    Channel::new("http.server.response.finish");

/// A client has been asked for a request, which may have to wait for a socket. In the caller's
/// context. Node: `http.client.request.created`.
pub static HTTP_CLIENT_REQUEST_CREATED: Channel<ClientMessage> =
    Channel::new("http.client.request.created");

/// A request has got its socket and is sent. In the request. Node: `http.client.request.start`.
pub static HTTP_CLIENT_REQUEST_START: Channel<ClientMessage> =
    Channel::new("http.client.request.start");

/// A request has failed before its response began. In the context of the call. Node:
/// `http.client.request.error`.
pub static HTTP_CLIENT_REQUEST_ERROR: Channel<ClientMessage> =
    Channel::new("http.client.request.error");

/// A response has arrived whole. In the request. Node: `http.client.response.finish`.
pub static HTTP_CLIENT_RESPONSE_FINISH: Channel<ClientMessage> =
    Channel::new("http.client.response.finish");

/// A request to a server. Node: `{ request, response, socket, server }`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerMessage {
    /// The request: an `HTTPINCOMINGMESSAGE`, whose trigger is the socket.
    pub resource: ResourceRef,
    /// What is asked for.
    pub method: Method,
    /// Where.
    pub uri: Uri,
    /// The response's, once there is one.
    pub status: Option<StatusCode>,
}

impl ServerMessage {
    /// The connection.
    pub fn socket(&self) -> AsyncId {
        self.resource.trigger_id()
    }
}

/// A request of a client. Node: `{ request, response, error }`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientMessage {
    /// The request: an `HTTPCLIENTREQUEST`; `None` while it has no socket.
    pub resource: Option<ResourceRef>,
    /// What is asked for.
    pub method: Method,
    /// Where.
    pub uri: Uri,
    /// The response's, once there is one.
    pub status: Option<StatusCode>,
    /// Why there is none.
    pub error: Option<String>,
}

/// Does anybody want to hear of requests to servers?
#[inline]
fn is_server_heard() -> bool {
    hooks::watched() && has_server_subscribers()
}

#[cold]
#[inline(never)]
fn has_server_subscribers() -> bool {
    HTTP_SERVER_REQUEST_START.has_subscribers()
        || HTTP_SERVER_RESPONSE_CREATED.has_subscribers()
        || HTTP_SERVER_RESPONSE_FINISH.has_subscribers()
}

/// The request that runs has come in.
#[inline]
pub(super) fn server_start(method: &Method, uri: &Uri) {
    if is_server_heard() {
        let resource = execution_async_resource();
        let (method, uri) = (method.clone(), uri.clone());
        let message = ServerMessage { resource, method, uri, status: None };
        HTTP_SERVER_REQUEST_START.publish(&message);
        remember(message);
    }
}

/// The request that runs has a response.
#[inline]
pub(super) fn server_response(status: StatusCode) {
    if is_server_heard()
        && let Some(message) = recall()
    {
        let message = ServerMessage { status: Some(status), ..message };
        HTTP_SERVER_RESPONSE_CREATED.publish(&message);
        remember(message);
    }
}

/// The response of the request that runs has been sent.
#[inline]
pub(super) fn server_finish() {
    if is_server_heard()
        && let Some(message) = recall()
    {
        HTTP_SERVER_RESPONSE_FINISH.publish(&message);
    }
}

/// What the request's later messages need, kept by the request. Without its resource, which would
/// keep itself.
struct Remembered(Method, Uri, Option<StatusCode>);

fn remember(message: ServerMessage) {
    let ServerMessage { resource, method, uri, status } = message;
    resource.extensions().insert(Remembered(method, uri, status));
}

fn recall() -> Option<ServerMessage> {
    let resource = execution_async_resource();
    let kept = resource.extensions().get::<Remembered>()?;
    let Remembered(method, uri, status) = &*kept;
    Some(ServerMessage { method: method.clone(), uri: uri.clone(), status: *status, resource })
}

/// What a client's request is called in messages.
#[derive(Debug, Clone)]
pub(super) struct Called {
    pub(super) method: Method,
    pub(super) uri: Uri,
}

impl Called {
    pub(super) fn new(head: &Parts) -> Called {
        Called { method: head.method.clone(), uri: head.uri.clone() }
    }

    /// Publishes a message about this request, with what `add` adds to it.
    #[inline]
    pub(super) fn tell(
        &self,
        channel: &Channel<ClientMessage>,
        add: impl FnOnce(&mut ClientMessage),
    ) {
        if channel.has_subscribers() {
            let Called { method, uri } = self.clone();
            let mut message =
                ClientMessage { resource: None, method, uri, status: None, error: None };
            add(&mut message);
            channel.publish(&message);
        }
    }
}
