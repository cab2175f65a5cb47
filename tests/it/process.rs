//! Child processes: how they end, what flows through their pipes, and their faults.

use crate::support::{HookEvents, Journal, message, paused};
use lunation::process::{Child, ChildStdout, Command, Stdio};
use lunation::{Runtime, create_hook, spawn, time};
use std::error::Error;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

const SIGKILL: i32 = 9;

/// Runs `main` and expects it to succeed.
fn run(main: impl Future<Output = io::Result<()>>) {
    Runtime::new().block_on(main).expect("no fault");
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_child_ends_with_its_status_and_output() {
    run(async {
        assert_eq!(shell("exit 3").status().await?.code(), Some(3));
        let mut command = shell("printf %s \"$A$B\"; pwd >&2; exit 4");
        command.env("A", "a").envs([("B", "b"), ("C", "c")]).env_remove("C").current_dir("/");
        let output = command.output().await?;
        assert_eq!(output.status.code(), Some(4));
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"ab"[..], &b"/\n"[..]));
        let empty = Command::new("/usr/bin/env").env_clear().output().await?;
        assert_eq!(empty.stdout, b"");
        let mut child = Command::new("true").spawn()?;
        assert_ne!(child.id(), 0);
        assert!(child.wait().await?.success());
        assert!(child.wait().await?.success());
        assert_eq!(child.try_wait()?.and_then(|status| status.code()), Some(0));
        child.kill().await
    });
}

#[test]
fn many_children_end_each_with_its_own_status() {
    run(async {
        let children = (0..20).map(|n| (n, shell(&format!("exit {n}")).status()));
        let tasks: Vec<_> = children.map(|(n, status)| (n, spawn(status))).collect();
        for (n, task) in tasks {
            assert_eq!(task.await.expect("no panic")?.code(), Some(n));
        }
        Ok(())
    });
}

#[test]
fn more_than_a_pipe_holds_flows_both_ways() {
    let sent: Vec<u8> = (0..1 << 20).map(|n: u32| n as u8).collect();
    run(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().expect("a pipe");
        let bytes = sent.clone();
        // The pipe closes when the task drops it.
        let writer = spawn(async move { stdin.write_all(&bytes).await });
        let mut stdout = child.stdout.take().expect("a pipe");
        let mut received = vec![0; 10];
        let start = stdout.read(&mut received).await?;
        received.truncate(start);
        let rest = stdout.read_to_end(&mut received).await?;
        assert_eq!((start + rest, received == sent), (sent.len(), true));
        assert_eq!(stdout.read(&mut [0]).await?, 0);
        writer.await.expect("no panic")?;
        assert!(child.wait().await?.success());
        Ok(())
    });
}

#[test]
fn waiting_closes_the_input_and_pipes_can_be_chained() {
    run(async {
        let mut cat = Command::new("cat");
        assert!(cat.stdin(Stdio::piped()).spawn()?.wait().await?.success());
        let mut first = shell("echo chained").stdout(Stdio::piped()).spawn()?;
        let stdout: ChildStdout = first.stdout.take().expect("a pipe");
        let output = Command::new("cat").stdin(Stdio::try_from(stdout)?).output().await?;
        assert_eq!(output.stdout, b"chained\n");
        assert!(first.wait().await?.success());
        Ok(())
    });
}

#[cfg(feature = "futures-io")]
#[test]
fn pipes_have_the_traits_of_futures_io() {
    use futures_io::{AsyncRead, AsyncWrite};
    run(async {
        let mut child = shell("cat; cat <&- >&2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().expect("a pipe");
        let done = poll_fn(|cx| Pin::new(&mut stdin).poll_write(cx, b"text")).await?;
        poll_fn(|cx| Pin::new(&mut stdin).poll_flush(cx)).await?;
        poll_fn(|cx| Pin::new(&mut stdin).poll_close(cx)).await?;
        drop(stdin);
        let mut buf = [0; 10];
        let stdout = child.stdout.as_mut().expect("a pipe");
        let read = poll_fn(|cx| Pin::new(&mut *stdout).poll_read(cx, &mut buf)).await?;
        assert_eq!((done, &buf[..read]), (4, &b"text"[..]));
        let stderr = child.stderr.as_mut().expect("a pipe");
        poll_fn(|cx| Pin::new(&mut *stderr).poll_read(cx, &mut buf)).await?;
        child.wait().await.map(drop)
    });
}

/// The error of a spawn, whose text begins with operation and program.
fn check(result: io::Result<Child>, kind: ErrorKind, program: &str) {
    let error = result.expect_err("it cannot start");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().starts_with(&format!("spawn {program}: ")), "{error}");
    let source = error.get_ref().and_then(Error::source).expect("the system's error");
    assert!(source.downcast_ref::<io::Error>().is_some_and(|source| source.kind() == kind));
}

