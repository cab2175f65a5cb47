//! Rules about one file: what it must open with, how long things may be, and what it must not say.

use crate::source::Source;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_CHARS_MAX: usize = 100;

/// Functions that may be longer: (path, name, why). Keep it empty if you can.
pub(crate) const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Every file says at its top what it is for.
pub(crate) fn module_docs(file: &Source<'_>) -> Vec<String> {
    if file.text.starts_with("//!") {
        return Vec::new();
    }
    vec![format!("{}:1: open the file with a `//!` line that says what it is for", file.path)]
}

/// A file of 500 lines and a line of 100 characters are enough.
pub(crate) fn sizes(file: &Source<'_>) -> Vec<String> {
    let path = file.path;
    let lines = file.text.lines().count();
    let mut found = Vec::new();
    if lines > FILE_LINES_MAX {
        found.push(format!("{path}:1: {lines} lines, more than {FILE_LINES_MAX}: split the file"));
    }
    for (index, line) in file.text.lines().enumerate() {
        let is_long = line.chars().count() > LINE_CHARS_MAX && !line.contains("https://");
        if is_long {
            found.push(format!("{path}:{}: longer than {LINE_CHARS_MAX}", index + 1));
        }
    }
    found
}

/// A function fits on one screen: 70 lines from `fn` to its brace.
pub(crate) fn function_sizes(file: &Source<'_>) -> Vec<String> {
    let is_listed = |name: &str| {
        LONG_FUNCTIONS.iter().any(|(path, listed, _)| *path == file.path && *listed == name)
    };
    let mut found = Vec::new();
    for function in file.functions() {
        let lines = function.lines.end - function.lines.start + 1;
        if lines > FUNCTION_LINES_MAX && !is_listed(function.name) {
            let message = format!("`{}` has {lines} lines: split it", function.name);
            found.push(format!("{}:{}: {message}", file.path, function.lines.start));
        }
    }
    found
}

/// Nothing unfinished, nothing switched off.
pub(crate) fn unfinished(file: &Source<'_>) -> Vec<String> {
    let banned = [
        ("todo !", "finish it"),
        ("unimplemented !", "finish it"),
        ("dbg !", "remove the debug output"),
        ("# [ ignore", "a test that does not run is no test: mend or delete it"),
    ];
    let mut found = Vec::new();
    for (words, message) in banned {
        found.extend(file.find(words).into_iter().map(|at| file.violation(at, message)));
    }
    for comment in &file.comments {
        for (index, line) in comment.text.lines().enumerate() {
            if let Some(message) = comment_fault(line) {
                found.push(format!("{}:{}: {message}", file.path, comment.line + index));
            }
        }
    }
    found
}

fn comment_fault(line: &str) -> Option<&'static str> {
    let fence = line.find("```").map(|at| &line[at..]);
    if fence.is_some_and(|fence| fence.contains("ignore")) {
        return Some("doc examples compile and run: drop `ignore`");
    }
    line.contains(concat!("FIX", "ME")).then_some("mend it, or say why it must stay as it is")
}

/// Features choose whole items and modules; a body that changes shape cannot be read.
pub(crate) fn features_in_bodies(file: &Source<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for function in file.functions() {
        for at in function.body {
            let is_cfg = ["cfg (", "cfg_attr (", "cfg ! ("].iter().any(|w| file.is_at(at, w));
            let end = if is_cfg { file.item_parenthesis(at) } else { at };
            if (at..end).any(|inner| file.is_at(inner, "feature =")) {
                found.push(file.violation(at, "a feature in a body: use twin items or twin files"));
            }
        }
    }
    found.dedup();
    found
}

/// Macros may shorten expressions; items made by macros hide from search and from rustfmt.
pub(crate) fn macros_around_items(file: &Source<'_>) -> Vec<String> {
    const ITEMS: [&str; 9] =
        ["fn", "struct", "enum", "impl", "trait", "mod", "static", "const", "type"];
    if !file.is_library() {
        return Vec::new();
    }
    let makes_items = |at: &usize| {
        let open = at + 3;
        (open..file.close(open)).any(|at| ITEMS.contains(&file.text_at(at)))
    };
    let macros = file.find("macro_rules !").into_iter().filter(makes_items);
    macros.map(|at| file.violation(at, "a macro around items: write the items out")).collect()
}

