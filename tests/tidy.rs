//! The rules of this code base that no lint checks, each with a sample that breaks it.
//!
//! A rule is a function from a file to its violations. The tests here apply the rules to the whole
//! workspace; the unit tests beside each rule hold one sample that passes and one that fails.

#[path = "tidy/fence.rs"]
mod fence;
#[path = "tidy/lexer.rs"]
mod lexer;
#[path = "tidy/map.rs"]
mod map;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/ports.rs"]
mod ports;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/text.rs"]
mod text;

use source::Source;
use std::{fs, io::Write, path::Path};

type Rule = fn(&Source<'_>) -> Vec<String>;

/// Expects `rule` to find `count` violations in a file of this path and text.
#[cfg(test)]
fn check_rule(rule: Rule, path: &str, text: &str, count: usize) {
    let found = rule(&Source::new(path, text));
    assert_eq!(found.len(), count, "in {path}: {text}\n{found:#?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs `check` with all Rust files of the workspace and expects it to find nothing.
fn check_sources(check: impl Fn(&[Source<'_>]) -> Vec<String>) {
    let files = source::files(root(), &[".rs"]);
    let sources: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    expect_none(check(&sources));
}

fn check_each(rule: Rule) {
    check_sources(|sources| sources.iter().flat_map(rule).collect());
}

fn expect_none(violations: Vec<String>) {
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    check_each(text::module_docs);
}

#[test]
fn files_functions_and_lines_are_short() {
    check_each(text::sizes);
    check_each(text::function_sizes);
}

#[test]
fn nothing_is_unfinished() {
    check_each(text::unfinished);
}

#[test]
fn code_is_plain() {
    check_each(text::features_in_bodies);
    check_each(text::macros_around_items);
    check_each(text::parent_globs);
}

#[test]
fn crates_import_in_one_direction() {
    check_each(modules::crate_direction);
    let manifests = source::files(root(), &["Cargo.toml"]);
    let faults = manifests.iter().flat_map(|(path, text)| modules::manifest_direction(path, text));
    expect_none(faults.collect());
}

#[test]
fn modules_import_from_those_above() {
    check_sources(|sources| {
        let tree = modules::Tree::new(sources);
        sources.iter().flat_map(|file| modules::module_direction(&tree, file)).collect()
    });
}

#[test]
fn unsafe_code_stays_in_its_files() {
    check_each(fence::unsafe_fence);
    check_each(fence::crate_roots);
    check_sources(|sources| {
        let is_used = |path: &str| {
            let file = sources.iter().find(|file| file.path == path);
            file.is_some_and(|file| fence::count_unsafe(file) != fence::UnsafeCount::default())
        };
        let stale = fence::UNSAFE_FILES.iter().filter(|path| !is_used(path));
        stale.map(|path| format!("{path}: no unsafe code: take it off the list")).collect()
    });
}

/// Prints how much there is to prove, past the capture of the test harness.
#[test]
fn unsafe_code_is_counted() {
    check_sources(|sources| {
        for file in sources.iter().filter(|file| fence::UNSAFE_FILES.contains(&file.path)) {
            let fence::UnsafeCount { blocks, impls, functions } = fence::count_unsafe(file);
            let path = file.path;
            let line = format!("{path}: unsafe blocks {blocks}, impls {impls}, fns {functions}");
            writeln!(std::io::stderr(), "{line}").expect("stderr is open");
        }
        Vec::new()
    });
}

#[test]
fn globals_are_a_closed_list() {
    check_each(fence::global_list);
    check_sources(|sources| {
        let exists = |path: &str, name: &str| {
            let file = sources.iter().find(|file| file.path == path);
            file.is_some_and(|f| fence::globals(f).iter().any(|at| f.text_at(*at) == name))
        };
        let stale = fence::GLOBALS.iter().filter(|(path, name)| !exists(path, name));
        stale.map(|(path, name)| format!("{path}: no `{name}`: take it off the list")).collect()
    });
}

#[test]
fn the_documents_tell_the_truth() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect(name);
    let architecture = read("ARCHITECTURE.md");
    let exists = map::exists_in(root());
    expect_none(map::named_paths("ARCHITECTURE.md", &architecture, exists));
    expect_none(map::quick_start("README.md", &read("README.md")));
    check_sources(|sources| {
        let library = sources.iter().filter(|file| file.is_library()).map(|file| file.path);
        map::code_map(&architecture, &library.collect::<Vec<_>>())
    });
}

#[test]
fn the_ports_of_node_are_listed() {
    const FOLDER: &str = "tests/it/node/";
    let path = format!("{FOLDER}README.md");
    let list = fs::read_to_string(root().join(&path)).expect("the list");
    expect_none(ports::counts(&path, &list));
    check_sources(|sources| {
        let module = |file: &Source<'_>| {
            Some((
                file.path.strip_prefix(FOLDER)?.strip_suffix(".rs")?.to_owned(),
                file.text.to_owned(),
            ))
        };
        let modules: Vec<_> = sources.iter().filter_map(module).collect();
        let modules: Vec<_> = modules.iter().map(|(name, text)| (&**name, &**text)).collect();
        ports::ports(&path, &list, &modules)
    });
}

#[test]
fn no_path_of_one_machine() {
    let mut files = source::files(root(), &[".rs", ".md", ".toml", ".sh"]);
    files.push((".ci/run".into(), fs::read_to_string(root().join(".ci/run")).expect(".ci/run")));
    expect_none(files.iter().flat_map(|(path, text)| text::machine_paths(path, text)).collect());
}
