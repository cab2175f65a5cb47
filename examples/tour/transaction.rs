//! Queries find the transaction they belong to, and transactions do not find each other.
//!
//! ```text
//! tx 1: begin
//! tx 2: begin
//! tx 1: insert order
//! tx 2: insert order
//! tx 1: insert invoice
//! tx 2: rollback, no money
//! tx 1: commit
//! none: select
//! ```

use lunation::{AsyncLocalStorage, immediate, spawn};

static TRANSACTION: AsyncLocalStorage<u32> = AsyncLocalStorage::new();

/// What every query of the application goes through.
async fn query(statement: &str) {
    match TRANSACTION.cloned() {
        Some(id) => println!("tx {id}: {statement}"),
        None => println!("none: {statement}"),
    }
    immediate().await;
}

/// Commits what `work` has done, or rolls it back.
async fn transaction(id: u32, work: impl Future<Output = Result<(), &'static str>>) {
    let statements = async {
        query("begin").await;
        match work.await {
            Ok(()) => query("commit").await,
            Err(error) => query(&format!("rollback, {error}")).await,
        }
    };
    TRANSACTION.scope(id, statements).await;
}

async fn order(credit: u32) -> Result<(), &'static str> {
    query("insert order").await;
    if credit == 0 {
        return Err("no money");
    }
    query("insert invoice").await;
    Ok(())
}

#[lunation::main]
pub(crate) async fn main() {
    let orders = [spawn(transaction(1, order(10))), spawn(transaction(2, order(0)))];
    for order in orders {
        order.await.expect("no query panics");
    }
    query("select").await;
}