/// A glob from the parent hides what a module needs; unit tests may.
pub(crate) fn parent_globs(file: &Source<'_>) -> Vec<String> {
    let globs = file.find("super : : *").into_iter().filter(|at| !file.is_test_token(*at));
    globs.map(|at| file.violation(at, "name what you import")).collect()
}

/// No path of one person's machine. Works on any text file.
pub(crate) fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let folders = ["home", "root", "Users", "tmp", "work"].map(|name| format!("/{name}/"));
    let names_one = |line: &str| {
        let is_start = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.');
        folders.iter().any(|folder| line.match_indices(folder).any(|(at, _)| is_start(at)))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| names_one(line));
    lines.map(|(index, _)| format!("{path}:{}: a path of one machine", index + 1)).collect()
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::check_rule;

    #[test]
    fn module_docs() {
        check_rule(super::module_docs, "src/a.rs", "//! What it is for.\n", 0);
        check_rule(super::module_docs, "src/a.rs", "/// Not a module doc.\nfn a() {}\n", 1);
    }

    #[test]
    fn sizes() {
        let lines = |count| "//!\n".repeat(count);
        check_rule(super::sizes, "src/a.rs", &lines(FILE_LINES_MAX), 0);
        check_rule(super::sizes, "src/a.rs", &lines(FILE_LINES_MAX + 1), 1);
        check_rule(super::sizes, "src/a.rs", &"ä".repeat(LINE_CHARS_MAX), 0);
        check_rule(super::sizes, "src/a.rs", &"ä".repeat(LINE_CHARS_MAX + 1), 1);
    }

    #[test]
    fn function_sizes() {
        let function = |lines| format!("fn a() {{{}}}", "\n".repeat(lines - 1));
        check_rule(super::function_sizes, "src/a.rs", &function(FUNCTION_LINES_MAX), 0);
        check_rule(super::function_sizes, "src/a.rs", &function(FUNCTION_LINES_MAX + 1), 1);
    }

    #[test]
    fn unfinished() {
        let good = "// todo!() in a comment\n/// ```\n/// ```should_panic\nlet s = \"dbg!()\";";
        check_rule(super::unfinished, "src/a.rs", good, 0);
        let macros = ["to", "do!(); unimplemen", "ted!(); db", "g!(1); #[ign", "ore] fn a() {}"];
        check_rule(super::unfinished, "src/a.rs", &macros.concat(), 4);
        let comments = ["// FIX", "ME: later\n/// ``", "`rust,ign", "ore\n"];
        check_rule(super::unfinished, "src/a.rs", &comments.concat(), 2);
    }

    #[test]
    fn features_in_bodies() {
        let rule = super::features_in_bodies;
        check_rule(rule, "src/a.rs", "#[cfg(feature = \"x\")] fn a() {} fn b() { c(\"y\") }", 0);
        check_rule(rule, "src/a.rs", "fn a() { #[cfg(any(unix, feature = \"x\"))] b(); }", 1);
        check_rule(rule, "src/a.rs", "fn a() { if cfg!(feature = \"x\") {} }", 1);
    }

    #[test]
    fn macros_around_items() {
        let rule = super::macros_around_items;
        check_rule(rule, "src/a.rs", "macro_rules! a { ($e:expr) => { $e + 1 } }", 0);
        check_rule(rule, "src/a.rs", "macro_rules! a { ($n:ident) => { fn $n() {} } }", 1);
        check_rule(rule, "tests/a.rs", "macro_rules! a { ($n:ident) => { fn $n() {} } }", 0);
    }

    #[test]
    fn parent_globs() {
        check_rule(super::parent_globs, "src/a.rs", "#[cfg(test)] mod t { use super::*; }", 0);
        check_rule(super::parent_globs, "src/a.rs", "use super::*;", 1);
    }

    #[test]
    fn machine_paths() {
        let sample = ["see /", "home/me/lunation"].concat();
        assert_eq!(super::machine_paths("README.md", &sample).len(), 1);
        assert_eq!(super::machine_paths("README.md", "see /dev/null and src/home/a.rs").len(), 0);
    }
}
