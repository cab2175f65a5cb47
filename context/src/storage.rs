//! `AsyncLocalStorage`: one value per flow, inherited by all that the flow starts.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::Deref;
use std::panic::Location;

use crate::boxes::{Entry, ValueRef};
use crate::current::{with_flow, with_settled};
use crate::defaults::default_of;
use crate::flow::Flow;
use crate::frame::{Frame, FrameSlot};
use crate::id::next_number;
use crate::key::{Key, index_of};
use crate::misplaced;
use crate::policy::Inherit;
use crate::scoped::Scoped;
use crate::value::{Draft, Label, Operations, Policy, Value};

/// A value that follows the asynchronous flow: Node's `AsyncLocalStorage`.
///
/// What is set is seen by everything that the flow calls, spawns or schedules from then on, and
/// by nobody else. It holds no `T` itself, so it is `Send` and `Sync` and usually a `static`;
/// each thread sees its own values.
///
/// Two warnings. `run(value, || async { .. })` sets the value only while the future is *made*:
/// use [`scope`](Self::scope), or [`enter`](Self::enter) inside of the future. And the branches
/// of `join!` or `select!` share their task's values: wrap a branch that sets values of its own
/// in `scope`, or spawn it.
///
/// ```
/// use lunation_context::AsyncLocalStorage;
///
/// static REQUEST: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
///
/// assert_eq!(REQUEST.cloned(), None);
/// REQUEST.run(7, || assert_eq!(REQUEST.cloned(), Some(7)));
/// assert_eq!(REQUEST.cloned(), None);
/// ```
///
/// # Panics
/// A storage takes a place at its first use; with 65,535 others alive that panics.
pub struct AsyncLocalStorage<T: 'static> {
    key: Key<T>,
    name: &'static str,
    default_value: Option<fn() -> T>,
    policy: Policy<T>,
}

