//! Three flows through the same functions, which are given nothing.
//!
//! ```text
//! { id: 1 }
//! { id: 2 }
//! { id: 3 }
//! ```

use lunation::{AsyncLocalStorage, spawn};

struct Store {
    id: u32,
}

static STORE: AsyncLocalStorage<Store> = AsyncLocalStorage::new();

async fn test() {
    let store = STORE.get_store().expect("called in a run");
    println!("{{ id: {} }}", store.id);
}

/// A future runs where it is polled, not in `STORE.run(.., || test())`: `scope` stays with it.
async fn run(id: u32) {
    STORE.scope(Store { id }, async { test().await }).await;
}

#[lunation::main]
pub(crate) async fn main() {
    for task in [1, 2, 3].map(|id| spawn(run(id))) {
        task.await.expect("no run panics");
    }
}
