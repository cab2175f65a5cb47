//! Every kind of user value has a `Drop` that uses the whole API: in normal life, when it is
//! aborted or cleared, on a panic, and at the end of the runtime. All of them must go, once.

use lunation_context::{AsyncHooks, AsyncLocalStorage, ResourceKind, create_hook};
use lunation_executor::{
    AbortHandle, Completer, Completion, Runtime, Timeout, UnhandledPanic, immediate, microtask,
    next_tick, queue_close, queue_microtask, set_immediate, set_interval, set_timeout, spawn, time,
};
use std::cell::RefCell;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

static STORE: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
static VALUES: AsyncLocalStorage<Bomb> = AsyncLocalStorage::new();
static STORE_OF_LINKS: AsyncLocalStorage<Option<Link>> = AsyncLocalStorage::new();

const MS: Duration = Duration::from_millis(1);
const KIND: ResourceKind = ResourceKind::User("REENTER");

#[derive(Default)]
struct Counts {
    alive: AtomicI32,
    drops: AtomicU32,
    /// The task to abort in a drop.
    abort: Mutex<Option<AbortHandle>>,
}

/// A user value with an eventful end.
struct Bomb {
    counts: Arc<Counts>,
    /// How often what it creates creates more.
    depth: u32,
    panics: bool,
}

impl Bomb {
    fn new(counts: &Arc<Counts>, depth: u32, panics: bool) -> Bomb {
        counts.alive.fetch_add(1, Ordering::Relaxed);
        Bomb { counts: counts.clone(), depth, panics }
    }

    fn child(&self) -> Option<Bomb> {
        let depth = self.depth.checked_sub(1)?;
        Some(Bomb::new(&self.counts, depth, false))
    }

    fn reenter(&self) {
        STORE.run(1, || assert_eq!(STORE.cloned(), Some(1)));
        STORE.enter_with(2);
        assert_eq!(STORE.get_store().as_deref(), Some(&2));
        if let Some(abort) = &*self.counts.abort.lock().unwrap() {
            abort.abort();
        }
        let task = self.child();
        let handle = spawn(async move {
            let _task = task;
            microtask().await;
        });
        handle.abort();
        let (task, tick, micro) = (self.child(), self.child(), self.child());
        drop(spawn(async move { drop(task) }));
        next_tick(move || drop(tick));
        queue_microtask(move || drop(micro));
        let (kept, cleared) = (self.child(), self.child());
        set_immediate(move || drop(kept));
        set_immediate(move || drop(cleared)).clear();
        let (kept, cleared, close) = (self.child(), self.child(), self.child());
        set_timeout(MS, move || drop(kept)).refresh();
        set_timeout(MS, move || drop(cleared)).clear();
        queue_close(KIND, move || drop(close));
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.counts.alive.fetch_sub(1, Ordering::Relaxed);
        self.counts.drops.fetch_add(1, Ordering::Relaxed);
        self.reenter();
        if self.panics && !std::thread::panicking() {
            throw();
        }
    }
}

/// Panics without the report on standard error.
fn throw() -> ! {
    resume_unwind(Box::new("reenter"))
}

/// What becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Normal,
    /// Aborted, cleared, dropped by the user.
    Cancelled,
    /// The code that owns it panics.
    PanicInCode,
    /// Its own drop panics.
    PanicInDrop,
    RuntimeEnd,
}

const FATES: [Fate; 5] =
    [Fate::Normal, Fate::Cancelled, Fate::PanicInCode, Fate::PanicInDrop, Fate::RuntimeEnd];

impl Fate {
    /// What user code does that owns a value.
    fn act(self) {
        if self == Fate::PanicInCode {
            throw();
        }
    }
}

/// What is done later, inside of the runtime, to a value that is to be cancelled.
type Cancel = Box<dyn FnOnce()>;
type Kind = fn(Bomb, Fate) -> Cancel;

fn nothing() -> Cancel {
    Box::new(|| ())
}

fn future(bomb: Bomb, fate: Fate) -> Cancel {
    let counts = bomb.counts.clone();
    let handle = spawn(async move {
        let _bomb = &bomb;
        microtask().await;
        fate.act();
        if matches!(fate, Fate::Cancelled | Fate::RuntimeEnd) {
            pending::<()>().await;
        }
    });
    *counts.abort.lock().unwrap() = Some(handle.abort_handle());
    Box::new(move || handle.abort())
}

fn output(bomb: Bomb, fate: Fate) -> Cancel {
    let handle = spawn(async move { bomb });
    if fate == Fate::Normal {
        drop(spawn(async move { drop(handle.await) }));
        return nothing();
    }
    Box::new(move || drop(handle))
}

fn store(bomb: Bomb, fate: Fate) -> Cancel {
    VALUES.run(bomb, || {
        let handle = spawn(async move {
            time::sleep(MS).await;
            fate.act();
        });
        let timer = set_timeout(MS, move || fate.act());
        next_tick(move || fate.act());
        set_immediate(move || fate.act());
        Box::new(move || {
            handle.abort();
            timer.clear();
        })
    })
}

