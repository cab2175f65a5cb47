//! Why a task has no output.

use crate::channels;
use crate::unhandled::panic_message;
use lunation_context::Activation;
use std::any::Any;
use std::fmt;

/// The payload of a panic as it lies in a cell: thin, so that it needs no more room than a word.
pub(crate) type Payload = Box<Box<dyn Any + Send>>;

/// Why awaiting a [`JoinHandle`](crate::JoinHandle) gave no output. Tokio: `JoinError`.
pub enum JoinError {
    /// The task was aborted, or its runtime ended before it did.
    Cancelled,
    /// The task panicked, with this payload.
    Panicked(Box<dyn Any + Send>),
}

impl JoinError {
    /// The error of a task that was cancelled, or has panicked with this payload.
    #[cold]
    #[inline(never)]
    pub(crate) fn without_output(payload: Option<Payload>) -> JoinError {
        payload.map_or(JoinError::Cancelled, |payload| JoinError::Panicked(*payload))
    }

    /// Tells the diagnostics channels that a task ends with this.
    pub(crate) fn tell_of(&self, task: &Activation) {
        match self {
            JoinError::Cancelled => channels::tell_task(&channels::TASK_ABORT, task),
            JoinError::Panicked(payload) => channels::tell_panic(task, &**payload),
        }
    }

    /// Whether the task was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, JoinError::Cancelled)
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, JoinError::Panicked(_))
    }

    /// The payload of the panic, for [`std::panic::resume_unwind`]; the error itself if the task
    /// did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, JoinError> {
        match self {
            JoinError::Panicked(payload) => Ok(payload),
            JoinError::Cancelled => Err(self),
        }
    }

    /// The payload of the panic, for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    /// If the task did not panic: ask [`JoinError::is_panic`] first.
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self {
            JoinError::Panicked(payload) => payload,
            JoinError::Cancelled => panic!("into_panic of a task that was cancelled"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Cancelled => f.write_str("Cancelled"),
            JoinError::Panicked(payload) => {
                f.debug_tuple("Panicked").field(&panic_message(&**payload)).finish()
            }
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Cancelled => f.write_str("the task was cancelled"),
            JoinError::Panicked(payload) => {
                write!(f, "the task panicked: {}", panic_message(&**payload))
            }
        }
    }
}

impl std::error::Error for JoinError {}
