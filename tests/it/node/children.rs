//! Node's tests of child processes and their pipes.

use super::activity::Activities;
use super::support::async_script;
use lunation::process::{Child, Command, Stdio};
use lunation::{AsyncId, immediate, spawn};

/// A child with three pipes.
fn child(script: &str) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("every Unix has it")
}

#[test]
fn test_graph_pipe() {
    // Node: async-hooks/test-graph.pipe. Assertions: 3 there, 5 here; left out: `close` (1: the
    // end of the pipes is an event of theirs).
    let seen = Activities::enabled();
    async_script(async {
        assert!(child("exit 0").wait().await.expect("no error").success());
    });
    seen.disable();
    let kinds = ["PROCESSWRAP", "PIPEWRAP", "SHUTDOWNWRAP", "WRITEWRAP"];
    assert_eq!(seen.graph(&kinds), "1:PROCESSWRAP 2:PIPEWRAP 3:PIPEWRAP 4:PIPEWRAP");
}

#[test]
fn test_pipewrap() {
    // Node: async-hooks/test-pipewrap. Assertions: 19 there, 14 here; left out: must-calls (2),
    // `close` (1), kinds (4: what is looked for). DIFFERENCE: closing a pipe is no event of it: the
    // input has none, the others one less than there. Added: all are destroyed.
    let seen = Activities::enabled();
    async_script(async {
        // Nothing happens to it before all wait.
        let mut child = child("read line; echo $line");
        let counts = |kind, nth| seen.counts(kind, nth);
        assert_eq!(seen.of("PROCESSWRAP").len(), 1);
        assert_eq!(seen.of("PIPEWRAP").len(), 3);
        assert_eq!(seen.nth("PROCESSWRAP", 0).trigger, AsyncId::ROOT);
        assert_eq!(counts("PROCESSWRAP", 0), [1, 0, 0, 0, 0]);
        for nth in 0..3 {
            assert_eq!(seen.nth("PIPEWRAP", nth).trigger, AsyncId::ROOT);
            assert_eq!(counts("PIPEWRAP", nth), [1, 0, 0, 0, 0]);
        }
        let mut stdin = child.stdin.take().expect("a pipe");
        let mut stdout = child.stdout.take().expect("a pipe");
        let mut stderr = child.stderr.take().expect("a pipe");
        let output = spawn(async move {
            let mut text = Vec::new();
            stdout.read_to_end(&mut text).await.expect("no error");
            text
        });
        let errors = spawn(async move { stderr.read_to_end(&mut Vec::new()).await });
        let end = spawn(async move { child.wait().await });
        immediate().await;
        stdin.write_all(b"v26.0.0\n").await.expect("no error");
        assert!(end.await.expect("no panic").expect("no error").success());
        assert_eq!(counts("PROCESSWRAP", 0)[..3], [1, 1, 1]);
        assert_eq!(output.await.expect("no panic"), b"v26.0.0\n");
        assert_eq!(errors.await.expect("no panic").expect("no error"), 0);
    });
    seen.disable();
    assert_eq!(seen.counts("PROCESSWRAP", 0), [1, 1, 1, 1, 0]);
    assert_eq!(seen.counts("PIPEWRAP", 0), [1, 0, 0, 1, 0]);
    let [_, events, afters, ..] = seen.counts("PIPEWRAP", 1);
    assert!(events >= 1 && events == afters, "{events} {afters}");
    assert_eq!(seen.counts("PIPEWRAP", 2), [1, 1, 1, 1, 0]);
}