fn entered_store(bomb: Bomb, _: Fate) -> Cancel {
    drop(spawn(async move {
        VALUES.enter_with(bomb);
        microtask().await;
        next_tick(|| ());
    }));
    nothing()
}

fn tick(bomb: Bomb, fate: Fate) -> Cancel {
    next_tick(move || {
        let _bomb = bomb;
        fate.act();
    });
    nothing()
}

fn micro(bomb: Bomb, fate: Fate) -> Cancel {
    queue_microtask(move || {
        let _bomb = bomb;
        fate.act();
    });
    nothing()
}

fn check(bomb: Bomb, fate: Fate) -> Cancel {
    let handle = set_immediate(move || {
        let _bomb = bomb;
        fate.act();
    });
    Box::new(move || handle.clear())
}

fn timeout(bomb: Bomb, fate: Fate) -> Cancel {
    let handle = set_timeout(MS, move || {
        let _bomb = bomb;
        fate.act();
    });
    Box::new(move || handle.clear())
}

fn interval(bomb: Bomb, fate: Fate) -> Cancel {
    let timer: Rc<RefCell<Option<Timeout>>> = Rc::default();
    let (own, mut calls) = (timer.clone(), 0);
    let handle = set_interval(MS, move || {
        let _bomb = &bomb;
        calls += 1;
        if calls == 2 {
            // The closure goes when this call has returned.
            let own = own.take();
            own.unwrap().clear();
            fate.act();
        }
    });
    timer.replace(Some(handle.clone()));
    Box::new(move || {
        drop(timer.take());
        handle.clear();
    })
}

fn close(bomb: Bomb, fate: Fate) -> Cancel {
    queue_close(KIND, move || {
        let _bomb = bomb;
        fate.act();
    });
    nothing()
}

fn completion(bomb: Bomb, fate: Fate) -> Cancel {
    let (completion, completer): (_, Completer<()>) = Completion::new(KIND);
    completion.on_complete(move |_| {
        let _bomb = bomb;
        fate.act();
    });
    if fate != Fate::RuntimeEnd {
        completer.complete(());
        return nothing();
    }
    Box::new(move || drop(completer))
}

fn completed_value(bomb: Bomb, fate: Fate) -> Cancel {
    let (completion, completer) = Completion::new(KIND);
    completer.complete(bomb);
    if fate == Fate::Normal {
        drop(spawn(async move { drop(completion.await) }));
        return nothing();
    }
    Box::new(move || drop(completion))
}

fn post(bomb: Bomb, fate: Fate) -> Cancel {
    lunation_executor::Handle::current().post(move || {
        let _bomb = bomb;
        fate.act();
    });
    nothing()
}

