//! The documents tell the truth: ARCHITECTURE.md names what exists, README.md starts in two
//! commands.

use std::path::Path;

/// What stands between single backticks outside code blocks, with its line.
fn quoted(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_block = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2).map(|word| (index + 1, word)));
        }
    }
    found
}

/// Whether a quoted word is a path of the workspace: it has a `/` or the ending of a file.
fn is_path(word: &str) -> bool {
    let is_plain = !word.contains(|c: char| c.is_whitespace() || "<>(){}*:$".contains(c));
    let has_ending = [".rs", ".md", ".toml"].iter().any(|ending| word.ends_with(ending));
    is_plain && (word.contains('/') || has_ending)
}

/// Every path that ARCHITECTURE.md names exists.
pub(crate) fn named_paths(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let missing = quoted(text).into_iter().filter(|(_, word)| is_path(word) && !exists(word));
    missing.map(|(line, word)| format!("{path}:{line}: `{word}` does not exist")).collect()
}

/// Every source file of the library is named in ARCHITECTURE.md.
pub(crate) fn code_map(text: &str, library: &[&str]) -> Vec<String> {
    let named = quoted(text);
    let is_missing = |path: &&&str| !named.iter().any(|(_, word)| word == *path);
    let missing = library.iter().filter(is_missing);
    missing.map(|path| format!("ARCHITECTURE.md:1: the code map lacks `{path}`")).collect()
}

/// The quick start is two commands: run an example, run the tests.
pub(crate) fn quick_start(path: &str, text: &str) -> Vec<String> {
    let section = text.split("\n## ").find(|section| section.starts_with("Quick start"));
    let blocks: Vec<&str> = section.unwrap_or_default().split("```").skip(1).step_by(2).collect();
    let commands: Vec<&str> = blocks.iter().flat_map(|block| block.lines().skip(1)).collect();
    let is_right = matches!(
        commands[..],
        ["cargo run --release --example http_echo", test] if test.starts_with("cargo test ")
    );
    if is_right {
        return Vec::new();
    }
    vec![format!("{path}:1: the quick start is not its two commands but {commands:?}")]
}

/// Whether the workspace at `root` has a file or folder of this name.
pub(crate) fn exists_in(root: &Path) -> impl Fn(&str) -> bool {
    move |word| root.join(word).exists()
}

#[test]
fn named_paths_sample() {
    let text = "`src/lib.rs` and `gone/a.rs`, `not a/path`, `Rc<a/b>`\n```text\n`x/y.rs`\n```\n";
    assert_eq!(named_paths("A.md", text, |path| path == "src/lib.rs").len(), 1);
    assert_eq!(named_paths("A.md", text, |_| true).len(), 0);
}

#[test]
fn code_map_sample() {
    assert_eq!(code_map("| `src/lib.rs` | the facade |", &["src/lib.rs"]).len(), 0);
    assert_eq!(code_map("| `src/lib.rs` | the facade |", &["src/lib.rs", "src/a.rs"]).len(), 1);
}

#[test]
fn quick_start_sample() {
    let run = "cargo run --release --example http_echo";
    let section =
        |lines: &str| format!("# L\n\n## Quick start\n\n```sh\n{lines}\n```\n\n## Next\n");
    assert_eq!(quick_start("R.md", &section(&format!("{run}\ncargo test --workspace"))).len(), 0);
    assert_eq!(quick_start("R.md", &section(run)).len(), 1);
    assert_eq!(quick_start("R.md", &section(&format!("apt\n{run}\ncargo test -q"))).len(), 1);
}
