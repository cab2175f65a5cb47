//! Imports run in one direction: between the crates, and between the modules of a crate.
//!
//! The order of the `mod` lines is the order of dependencies: a module may import only from those
//! written above it, a file in a folder from those above it in the folder's `mod.rs`. Items are
//! imported from the module that defines them, never through the crate root or the folder's own
//! `mod.rs`, which would hide the edge. Unit tests may import what they like.

use crate::source::Source;
use std::collections::HashMap;

/// The crates, each with those it may import. `mio` counts as one: only the reactor may name it.
pub(crate) const CRATES: &[(&str, &[&str])] = &[
    ("context/", &[]),
    ("reactor/", &["lunation_context", "mio"]),
    ("executor/", &["lunation_context", "lunation_reactor"]),
    ("macros/", &[]),
    ("src/", &["lunation_context", "lunation_reactor", "lunation_executor", "lunation_macros"]),
];

const CHECKED: [&str; 5] =
    ["lunation_context", "lunation_reactor", "lunation_executor", "lunation_macros", "mio"];

/// A crate names only the crates below it.
pub(crate) fn crate_direction(file: &Source<'_>) -> Vec<String> {
    let Some(allowed) = allowed_crates(file.path).filter(|_| file.is_library()) else {
        return Vec::new();
    };
    let is_banned = |at: &usize| {
        let name = file.text_at(*at);
        CHECKED.contains(&name) && !allowed.contains(&name) && !file.is_test_token(*at)
    };
    let found = (0..file.tokens.len()).filter(is_banned);
    found.map(|at| file.violation(at, "this crate must not know that one")).collect()
}

/// A manifest lists only the crates below it, and mio only in the reactor. Tests may have others.
pub(crate) fn manifest_direction(path: &str, text: &str) -> Vec<String> {
    let Some(allowed) = allowed_crates(path.strip_suffix("Cargo.toml").unwrap_or(path)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            section = line.trim();
        }
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default().replace('-', "_");
        let is_banned = CHECKED.contains(&&*name) && !allowed.contains(&&*name);
        if is_banned && section.ends_with("dependencies]") && !section.contains("dev-") {
            found.push(format!("{path}:{}: this crate must not depend on {name}", index + 1));
        }
    }
    found
}

fn allowed_crates(path: &str) -> Option<&'static [&'static str]> {
    CRATES.iter().find(|(folder, _)| path.starts_with(folder)).map(|(_, allowed)| *allowed)
}

/// The modules of every crate: for each module its children in the order of their declaration.
#[derive(Default)]
pub(crate) struct Tree<'a> {
    children: HashMap<(&'a str, Vec<&'a str>), Vec<&'a str>>,
}

impl<'a> Tree<'a> {
    /// Reads the `mod` lines of library files; those of unit tests do not count.
    pub(crate) fn new<'s>(files: impl IntoIterator<Item = &'s Source<'a>>) -> Tree<'a>
    where
        'a: 's,
    {
        let mut tree = Tree::default();
        for file in files.into_iter().filter(|file| file.is_library()) {
            let Some(module) = module_of(file.path) else { continue };
            let declared = file.find("mod").into_iter().filter(|at| !file.is_test_token(*at));
            let is_file = |at: &usize| file.text_at(at + 2) == ";";
            let names = declared.filter(is_file).map(|at| file.text_at(at + 1)).collect();
            tree.children.insert(module, names);
        }
        tree
    }

    fn children(&self, krate: &'a str, module: &[&'a str]) -> &[&'a str] {
        self.children.get(&(krate, module.to_vec())).map_or(&[], Vec::as_slice)
    }

    /// How much of `path` names a module; the rest names items in it.
    fn module_length(&self, krate: &'a str, path: &[&'a str]) -> usize {
        let is_child =
            |length: &usize| self.children(krate, &path[..*length]).contains(&path[*length]);
        (0..path.len()).take_while(is_child).count()
    }

    /// Why the module `from` must not import `path`, if so.
    fn fault(&self, krate: &'a str, from: &[&'a str], path: &[&'a str]) -> Option<String> {
        let target = &path[..self.module_length(krate, path)];
        let common = target.iter().zip(from).take_while(|(a, b)| a == b).count();
        if common == from.len() {
            return None; // itself, or a module reading its own children
        }
        if common == target.len() {
            return Some(format!("import `{}` from its own module", path.join("::")));
        }
        let order = self.children(krate, &from[..common]);
        let place = |name: &str| order.iter().position(|child| *child == name);
        let is_above = place(target[common]) < place(from[common]);
        (!is_above).then(|| format!("`{}` is declared below this module", target.join("::")))
    }
}

/// The crate folder and the module path of a library file: `a/src/b/mod.rs` is `b`.
fn module_of(path: &str) -> Option<(&str, Vec<&str>)> {
    let (krate, inner) = match path.strip_prefix("src/") {
        Some(inner) => ("", inner),
        None => path.split_once("/src/")?,
    };
    let mut module: Vec<&str> = inner.strip_suffix(".rs")?.split('/').collect();
    if matches!(module.last(), Some(&("mod" | "lib"))) {
        module.pop();
    }
    Some((krate, module))
}

