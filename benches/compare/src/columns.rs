//! The columns of the tables: lunation and its peers.

/// A runtime, or a way to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Lunation,
    TokioSet,
    TokioRuntime,
    TokioSpawn,
    Smol,
    Futures,
    Monoio,
    Compio,
    Runite,
    Node,
    Bun,
    Deno,
    /// No runtime: a loop around epoll itself, for the network.
    RawEpoll,
}

impl Column {
    /// All, in the order of the tables.
    pub const ALL: [Column; 13] = [
        Column::Lunation,
        Column::TokioSet,
        Column::TokioRuntime,
        Column::TokioSpawn,
        Column::Smol,
        Column::Futures,
        Column::Monoio,
        Column::Compio,
        Column::Runite,
        Column::Node,
        Column::Bun,
        Column::Deno,
        Column::RawEpoll,
    ];

    /// The engines of JavaScript, with the variables that say where they are.
    pub const SCRIPTED: [(Column, &'static str); 3] =
        [(Column::Node, "NODE"), (Column::Bun, "BUN"), (Column::Deno, "DENO")];

    /// What stands at the head of the column.
    pub fn name(self) -> &'static str {
        match self {
            Column::Lunation => "lunation",
            Column::TokioSet => "tokio LocalSet",
            Column::TokioRuntime => "tokio LocalRuntime",
            Column::TokioSpawn => "tokio spawn",
            Column::Smol => "smol",
            Column::Futures => "futures",
            Column::Monoio => "monoio",
            Column::Compio => "compio",
            Column::Runite => "runite",
            Column::Node => "Node",
            Column::Bun => "Bun",
            Column::Deno => "Deno",
            Column::RawEpoll => "raw epoll",
        }
    }

    /// Whether it is a way to use tokio.
    pub fn is_tokio(self) -> bool {
        matches!(self, Column::TokioSet | Column::TokioRuntime | Column::TokioSpawn)
    }

    /// Whether it runs JavaScript.
    pub fn is_scripted(self) -> bool {
        Column::SCRIPTED.iter().any(|(column, _)| *column == self)
    }
}
