//! Runs ports: every failed assertion, in whatever callback, reaches the test.

use crate::support::Journal;
use lunation::{
    AsyncHooks, AsyncId, AsyncLocalStorage, Hook, ResourceKind, ResourceRef, Runtime, Unhandled,
    UnhandledPanic, create_hook,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::resume_unwind;
use std::time::Duration;

/// Runs `main` as Node runs a script, then the loop to its end; returns what the journal says.
pub(crate) fn script(main: impl FnOnce(&Journal)) -> String {
    run(Runtime::builder().on_unhandled(|_| UnhandledPanic::Propagate), main)
}

/// [`script`] with a listener of `uncaughtException` and `unhandledRejection`.
pub(crate) fn script_with_handler(
    journal: &Journal,
    handler: impl Fn(&Unhandled) + 'static,
    main: impl FnOnce(&Journal),
) -> String {
    let builder = Runtime::builder().on_unhandled(move |failure| {
        handler(failure);
        UnhandledPanic::Continue
    });
    run_with(journal, builder, main)
}

fn run(builder: lunation::Builder, main: impl FnOnce(&Journal)) -> String {
    run_with(&Journal::default(), builder, main)
}

fn run_with(journal: &Journal, builder: lunation::Builder, main: impl FnOnce(&Journal)) -> String {
    let runtime = builder.start_paused(true).build().expect("a runtime");
    runtime.enter(|| main(journal));
    runtime.run_to_idle();
    drop(runtime);
    journal.take()
}

/// Runs an async script; a failure of a callback or a lost task fails the test as well.
pub(crate) fn async_script<F: Future>(main: F) -> F::Output {
    let builder = Runtime::builder().on_unhandled(|_| UnhandledPanic::Propagate);
    let runtime = builder.start_paused(true).build().expect("a runtime");
    let output = runtime.block_on(main);
    runtime.run_to_idle();
    output
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Throws `text`, without the message of the panic hook.
pub(crate) fn throw<R>(text: &'static str) -> R {
    resume_unwind(Box::new(text))
}

/// The store, or "-" without one.
pub(crate) fn seen(storage: &AsyncLocalStorage<&'static str>) -> &'static str {
    storage.cloned().unwrap_or("-")
}

/// A hook that adds every event to a journal, with the resource's kind for its id.
pub(crate) struct NamedEvents {
    journal: Journal,
    hook: Hook,
}

impl NamedEvents {
    /// Not enabled yet.
    pub(crate) fn new(tracks_tasks: bool) -> Self {
        let journal = Journal::default();
        let kinds = RefCell::default();
        let hook = create_hook(Naming { tracks_tasks, journal: journal.clone(), kinds });
        Self { journal, hook }
    }

    pub(crate) fn enable(&self) {
        self.hook.enable();
    }

    pub(crate) fn disable(&self) {
        self.hook.disable();
    }

    pub(crate) fn journal(&self) -> Journal {
        self.journal.clone()
    }
}

struct Naming {
    tracks_tasks: bool,
    journal: Journal,
    kinds: RefCell<HashMap<AsyncId, ResourceKind>>,
}

impl Naming {
    /// Resources from before the hook have no name.
    fn add(&self, id: AsyncId, event: &str) {
        let kind = self.kinds.borrow().get(&id).map_or("older", |kind| kind.as_str());
        self.journal.add(format_args!("{kind}.{event}"));
    }
}

impl AsyncHooks for Naming {
    fn init(&self, id: AsyncId, kind: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.kinds.borrow_mut().insert(id, kind);
        self.add(id, "init");
    }

    fn before(&self, id: AsyncId) {
        self.add(id, "before");
    }

    fn after(&self, id: AsyncId) {
        self.add(id, "after");
    }

    fn destroy(&self, id: AsyncId) {
        self.add(id, "destroy");
    }

    fn promise_resolve(&self, id: AsyncId) {
        self.add(id, "resolve");
    }

    fn tracks_tasks(&self) -> bool {
        self.tracks_tasks
    }
}
