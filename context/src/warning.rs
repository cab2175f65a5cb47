//! Warnings: what a program should hear of, but need not act on.

use std::cell::Cell;
use std::fmt;
use std::io::Write as _;

/// Something to hear of that is no failure. Node: the argument of a `'warning'` event.
///
/// The runtime's own are named `MisplacedGuard` (a guard of a store was dropped in another flow),
/// `UnhandledPanic` (a panic that no handler took), `UnhandledRejection` (a failed task that nobody
/// can join, where the runtime is told to warn of it) and `AcceptFailed` (a server is out of
/// descriptors).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    name: &'static str,
    message: String,
}

impl Warning {
    /// A warning of a kind, by convention in CamelCase.
    pub fn new(name: &'static str, message: impl Into<String>) -> Warning {
        Warning { name, message: message.into() }
    }

    /// What kind of warning it is. Node: `warning.name`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The text. Node: `warning.message`.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

/// Takes a thread's warnings, at once and in the context of who warns; false if it does not want
/// this one, which is then printed. It must not panic.
pub type WarningHandler = fn(&Warning) -> bool;

thread_local! {
    static WARNING_HANDLER: Cell<Option<WarningHandler>> = const { Cell::new(None) };
}

/// Sets who takes this thread's warnings, and returns who did before. For runtimes: they hand them
/// to a handler of their own.
pub fn set_warning_handler(handler: Option<WarningHandler>) -> Option<WarningHandler> {
    WARNING_HANDLER.replace(handler)
}

/// Warns: tells the runtime's handler of warnings, or else standard error. Node:
/// `process.emitWarning`, which waits for the next tick.
///
/// ```
/// use lunation_context::{Warning, emit_warning, set_warning_handler};
///
/// let before = set_warning_handler(Some(|warning| {
///     assert_eq!(warning.to_string(), "SlowDisk: the disk is slow");
///     true
/// }));
/// emit_warning(&Warning::new("SlowDisk", "the disk is slow"));
/// set_warning_handler(before);
/// ```
#[cold]
pub fn emit_warning(warning: &Warning) {
    let taken = WARNING_HANDLER.get().is_some_and(|handler| handler(warning));
    if !taken {
        // Nobody is left to tell if standard error is gone.
        let _ = writeln!(std::io::stderr(), "lunation: {warning}");
    }
}
