//! `AsyncResource`: resources of the user's own, and functions bound to a context.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::activation::Activation;
use crate::frame::Frame;
use crate::id::AsyncId;
use crate::info::ResourceRef;
use crate::kind::ResourceKind;
use crate::resource::Resource;

/// An async resource of the user's own: Node's `AsyncResource`.
///
/// It captures the context it is created in; code that runs in it sees that context. It is for
/// pools, queues and other places where a callback runs on behalf of somebody else.
///
/// `destroy` is queued on the first [`emit_destroy`](Self::emit_destroy), or when the resource
/// and all functions bound to it are dropped. It stays usable after `emit_destroy`.
///
/// ```
/// use lunation_context::{AsyncLocalStorage, AsyncResource};
///
/// static USER: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
/// let job = USER.run("ann", || AsyncResource::new("POOL_JOB"));
/// assert_eq!(job.run_in_async_scope(|| USER.cloned()), Some("ann"));
/// ```
#[derive(Debug)]
pub struct AsyncResource {
    shared: Rc<Owned>,
}

/// The resource with its ending; shared with bound functions and scoped futures.
#[derive(Debug)]
struct Owned {
    resource: Resource,
    manual_destroy: bool,
}

impl Drop for Owned {
    fn drop(&mut self) {
        if !self.manual_destroy {
            self.resource.destroy();
        }
    }
}

impl AsyncResource {
    /// Creates a resource; the kind is Node's `type`, a `&'static str` or a [`ResourceKind`].
    #[track_caller]
    pub fn new(kind: impl Into<ResourceKind>) -> AsyncResource {
        AsyncResource::builder(kind).build()
    }

    /// For a resource with options.
    pub fn builder(kind: impl Into<ResourceKind>) -> AsyncResourceBuilder {
        AsyncResourceBuilder { kind: kind.into(), trigger: None, manual_destroy: false }
    }

    /// A `bound-anonymous-fn` with the current frame, all of it.
    pub(crate) fn for_bound(site: &'static Location<'static>) -> AsyncResource {
        let kind = ResourceKind::BoundAnonymousFn;
        let resource = Resource::create_with(kind, site, None, Frame::capture());
        AsyncResource { shared: Rc::new(Owned { resource, manual_destroy: false }) }
    }

    /// Runs `f` in the resource, with `before` and `after`: Node's `runInAsyncScope`.
    ///
    /// What `f` changes ends with the call. It may be nested, also in itself.
    pub fn run_in_async_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        self.shared.resource.call(f)
    }

    /// A future whose polls run in the resource, with `before` and `after`, and that is dropped
    /// in it. It is a flow of its own: what it changes stays between polls.
    pub fn scope<F>(&self, future: F) -> ResourceScope<F> {
        let activation = self.shared.resource.activation();
        ResourceScope { activation, future: Some(future), owner: Rc::clone(&self.shared) }
    }

    /// Binds a function to this resource.
    pub fn bind<F>(&self, f: F) -> Bound<F> {
        Bound { resource: AsyncResource { shared: Rc::clone(&self.shared) }, f }
    }

    /// The resource's id.
    pub fn async_id(&self) -> AsyncId {
        self.shared.resource.id()
    }

    /// The id of the resource that caused it.
    pub fn trigger_async_id(&self) -> AsyncId {
        self.shared.resource.trigger_id()
    }

    /// Queues `destroy`, the first time only.
    pub fn emit_destroy(&self) -> &Self {
        self.shared.resource.destroy();
        self
    }

    /// A shareable reference to the resource.
    pub fn resource(&self) -> ResourceRef {
        self.shared.resource.resource()
    }
}

/// Options of an [`AsyncResource`].
#[derive(Clone, Copy, Debug)]
#[must_use = "call build()"]
pub struct AsyncResourceBuilder {
    kind: ResourceKind,
    trigger: Option<AsyncId>,
    manual_destroy: bool,
}

impl AsyncResourceBuilder {
    /// The resource that causes this one; default: the running one.
    pub fn trigger(mut self, trigger: AsyncId) -> Self {
        self.trigger = Some(trigger);
        self
    }

