//! User code that fails or re-enters at an unexpected place: nothing is lost by it.

use lunation_context::{AsyncHooks, AsyncId, AsyncResource, create_hook};
use lunation_executor::{Runtime, UnhandledPanic, next_tick};
use std::rc::Rc;

/// Queues a tick when it hears of an end.
struct TickOnDestroy(Rc<()>);

impl AsyncHooks for TickOnDestroy {
    fn destroy(&self, _: AsyncId) {
        let value = self.0.clone();
        next_tick(move || drop(value));
    }
}

#[test]
fn what_hooks_queue_at_the_very_end_is_dropped() {
    let value = Rc::new(());
    let hook = create_hook(TickOnDestroy(value.clone()));
    hook.enable();
    let last = AsyncResource::new("LAST");
    // Of all that a runtime holds, the handler goes last.
    let handler = move |_: &_| {
        let _last = &last;
        UnhandledPanic::Continue
    };
    let runtime = Runtime::builder().on_unhandled(handler).build().expect("a runtime");
    runtime.enter(|| next_tick(|| ()));
    drop(runtime);
    hook.disable();
    drop(hook);
    assert_eq!(Rc::strong_count(&value), 1);
}
