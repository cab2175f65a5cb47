//! Default values: evaluated once per storage and thread.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use crate::boxes::Entry;
use crate::key::{Key, index_of};
use crate::value::{Policy, Value};

/// One storage's default on this thread.
struct Evaluated {
    /// The key's first number: tells the owners of an index apart.
    birth: u64,
    /// The key's number when `birth` was last compared.
    checked: u64,
    /// A `Value<T>`.
    value: Rc<dyn Any>,
}

thread_local! {
    /// By the storage's index.
    static DEFAULTS: RefCell<Vec<Option<Evaluated>>> = const { RefCell::new(Vec::new()) };
}

/// The default of the key's storage; `None` only while the thread is exiting.
pub(crate) fn default_of<T: 'static>(key: &Key<T>, evaluate: fn() -> T) -> Option<Value<T>> {
    let number = key.get();
    let known = DEFAULTS.try_with(|defaults| {
        let defaults = defaults.borrow();
        let known = defaults.get(index_of(number))?.as_ref()?;
        (known.checked == number).then(|| Rc::clone(&known.value))
    });
    let value = match known.ok()? {
        Some(value) => value,
        None => refreshed(key, number, evaluate)?,
    };
    value.downcast_ref::<Value<T>>().cloned()
}

/// The first read since the storage's key was taken or renewed.
#[cold]
fn refreshed<T: 'static>(key: &Key<T>, number: u64, evaluate: fn() -> T) -> Option<Rc<dyn Any>> {
    let (index, birth) = (index_of(number), key.birth());
    let known = DEFAULTS.try_with(|defaults| {
        let mut defaults = defaults.borrow_mut();
        let known = defaults.get_mut(index)?.as_mut()?;
        (known.birth == birth).then(|| {
            known.checked = number;
            Rc::clone(&known.value)
        })
    });
    if let Some(value) = known.ok()? {
        return Some(value);
    }
    let policy = Policy::PLAIN;
    let value = Value::new(key, &policy, Some(evaluate()), Entry::BASE);
    let value: Rc<dyn Any> = Rc::new(value);
    let evaluated = Evaluated { birth, checked: number, value: Rc::clone(&value) };
    let replaced = DEFAULTS.try_with(|defaults| {
        let mut defaults = defaults.borrow_mut();
        if defaults.len() <= index {
            defaults.resize_with(index + 1, || None);
        }
        defaults[index].replace(evaluated)
    });
    // Of a former owner of the index; dropped here, after the borrow.
    drop(replaced);
    Some(value)
}
