//! The poll hook: entered and left with the frame that holds it.

use std::pin::pin;
use std::rc::Rc;

use lunation_context::{AsyncResource, PollHook, Snapshot, set_poll_hook};

use crate::support::{Journal, YieldOnce, poll_once};

struct Noting(&'static str, Journal);

impl PollHook for Noting {
    fn enter(&self) {
        self.1.note(format!("+{}", self.0));
    }
    fn leave(&self) {
        self.1.note(format!("-{}", self.0));
    }
}

#[test]
fn a_hook_follows_its_frame() {
    let journal = Journal::default();
    let hook = |name| -> Option<Rc<dyn PollHook>> { Some(Rc::new(Noting(name, journal.clone()))) };
    let outside = Snapshot::capture();
    assert!(set_poll_hook(hook("outer")).is_none());
    let resource = AsyncResource::new("R");
    let mut scope = pin!(Snapshot::capture().scope(async {
        assert!(set_poll_hook(hook("scope")).is_some());
        journal.note("first poll");
        YieldOnce::default().await;
        journal.note("second poll");
    }));
    assert!(set_poll_hook(None).is_some());
    assert_eq!(journal.take(), ["+outer", "-outer"]);

    assert!(poll_once(scope.as_mut()).is_pending());
    assert_eq!(journal.take(), ["+outer", "-outer", "+scope", "first poll", "-scope"]);
    assert!(poll_once(scope.as_mut()).is_ready());
    assert_eq!(journal.take(), ["+scope", "second poll", "-scope"]);
    resource.run_in_async_scope(|| outside.run(|| journal.note("outside")));
    assert_eq!(journal.take(), ["+outer", "outside", "-outer"]);
}