#[test]
fn what_cannot_start_is_an_error_and_the_loop_goes_on() {
    run(async {
        check(Command::new("no-such-program").spawn(), ErrorKind::NotFound, "no-such-program");
        let missing = "./no/such/program";
        check(Command::new(missing).spawn(), ErrorKind::NotFound, missing);
        check(
            Command::new("true").current_dir("no/such/folder").spawn(),
            ErrorKind::NotFound,
            "true",
        );
        check(Command::new("./Cargo.toml").spawn(), ErrorKind::PermissionDenied, "./Cargo.toml");
        check(Command::new("true").arg("nul\0byte").spawn(), ErrorKind::InvalidInput, "true");
        let error = Command::new("no-such-program").output().await.expect_err("no program");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(Command::new("true").status().await?.success());
        Ok(())
    });
    let outside = catch_unwind(AssertUnwindSafe(|| drop(Command::new("true").spawn())));
    let text = message(outside);
    assert!(text.contains("outside of a lunation runtime"), "{text}");
}

#[test]
fn writing_to_a_child_that_has_closed_its_input_is_an_error() {
    run(async {
        let mut child = Command::new("true").stdin(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().expect("a pipe");
        assert!(child.wait().await?.success());
        let error = stdin.write_all(&[0; 1 << 20]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(error.raw_os_error().is_some(), "as it is: {error}");
        Ok(())
    });
}

#[test]
fn a_child_can_be_killed() {
    run(async {
        let mut child = Command::new("sleep").arg("1000").spawn()?;
        assert_eq!(child.try_wait()?, None);
        child.kill().await?;
        assert_eq!(child.wait().await?.signal(), Some(SIGKILL));
        Ok(())
    });
}

/// Waits until the system knows of no process with this number, not even a zombie.
#[cfg(target_os = "linux")]
async fn gone(id: u32) -> bool {
    for _ in 0..5000 {
        if !PathBuf::from(format!("/proc/{id}")).exists() {
            return true;
        }
        time::sleep(Duration::from_millis(1)).await;
    }
    false
}

#[cfg(target_os = "linux")]
#[test]
fn dropped_children_leave_no_zombies() {
    run(async {
        let id = shell("exit 1").spawn()?.id();
        assert!(gone(id).await, "its status is taken");
        let id = Command::new("sleep").arg("1000").kill_on_drop(true).spawn()?.id();
        assert!(gone(id).await, "it is killed");
        let child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn()?;
        let id = child.id();
        std::thread::spawn(move || drop(child)).join().expect("no panic");
        assert!(gone(id).await, "it is killed, on whatever thread");
        let mut kept = Command::new("cat").stdin(Stdio::piped()).spawn()?;
        let (id, stdin) = (kept.id(), kept.stdin.take());
        drop(kept);
        lunation::yield_now().await;
        assert!(PathBuf::from(format!("/proc/{id}")).exists(), "it goes on");
        drop(stdin);
        assert!(gone(id).await, "until its end");
        Ok(())
    });
}

#[test]
fn process_and_pipes_are_resources() {
    let journal = Journal::default();
    let hook = create_hook(HookEvents(journal.clone()));
    Runtime::new().block_on(async {
        let (reader, writer) = io::pipe().expect("a pipe");
        hook.enable();
        let mut child = Command::new("cat").stdin(reader).spawn().expect("it starts");
        let mut wait = Box::pin(child.wait());
        let poll = poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx))).await;
        assert!(poll.is_pending(), "it reads");
        drop(writer);
        wait.await.expect("it ends");
        drop(child);
        lunation::yield_now().await;
        hook.disable();
    });
    let expected = "PROCESSWRAP tests/it/process.rs before after destroy";
    assert_eq!(journal.take(), expected);
    Runtime::new().block_on(async {
        let piped = || (Stdio::piped(), Stdio::piped(), Stdio::piped());
        let (stdin, stdout, stderr) = piped();
        hook.enable();
        let child = Command::new("cat").stdin(stdin).stdout(stdout).stderr(stderr).spawn();
        hook.disable();
        child.expect("it starts").wait().await.expect("it ends");
    });
    let kinds = ["PROCESSWRAP", "PIPEWRAP", "PIPEWRAP", "PIPEWRAP"];
    assert_eq!(journal.take(), kinds.map(|kind| format!("{kind} tests/it/process.rs")).join(" "));
}

#[test]
fn only_who_waits_keeps_the_loop_going() {
    let (journal, runtime) = (Journal::default(), Runtime::new());
    let mut child =
        runtime.enter(|| Command::new("cat").stdin(Stdio::piped()).spawn()).expect("cat");
    runtime.run_to_idle();
    runtime.enter(|| {
        let journal = journal.clone();
        drop(spawn(async move {
            let status = child.wait().await.expect("it ends");
            journal.add(status.success());
        }));
    });
    runtime.run_to_idle();
    assert_eq!(journal.take(), "true");
}

#[test]
fn a_virtual_clock_does_not_wait_for_children() {
    paused().block_on(async {
        let mut child = Command::new("sleep").arg("1000").spawn().expect("it starts");
        let timeout = time::timeout(Duration::from_secs(999), child.wait()).await;
        assert!(timeout.is_err());
        child.kill().await.expect("it ends");
    });
}

#[test]
fn a_child_belongs_to_its_runtime() {
    let child = Runtime::new().block_on(async { Command::new("true").spawn() });
    let mut child = child.expect("it starts");
    let strayed = std::thread::spawn(move || {
        // Its runtime is gone: either the status is there already, or it cannot be waited for.
        Runtime::new().block_on(async {
            match child.wait().await {
                Ok(status) => status.success(),
                Err(error) => error.to_string().contains("belongs to a runtime"),
            }
        })
    });
    assert!(strayed.join().expect("no panic"));
}