struct Hook(#[expect(dead_code, reason = "for its drop")] Bomb);

impl AsyncHooks for Hook {}

struct Disable(lunation_context::Hook);

impl Drop for Disable {
    fn drop(&mut self) {
        self.0.disable();
    }
}

fn hook(bomb: Bomb, _: Fate) -> Cancel {
    let disable = Disable(create_hook(Hook(bomb)));
    disable.0.enable();
    set_immediate(move || drop(disable));
    nothing()
}

struct CustomWaker(#[expect(dead_code, reason = "for its drop")] Bomb);

impl Wake for CustomWaker {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future once with a waker of its own, and keeps it.
fn poll_with<F: Future + 'static>(bomb: Bomb, future: F, fate: Fate) -> Cancel {
    let waker = Waker::from(Arc::new(CustomWaker(bomb)));
    let mut future: Pin<Box<dyn Future<Output = F::Output>>> = Box::pin(future);
    let first = future.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(first.is_pending());
    drop(waker);
    if fate == Fate::Normal {
        // Woken by what it waits for.
        set_timeout(5 * MS, move || drop(future));
        return nothing();
    }
    Box::new(move || drop(future))
}

fn join_waker(bomb: Bomb, fate: Fate) -> Cancel {
    poll_with(bomb, spawn(microtask()), fate)
}

fn sleep_waker(bomb: Bomb, fate: Fate) -> Cancel {
    poll_with(bomb, time::sleep(MS), fate)
}

fn immediate_waker(bomb: Bomb, fate: Fate) -> Cancel {
    poll_with(bomb, immediate(), fate)
}

fn tick_waker(bomb: Bomb, fate: Fate) -> Cancel {
    poll_with(bomb, lunation_executor::tick(), fate)
}

fn completion_waker(bomb: Bomb, fate: Fate) -> Cancel {
    let (completion, completer) = Completion::new(KIND);
    set_timeout(MS, move || completer.complete(()));
    poll_with(bomb, completion, fate)
}

const KINDS: [(&str, Kind); 20] = [
    ("future", future),
    ("output", output),
    ("store", store),
    ("entered store", entered_store),
    ("tick", tick),
    ("microtask", micro),
    ("immediate", check),
    ("timeout", timeout),
    ("interval", interval),
    ("close", close),
    ("completion", completion),
    ("completed value", completed_value),
    ("post", post),
    ("hook", hook),
    ("join waker", join_waker),
    ("sleep waker", sleep_waker),
    ("immediate waker", immediate_waker),
    ("tick waker", tick_waker),
    ("completion waker", completion_waker),
    ("two of them", |bomb, fate| {
        let second = Bomb::new(&bomb.counts, 1, bomb.panics);
        let (first, second) = (timeout(bomb, fate), future(second, fate));
        Box::new(|| {
            first();
            second();
        })
    }),
];

fn run(name: &str, kind: Kind, fate: Fate) {
    let counts = Arc::<Counts>::default();
    let handler = Bomb::new(&counts, 1, false);
    let runtime = Runtime::builder()
        .start_paused(true)
        .on_unhandled(move |_| {
            let _bomb = &handler;
            UnhandledPanic::Continue
        })
        .build()
        .unwrap();
    // What the last drops create is to be found and dropped too.
    let depth = if fate == Fate::RuntimeEnd { 2 } else { 1 };
    let bomb = Bomb::new(&counts, depth, fate == Fate::PanicInDrop);
    let cancel = runtime.enter(|| kind(bomb, fate));
    // A drop in the code of this test may panic into it.
    let quietly = |f: Box<dyn FnOnce() + '_>| drop(catch_unwind(AssertUnwindSafe(f)));
    match fate {
        Fate::Normal | Fate::PanicInCode | Fate::PanicInDrop => {
            runtime.run_to_idle();
            quietly(Box::new(|| runtime.enter(cancel)));
            runtime.run_to_idle();
            drop(runtime);
        }
        Fate::Cancelled => {
            quietly(Box::new(|| runtime.enter(cancel)));
            runtime.run_to_idle();
            drop(runtime);
        }
        Fate::RuntimeEnd => {
            drop(runtime);
            quietly(Box::new(cancel));
        }
    }
    drop(counts.abort.lock().unwrap().take());
    assert!(counts.drops.load(Ordering::Relaxed) >= 2, "{name} {fate:?}");
    assert_eq!(counts.alive.load(Ordering::Relaxed), 0, "{name} {fate:?}: values leak");
}

#[test]
fn every_value_may_use_the_api_when_it_is_dropped() {
    for (name, kind) in KINDS {
        for fate in FATES {
            run(name, kind, fate);
        }
    }
}

/// A store whose drop panics ends neither the callback's phase nor the end of the runtime.
#[test]
fn a_panicking_store_is_a_failure_of_its_callback() {
    struct Throws;
    impl Drop for Throws {
        fn drop(&mut self) {
            throw();
        }
    }
    static THROWS: AsyncLocalStorage<Throws> = AsyncLocalStorage::new();
    let failures = Rc::new(RefCell::new(0));
    let count = failures.clone();
    let runtime = Runtime::builder()
        .on_unhandled(move |_| {
            *count.borrow_mut() += 1;
            UnhandledPanic::Continue
        })
        .build()
        .unwrap();
    let callbacks: [fn(); 5] = [
        || next_tick(|| ()),
        || queue_microtask(|| ()),
        || drop(set_immediate(|| ())),
        || drop(set_timeout(MS, || ())),
        || queue_close(KIND, || ()),
    ];
    for end in [false, true] {
        runtime.enter(|| callbacks.iter().for_each(|callback| THROWS.run(Throws, callback)));
        if end {
            break;
        }
        runtime.run_to_idle();
        assert_eq!(failures.replace(0), 5);
    }
    drop(runtime);
    assert_eq!(*failures.borrow(), 5);
}

/// A value whose end makes something that holds the next one.
struct Link {
    left: u32,
    make: fn(Link),
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(left) = self.left.checked_sub(1) {
            (self.make)(Link { left, make: self.make });
        }
    }
}

/// As deep as a stack is not.
#[test]
fn destructors_at_the_end_are_called_from_a_list() {
    let ways: [fn(Link); 8] = [
        |link| drop(spawn(async move { drop(link) })),
        |link| next_tick(move || drop(link)),
        |link| queue_microtask(move || drop(link)),
        |link| drop(set_immediate(move || drop(link))),
        |link| drop(set_timeout(MS, move || drop(link))),
        |link| queue_close(KIND, move || drop(link)),
        |link| {
            let (completion, _completer) = Completion::<()>::new(KIND);
            completion.on_complete(move |_| drop(link));
        },
        |link| STORE_OF_LINKS.enter_with(Some(link)),
    ];
    for make in ways {
        let runtime = Runtime::new();
        runtime.enter(|| make(Link { left: 100_000, make }));
    }
}
