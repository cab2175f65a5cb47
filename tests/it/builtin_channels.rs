//! What the runtime's own diagnostics channels tell, in which order and in which context.

use crate::support::{Journal, paused};
use lunation::channels::{
    NET_CLIENT_SOCKET, NET_SERVER_LISTEN, NET_SERVER_SOCKET, TASK_ABORT, TASK_COMPLETE, TASK_PANIC,
    TASK_SPAWN, TIMER_CLEAR, TIMER_FIRE, TIMER_START, UDP_SOCKET,
};
use lunation::diagnostics_channel::{Channel, Subscription};
use lunation::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use lunation::{
    AsyncLocalStorage, Completion, ResourceKind, ResourceRef, Runtime, UnhandledPanic,
    execution_async_id, set_interval, set_timeout, spawn,
};
use std::panic::resume_unwind;
use std::time::Duration;

static STORE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

/// Writes the channel's name, the kind and the store of the moment down.
fn note(journal: &Journal, channel: &'static Channel<ResourceRef>) -> Subscription {
    let journal = journal.clone();
    channel.subscribe(move |resource, name| {
        let (kind, at) = (resource.kind(), STORE.cloned().unwrap_or("-"));
        journal.add(format_args!("{name}:{kind}@{at}"));
    })
}

#[test]
fn tasks_tell_of_their_lives() {
    let journal = Journal::default();
    let panics = journal.clone();
    let _subscriptions = [
        note(&journal, &TASK_SPAWN),
        note(&journal, &TASK_COMPLETE),
        note(&journal, &TASK_ABORT),
        TASK_PANIC.subscribe(move |panic, name| {
            assert_eq!(execution_async_id(), panic.id());
            panics.add(format_args!("{name}:{}@{}", panic.message, STORE.cloned().unwrap_or("-")));
        }),
    ];
    let runtime = paused();
    runtime.block_on(async {
        let done = STORE.run("a", || spawn(async { STORE.enter_with("in") }));
        done.await.expect("it completes");
        let failed = STORE.run("b", || spawn(async { resume_unwind(Box::new("bug")) }));
        let failed: Result<(), _> = failed.await;
        failed.expect_err("it panics");
        let aborted = STORE.run("c", || spawn(std::future::pending::<()>()));
        aborted.abort();
        aborted.await.expect_err("it is aborted");
        drop(STORE.run("d", || spawn(std::future::pending::<()>())));
    });
    drop(runtime);
    let expected = "task.spawn:TASK@a task.complete:TASK@in task.spawn:TASK@b task.panic:bug@b \
                    task.spawn:TASK@c task.abort:TASK@c task.spawn:TASK@d task.abort:TASK@d";
    assert_eq!(journal.take(), expected);
}

#[test]
fn timers_tell_of_their_lives() {
    let journal = Journal::default();
    let starts = journal.clone();
    let _subscriptions = [
        TIMER_START.subscribe(move |timer, name| {
            let (ms, repeats) = (timer.delay.as_millis(), timer.repeats);
            starts.add(format_args!("{name}:{ms}:{repeats}"));
        }),
        note(&journal, &TIMER_FIRE),
        note(&journal, &TIMER_CLEAR),
    ];
    let runtime = paused();
    runtime.enter(|| {
        STORE.run("once", || set_timeout(Duration::from_millis(9), journal.adds("fired")));
        let beat = STORE.run("beat", || set_interval(Duration::from_millis(4), || {}));
        set_timeout(Duration::from_micros(9_900), move || {
            beat.clear();
            beat.clear();
        });
    });
    runtime.run_to_idle();
    let expected = "timer.start:9:false timer.start:4:true timer.start:9:false \
                    timer.fire:Timeout@beat timer.fire:Timeout@beat timer.fire:Timeout@once fired \
                    timer.fire:Timeout@- timer.clear:Timeout@-";
    assert_eq!(journal.take(), expected);
}

#[test]
fn a_subscriber_may_use_the_timer_or_task_it_hears_of() {
    let journal = Journal::default();
    let (spawns, log) = (journal.clone(), journal.clone());
    let own = TASK_SPAWN.subscribe(move |task, _| {
        task.extensions().insert("tagged");
        spawns.add("spawned");
    });
    let done = TASK_COMPLETE.subscribe(move |task, _| {
        log.add(task.extensions().get::<&str>().expect("tagged above"));
    });
    Runtime::new().block_on(async { spawn(async {}).await }).expect("it completes");
    drop((own, done));
    Runtime::new().block_on(async { spawn(async {}).await }).expect("it completes");
    assert_eq!(journal.take(), "spawned tagged");
    assert!(!TASK_SPAWN.has_subscribers());
}

