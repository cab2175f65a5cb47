//! What the works share: the servers they speak to, another thread, random numbers.

use crate::work::{http, net};
use lunation::net::{TcpListener, UdpSocket, UnixListener};
use lunation::{Completion, ResourceKind, Runtime, http::Client, spawn};
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

type Errand = Box<dyn FnOnce() + Send>;

pub struct World {
    pub runtime: Rc<Runtime>,
    random: Cell<u64>,
    elsewhere: Sender<Errand>,
    folder: Folder,
    /// Echo servers.
    pub tcp: SocketAddr,
    pub udp: SocketAddr,
    pub unix: PathBuf,
    pub http: SocketAddr,
    pub client: Client,
}

/// A folder of its own for this process.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it hurts nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl World {
    /// Starts the servers and the other thread.
    pub async fn open(runtime: Rc<Runtime>, seed: u64) -> io::Result<Rc<World>> {
        let folder = Folder(std::env::temp_dir().join(format!("soak-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0)?;
        let (elsewhere, errands) = channel::<Errand>();
        thread::spawn(move || errands.into_iter().for_each(|errand| errand()));

        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let udp = UdpSocket::bind("127.0.0.1:0").await?;
        let path = folder.0.join("echo");
        let unix = UnixListener::bind(&path)?;
        let http = TcpListener::bind("127.0.0.1:0").await?;
        let world = World {
            runtime,
            random: Cell::new(seed.wrapping_mul(2) | 1),
            elsewhere,
            folder,
            tcp: tcp.local_addr()?,
            udp: udp.local_addr()?,
            unix: path,
            http: http.local_addr()?,
            client: Client::new(),
        };
        spawn(net::echo_streams(tcp));
        spawn(net::echo_streams(unix));
        spawn(net::echo_datagrams(udp));
        spawn(http::server(http).into_future());
        Ok(Rc::new(world))
    }

    /// A number below `limit` (Knuth's MMIX generator; its upper bits).
    pub fn random(&self, limit: u64) -> u64 {
        let next = self.random.get().wrapping_mul(6364136223846793005);
        self.random.set(next.wrapping_add(1442695040888963407));
        (self.random.get() >> 33) % limit
    }

    /// Lets the other thread do something.
    pub fn elsewhere(&self, errand: impl FnOnce() + Send + 'static) {
        assert!(self.elsewhere.send(Box::new(errand)).is_ok(), "the other thread has died");
    }

    /// Waits until the other thread has done all that it was given.
    pub async fn meet(&self) {
        let (completion, completer) = Completion::new(ResourceKind::User("MEETING"));
        self.elsewhere(move || completer.complete(()));
        completion.await.expect("the other thread completes");
    }

    /// For files.
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }
}
