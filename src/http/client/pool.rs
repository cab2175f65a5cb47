//! The sockets of a client: how many there may be, who waits for one, and which ones lie idle.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use lunation_executor::Timeout;
use lunation_reactor::net::PooledSocket;

use crate::http::client::exchange::RequestBody;

type Sender = SendRequest<RequestBody>;

/// What the sockets of all hosts have in common.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) keep_alive: bool,
    pub(super) max_sockets: usize,
    pub(super) max_free_sockets: usize,
    pub(super) idle_timeout: Duration,
}

/// The sockets of a client, by `host:port`.
pub(super) struct Pool {
    pub(super) limits: Limits,
    hosts: RefCell<HashMap<String, Rc<Host>>>,
}

impl Pool {
    pub(super) fn new(limits: Limits) -> Pool {
        Pool { limits, hosts: RefCell::default() }
    }

    /// The sockets to one address, and those who wait for one.
    pub(super) fn host(&self, name: &str) -> Rc<Host> {
        let mut hosts = self.hosts.borrow_mut();
        // Hosts nobody talks to any more are forgotten when another one comes. A request that is
        // about to be sent again holds its host without a socket.
        if !hosts.contains_key(name) {
            hosts.retain(|_, host| host.open.get() > 0 || Rc::strong_count(host) > 1);
        }
        let new = || {
            let (name, limits) = (name.to_owned(), self.limits.clone());
            let (open, closed) = (Cell::new(0), Cell::new(false));
            let (idle, waiting) = (RefCell::default(), RefCell::default());
            Rc::new(Host { name, limits, open, closed, idle, waiting })
        };
        hosts.entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// Closes what lies idle.
    pub(super) fn close_idle(&self) {
        let hosts: Vec<Rc<Host>> = self.hosts.borrow().values().cloned().collect();
        for host in hosts {
            let idle = host.idle.take();
            drop(idle);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.hosts.borrow().values().for_each(|host| host.closed.set(true));
        // An idle socket and its host hold each other.
        self.close_idle();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.hosts.borrow();
        let open = hosts.iter().map(|(name, host)| (name, host.open.get()));
        f.debug_map().entries(open).finish()
    }
}

/// The sockets to one address.
pub(super) struct Host {
    pub(super) name: String,
    limits: Limits,
    /// Open ones, and those that somebody is about to open.
    open: Cell<usize>,
    /// The client is gone: nothing is kept for a next request.
    closed: Cell<bool>,
    /// The one used last stands at the end.
    idle: RefCell<Vec<Idle>>,
    waiting: RefCell<VecDeque<Rc<Waiter>>>,
}

struct Idle {
    connection: Rc<Connection>,
    sender: Sender,
    /// Closes it when it has lain too long.
    _expiry: Expiry,
}

struct Expiry(Timeout);

impl Drop for Expiry {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// A connection, as its requests and its driver share it.
pub(super) struct Connection {
    pub(super) host: Rc<Host>,
    pub(super) socket: PooledSocket,
    /// Given back; not yet known to be fit for another request.
    returned: Cell<Option<Sender>>,
    /// The driver's.
    waker: Cell<Option<Waker>>,
}

impl Connection {
    pub(super) fn new(host: Rc<Host>, socket: PooledSocket) -> Connection {
        Connection { host, socket, returned: Cell::new(None), waker: Cell::new(None) }
    }

    /// For the driver, after each of its polls: a connection that was given back and is ready goes
    /// to the next request.
    pub(super) fn settle(self: &Rc<Self>, cx: &mut Context<'_>) {
        let old = self.waker.replace(Some(cx.waker().clone()));
        drop(old);
        match self.returned.take() {
            Some(sender) if sender.is_ready() => self.host.put(self, sender),
            // It is closed, or still busy with the rest of the last exchange.
            sender => self.returned.set(sender.filter(|sender| !sender.is_closed())),
        }
    }

    /// For the driver, at its end.
    pub(super) fn end(&self) {
        drop(self.returned.take());
        self.host.forget(self);
    }
}

/// The right to have one socket open.
pub(super) struct Permit(Rc<Host>);

impl Permit {
    pub(super) fn host(&self) -> &Rc<Host> {
        &self.0
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let host = &self.0;
        host.open.set(host.open.get() - 1);
        if let Some(waiter) = host.next_waiter() {
            waiter.give(Given::Permit(host.permit()));
        }
    }
}

/// What a request needs to be sent.
pub(super) enum Given {
    Permit(Permit),
    Lease(Lease),
}

/// A connection in the hands of one request: dropping it gives the connection back.
pub(super) struct Lease {
    pub(super) connection: Rc<Connection>,
    sender: Option<Sender>,
    /// It has served other requests before.
    pub(super) is_used: bool,
}

impl Lease {
    pub(super) fn new(connection: Rc<Connection>, sender: Sender) -> Lease {
        Lease { connection, sender: Some(sender), is_used: false }
    }

    pub(super) fn sender(&mut self) -> &mut Sender {
        self.sender.as_mut().expect("it is there until the drop")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.socket.check_in();
        connection.returned.set(self.sender.take());
        // The driver learns now that the response has been read, and what becomes of it then.
        if let Some(waker) = connection.waker.take() {
            waker.wake();
        }
    }
}

struct Waiter {
    given: Cell<Option<Given>>,
    waker: Cell<Option<Waker>>,
}

impl Waiter {
    fn give(&self, given: Given) {
        self.given.set(Some(given));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The place of a request in the queue: whoever leaves it early passes on what it was given.
struct Place<'a> {
    host: &'a Host,
    waiter: Rc<Waiter>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.host.waiting.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.waiter));
        // A lease goes back to the pool, a permit to the next one.
        let given = self.waiter.given.take();
        drop(given);
    }
}

impl Host {
    /// A connection or the right to open one, when it is this request's turn.
    ///
    /// Cancel safe: what was given is passed on.
    pub(super) async fn checkout(self: &Rc<Self>) -> Given {
        while let Some(idle) = self.take_idle() {
            let Idle { connection, sender, .. } = idle;
            if sender.is_ready() {
                return Given::Lease(Lease { connection, sender: Some(sender), is_used: true });
            }
        }
        if self.open.get() < self.limits.max_sockets {
            return Given::Permit(self.permit());
        }
        let waiter = Rc::new(Waiter { given: Cell::new(None), waker: Cell::new(None) });
        self.waiting.borrow_mut().push_back(waiter.clone());
        let place = Place { host: self, waiter };
        poll_fn(|cx| match place.waiter.given.take() {
            Some(given) => Poll::Ready(given),
            None => {
                let old = place.waiter.waker.replace(Some(cx.waker().clone()));
                drop(old);
                Poll::Pending
            }
        })
        .await
    }

