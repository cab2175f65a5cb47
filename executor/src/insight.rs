//! What keeps a loop alive, and what its tasks wait for.
//!
//! Everything is looked up when somebody asks: the loop knows all that it will run, and a waker
//! says which task it wakes. So nothing is kept for it.

use crate::clock::{self, Millis};
use crate::current;
use crate::event_loop::EventLoop;
use crate::immediates::Entry;
use crate::job::{Job, Timer, Waiter};
use crate::spawn::TaskName;
use lunation_context::{Activation, AsyncId, Resource, ResourceKind};
use lunation_reactor::{Interest, SourceInfo};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::vec;

/// A resource of a loop at one moment: see [`active_resources`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ActiveResource {
    /// The id.
    pub id: AsyncId,
    /// The id of the resource that caused it.
    pub trigger_id: AsyncId,
    /// What it is.
    pub kind: ResourceKind,
    /// The name given by [`TaskBuilder::name`](crate::TaskBuilder::name).
    pub name: Option<String>,
    /// Where it was created: for main, where `block_on` was called.
    pub location: &'static Location<'static>,
    /// How long ago it was created. The loop notes times when it reads its clock anyway, at the
    /// latest every 64th turn, and forgets details of old ones: this can be too little by 64 turns
    /// and a quarter, never too much.
    pub age: Duration,
    /// Whether it keeps the loop alive, by itself or by what it waits for.
    pub keeps_alive: bool,
    /// What a task waits for, as far as the loop knows: nothing for one that is running, that is
    /// going to, or that waits for a channel or a lock.
    pub waits: Vec<Wait>,
}

/// Something that a task waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// What must come.
    pub what: WaitsFor,
    /// How long it has been waiting, as exact as [`ActiveResource::age`]. None if nobody knows:
    /// for a turn or another task.
    pub elapsed: Option<Duration>,
}

/// What a task can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitsFor {
    /// A moment: [`time::sleep`](crate::time::sleep) and all that is made of it, and the timers of
    /// [`promises`](crate::promises).
    Time {
        /// How long it is to come; zero if it is due.
        due_in: Duration,
    },
    /// Its turn: [`immediate`](crate::immediate) and that of [`promises`](crate::promises),
    /// [`yield_now`](crate::yield_now), or the end of this turn because its I/O budget is spent.
    Turn,
    /// A socket, pipe, process, signal or source of the user's own.
    Io {
        /// The id of its resource.
        id: AsyncId,
        /// The kind of its resource.
        kind: ResourceKind,
        /// For what: to be readable, or to be writable.
        interest: Interest,
    },
    /// Work elsewhere: a blocking job, a file operation, a lookup, a
    /// [`Completion`](crate::Completion).
    Completion {
        /// The id of its resource.
        id: AsyncId,
        /// The kind of its resource.
        kind: ResourceKind,
    },
    /// The end of another task: a `JoinHandle`.
    Task {
        /// The id of that task.
        id: AsyncId,
    },
}

/// The answer of [`active_resources`] and [`all_resources`]: a slice of resources in the order of
/// their ids. Its `Display` is for people who ask why a process is still running.
#[derive(Debug, Clone, Default)]
pub struct ActiveResources {
    resources: Vec<ActiveResource>,
    unclaimed: Vec<Wait>,
    guards: usize,
}

impl ActiveResources {
    /// Waits whose task is unknown, because a waker of another library hides it (`FuturesUnordered`
    /// and `join_all` have such wakers).
    pub fn unclaimed(&self) -> &[Wait] {
        &self.unclaimed
    }

    /// How many guards of [`Handle::keep_alive`](crate::Handle::keep_alive) there are.
    pub fn keep_alive_guards(&self) -> usize {
        self.guards
    }
}

/// What keeps the loop of this thread alive: ref'd timers and immediates, close callbacks, ticks
/// and microtasks in the queue, blocking jobs and other completions, sockets on which an operation
/// waits, and the tasks that wait for any of these or are going to run. Node:
/// `process.getActiveResourcesInfo()`.
///
/// Asking costs time proportional to what there is; not asking costs nothing.
///
/// # Panics
/// Outside of a runtime: ask [`Runtime::active_resources`](crate::Runtime::active_resources) there.
///
/// ```
/// use lunation_executor::{Runtime, WaitsFor, active_resources};
/// use lunation_executor::{set_timeout, spawn, time, yield_now};
/// use std::time::Duration;
///
/// let runtime = Runtime::builder().start_paused(true).build().unwrap();
/// runtime.block_on(async {
///     let task = spawn(time::sleep(Duration::from_secs(5)));
///     let timer = set_timeout(Duration::from_secs(60), || {});
///     set_timeout(Duration::from_secs(90), || {}).unref();
///     yield_now().await;
///     time::advance(Duration::from_secs(2));
///     let active = active_resources();
///     let kinds: Vec<_> = active.iter().map(|it| (it.kind.as_str(), it.id)).collect();
///     assert_eq!(kinds, [("TASK", task.async_id()), ("Timeout", timer.async_id())]);
///     let wait = &active[0].waits[0];
///     assert_eq!(wait.what, WaitsFor::Time { due_in: Duration::from_secs(3) });
///     assert_eq!(wait.elapsed, Some(Duration::from_secs(2)));
///     assert!(active.to_string().contains("waits 2s for a timer that is due in 3s"));
/// });
/// ```
#[track_caller]
pub fn active_resources() -> ActiveResources {
    survey(&current::current(), false)
}