impl<T: 'static> AsyncLocalStorage<T> {
    /// A storage without name and default value that everything inherits.
    pub const fn new() -> Self {
        Self::builder().build()
    }

    /// For a storage with options.
    ///
    /// ```
    /// use lunation_context::{AsyncLocalStorage, Inherit};
    ///
    /// static LOCALE: AsyncLocalStorage<String> = AsyncLocalStorage::builder()
    ///     .name("locale")
    ///     .default_value(|| "en".to_owned())
    ///     .inherit(Inherit::Always)
    ///     .build();
    /// assert_eq!(LOCALE.cloned().as_deref(), Some("en"));
    /// ```
    pub const fn builder() -> StorageBuilder<T> {
        let (inherit, operations) = (Inherit::Always, Operations::LOCAL);
        StorageBuilder { name: "", default_value: None, inherit, operations }
    }

    /// The name given to the builder; "" without one.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Calls `f` with `value` set, and returns what it returns: Node's `run`.
    ///
    /// Afterwards, also on unwind, this storage is as it was; other storages are not touched.
    #[inline]
    pub fn run<R>(&self, value: T, f: impl FnOnce() -> R) -> R {
        self.around(Some(value), f)
    }

    /// Calls `f` with the store hidden, the default as well: Node's `exit`.
    #[inline]
    pub fn exit<R>(&self, f: impl FnOnce() -> R) -> R {
        self.around(None, f)
    }

    /// Sets `value` until the guard is dropped, also across `.await`.
    ///
    /// The value belongs to the flow (usually the task) that calls this, and nothing leaks to
    /// others. Guards may be dropped in any order. One that is dropped in another flow changes
    /// nothing there: it is counted in [`misplaced_guards`](crate::misplaced_guards) and told
    /// once on stderr. Forgetting one leaves the value until the flow ends.
    ///
    /// ```
    /// # use lunation_context::AsyncLocalStorage;
    /// static USER: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
    /// {
    ///     let _user = USER.enter("ann");
    ///     assert_eq!(USER.cloned(), Some("ann"));
    /// }
    /// assert_eq!(USER.cloned(), None);
    /// ```
    ///
    /// # Panics
    /// On drop of the guard, if it is misplaced and
    /// [`set_strict_guards`](crate::set_strict_guards) is on.
    #[track_caller]
    #[must_use = "the value is set until the guard is dropped"]
    #[inline]
    pub fn enter(&self, value: T) -> StoreGuard<'_, T> {
        let pushed = self.push(Some(value));
        StoreGuard { storage: self, pushed, site: Location::caller(), not_send: PhantomData }
    }

    /// Sets `value` for the rest of this flow: Node's `enterWith`.
    ///
    /// Inside of a `run` or a guard of this storage it lasts until that leaves.
    pub fn enter_with(&self, value: T) {
        let label = Label::new(&self.key, &self.policy);
        let (index, value) = (label.index(), Draft::new(label, Some(value), Entry::BASE));
        let replaced = Flow::set_in_current(index, value);
        drop(replaced);
    }

    /// A future that runs as a flow of its own with `value` set: for one branch of `join!`,
    /// `select!` or `FuturesUnordered`, or for any future that is not a task.
    ///
    /// All stores are captured now, as `spawn` does. Each poll, and the future's drop, swaps
    /// them in. The execution id stays that of the polling task.
    pub fn scope<F>(&self, value: T, future: F) -> Scoped<F> {
        let value = Value::new(&self.key, &self.policy, Some(value), Entry::BASE).into_raw();
        let index = index_of(value.key());
        let frame = FrameSlot::new(Frame::capture());
        // The current frame still holds what is replaced, so nothing is dropped here.
        drop(frame.set(index, Some(value)));
        Scoped::new(frame.take(), future)
    }

    /// The value, shared; the default value if it is unset; `None` without either or inside of
    /// [`exit`](Self::exit). Node's `getStore`.
    #[inline]
    pub fn get_store(&self) -> Option<Store<T>> {
        let value = self.find()?;
        // A hidden store has a box, but no value.
        value.get().is_some().then_some(Store { value })
    }

    /// Calls `f` with what [`get_store`](Self::get_store) gives.
    ///
    /// `f` may change the store; the reference stays valid.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(Option<&T>) -> R) -> R {
        // In one arm alone the compiler sees that a plain read need not count the reference.
        match with_flow(|flow| flow.frame.find(&self.key)) {
            Some(value) => f(value.get()),
            None => self.with_default(f),
        }
    }

    #[inline(never)]
    fn with_default<R>(&self, f: impl FnOnce(Option<&T>) -> R) -> R {
        f(self.find_default().as_ref().and_then(Value::get))
    }

    /// A clone of the value: see [`get_store`](Self::get_store).
    #[inline]
    pub fn cloned(&self) -> Option<T>
    where
        T: Clone,
    {
        self.with(|value| value.cloned())
    }

    /// Makes every value set so far read as unset, for ever: in every frame, snapshot, guard and
    /// thread. What is set afterwards is read again. Node's `disable`, with a reach that does not
    /// depend on who shares which frame.
    pub fn disable(&self) {
        self.key.renew();
    }

    /// What no other storage is ever called by, and what `disable` does not change.
    pub(crate) fn identity(&self) -> u64 {
        self.key.birth()
    }

    #[inline(always)]
    fn find(&self) -> Option<Value<T>> {
        match with_flow(|flow| flow.frame.find(&self.key)) {
            None => self.find_default(),
            found => found,
        }
    }

    #[inline(never)]
    fn find_default(&self) -> Option<Value<T>> {
        default_of(&self.key, self.default_value?)
    }

    /// Puts an entry on top of the current flow's slot.
    #[inline(always)]
    pub(crate) fn push(&self, value: Option<T>) -> Pushed {
        let flow = with_flow(Flow::number);
        match Label::peek(&self.key, &self.policy) {
            Some(label) if flow != 0 => Pushed::new(label, flow, value),
            _ => self.push_first(value),
        }
    }

    /// Sees to the key and to the number of the current flow, which the static root never has,
    /// before it puts the entry there.
    #[cold]
    #[inline(never)]
    fn push_first(&self, value: Option<T>) -> Pushed {
        self.key.get();
        match (with_settled(Flow::numbered), Label::peek(&self.key, &self.policy)) {
            (Some(flow), Some(label)) => Pushed::new(label, flow, value),
            // In a thread-local destructor writes are dropped.
            _ => Pushed { index: 0, entry: Entry::NONE },
        }
    }

    /// Takes an entry out of the current flow's slot: that of a `run`, which is most probably the
    /// only owner of its value.
    #[inline(always)]
    fn pop(&self, pushed: Pushed) {
        if let Some(removed) = pushed.take() {
            Value::discard(removed, &self.key);
        }
    }

    /// Calls `f` between [`push`](Self::push) and [`pop`](Self::pop), also on unwind.
    #[inline(always)]
    fn around<R>(&self, value: Option<T>, f: impl FnOnce() -> R) -> R {
        let leave = Leave(self.push(value));
        let result = f();
        // Not by the drop of `leave`, which is the way of the unwind too and so not inlined.
        let pushed = leave.0;
        mem::forget(leave);
        self.pop(pushed);
        result
    }
}

