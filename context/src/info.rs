//! The shareable description of a resource and its typed extensions.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::id::AsyncId;
use crate::kind::ResourceKind;

/// What a resource is from its creation on.
#[derive(Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) id: AsyncId,
    pub(crate) trigger: AsyncId,
    pub(crate) kind: ResourceKind,
    pub(crate) site: &'static Location<'static>,
}

/// What a [`ResourceRef`] points at; made when somebody asks for it first.
pub(crate) struct ResourceInfo {
    pub(crate) facts: Cell<Facts>,
    extensions: Extensions,
}

impl ResourceInfo {
    pub(crate) fn new(facts: Facts) -> Rc<ResourceInfo> {
        let (facts, extensions) = (Cell::new(facts), Extensions::default());
        Rc::new(ResourceInfo { facts, extensions })
    }
}

/// A counted reference to a resource's description: what Node's `executionAsyncResource()`
/// returns.
///
/// It keeps alive the description and the extensions, never the future or the callback, and
/// does not delay `destroy`.
#[derive(Clone)]
pub struct ResourceRef(pub(crate) Rc<ResourceInfo>);

impl ResourceRef {
    /// It for another resource. Nobody else [has it](Self::is_in_use).
    #[inline]
    pub(crate) fn describing(self, facts: Facts) -> ResourceRef {
        self.0.facts.set(facts);
        self
    }

    /// Whether anybody else has a copy of it, or has attached something.
    #[inline]
    pub(crate) fn is_in_use(&self) -> bool {
        Rc::strong_count(&self.0) != 1 || self.extensions().used.get()
    }

    /// The resource's id.
    pub fn id(&self) -> AsyncId {
        self.0.facts.get().id
    }

    /// The id of the resource that caused it.
    pub fn trigger_id(&self) -> AsyncId {
        self.0.facts.get().trigger
    }

    /// The kind.
    pub fn kind(&self) -> ResourceKind {
        self.0.facts.get().kind
    }

    /// Where it was created.
    pub fn location(&self) -> &'static Location<'static> {
        self.0.facts.get().site
    }

    /// Values attached to the resource, one per type.
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }
}

impl fmt::Debug for ResourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceRef")
            .field("id", &self.id())
            .field("trigger_id", &self.trigger_id())
            .field("kind", &self.kind())
            .field("location", &format_args!("{}", self.location()))
            .finish_non_exhaustive()
    }
}

/// A map with one value per type, attached to a resource. It allocates at the first insert.
#[derive(Default)]
pub struct Extensions {
    // A resource has a handful of extensions at most: a scan beats hashing.
    values: RefCell<Vec<(TypeId, Rc<dyn Any>)>>,
    /// Whether anything was ever attached.
    used: Cell<bool>,
}

impl Extensions {
    /// Attaches a value and returns the one of the same type that was attached before.
    pub fn insert<T: 'static>(&self, value: T) -> Option<Rc<T>> {
        self.used.set(true);
        let value: Rc<dyn Any> = Rc::new(value);
        let mut values = self.values.borrow_mut();
        let replaced = match values.iter_mut().find(|(id, _)| *id == TypeId::of::<T>()) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                values.push((TypeId::of::<T>(), value));
                None
            }
        };
        drop(values);
        replaced.and_then(|old| old.downcast().ok())
    }

    /// The attached value of this type.
    pub fn get<T: 'static>(&self) -> Option<Rc<T>> {
        let values = self.values.borrow();
        let found = values.iter().find(|(id, _)| *id == TypeId::of::<T>());
        found.and_then(|(_, value)| Rc::clone(value).downcast().ok())
    }

    /// Detaches and returns the value of this type.
    pub fn remove<T: 'static>(&self) -> Option<Rc<T>> {
        let mut values = self.values.borrow_mut();
        let position = values.iter().position(|(id, _)| *id == TypeId::of::<T>())?;
        let (_, removed) = values.swap_remove(position);
        drop(values);
        removed.downcast().ok()
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extensions").field("len", &self.values.borrow().len()).finish()
    }
}
