//! Examples as programs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The program of an example, which `cargo test` has built beside the tests; built here if only the
/// tests were.
pub(crate) fn program(example: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("this program has a path");
    let built = tests.ancestors().nth(2).map(|profile| profile.join("examples").join(example));
    if let Some(built) = built.filter(|built| built.exists()) {
        return built;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let build = ["build", "--quiet", "--example", example, "--target-dir"];
    let status = Command::new(env!("CARGO")).args(build).arg(target).status();
    assert!(status.is_ok_and(|status| status.success()), "the example does not build");
    target.join("debug/examples").join(example)
}