#[test]
fn sockets_tell_where_they_lead() {
    let journal = Journal::default();
    let sockets = [&NET_CLIENT_SOCKET, &NET_SERVER_SOCKET, &UDP_SOCKET].map(|channel| {
        let journal = journal.clone();
        channel.subscribe(move |socket, name| {
            assert!(socket.address.is_some());
            journal.add(format_args!("{name}:{}", socket.resource.kind()));
        })
    });
    let ids = Runtime::new().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let accept = spawn(async move { listener.accept().await });
        let client = TcpStream::connect(address).await.expect("somebody listens");
        let (server, _) = accept.await.expect("no panic").expect("a connection");
        UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        (client.async_id(), server.async_id())
    });
    assert!(ids.0 < ids.1);
    drop(sockets);
    assert_eq!(
        journal.take(),
        "net.client.socket:TCPWRAP net.server.socket:TCPWRAP udp.socket:UDPWRAP"
    );
}

#[test]
fn listening_is_traced_with_its_result_or_error() {
    let journal = Journal::default();
    let (ends, errors) = (journal.clone(), journal.clone());
    let _subscriptions = [
        NET_SERVER_LISTEN.end().subscribe(move |trace, _| {
            let kind = trace.result().map_or("-", |server| server.kind().as_str());
            ends.add(format_args!("end:{kind}"));
        }),
        NET_SERVER_LISTEN.error().subscribe(move |trace, _| {
            let error = trace.error().expect("an error").to_string();
            assert!(error.contains(&trace.context().address), "{error}");
            errors.add("error");
        }),
    ];
    Runtime::new().block_on(async {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let listener = socket.listen(1).expect("it listens");
        let taken = listener.local_addr().expect("it is bound");
        TcpListener::bind(taken).await.expect_err("it is taken");
    });
    assert_eq!(journal.take(), "end:TCPSERVERWRAP error end:-");
}

/// A subscriber that panics with the name of its channel.
fn panics<M>(channel: &'static Channel<M>) -> Subscription {
    channel.subscribe(|_, name| resume_unwind(Box::new(name)))
}

#[test]
fn a_subscriber_that_panics_harms_nobody() {
    let journal = Journal::default();
    let reports = journal.clone();
    let builder = Runtime::builder().on_unhandled(move |failure| {
        reports.add(format_args!("{}:{}", failure.message(), failure.kind()));
        UnhandledPanic::Continue
    });
    let runtime = builder.build().expect("a runtime");
    let _subscriptions = [
        panics(&TASK_SPAWN),
        panics(&TASK_COMPLETE),
        panics(&TASK_PANIC),
        panics(&TASK_ABORT),
        panics(&TIMER_START),
        panics(&TIMER_FIRE),
        panics(&TIMER_CLEAR),
        panics(&NET_CLIENT_SOCKET),
        panics(&UDP_SOCKET),
        panics(NET_SERVER_LISTEN.start()),
    ];
    runtime.block_on(async {
        assert_eq!(spawn(async { 1 }).await.expect("it completes"), 1);
        let failed = spawn(async { resume_unwind(Box::new("bug")) });
        let failed: Result<(), _> = failed.await;
        assert!(failed.expect_err("it panics").is_panic());
        let stuck = spawn(std::future::pending::<()>());
        stuck.abort();
        assert!(stuck.await.expect_err("it is aborted").is_cancelled());
        assert_eq!(
            journal.take(),
            "task.spawn:ROOT task.complete:TASK task.spawn:ROOT task.panic:TASK task.spawn:ROOT \
             task.abort:TASK"
        );
        set_timeout(Duration::from_secs(60), || {}).clear();
        let (fired, fires) = Completion::new(ResourceKind::from("FIRED"));
        set_timeout(Duration::from_millis(1), move || fires.complete(()));
        fired.await.expect("it fires");
        assert_eq!(
            journal.take(),
            "timer.start:ROOT timer.clear:ROOT timer.start:ROOT timer.fire:Timeout"
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        TcpStream::connect(address).await.expect("somebody listens");
        UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        assert_eq!(
            journal.take(),
            "tracing:net.server.listen:start:ROOT net.client.socket:ROOT udp.socket:ROOT"
        );
    });
}
