//! The attributes `#[lunation::main]` and `#[lunation::test]`.
//!
//! They turn an async function into a plain one that builds a runtime and blocks on the body. Use
//! them through the `lunation` crate, where they are documented with examples. Nothing happens here
//! that a few lines with `Runtime::builder()` could not do.

#![forbid(unsafe_code)]

mod options;
mod expand;

use expand::{Entry, expand};
use proc_macro::TokenStream;

/// Runs an async `main` on a runtime of its own.
///
/// ```
/// #[lunation::main]
/// async fn main() -> std::io::Result<()> {
///     lunation::time::sleep(std::time::Duration::from_millis(1)).await;
///     Ok(())
/// }
/// ```
///
/// is short for
///
/// ```
/// fn main() -> std::io::Result<()> {
///     lunation::Runtime::builder().build().expect("a runtime").block_on(async {
///         lunation::time::sleep(std::time::Duration::from_millis(1)).await;
///         Ok(())
///     })
/// }
/// ```
///
/// When `main` returns, the runtime is dropped: tasks still waiting end there.
///
/// # Options
///
/// Every option is a method of `lunation::Builder`, called with the expression given:
/// `drain_budget = Some(1_000)`, `start_paused = true`, `strict_guards = true`,
/// `on_unhandled = handler`. `crate = path` names the `lunation` crate where it has another name.
///
/// ```
/// #[lunation::main(drain_budget = None, strict_guards = true)]
/// async fn main() {}
/// ```
///
/// # Panics
///
/// If the operating system refuses the runtime its poll or wake-up descriptor.
///
/// # Errors
///
/// It is a compile error if the function is not async, has arguments or generics, or an option is
/// unknown or given twice.
#[proc_macro_attribute]
pub fn main(options: TokenStream, function: TokenStream) -> TokenStream {
    expand(Entry::Main, options.into(), function.into()).into()
}

/// Runs an async test on a runtime of its own.
///
/// ```
/// #[lunation::test(start_paused = true)]
/// async fn an_hour_passes_at_once() {
///     let start = lunation::time::now();
///     lunation::time::sleep(std::time::Duration::from_secs(3_600)).await;
///     assert_eq!(lunation::time::now() - start, std::time::Duration::from_secs(3_600));
/// }
/// ```
///
/// The options are those of [`main`]. `start_paused = true` gives the test a clock that stands
/// while code runs and jumps to the next deadline when there is nothing else to do; time then
/// costs nothing and is exact. `#[should_panic]` and results (`-> Result<(), E>`) work as in a
/// plain test.
///
/// # Panics
///
/// If the operating system refuses the runtime its poll or wake-up descriptor.
///
/// # Errors
///
/// As [`main`]; and a second `#[test]` on the function is a compile error.
#[proc_macro_attribute]
pub fn test(options: TokenStream, function: TokenStream) -> TokenStream {
    expand(Entry::Test, options.into(), function.into()).into()
}