/// As [`active_resources`], with all that does not keep the loop alive: every task that has not
/// ended, unref'd timers, sources on which nothing waits.
///
/// # Panics
/// Outside of a runtime.
#[track_caller]
pub fn all_resources() -> ActiveResources {
    survey(&current::current(), true)
}

/// Looks at everything a loop has. No user code runs meanwhile.
pub(crate) fn survey(event_loop: &EventLoop, all: bool) -> ActiveResources {
    let now = clock::floor(event_loop.clock.elapsed());
    let (tasks, found) = (BTreeMap::new(), ActiveResources::default());
    let mut survey = Survey { event_loop, now, all, tasks, found };
    survey.tasks();
    survey.callbacks();
    survey.timers();
    survey.completions();
    survey.sources();
    let mut found = survey.found;
    found.guards = event_loop.core.keep_alive.load(Ordering::Acquire);
    found.resources.retain(|it| it.keeps_alive || all);
    found.resources.sort_by_key(|it| it.id);
    found
}

struct Survey<'a> {
    event_loop: &'a EventLoop,
    now: Millis,
    /// Also what does not keep the loop alive.
    all: bool,
    /// The places of tasks in the answer, by the data pointers of their wakers.
    tasks: BTreeMap<Waiter, usize>,
    found: ActiveResources,
}

