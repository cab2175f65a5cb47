//! Closed lists: where `unsafe` may stand, and which statics and thread-locals there are.

use crate::source::Source;

/// The only files with unsafe code. Each crate root denies it, each of these files allows it.
pub(crate) const UNSAFE_FILES: &[&str] = &[
    // Of the value pool: the erased side of the boxes.
    "context/src/boxes.rs",
    "context/src/current.rs",
    // Reaches the enabled hooks without counting or borrowing, which each event would pay for.
    "context/src/enabled.rs",
    "context/src/frame.rs",
    // Site and description of a resource in one word, which were two fields in `activation.rs`.
    "context/src/origin.rs",
    "context/src/pool.rs",
    "context/src/value.rs",
    // The cells of ticks and microtasks, which stood in `cell.rs`.
    "executor/src/task/callback.rs",
    "executor/src/task/cell.rs",
    // The list of cells, which stood in `queue.rs`.
    "executor/src/task/cells.rs",
    "executor/src/task/header.rs",
    // Links that lie in the tasks, which were a queue of crossbeam's.
    "executor/src/task/inbox.rs",
    "executor/src/task/pool.rs",
    "executor/src/task/queue.rs",
    // The counted references of handles, which stood in `waker.rs`.
    "executor/src/task/reference.rs",
    "executor/src/task/waker.rs",
    "reactor/src/uninit.rs",
];

/// All thread-locals and statics of the library: (path, name). ARCHITECTURE.md says what each is.
pub(crate) const GLOBALS: &[(&str, &str)] = &[
    ("context/src/boxes.rs", "DISPOSAL"),
    // What is current between two runs of a loop: else each run would have to remember it.
    ("context/src/current.rs", "BASE"),
    ("context/src/current.rs", "CURRENT"),
    ("context/src/current.rs", "ROOT"),
    ("context/src/current.rs", "STATIC_ROOT"),
    ("context/src/defaults.rs", "DEFAULTS"),
    ("context/src/diagnostics_channel/audience.rs", "AUDIENCES"),
    ("context/src/failure.rs", "FAILURE_HANDLER"),
    ("context/src/hooks.rs", "MASK"),
    ("context/src/hooks.rs", "REGISTRY"),
    // Empties it at thread exit, so that no event has to ask whether it is still there.
    ("context/src/hooks.rs", "REGISTRY_OWNER"),
    ("context/src/id.rs", "IDS"),
    ("context/src/key.rs", "REGISTRY"),
    ("context/src/misplaced.rs", "GUARD_REPORTS"),
    ("context/src/poll_hook.rs", "POLL_HOOK"),
    ("context/src/pool.rs", "POOL"),
    ("context/src/pool.rs", "POOL_OWNER"),
    ("context/src/warning.rs", "WARNING_HANDLER"),
    ("executor/src/channels.rs", "CHILD_PROCESS_SPAWN"),
    ("executor/src/channels.rs", "TASK_ABORT"),
    ("executor/src/channels.rs", "TASK_COMPLETE"),
    ("executor/src/channels.rs", "TASK_PANIC"),
    ("executor/src/channels.rs", "TASK_SPAWN"),
    ("executor/src/channels.rs", "TIMER_CLEAR"),
    ("executor/src/channels.rs", "TIMER_FIRE"),
    ("executor/src/channels.rs", "TIMER_START"),
    ("executor/src/current.rs", "LOOP"),
    ("executor/src/runtime.rs", "RUNNING"),
    ("executor/src/task/queue.rs", "CORE"),
    ("executor/src/task/waker.rs", "VTABLE"),
    ("reactor/src/budget.rs", "LEFT"),
    ("reactor/src/net/channels.rs", "NET_CLIENT_SOCKET"),
    ("reactor/src/net/channels.rs", "NET_SERVER_LISTEN"),
    ("reactor/src/net/channels.rs", "NET_SERVER_SOCKET"),
    ("reactor/src/net/channels.rs", "UDP_SOCKET"),
    ("reactor/src/reactor.rs", "ENTERED"),
    ("reactor/src/reactor.rs", "REACTOR"),
    ("reactor/src/release.rs", "INBOXES"),
    ("reactor/src/release.rs", "NEXT_RUNTIME_ID"),
    ("reactor/src/waiters.rs", "WAITS"),
    ("src/http/channels.rs", "HTTP_CLIENT_REQUEST_CREATED"),
    ("src/http/channels.rs", "HTTP_CLIENT_REQUEST_ERROR"),
    ("src/http/channels.rs", "HTTP_CLIENT_REQUEST_START"),
    ("src/http/channels.rs", "HTTP_CLIENT_RESPONSE_FINISH"),
    ("src/http/channels.rs", "HTTP_SERVER_REQUEST_START"),
    ("src/http/channels.rs", "HTTP_SERVER_RESPONSE_CREATED"),
    ("src/http/channels.rs", "HTTP_SERVER_RESPONSE_FINISH"),
];

