//! The I/O budget.

use std::io::Write;

use lunation_reactor::budget::OPERATIONS_PER_POLL;

use crate::support::Rig;

const BUDGET: usize = OPERATIONS_PER_POLL as usize;

#[test]
fn a_task_gives_way_after_128_operations() {
    let rig = Rig::new();
    let (mut stream, mut peer) = rig.blocked_pair();
    peer.write_all(&[1; 300]).unwrap();
    rig.block_on(stream.readable()).unwrap();
    rig.polls.set(0);
    let mut done_in_poll = Vec::new();
    rig.block_on(async {
        for _ in 0..300 {
            stream.read_exact(&mut [0]).await.unwrap();
            done_in_poll.resize(rig.polls.get(), 0);
            *done_in_poll.last_mut().unwrap() += 1;
        }
    });
    assert_eq!(done_in_poll, [BUDGET, BUDGET, 300 - 2 * BUDGET]);
    assert_eq!(rig.reactor.budget_hits(), 2);
    assert!(!rig.reactor.has_yielded());
}

#[test]
fn a_wait_fills_the_budget_where_nobody_counts_polls() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.blocked_pair();
    peer.write_all(&[1; 300]).unwrap();
    rig.block_on(stream.readable()).unwrap();
    rig.turn();
    let waker = std::task::Waker::noop();
    let ready = || stream.poll_read_ready(&mut std::task::Context::from_waker(waker)).is_ready();
    assert_eq!((0..300).filter(|_| ready()).count(), BUDGET);
    assert!(rig.reactor.has_yielded());
    rig.turn();
    assert!(ready());
    rig.reactor.wake_yielded();
    assert!(!rig.reactor.has_yielded());
}
