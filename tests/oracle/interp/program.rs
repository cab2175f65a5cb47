//! The language: programs and statements as they are written in JSON (FORMAT.md, sections 2 and 4).

use std::rc::Rc;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) clock: Clock,
    /// The highest level at which the trace is comparable.
    pub(crate) level: u8,
    pub(crate) needs: Vec<String>,
    pub(crate) als: Vec<Instance>,
    pub(crate) main: Body,
}

/// The clocks with which the trace of a program is determined (FORMAT.md, section 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Clock {
    Any,
    Virtual,
}

/// One `AsyncLocalStorage` of a program.
#[derive(Debug, Deserialize)]
pub(crate) struct Instance {
    pub(crate) default: Option<i64>,
}

/// A list of statements, shared by the closures and tasks that execute it.
pub(crate) type Body = Rc<[Stmt]>;

/// The number that names a thing at run time; each kind of thing has its own table.
pub(crate) type Slot = i64;

/// `None` stands for JavaScript's undefined.
pub(crate) type Value = Option<i64>;

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase")]
pub(crate) enum Stmt {
    Log {
        label: String,
    },

    Run {
        als: usize,
        value: Value,
        body: Body,
    },
    Exit {
        als: usize,
        body: Body,
    },
    EnterWith {
        als: usize,
        value: Value,
    },
    Scope {
        als: usize,
        value: Value,
        body: Body,
    },
    Disable {
        als: usize,
    },
    Snapshot {
        slot: Slot,
    },
    Restore {
        slot: Slot,
        body: Body,
    },
    Bind {
        slot: Slot,
        body: Body,
    },
    Call {
        slot: Slot,
    },

    NextTick {
        body: Body,
    },
    Microtask {
        body: Body,
    },
    Immediate {
        slot: Option<Slot>,
        body: Body,
    },
    Timeout {
        ms: u64,
        slot: Option<Slot>,
        body: Body,
    },
    Interval {
        ms: u64,
        times: u32,
        slot: Option<Slot>,
        body: Body,
    },
    Clear {
        slot: Slot,
    },
    Refresh {
        slot: Slot,
    },
    Unref {
        slot: Slot,
    },
    Ref {
        slot: Slot,
    },
    Io {
        body: Body,
    },
    Closing {
        body: Body,
    },

    Spawn {
        slot: Slot,
        body: Body,
    },
    Set {
        slot: Slot,
    },
    Tick,
    Sleep {
        ms: u64,
    },
    YieldImmediate,
    YieldIo,
    Join {
        slot: Slot,
    },
    Wait {
        slot: Slot,
    },
    Arun {
        als: usize,
        value: Value,
        body: Body,
    },
    Acall {
        body: Body,
    },

    Throw {
        value: String,
    },
    Try {
        body: Body,
        #[serde(rename = "catch")]
        handler: Body,
    },
    Repeat {
        times: u32,
        body: Body,
    },

    Resource {
        slot: Slot,
        #[serde(rename = "type")]
        kind: String,
    },
    RunIn {
        slot: Slot,
        body: Body,
    },
    Destroy {
        slot: Slot,
    },

    Emitter {
        slot: Slot,
        #[serde(rename = "type")]
        kind: String,
    },
    On {
        slot: Slot,
        event: String,
        body: Body,
    },
    Once {
        slot: Slot,
        event: String,
        body: Body,
    },
    Off {
        slot: Slot,
        event: String,
    },
    Emit {
        slot: Slot,
        event: String,
    },
    DestroyEmitter {
        slot: Slot,
    },

    BindStore {
        ch: Slot,
        als: usize,
        add: Option<i64>,
    },
    UnbindStore {
        ch: Slot,
        als: usize,
    },
    Subscribe {
        ch: Slot,
        body: Body,
    },
    Publish {
        ch: Slot,
        value: Value,
    },
    RunStores {
        ch: Slot,
        value: Value,
        body: Body,
    },
}

impl Program {
    /// # Errors
    ///
    /// What serde says about a text that is no program.
    pub(crate) fn parse(text: &str) -> serde_json::Result<Program> {
        serde_json::from_str(text)
    }

    pub(crate) fn needs(&self, feature: &str) -> bool {
        self.needs.iter().any(|need| need == feature)
    }

    /// The instances some `disable` statement of the program names, each once.
    pub(crate) fn disabled(&self) -> Vec<usize> {
        let mut found = Vec::new();
        visit(&self.main, &mut |stmt| {
            if let Stmt::Disable { als } = stmt
                && !found.contains(als)
            {
                found.push(*als);
            }
        });
        found
    }
}

fn visit(body: &[Stmt], found: &mut impl FnMut(&Stmt)) {
    for stmt in body {
        found(stmt);
        match stmt {
            Stmt::Run { body, .. }
            | Stmt::Exit { body, .. }
            | Stmt::Scope { body, .. }
            | Stmt::Restore { body, .. }
            | Stmt::Bind { body, .. }
            | Stmt::NextTick { body }
            | Stmt::Microtask { body }
            | Stmt::Immediate { body, .. }
            | Stmt::Timeout { body, .. }
            | Stmt::Interval { body, .. }
            | Stmt::Io { body }
            | Stmt::Closing { body }
            | Stmt::Spawn { body, .. }
            | Stmt::Arun { body, .. }
            | Stmt::Acall { body }
            | Stmt::Repeat { body, .. }
            | Stmt::RunIn { body, .. }
            | Stmt::On { body, .. }
            | Stmt::Once { body, .. }
            | Stmt::Subscribe { body, .. }
            | Stmt::RunStores { body, .. } => visit(body, found),
            Stmt::Try { body, handler } => {
                visit(body, found);
                visit(handler, found);
            }
            _ => {}
        }
    }
}
