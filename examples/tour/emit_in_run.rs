//! A listener runs where the event is emitted, wherever it was added. So a value for all listeners
//! is set around `emit`, and a listener that wants its own is bound.
//!
//! ```text
//! added outside, emitted in run: emitted
//! added in run, emitted in run: emitted
//! bound in run, emitted in run: added
//! added outside, emitted outside: -
//! added in run, emitted outside: -
//! bound in run, emitted outside: added
//! ```

use lunation::{AsyncLocalStorage, EventEmitter};

static CONTEXT: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

/// A listener that prints the context it is called in.
fn show(listener: &'static str) -> impl Fn(&&'static str) {
    move |place| println!("{listener}, {place}: {}", CONTEXT.cloned().unwrap_or("-"))
}

pub(crate) fn main() {
    let emitter = EventEmitter::new();
    emitter.on("event", show("added outside"));
    CONTEXT.run("added", || {
        emitter.on("event", show("added in run"));
        emitter.on_bound("event", show("bound in run"));
    });
    CONTEXT.run("emitted", || emitter.emit("event", &"emitted in run"));
    emitter.emit("event", &"emitted outside");
}