    /// Only `emit_destroy` ends it, not its drop: Node's `requireManualDestroy`.
    pub fn manual_destroy(mut self, manual: bool) -> Self {
        self.manual_destroy = manual;
        self
    }

    /// Creates the resource in the current context.
    #[track_caller]
    pub fn build(self) -> AsyncResource {
        let site = Location::caller();
        let frame = Frame::inherit();
        let resource = Resource::create_with(self.kind, site, self.trigger, frame);
        let shared = Rc::new(Owned { resource, manual_destroy: self.manual_destroy });
        AsyncResource { shared }
    }
}

pin_project! {
    /// A future in a resource: see [`AsyncResource::scope`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ResourceScope<F> {
        activation: Activation,
        // `None` after completion.
        #[pin]
        future: Option<F>,
        // Keeps the resource from ending before its future.
        owner: Rc<Owned>,
    }

    impl<F> PinnedDrop for ResourceScope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                this.activation.run_silent(|| this.future.set(None));
            }
        }
    }
}

impl<F: Future> Future for ResourceScope<F> {
    type Output = F::Output;

    /// # Panics
    /// If polled after completion.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        this.activation.run(|| {
            let future = this.future.as_mut().as_pin_mut().expect("polled after completion");
            let poll = future.poll(cx);
            if poll.is_ready() {
                this.future.set(None);
            }
            poll
        })
    }
}

impl<F> fmt::Debug for ResourceScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceScope").field("id", &self.owner.resource.id()).finish()
    }
}

/// A function bound to a resource: each call runs in it. Made by [`bind`] and
/// [`AsyncResource::bind`].
pub struct Bound<F> {
    resource: AsyncResource,
    f: F,
}

impl<F> Bound<F> {
    /// Calls a function without arguments.
    pub fn call<R>(&mut self) -> R
    where
        F: FnMut() -> R,
    {
        self.resource.run_in_async_scope(&mut self.f)
    }

    /// Calls a function of one argument; several go in a tuple.
    pub fn call_with<A, R>(&mut self, argument: A) -> R
    where
        F: FnMut(A) -> R,
    {
        let f = &mut self.f;
        self.resource.run_in_async_scope(|| f(argument))
    }

    /// As a closure of one argument, for places that take one.
    pub fn into_fn<A, R>(mut self) -> impl FnMut(A) -> R
    where
        F: FnMut(A) -> R,
    {
        move |argument| self.call_with(argument)
    }

    /// The resource it is bound to.
    pub fn resource(&self) -> &AsyncResource {
        &self.resource
    }
}

impl<F> fmt::Debug for Bound<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("resource", &self.resource).finish_non_exhaustive()
    }
}

/// Binds a function to the current context: Node's `AsyncLocalStorage.bind`. It makes a
/// `bound-anonymous-fn` resource, which is entered at every call.
///
/// ```
/// use lunation_context::{AsyncLocalStorage, bind};
///
/// static USER: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
/// let mut greet = USER.run("ann", || bind(|word: &str| format!("{word} {:?}", USER.cloned())));
/// assert_eq!(greet.call_with("hi"), r#"hi Some("ann")"#);
/// ```
#[track_caller]
pub fn bind<F>(f: F) -> Bound<F> {
    Bound { resource: AsyncResource::for_bound(Location::caller()), f }
}

/// Captures the current context for calls of any function: Node's
/// `AsyncLocalStorage.snapshot()`. It makes a `bound-anonymous-fn` resource, which is entered at
/// every call; [`Snapshot`](crate::Snapshot) is the same without a resource.
#[track_caller]
pub fn snapshot() -> SnapshotFn {
    SnapshotFn { resource: AsyncResource::for_bound(Location::caller()) }
}

/// What [`snapshot`] returns.
#[derive(Debug)]
pub struct SnapshotFn {
    resource: AsyncResource,
}

impl SnapshotFn {
    /// Runs `f` in the captured context.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        self.resource.run_in_async_scope(f)
    }

    /// The resource that is entered.
    pub fn resource(&self) -> &AsyncResource {
        &self.resource
    }
}