    fn permit(self: &Rc<Self>) -> Permit {
        self.open.set(self.open.get() + 1);
        Permit(self.clone())
    }

    fn next_waiter(&self) -> Option<Rc<Waiter>> {
        self.waiting.borrow_mut().pop_front()
    }

    fn take_idle(&self) -> Option<Idle> {
        self.idle.borrow_mut().pop()
    }

    /// What has been given back and is ready: for who waits, else to lie idle, else to be closed.
    fn put(&self, connection: &Rc<Connection>, sender: Sender) {
        if let Some(waiter) = self.next_waiter() {
            let connection = connection.clone();
            let lease = Lease { connection, sender: Some(sender), is_used: true };
            return waiter.give(Given::Lease(lease));
        }
        let Limits { keep_alive, max_free_sockets, idle_timeout, .. } = self.limits;
        if !keep_alive || self.closed.get() || self.idle.borrow().len() >= max_free_sockets {
            return drop(sender);
        }
        let lying = Rc::downgrade(connection);
        let timeout = Timeout::detached(idle_timeout, move || {
            if let Some(connection) = lying.upgrade() {
                connection.host.forget(&connection);
            }
        });
        timeout.unref();
        let idle = Idle { connection: connection.clone(), sender, _expiry: Expiry(timeout) };
        self.idle.borrow_mut().push(idle);
    }

    /// Closes a connection if it lies idle.
    fn forget(&self, connection: &Connection) {
        let is_it = |idle: &Idle| std::ptr::eq(&*idle.connection, connection);
        let place = self.idle.borrow().iter().position(is_it);
        let forgotten = place.map(|place| self.idle.borrow_mut().remove(place));
        drop(forgotten);
    }
}