impl<T: 'static> Default for AsyncLocalStorage<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: 'static> fmt::Debug for AsyncLocalStorage<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncLocalStorage").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Options of an [`AsyncLocalStorage`]; usable in a `static`.
pub struct StorageBuilder<T: 'static> {
    name: &'static str,
    default_value: Option<fn() -> T>,
    inherit: Inherit<T>,
    operations: Operations<T>,
}

impl<T: 'static> StorageBuilder<T> {
    /// A name for reports.
    #[must_use = "call build()"]
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// What an unset store gives. Evaluated at the first need, once per thread, even if the
    /// storage is disabled in between; it must not read the storage itself.
    #[must_use = "call build()"]
    pub const fn default_value(mut self, evaluate: fn() -> T) -> Self {
        self.default_value = Some(evaluate);
        self
    }

    /// What new resources get of the value; default: [`Inherit::Always`].
    #[must_use = "call build()"]
    pub const fn inherit(mut self, inherit: Inherit<T>) -> Self {
        self.inherit = inherit;
        self
    }

    /// Lets the value follow to other threads: what blocking jobs and a [`TransferSnapshot`] find
    /// there is a clone made at the call. Other storages read as unset there.
    ///
    /// [`TransferSnapshot`]: crate::TransferSnapshot
    #[must_use = "call build()"]
    pub const fn transferable(mut self) -> Self
    where
        T: Clone + Send,
    {
        self.operations = Operations::TRANSFERABLE;
        self
    }

    /// The storage.
    pub const fn build(self) -> AsyncLocalStorage<T> {
        AsyncLocalStorage {
            key: Key::new(),
            name: self.name,
            default_value: self.default_value,
            policy: Policy::new(self.inherit, self.operations),
        }
    }
}

impl<T: 'static> fmt::Debug for StorageBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where an entry was put.
#[derive(Clone, Copy)]
pub(crate) struct Pushed {
    index: usize,
    /// `NONE` if the write was dropped.
    entry: Entry,
}

impl Pushed {
    /// Puts an entry of the current flow, whose number is `flow`, on top of its slot.
    #[inline(always)]
    fn new<T: 'static>(label: Label<T>, flow: u64, value: Option<T>) -> Pushed {
        let (index, entry) = (label.index(), Entry { number: next_number(), flow });
        let replaced = Flow::push_to_current(index, Draft::new(label, value, entry));
        drop(replaced);
        Pushed { index, entry }
    }

    /// Takes the entry out of the current flow's slot.
    #[inline(always)]
    fn take(self) -> Option<ValueRef> {
        with_flow(|flow| flow.frame.pop(self.index, self.entry))
    }

    /// Takes the entry of a guard entered at `site` out, which may be dropped in another flow.
    #[inline]
    pub(crate) fn leave(&self, name: &str, site: &'static Location<'static>) {
        let flow = self.entry.flow;
        if with_flow(Flow::number) == flow {
            drop(self.take());
        } else if flow != 0 {
            misplaced::report(name, site);
        }
    }
}

/// Ends `run` and `exit`: they leave in the flow they began in, since entering is scoped.
struct Leave(Pushed);

impl Drop for Leave {
    #[inline]
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

/// Sets a value while it lives: see [`AsyncLocalStorage::enter`].
#[must_use = "the value is set until the guard is dropped"]
pub struct StoreGuard<'a, T: 'static> {
    storage: &'a AsyncLocalStorage<T>,
    pushed: Pushed,
    site: &'static Location<'static>,
    /// The flow it belongs to lives on this thread.
    not_send: PhantomData<*const ()>,
}

impl<T: 'static> Drop for StoreGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.pushed.leave(self.storage.name, self.site);
    }
}

impl<T: 'static> fmt::Debug for StoreGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreGuard")
            .field("storage", &self.storage.name)
            .field("site", &format_args!("{}", self.site))
            .finish_non_exhaustive()
    }
}

/// A value read from a storage. Sharing it is one non-atomic count.
pub struct Store<T> {
    value: Value<T>,
}

impl<T: 'static> Deref for Store<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value.get().expect("a Store is made of a value that is not hidden")
    }
}

impl<T> Clone for Store<T> {
    #[inline]
    fn clone(&self) -> Self {
        Store { value: self.value.clone() }
    }
}

impl<T: fmt::Debug + 'static> fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
