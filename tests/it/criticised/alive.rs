//! Rows 22, 23: what delays a loop, and what keeps it alive.

use super::ms;
use crate::support::paused;
use lunation::net::TcpListener;
use lunation::performance::monitor_event_loop_delay;
use lunation::{
    active_resources, all_resources, immediate, set_interval, set_timeout, spawn, time,
};
use std::cell::RefCell;
use std::rc::Rc;

#[test]
fn row_22_delay_is_measured_without_a_timer() {
    let runtime = paused();
    let delay = runtime.enter(monitor_event_loop_delay);
    runtime.enter(|| {
        delay.enable();
        assert!(all_resources().is_empty());
    });
    // Nothing keeps it alive, nothing wakes it.
    runtime.run_to_idle();
    assert_eq!(runtime.metrics().turns, 0);
    delay.reset();
    runtime.block_on(async {
        // Idle is no delay, and one value, not one for each period of a sampler.
        time::sleep(ms(100_000)).await;
        immediate().await;
        assert!(delay.count() <= 2 && delay.max() < ms(1), "{delay:?}");
        delay.reset();
        // A stall is measured as long as it was, and once.
        time::advance(ms(50));
        immediate().await;
        assert_eq!(delay.max().as_millis(), 50);
        assert_eq!((delay.count(), delay.percentile(50.0).as_millis()), (1, 50));
    });
}

#[test]
fn row_23_what_keeps_the_loop_alive_says_who_made_it() {
    let runtime = paused();
    runtime.block_on(async {
        let forgotten = Rc::new(RefCell::new(None));
        let (made, interval_line) = (forgotten.clone(), line!() + 2);
        let request = set_timeout(ms(5), move || {
            *made.borrow_mut() = Some(set_interval(ms(1000), || {}));
        });
        time::sleep(ms(10)).await;
        let (listener, server_line) = (TcpListener::bind("127.0.0.1:0").await, line!());
        let listener = listener.expect("a port");
        let server_id = listener.async_id();
        let server = spawn(async move { listener.accept().await.map(drop) });
        time::sleep(ms(20)).await;
        let forgotten = forgotten.take().expect("made");
        let active = active_resources();
        let of = |id| active.iter().find(|it| it.id == id).expect("listed");
        let interval = of(forgotten.async_id());
        assert_eq!((interval.kind.as_str(), interval.trigger_id), ("Timeout", request.async_id()));
        assert_eq!((interval.location.file(), interval.location.line()), (file!(), interval_line));
        assert!(interval.age >= ms(20), "{:?}", interval.age);
        let source = of(server_id);
        assert_eq!((source.kind.as_str(), source.location.line()), ("TCPSERVERWRAP", server_line));
        // And who waits for it.
        assert_eq!(of(server.async_id()).waits.len(), 1);
        let text = active.to_string();
        let (file, request) = (file!(), request.async_id());
        assert!(text.contains(&format!("created at {file}:{interval_line}:")), "{text}");
        assert!(text.contains(&format!(" by {request}, ")), "{text}");
        forgotten.clear();
        server.abort();
    });
}
