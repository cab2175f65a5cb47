//! Servers for the tests, and journals of what happens in them.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use lunation::http::{Serve, serve};
use lunation::net::TcpListener;
use lunation::{AsyncLocalStorage, Runtime, time};

/// The id of the running request.
pub(crate) static REQUEST: AsyncLocalStorage<u32> = AsyncLocalStorage::new();

/// Longer than any test runs.
pub(crate) const LONG: Duration = Duration::MAX;
/// A limit that is meant to pass in a test.
pub(crate) const SHORT: Duration = Duration::from_millis(100);

pub(crate) fn run<F: Future>(test: F) -> F::Output {
    Runtime::new().block_on(test)
}

/// A listener on a free port.
pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, address)
}

/// What a test's server answers with.
pub(crate) type Answer = Result<Response<Text>, Infallible>;

/// Where a test's server is.
pub(crate) struct Started {
    pub(crate) address: SocketAddr,
}

/// Starts a server with an async function; `options` may change its limits. Requests are numbered.
pub(crate) async fn start<H, F>(
    handler: H,
    options: impl FnOnce(Serve<Handler<H>>) -> Serve<Handler<H>>,
) -> Started
where
    H: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Answer> + 'static,
{
    let (listener, address) = listen().await;
    let last = Cell::new(0);
    let server = serve(listener, Handler(handler)).on_request(move |_| {
        last.set(last.get() + 1);
        REQUEST.enter_with(last.get());
    });
    drop(lunation::spawn(options(server).into_future()));
    Started { address }
}

/// `service_fn` with a type that can be named.
pub(crate) struct Handler<H>(H);

impl<H, F> Service<Request<Incoming>> for Handler<H>
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Answer>,
{
    type Response = Response<Text>;
    type Error = Infallible;
    type Future = F;

    fn call(&self, request: Request<Incoming>) -> F {
        service_fn(&self.0).call(request)
    }
}

/// Set once, and waited for.
#[derive(Clone, Default)]
pub(crate) struct Flag(Rc<Cell<bool>>);

impl Flag {
    pub(crate) fn set(&self) {
        self.0.set(true);
    }

    pub(crate) async fn wait(self) {
        while !self.0.get() {
            time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Lines in the order in which they were written.
#[derive(Clone, Default)]
pub(crate) struct Journal(Rc<RefCell<Vec<String>>>);

impl Journal {
    /// Notes what happens, and in which request.
    pub(crate) fn note(&self, what: &str) {
        let line = format!("{what}: {:?}", REQUEST.cloned());
        self.0.borrow_mut().push(line);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }

    /// Waits for as many lines as are expected.
    pub(crate) async fn expect(&self, lines: &[&str]) {
        while self.0.borrow().len() < lines.len() {
            time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(self.take(), lines);
    }
}

/// Notes its drop.
pub(crate) struct Noted(pub(crate) Journal, pub(crate) &'static str);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.note(&format!("drop of {}", self.1));
    }
}

/// A body: some words, each after a while if there is a journal to note it in.
pub(crate) struct Text {
    words: Vec<&'static str>,
    journal: Option<Journal>,
    panics: bool,
    pause: Option<Pin<Box<time::Sleep>>>,
    _dropped: Option<Noted>,
}

/// A body that is there at once.
pub(crate) fn text(word: &'static str) -> Answer {
    let (journal, panics, pause, _dropped) = (None, false, None, None);
    Ok(Response::new(Text { words: vec![word], journal, panics, pause, _dropped }))
}

/// A body that comes bit by bit, and panics after the last word if it shall.
pub(crate) fn stream(words: &[&'static str], journal: &Journal, panics: bool) -> Answer {
    let mut words = words.to_vec();
    words.reverse();
    let _dropped = Some(Noted(journal.clone(), "body"));
    let journal = Some(journal.clone());
    Ok(Response::new(Text { words, journal, panics, pause: None, _dropped }))
}

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(journal) = self.journal.clone() {
            let pause = || Box::pin(time::sleep(Duration::from_millis(1)));
            ready!(self.pause.get_or_insert_with(pause).as_mut().poll(cx));
            self.pause = None;
            journal.note("body");
        }
        let Some(word) = self.words.pop() else {
            assert!(!self.panics, "the body panics");
            return Poll::Ready(None);
        };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(word.as_bytes())))))
    }

    fn is_end_stream(&self) -> bool {
        self.journal.is_none() && self.words.is_empty()
    }
}
