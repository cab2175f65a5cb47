//! Send, Sync and sizes, as the compiler sees them.

use std::rc::Rc;

use lunation_context::{
    Activation, AsyncId, AsyncLocalStorage, AsyncResource, Frame, Hook, RemoteCall, Resource,
    ResourceRef, Scoped, Snapshot, Store, StoreGuard, TransferSnapshot, async_wrap_providers,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

assert_impl_all!(AsyncLocalStorage<Rc<()>>: Send, Sync, Default);
assert_impl_all!(AsyncId: Send, Sync, Copy);
assert_impl_all!(TransferSnapshot: Send, Clone);
assert_impl_all!(RemoteCall: Send);
assert_not_impl_any!(StoreGuard<'static, u32>: Send, Sync);
assert_not_impl_any!(Store<u32>: Send, Sync);
assert_not_impl_any!(Frame: Send, Sync);
assert_not_impl_any!(Snapshot: Send, Sync);
assert_not_impl_any!(Scoped<()>: Send, Sync);
assert_not_impl_any!(Activation: Send, Sync);
assert_not_impl_any!(Resource: Send, Sync);
assert_not_impl_any!(AsyncResource: Send, Sync);
assert_not_impl_any!(ResourceRef: Send, Sync);
assert_not_impl_any!(Hook: Send, Sync);

#[test]
fn a_frame_is_one_nullable_pointer() {
    assert_eq!(size_of::<Frame>(), size_of::<usize>());
    assert!(Frame::empty().is_empty());
    assert!(Frame::capture().is_empty());
}

#[test]
fn providers_are_numbered() {
    let providers: Vec<_> = async_wrap_providers().take(3).collect();
    assert_eq!(providers, [("ROOT", 0), ("TASK", 1), ("Timeout", 2)]);
}