/// How often the word stands in a file, by what it introduces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnsafeCount {
    pub(crate) blocks: usize,
    pub(crate) impls: usize,
    pub(crate) functions: usize,
}

/// Counts unsafe code, tokens inside macros included, comments and strings not.
pub(crate) fn count_unsafe(file: &Source<'_>) -> UnsafeCount {
    let mut count = UnsafeCount::default();
    for at in file.find("unsafe") {
        match file.text_at(at + 1) {
            "{" => count.blocks += 1,
            "impl" => count.impls += 1,
            _ => count.functions += 1,
        }
    }
    count
}

/// Unsafe code stays inside the fence; tests, examples and benches have none.
pub(crate) fn unsafe_fence(file: &Source<'_>) -> Vec<String> {
    if UNSAFE_FILES.contains(&file.path) {
        return Vec::new();
    }
    let found = file.find("unsafe").into_iter();
    found.map(|at| file.violation(at, "unsafe code outside its files")).collect()
}

/// A crate root forbids unsafe code, or denies it where the fence has files of the crate.
pub(crate) fn crate_roots(file: &Source<'_>) -> Vec<String> {
    let Some(krate) = file.path.strip_suffix("src/lib.rs") else { return Vec::new() };
    let has_fence = !krate.is_empty() && UNSAFE_FILES.iter().any(|path| path.starts_with(krate));
    let level = if has_fence { "deny" } else { "forbid" };
    let wanted = format!("# ! [ {level} ( unsafe_code ) ]");
    if file.find(&wanted).is_empty() {
        return vec![format!("{}:1: write #![{level}(unsafe_code)]", file.path)];
    }
    Vec::new()
}

/// The globals of a library file, thread-local or not, with the token of each name.
pub(crate) fn globals(file: &Source<'_>) -> Vec<usize> {
    if !file.is_library() {
        return Vec::new();
    }
    let is_item = |at: &usize| {
        let name = if file.text_at(at + 1) == "mut" { at + 2 } else { at + 1 };
        file.is_at(name + 1, ":") && !file.is_test_token(*at)
    };
    let found = file.find("static").into_iter().filter(is_item);
    found.map(|at| if file.text_at(at + 1) == "mut" { at + 2 } else { at + 1 }).collect()
}

/// A global must be in the list.
pub(crate) fn global_list(file: &Source<'_>) -> Vec<String> {
    let is_listed = |at: &usize| GLOBALS.contains(&(file.path, file.text_at(*at)));
    let found = globals(file).into_iter().filter(|at| !is_listed(at));
    found.map(|at| file.violation(at, "a global that is not in the closed list")).collect()
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::check_rule;

    #[test]
    fn unsafe_fence() {
        let text = "unsafe impl S for T {} macro_rules! m { () => { unsafe { f() } } } // unsafe";
        check_rule(super::unsafe_fence, "context/src/frame.rs", text, 0);
        check_rule(super::unsafe_fence, "context/src/id.rs", text, 2);
        check_rule(super::unsafe_fence, "context/src/id.rs", "#![deny(unsafe_code)] \"unsafe\"", 0);
        let count = count_unsafe(&Source::new("a.rs", text));
        assert_eq!(count, UnsafeCount { blocks: 1, impls: 1, functions: 0 });
    }

    #[test]
    fn crate_roots() {
        check_rule(super::crate_roots, "src/lib.rs", "#![forbid(unsafe_code)]", 0);
        check_rule(super::crate_roots, "src/lib.rs", "#![deny(unsafe_code)]", 1);
        check_rule(super::crate_roots, "context/src/lib.rs", "#![deny(unsafe_code)]", 0);
        check_rule(super::crate_roots, "context/src/lib.rs", "", 1);
    }

    #[test]
    fn global_list() {
        let rule = super::global_list;
        check_rule(rule, "context/src/a.rs", "thread_local! { static A: u8 = const { 0 }; }", 1);
        check_rule(rule, "context/src/a.rs", "static mut A: u8 = 0; pub static B: u8 = 1;", 2);
        check_rule(rule, "context/src/a.rs", "fn f(s: &'static str) { const C: u8 = 0; }", 0);
        check_rule(rule, "context/src/a.rs", "#[cfg(test)] mod t { static A: u8 = 0; }", 0);
        check_rule(rule, "tests/a.rs", "static A: u8 = 0;", 0);
    }
}
