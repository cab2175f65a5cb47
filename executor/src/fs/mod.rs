//! Files and folders, on the thread pool. Tokio: `tokio::fs`; Node: `fs/promises`.
//!
//! The functions have std's names and arguments. Each call is one `FSREQCALLBACK` resource; until
//! it is done it keeps `run_to_idle` going. Nothing happens before the first poll: see
//! [`Operation`](crate::Operation).
//!
//! # Errors
//! Those of std: kind kept, the system's error as `source()`, operation and path in the text, as in
//! `read a/secret: Permission denied (os error 13)`. What an open [`File`] gives is the system's
//! error as it is.
//!
//! # Examples
//! ```
//! use lunation_executor::{Runtime, fs};
//!
//! let error = Runtime::new().block_on(fs::read("no/such/file")).unwrap_err();
//! assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
//! assert!(error.to_string().starts_with("read no/such/file: "));
//! ```

// A module imports only from modules above it.
mod folder;
mod paths;
mod positioned;

mod file;

pub use file::{File, OpenOptions};
pub use folder::{DirEntry, read_dir};
#[cfg(unix)]
pub use paths::symlink;
pub use paths::{
    canonicalize, copy, create_dir, create_dir_all, exists, hard_link, metadata, read, read_link,
    read_to_string, remove_dir, remove_dir_all, remove_file, rename, set_permissions,
    symlink_metadata, write,
};
