//! Node's tests of what its thread pool does, and of the ids that everything has.

use super::activity::Activities;
use super::support::async_script;
use lunation::{AsyncId, ResourceKind, immediate, spawn_blocking};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// What both tests of crypto check: the life of one job and of who waits for it.
fn one_job<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let seen = Activities::enabled();
    let in_script = seen.clone();
    let value = async_script(async move {
        let value = spawn_blocking(job).await.expect("no panic");
        assert_eq!(in_script.counts("JOB", 0)[..4], [1, 1, 1, 0]);
        immediate().await;
        value
    });
    seen.disable();
    let [job] = seen.of("JOB").try_into().ok().expect("one job");
    assert_eq!((job.kind, job.trigger), (ResourceKind::Job, AsyncId::ROOT));
    assert_eq!(job.counts[..4], [1, 1, 1, 1]);
    value
}

#[test]
fn test_crypto_pbkdf2() {
    // Node: async-hooks/test-crypto-pbkdf2. Assertions: 9 there, 5 here; left out: the id that is a
    // number (1: types), and the request's own kind: it is a job of the pool. DIFFERENCE: who waits
    // for it goes on when its after has come. Added: what it computes.
    let derive = || (0..20).fold(7, |key: u64, round| key.rotate_left(5) ^ round);
    assert_eq!(one_job(derive), derive());
}

#[test]
fn test_crypto_random_bytes() {
    // Node: async-hooks/test-crypto-randomBytes. Assertions: 9 there, 4 here; left out: as in
    // test_crypto_pbkdf2. DIFFERENCE: as there.
    one_job(|| RandomState::new().build_hasher().finish());
}
