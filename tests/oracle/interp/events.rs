//! Emitters and diagnostics channels.

use std::ops::Deref;
use std::rc::Rc;

use lunation::{AsyncResource, EventEmitter, EventEmitterAsyncResource, diagnostics_channel};
use serde_json::json;

use super::machine::Machine;
use super::program::{Body, Slot, Stmt, Value};
use super::sync::user_kind;

/// What an emitter slot holds; a plain one comes into being when the slot is first named.
#[derive(Debug)]
pub(super) enum Emitter {
    Plain(EventEmitter<String>),
    WithResource(EventEmitterAsyncResource<String>),
}

impl Default for Emitter {
    fn default() -> Emitter {
        Emitter::Plain(EventEmitter::new())
    }
}

impl Deref for Emitter {
    type Target = EventEmitter<String>;

    fn deref(&self) -> &EventEmitter<String> {
        match self {
            Emitter::Plain(emitter) => emitter,
            Emitter::WithResource(emitter) => emitter,
        }
    }
}

/// A channel of the program: one for each run.
#[derive(Debug)]
pub(super) struct Channel(diagnostics_channel::Channel<Value>);

impl Default for Channel {
    fn default() -> Channel {
        Channel(diagnostics_channel::Channel::new("oracle"))
    }
}

impl Machine {
    pub(super) fn step_event(self: &Rc<Self>, stmt: &Stmt) {
        let slots = &self.slots;
        match stmt {
            Stmt::Emitter { slot, kind } => self.emitter(*slot, kind),
            Stmt::On { slot, event, body } => {
                let listener = self.listener(body);
                slots.emitters.named(*slot).on(event.clone(), move |()| listener());
            }
            Stmt::Once { slot, event, body } => {
                let listener = self.listener(body);
                slots.emitters.named(*slot).once(event.clone(), move |()| listener());
            }
            Stmt::Off { slot, event } => slots.emitters.named(*slot).remove_all(event),
            Stmt::Emit { slot, event } => {
                slots.emitters.named(*slot).emit(event, &());
            }
            Stmt::DestroyEmitter { slot } => slots.emitters.with(*slot, |emitter| {
                if let Emitter::WithResource(emitter) = emitter {
                    emitter.emit_destroy();
                }
            }),

            Stmt::BindStore { ch, als, add } => self.bind_store(*ch, *als, add.unwrap_or(0)),
            Stmt::UnbindStore { ch, als } => {
                slots.channels.named(*ch).0.unbind_store(&self.stores[*als].storage);
            }
            Stmt::Subscribe { ch, body } => self.subscribe(*ch, body),
            Stmt::Publish { ch, value } => slots.channels.named(*ch).0.publish(value),
            Stmt::RunStores { ch, value, body } => {
                slots.channels.named(*ch).0.run_stores(value, || self.exec(body));
            }
            _ => unreachable!("{stmt:?} is no statement of emitters or channels"),
        }
    }

    fn listener(self: &Rc<Self>, body: &Body) -> impl Fn() + 'static {
        let (machine, body) = (self.clone(), body.clone());
        move || machine.exec(&body)
    }

    fn emitter(&self, slot: Slot, kind: &str) {
        let resource = AsyncResource::builder(user_kind(kind)).manual_destroy(true).build();
        let emitter = EventEmitterAsyncResource::with_resource(resource);
        self.slots.emitters.put(slot, Rc::new(Emitter::WithResource(emitter)));
    }

    fn bind_store(&self, ch: Slot, als: usize, add: i64) {
        let storage = self.stores[als].storage.clone();
        let transform = move |value: &Value| value.map(|value| value + add).into();
        self.slots.channels.named(ch).0.bind_store(storage, transform);
    }

    /// What the body throws is the business of the runtime's handler of unhandled panics.
    fn subscribe(self: &Rc<Self>, ch: Slot, body: &Body) {
        let listener = self.listener(body);
        let machine = self.clone();
        let subscriber = move |value: &Value, _: &str| {
            machine.entry("recv", &[json!(ch), json!(value)]);
            listener();
        };
        self.slots.channels.named(ch).0.subscribe(subscriber).detach();
    }
}
