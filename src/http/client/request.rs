//! A request on its way: a socket for it, the resource, the exchange.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;

use hyper::body::{Body, Bytes};
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Method, Request, Response, Uri};
use lunation_context::{AsyncId, Frame, Snapshot, execution_async_id};

use crate::http::channels::{
    Called, HTTP_CLIENT_REQUEST_CREATED, HTTP_CLIENT_REQUEST_ERROR, HTTP_CLIENT_REQUEST_START,
};
use crate::http::client::connect::connect;
use crate::http::client::error::{Cause, Error};
use crate::http::client::exchange::{Part, RequestBody};
use crate::http::client::pool::{Given, Host, Lease, Pool};
use crate::http::client::response::{self, ResponseBody};

/// A call of `Client::request`: where it was made, by whom, and in which context.
pub(super) struct Call {
    site: &'static Location<'static>,
    trigger: AsyncId,
    frame: Frame,
    called: Called,
}

impl Call {
    pub(super) fn begin<B>(
        site: &'static Location<'static>,
        pool: Rc<Pool>,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Error>> + use<B>
    where
        B: Body<Data = Bytes> + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let (mut head, body) = request.into_parts();
        let called = Called::new(&head);
        called.tell(&HTTP_CLIENT_REQUEST_CREATED, |_| ());
        let trigger = execution_async_id();
        let call = Call { site, trigger, frame: Frame::inherit(), called };
        Snapshot::capture().scope(async move {
            let sent = match prepare(&mut head, pool.limits.keep_alive) {
                Ok(host) => {
                    let request = Request::from_parts(head, RequestBody::new(body));
                    call.send(&pool.host(&host), request).await
                }
                Err(refused) => Err(refused),
            };
            sent.map_err(|cause| {
                let error = cause.of(&call.called);
                call.called.tell(&HTTP_CLIENT_REQUEST_ERROR, |message| {
                    message.error = Some(error.to_string());
                });
                error
            })
        })
    }

    async fn send(
        &self,
        host: &Rc<Host>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Cause> {
        loop {
            let mut lease = checkout(host).await?;
            let part = Part::begin(self.site, self.trigger, self.frame.clone());
            request.body_mut().set_part(part.sibling());
            part.run_silent(|| {
                self.called.tell(&HTTP_CLIENT_REQUEST_START, |message| {
                    message.resource = Some(part.resource());
                });
            });
            let mut exchange = pin!(lease.sender().try_send_request(request));
            let exchanged = poll_fn(|cx| part.run(|| exchange.as_mut().poll(cx))).await;
            let mut failure = match exchanged {
                Ok(head) => return Ok(response::open(head, lease, part, self.called.clone())),
                Err(failure) => failure,
            };
            match failure.take_message() {
                // The server had closed it meanwhile.
                Some(unsent) if lease.is_used => request = unsent,
                _ => return Err(Cause::Exchange(failure.into_error())),
            }
        }
    }
}

/// A socket of this request's own: its resource has the context that is current here.
async fn checkout(host: &Rc<Host>) -> Result<Lease, Cause> {
    match host.checkout().await {
        Given::Lease(lease) => {
            lease.connection.socket.check_out();
            Ok(lease)
        }
        Given::Permit(permit) => connect(permit).await.map_err(Cause::Connect),
    }
}

/// Brings the head into the form in which it is sent, and returns `host:port`.
fn prepare(head: &mut Parts, keep_alive: bool) -> Result<String, Cause> {
    let (Some(scheme), Some(authority)) = (head.uri.scheme(), head.uri.authority()) else {
        return Err(Cause::Refused("the URI is not absolute: write http://host/path"));
    };
    if *scheme != Scheme::HTTP {
        return Err(Cause::Refused(
            "this client speaks http only: for https give a TLS stream to hyper's connection",
        ));
    }
    if head.method == Method::CONNECT {
        return Err(Cause::Refused("tunnels are not for a client that pools connections"));
    }
    let host = host_and_port(authority)?;
    if !head.headers.contains_key(HOST) {
        let name = HeaderValue::from_str(authority.as_str());
        let name = name.map_err(|_| Cause::Refused("the URI's host is no header value"))?;
        head.headers.insert(HOST, name);
    }
    if !keep_alive {
        head.headers.entry(CONNECTION).or_insert(HeaderValue::from_static("close"));
    }
    let root = PathAndQuery::from_static("/");
    head.uri = Uri::from(head.uri.path_and_query().cloned().unwrap_or(root));
    Ok(host)
}

/// `host:port` of a server, as the pool names it.
fn host_and_port(authority: &Authority) -> Result<String, Cause> {
    if authority.as_str().contains('@') {
        return Err(Cause::Refused("the URI names a user: send an authorization header instead"));
    }
    let host = authority.host();
    let port = match authority.as_str()[host.len()..].trim_start_matches(':') {
        "" => Ok(80),
        port => port.parse::<u16>(),
    };
    let port = port.map_err(|_| Cause::Refused("the port is no number up to 65535"))?;
    Ok(format!("{}:{port}", host.to_ascii_lowercase()))
}
