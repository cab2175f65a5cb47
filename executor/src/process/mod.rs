//! Child processes. Tokio: `tokio::process`; Node: `child_process`.
//!
//! A [`Command`] has the methods of std's; a [`Child`] is a `PROCESSWRAP` resource, each of its
//! pipes a `PIPEWRAP`. On Linux the end of a child is an event of the selector (a pidfd) and costs
//! no thread; elsewhere, and on kernels older than 5.3, a thread of the pool waits for it.
//!
//! Starting a child forks on the loop's thread and returns when the new program runs.
//!
//! # Examples
//! ```
//! use lunation_executor::{Runtime, process::Command};
//!
//! # fn main() -> std::io::Result<()> {
//! Runtime::new().block_on(async {
//!     let output = Command::new("echo").arg("hello").output().await?;
//!     assert!(output.status.success());
//!     assert_eq!(output.stdout, b"hello\n");
//!     let error = Command::new("no-such-program").spawn().unwrap_err();
//!     assert!(error.to_string().starts_with("spawn no-such-program: "));
//!     Ok(())
//! })
//! # }
//! ```

// A module imports only from modules above it.
mod descriptor;
#[cfg(target_os = "linux")]
mod pidfd;

mod exit;
mod pipe;

#[cfg(feature = "futures-io")]
mod futures_traits;

mod child;

mod command;

pub use child::Child;
pub use command::Command;
pub use pipe::{ChildStderr, ChildStdin, ChildStdout};
