//! The programs of `examples/tour` print what their first lines say; and so do those for Node.

#[path = "http/program.rs"]
mod program;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use program::program;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/tour")
}

/// The text in the block of a program's first lines that begins with the fence.
fn block(name: &str, fence: &str) -> Option<String> {
    let source = fs::read_to_string(folder().join(name).with_extension("rs")).expect("a source");
    let documentation = source.lines().map_while(|line| line.strip_prefix("//!"));
    let text = documentation.skip_while(|line| line.trim() != fence).skip(1);
    let text: Vec<_> = text.take_while(|line| line.trim() != "```").collect();
    let text = text.iter().map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n");
    Some(text.collect::<String>()).filter(|text| !text.is_empty())
}

fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).expect("the folder of the tour");
    let paths = files.map(|file| file.expect("a file").path());
    let programs = paths.filter(|path| path.extension().is_some_and(|end| end == "cjs"));
    let name = |path: PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let mut names: Vec<_> = programs.map(name).collect();
    names.sort();
    names
}

/// Something about each program.
fn for_each(f: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    names().into_iter().map(|name| (name.clone(), f(&name))).collect()
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).expect("text")
}

#[test]
fn the_tour_lists_every_program_that_exists_for_node() {
    let listed = output(&mut Command::new(program("tour")));
    let mut listed: Vec<_> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, names());
}

#[test]
fn programs_print_what_they_say() {
    let printed = for_each(|name| output(Command::new(program("tour")).arg(name)));
    assert_eq!(printed, for_each(|name| block(name, "```text").expect("what it prints")));
}

#[test]
fn node_prints_the_same_or_what_is_said_of_it() {
    let Some(node) = env::var_os("NODE") else {
        return eprintln!("not checked: set NODE to the path of Node 26");
    };
    let source = |name: &str| folder().join(name).with_extension("cjs");
    let printed = for_each(|name| output(Command::new(&node).arg(source(name))));
    let said = |name: &str| block(name, "```text node").or_else(|| block(name, "```text"));
    assert_eq!(printed, for_each(|name| said(name).expect("what it prints")));
}