impl Survey<'_> {
    fn tasks(&mut self) {
        let mut joins = Vec::new();
        self.event_loop.core.cells.for_each(|task| {
            if task.life.is_complete() {
                return;
            }
            let activation = &task.header.activation;
            self.tasks.insert(std::ptr::from_ref(task).cast(), self.found.resources.len());
            joins.extend(task.joined_by().map(|joiner| (joiner, activation.id())));
            self.add_flow(activation, task.life.is_scheduled());
        });
        for (joiner, id) in joins {
            self.claim(joiner, false, WaitsFor::Task { id }, None);
        }
    }

    /// Ticks, microtasks, immediates, close callbacks.
    fn callbacks(&mut self) {
        let core = &self.event_loop.core;
        for queue in [&core.ticks, &core.microtasks] {
            queue.for_each(|header| {
                // A task is listed already, and a mere wake-up is no resource.
                if header.vtable.task.is_none() && header.activation.id() != AsyncId::LOOP {
                    self.add_flow(&header.activation, true);
                }
            });
        }
        self.event_loop.immediates.for_each(|entry| match entry {
            Entry::Call(job) => self.add_job(&**job, WaitsFor::Turn, None),
            Entry::Wait(waker) => self.claim(waker.data(), true, WaitsFor::Turn, None),
            Entry::Cancelled => {}
        });
        for job in &*self.event_loop.closers.borrow() {
            self.add_job(&**job, WaitsFor::Turn, None);
        }
    }

    fn timers(&mut self) {
        let firing = self.event_loop.firing.take();
        if let Some(job) = firing.as_ref().and_then(Weak::upgrade) {
            self.add_job(&*job, WaitsFor::Turn, None);
        }
        self.event_loop.firing.set(firing);
        for (start, due, refed, timer) in self.event_loop.timers.borrow().iter() {
            let due_in = Duration::from_millis(due.saturating_sub(self.now));
            let (what, elapsed) = (WaitsFor::Time { due_in }, self.now.saturating_sub(start));
            let elapsed = Some(Duration::from_millis(elapsed));
            match timer {
                Timer::Call(job) => self.add_job(&**job, what, elapsed),
                Timer::Wake(Some(waker)) => self.claim(waker.data(), refed, what, elapsed),
                Timer::Wake(None) => {}
            }
        }
    }

    fn completions(&mut self) {
        for (_, completion) in &*self.event_loop.completions.borrow() {
            let (resource, waker) = completion.describe();
            self.add(resource, true);
            if let Some(waker) = waker {
                let (id, kind) = (resource.id(), resource.kind());
                let elapsed = self.age(id);
                self.claim(waker, true, WaitsFor::Completion { id, kind }, Some(elapsed));
            }
        }
    }

    fn sources(&mut self) {
        for SourceInfo { resource, request, refed, waits } in self.event_loop.reactor.sources() {
            let (id, kind) = (resource.id(), resource.kind());
            let active = refed && !waits.is_empty();
            self.add(&resource, active);
            if let Some(request) = request {
                self.add(&request, active);
            }
            for wait in waits {
                let elapsed = self.event_loop.waits.age(wait.number, self.now);
                let what = WaitsFor::Io { id, kind, interest: wait.interest };
                self.claim(wait.waker, refed, what, Some(elapsed));
            }
        }
        for waker in self.event_loop.reactor.yielded() {
            self.claim(waker, true, WaitsFor::Turn, None);
        }
    }

    /// Gives a wait to its task.
    fn claim(&mut self, waker: Waiter, refed: bool, what: WaitsFor, elapsed: Option<Duration>) {
        let wait = Wait { what, elapsed };
        match self.tasks.get(&waker) {
            Some(&place) => {
                let task = &mut self.found.resources[place];
                task.waits.push(wait);
                task.keeps_alive |= refed;
            }
            None if refed || self.all => self.found.unclaimed.push(wait),
            None => {}
        }
    }

    /// Adds a callback, and to the task that awaits it what it waits for.
    fn add_job(&mut self, job: &dyn Job, what: WaitsFor, elapsed: Option<Duration>) {
        job.describe(&mut |resource, refed, waiter| {
            self.add(resource, refed);
            if let Some(waiter) = waiter {
                self.claim(waiter, refed, what, elapsed);
            }
        });
    }

    fn add(&mut self, resource: &Resource, keeps_alive: bool) {
        self.found.resources.push(ActiveResource {
            id: resource.id(),
            trigger_id: resource.trigger_id(),
            kind: resource.kind(),
            name: None,
            location: resource.site(),
            age: self.age(resource.id()),
            keeps_alive,
            waits: Vec::new(),
        });
    }

    fn add_flow(&mut self, flow: &Activation, keeps_alive: bool) {
        let described = flow.existing_resource();
        let name = described.and_then(|resource| resource.extensions().get::<TaskName>());
        self.found.resources.push(ActiveResource {
            id: flow.id(),
            trigger_id: flow.trigger_id(),
            kind: flow.kind(),
            name: name.map(|name| name.0.clone()),
            location: flow.site(),
            age: self.age(flow.id()),
            keeps_alive,
            waits: Vec::new(),
        });
    }

    fn age(&self, id: AsyncId) -> Duration {
        self.event_loop.births.age(id.get(), self.now)
    }
}

impl Deref for ActiveResources {
    type Target = [ActiveResource];

    fn deref(&self) -> &[ActiveResource] {
        &self.resources
    }
}

impl IntoIterator for ActiveResources {
    type Item = ActiveResource;
    type IntoIter = vec::IntoIter<ActiveResource>;

    fn into_iter(self) -> Self::IntoIter {
        self.resources.into_iter()
    }
}

/// One line for each resource, wait and kind of guard; empty if there is nothing.
impl fmt::Display for ActiveResources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for resource in &self.resources {
            writeln!(f, "{resource}")?;
        }
        for wait in &self.unclaimed {
            writeln!(f, "a task unknown, by a waker of another library, {wait}")?;
        }
        match self.guards {
            0 => Ok(()),
            guards => writeln!(f, "guards of Handle::keep_alive: {guards}"),
        }
    }
}

impl fmt::Display for ActiveResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ActiveResource { id, trigger_id, kind, location, age, .. } = self;
        write!(f, "{kind} {id}")?;
        if let Some(name) = &self.name {
            write!(f, " \"{name}\"")?;
        }
        write!(f, ", created at {location} by {trigger_id}, {age:?} ago")?;
        for wait in &self.waits {
            write!(f, "\n  {wait}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.elapsed {
            Some(elapsed) => write!(f, "waits {elapsed:?} for {}", self.what),
            None => write!(f, "waits for {}", self.what),
        }
    }
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitsFor::Time { due_in } => write!(f, "a timer that is due in {due_in:?}"),
            WaitsFor::Turn => f.write_str("its turn"),
            WaitsFor::Io { id, kind, interest } if interest.is_readable() => {
                write!(f, "{kind} {id} to be readable")
            }
            WaitsFor::Io { id, kind, .. } => write!(f, "{kind} {id} to be writable"),
            WaitsFor::Completion { id, kind } => write!(f, "{kind} {id} to complete"),
            WaitsFor::Task { id } => write!(f, "task {id} to end"),
        }
    }
}
