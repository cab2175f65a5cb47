//! Node's test of a channel whose memory goes while somebody still has its name.

use super::support::{ms, script};
use crate::support::Journal;
use lunation::diagnostics_channel::{Channel, Subscription};
use lunation::set_timeout;
use std::ptr;

static CHANNEL: Channel<u32> = Channel::new("test-gc");

/// Node's `channel('test-gc')`.
fn channel() -> &'static Channel<u32> {
    &CHANNEL
}

fn subscribed(journal: &Journal, name: &'static str) -> Subscription {
    let journal = journal.clone();
    channel().subscribe(move |number, _| journal.add(format_args!("{name}:{number}")))
}

/// The channel of now must be the one of a timer, and tell who has subscribed in between.
fn check(journal: &Journal, number: u32) {
    let (first, j) = (channel(), journal.clone());
    set_timeout(ms(1), move || {
        assert!(ptr::eq(first, channel()));
        let subscription = subscribed(&j, "second");
        first.publish(&number);
        drop(subscription);
    });
}

#[test]
fn test_diagnostics_channel_gc_race_condition() {
    // Node: parallel/test-diagnostics-channel-gc-race-condition. Assertions: 1 there, 6 here; left
    // out: none. A name is a static; what the collector frees there is here what belongs to the
    // subscribers, which goes with the last of them and comes again.
    let trace = script(|j| {
        let first = subscribed(j, "first");
        check(j, 1);
        let journal = j.clone();
        set_timeout(ms(10), move || {
            drop(first);
            journal.add(channel().has_subscribers());
            channel().publish(&0);
            check(&journal, 2);
        });
        set_timeout(ms(20), j.adds("end"));
    });
    assert_eq!(trace, "first:1 second:1 false second:2 end");
}
