//! A journal of what happened, and runtimes to make it happen in.

use lunation::Runtime;
use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;

/// An ordered list of what happened. Clones are the same journal.
#[derive(Clone, Default)]
pub(crate) struct Journal(Rc<RefCell<Vec<String>>>);

impl Journal {
    pub(crate) fn add(&self, entry: impl Display) {
        self.0.borrow_mut().push(entry.to_string());
    }

    /// A callback that adds an entry.
    pub(crate) fn adds(&self, entry: &'static str) -> impl Fn() + Clone + 'static + use<> {
        let journal = self.clone();
        move || journal.add(entry)
    }

    /// Something that adds an entry when it is dropped.
    pub(crate) fn on_drop(&self, entry: &'static str) -> OnDrop {
        OnDrop(self.clone(), entry)
    }

    /// All entries so far, joined by spaces; the journal is empty then.
    pub(crate) fn take(&self) -> String {
        self.0.take().join(" ")
    }
}

pub(crate) struct OnDrop(Journal, &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

/// A runtime with a virtual clock.
pub(crate) fn paused() -> Runtime {
    Runtime::builder().start_paused(true).build().expect("a runtime")
}

/// Runs `main` as a script, then the loop to its end; returns what the journal says.
pub(crate) fn script(main: impl FnOnce(&Journal)) -> String {
    let journal = Journal::default();
    let runtime = paused();
    runtime.enter(|| main(&journal));
    runtime.run_to_idle();
    journal.take()
}
