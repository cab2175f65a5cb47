//! The works: each leaves nothing behind.

pub mod callbacks;
pub mod context;
pub mod files;
pub mod http;
pub mod net;
pub mod runtimes;
pub mod tasks;
pub mod threads;
pub mod timers;

use crate::world::World;
use lunation::{Unhandled, time};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

/// How long one round may take.
const LIMIT: Duration = Duration::from_secs(20);

type Round = Box<dyn Fn(Rc<World>) -> Pin<Box<dyn Future<Output = ()>>>>;

/// Something to do again and again.
pub struct Work {
    pub name: &'static str,
    pub pause: Duration,
    round: Round,
}

impl Work {
    /// One round.
    pub async fn once(&self, world: &Rc<World>) -> Result<(), String> {
        let round = time::timeout(LIMIT, (self.round)(world.clone())).await;
        round.map_err(|_| format!("{}: a round hangs, in {LIMIT:?}", self.name))
    }
}

fn work<F: Future<Output = ()> + 'static>(
    name: &'static str,
    pause: u64,
    round: impl Fn(Rc<World>) -> F + 'static,
) -> Work {
    let round =
        Box::new(move |world| -> Pin<Box<dyn Future<Output = ()>>> { Box::pin(round(world)) });
    Work { name, pause: Duration::from_millis(pause), round }
}

/// All works, with milliseconds between two rounds.
pub fn all() -> Vec<Work> {
    vec![
        work("tasks", 25, tasks::round),
        work("callbacks", 25, callbacks::round),
        work("sleeps", 25, timers::sleeps),
        work("timeouts", 25, timers::timeouts),
        work("stores", 25, context::stores),
        work("listeners", 50, context::listeners),
        work("hooks", 7000, context::hooks),
        work("echo", 50, net::echo),
        work("connections", 50, net::connections),
        work("datagrams", 100, net::datagrams),
        work("requests", 50, http::requests),
        work("broken requests", 100, http::broken),
        work("servers", 1000, http::servers),
        work("threads", 50, threads::round),
        work("jobs", 100, threads::jobs),
        work("files", 500, files::round),
        work("processes", 1000, files::processes),
        work("runtimes", 500, runtimes::round),
    ]
}

/// What panics on purpose panics with this.
#[derive(Debug)]
struct Expected;

/// A panic without a report.
fn fail() -> ! {
    resume_unwind(Box::new(Expected))
}

/// Whether a work made this panic.
pub fn is_expected(failure: &Unhandled) -> bool {
    failure.payload().is::<Expected>()
}