/// A module imports only from modules declared above it.
pub(crate) fn module_direction(tree: &Tree<'_>, file: &Source<'_>) -> Vec<String> {
    let Some((krate, module)) = module_of(file.path).filter(|_| file.is_library()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for at in 0..file.tokens.len() {
        if file.is_test_token(at) {
            continue;
        }
        for path in imports(file, at, &module) {
            let fault = tree.fault(krate, &module, &path);
            found.extend(fault.map(|message| file.violation(at, &message)));
        }
    }
    found.dedup();
    found
}

/// The paths from the crate root that start at the token `at` with `crate::` or `super::`.
fn imports<'a>(file: &Source<'a>, at: usize, module: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut paths = Vec::new();
    // `$crate` in a macro goes the way its users go.
    let is_after = |word| file.is_at(at.saturating_sub(1), word);
    let is_start = !is_after("in") && !is_after("$") && !is_inner(file, at);
    if is_start && file.is_at(at, "crate : :") {
        path_tree(file, at + 3, Vec::new(), &mut paths);
    } else if is_start && file.is_at(at, "super : :") {
        let mut next = at;
        let mut levels = 0;
        while file.is_at(next, "super : :") {
            levels += 1;
            next += 3;
        }
        let up = levels - inline_depth(file, at).min(levels);
        if up > 0 {
            let base = module[..module.len().saturating_sub(up)].to_vec();
            path_tree(file, next, base, &mut paths);
        }
    }
    paths
}

/// Whether the token stands behind `::`, so that it does not start a path.
fn is_inner(file: &Source<'_>, at: usize) -> bool {
    at >= 2 && file.is_at(at - 2, ": :")
}

/// In how many modules written out in this file the token stands.
fn inline_depth(file: &Source<'_>, at: usize) -> usize {
    let modules = file.find("mod").into_iter().filter(|start| file.text_at(start + 2) == "{");
    modules.filter(|start| (*start..file.item_end(*start)).contains(&at)).count()
}

/// Collects the paths of a use tree, or the one path of an expression, from the token `at` on;
/// returns the index behind it.
fn path_tree<'a>(
    file: &Source<'a>,
    mut at: usize,
    mut path: Vec<&'a str>,
    paths: &mut Vec<Vec<&'a str>>,
) -> usize {
    loop {
        if file.text_at(at) == "{" {
            let end = file.close(at);
            at += 1;
            while at < end - 1 {
                at = path_tree(file, at, path.clone(), paths);
                at += (at..end - 1).take_while(|at| file.text_at(*at) != ",").count() + 1;
            }
            return end;
        }
        let is_name = file.tokens.get(at).is_some_and(|token| token.is_word());
        if is_name && file.text_at(at) != "self" {
            path.push(file.text_at(at));
        }
        if !is_name || !file.is_at(at + 1, ": :") {
            paths.push(path);
            return at + 1;
        }
        at += 3;
    }
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::check_rule;

    #[test]
    fn crate_direction() {
        let rule = super::crate_direction;
        check_rule(rule, "reactor/src/a.rs", "use lunation_context::x; // lunation_executor", 0);
        check_rule(rule, "reactor/src/a.rs", "use lunation_executor::x;", 1);
        check_rule(rule, "executor/src/a.rs", "fn a() { mio::x() }", 1);
    }

    #[test]
    fn manifest_direction() {
        let rule = super::manifest_direction;
        let good = "[dependencies]\nlunation-context.workspace = true\nmio = \"1\"\n";
        assert_eq!(rule("reactor/Cargo.toml", good).len(), 0);
        assert_eq!(rule("context/Cargo.toml", good).len(), 2);
        assert_eq!(rule("context/Cargo.toml", "[dev-dependencies]\nmio = \"1\"\n").len(), 0);
    }

    /// Violations of `text` at `path` in a crate with a, b (x, y) and c, in this order.
    fn faults(path: &str, text: &str) -> usize {
        let lib = Source::new("context/src/lib.rs", "mod a; pub mod b; mod c; #[cfg(test)] mod t;");
        let folder = Source::new("context/src/b/mod.rs", "mod x; mod y;");
        let tree = Tree::new([&lib, &folder]);
        super::module_direction(&tree, &Source::new(path, text)).len()
    }

    #[test]
    fn module_direction() {
        let b = "context/src/b/x.rs";
        assert_eq!(faults("context/src/lib.rs", "pub use crate::{a::A, c::C};"), 0);
        assert_eq!(faults("context/src/b/mod.rs", "pub use crate::{a::A, b::y::Y};"), 0);
        assert_eq!(faults("context/src/c.rs", "use crate::{a::{A, B as D}, b::Y};"), 0);
        assert_eq!(
            faults("context/src/c.rs", "mod i { use super::super::b::Y; use super::Z; }"),
            0
        );
        assert_eq!(faults("context/src/a.rs", "use crate::{a::A, b::{x::X, self}};"), 2);
        assert_eq!(faults("context/src/a.rs", "fn f() { crate::c::f::<u8>() }"), 1);
        assert_eq!(faults("context/src/a.rs", "pub(in crate::c) fn f() {}"), 0);
        assert_eq!(faults("context/src/a.rs", "#[cfg(test)] mod t { use crate::c::C; }"), 0);
        assert_eq!(faults("context/src/a.rs", "macro_rules! m { () => { $crate::b::Y } }"), 0);
        assert_eq!(faults("context/src/c.rs", "use crate::A;"), 1, "through the crate root");
        assert_eq!(faults(b, "use super::y::Y;"), 1, "a sibling declared below");
        assert_eq!(faults(b, "use crate::b::Y;"), 1, "through the folder's own mod.rs");
        assert_eq!(faults("context/src/b/y.rs", "use super::x::X; use crate::a::A;"), 0);
    }
}
