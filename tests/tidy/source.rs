//! One source file as the rules see it, and the walk that finds them all.

use crate::lexer::{self, Comment, Token};
use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

/// A Rust file: its path relative to the workspace (with `/`), its text and what was read from it.
pub(crate) struct Source<'a> {
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
    pub(crate) tokens: Vec<Token<'a>>,
    pub(crate) comments: Vec<Comment<'a>>,
    /// Token ranges of items under `#[cfg(test)]` or `#[cfg(loom)]`.
    pub(crate) tests: Vec<Range<usize>>,
}

/// A function with a body.
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    /// First line, that of `fn`, and last line, that of the closing brace.
    pub(crate) lines: Range<usize>,
    pub(crate) body: Range<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(path: &'a str, text: &'a str) -> Source<'a> {
        let (tokens, comments) = lexer::lex(text);
        let mut source = Source { path, text, tokens, comments, tests: Vec::new() };
        source.tests = source.test_items();
        source
    }

    /// Whether the file is library code: under a `src/` and not a file of tests.
    pub(crate) fn is_library(&self) -> bool {
        let mut parts = self.path.split('/');
        let in_src = parts.any(|part| part == "src");
        in_src && !self.path.starts_with("benches/") && !self.is_test_file()
    }

    pub(crate) fn is_test_file(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    pub(crate) fn is_test_token(&self, at: usize) -> bool {
        self.is_test_file() || self.tests.iter().any(|range| range.contains(&at))
    }

    /// The words and puncts from `at` on equal `expected`, separated by blanks.
    pub(crate) fn is_at(&self, at: usize, expected: &str) -> bool {
        let mut wanted = expected.split(' ');
        let found = wanted.by_ref().zip(at..).all(|(text, at)| self.text_at(at) == text);
        found && wanted.next().is_none()
    }

    pub(crate) fn text_at(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |token| token.text)
    }

    /// Indices of the places where `expected` (see [`Source::is_at`]) stands.
    pub(crate) fn find(&self, expected: &str) -> Vec<usize> {
        (0..self.tokens.len()).filter(|at| self.is_at(*at, expected)).collect()
    }

    /// Says `message` about the token at `at`.
    pub(crate) fn violation(&self, at: usize, message: &str) -> String {
        format!("{}:{}: {message}", self.path, self.tokens[at].line)
    }

    pub(crate) fn functions(&self) -> Vec<Function<'a>> {
        let is_named = |at: &usize| self.tokens.get(at + 1).is_some_and(Token::is_word);
        self.find("fn").into_iter().filter(is_named).filter_map(|at| self.function(at)).collect()
    }

    fn function(&self, at: usize) -> Option<Function<'a>> {
        let end = self.item_end(at);
        let open = self.body_start(at).filter(|open| *open < end)?;
        let lines = self.tokens[at].line..self.tokens[end - 1].line;
        Some(Function { name: self.text_at(at + 1), lines, body: open..end })
    }

    /// The first `{` outside parentheses and brackets, if it comes before a `;`.
    fn body_start(&self, at: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (index, token) in self.tokens.iter().enumerate().skip(at) {
            match token.text {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                ";" if depth == 0 => return None,
                "{" if depth == 0 => return Some(index),
                _ => {}
            }
        }
        None
    }

    /// The index behind the item that starts at `at`: behind its `;` or its closing brace.
    pub(crate) fn item_end(&self, at: usize) -> usize {
        if let Some(open) = self.body_start(at) {
            return self.close(open);
        }
        let semicolon = (at..self.tokens.len()).find(|index| self.text_at(*index) == ";");
        semicolon.map_or(self.tokens.len(), |index| index + 1)
    }

    /// The index behind the bracket that closes the one at `open`.
    pub(crate) fn close(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (index, token) in self.tokens.iter().enumerate().skip(open) {
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return index + 1;
            }
        }
        self.tokens.len()
    }

    /// The index behind the first parenthesis from `at` on.
    pub(crate) fn item_parenthesis(&self, at: usize) -> usize {
        let open = (at..self.tokens.len()).find(|index| self.text_at(*index) == "(");
        open.map_or(at, |open| self.close(open))
    }

    fn test_items(&self) -> Vec<Range<usize>> {
        let attributes = self.find("# [ cfg (").into_iter();
        attributes
            .filter(|at| self.asks_for_test(*at))
            .map(|at| at..self.attributed_end(at))
            .collect()
    }

    fn asks_for_test(&self, attribute: usize) -> bool {
        let inside = attribute + 4..self.close(attribute + 3);
        let is_asked = |at: usize| ["test", "loom"].contains(&self.text_at(at));
        inside.into_iter().any(|at| is_asked(at) && self.text_at(at - 2) != "not")
    }

    /// The end of the item that the attribute at `at` and those behind it belong to.
    fn attributed_end(&self, mut at: usize) -> usize {
        while self.is_at(at, "# [") {
            at = self.close(at + 1);
        }
        self.item_end(at)
    }
}

/// All files of the workspace with one of these `endings`, as (relative path, text), sorted.
pub(crate) fn files(root: &Path, endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace is readable") {
            let path = entry.expect("a folder entry is readable").path();
            if path.is_dir() {
                folders.extend(Some(path).filter(|path| !is_skipped(path)));
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                found.push(read(root, path));
            }
        }
    }
    found.sort();
    found
}

fn read(root: &Path, path: PathBuf) -> (String, String) {
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let relative = path.strip_prefix(root).expect("the walk started at the root");
    (relative.to_string_lossy().replace('\\', "/"), text)
}

/// Build output, corpora and dot-folders are not ours to check.
fn is_skipped(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || ["target", "corpus", "artifacts"].contains(&&*name)
}

#[test]
fn functions_and_test_items_are_found() {
    let text =
        "fn a(x: [u8; 2]) { if x {} }\ntrait T { fn b(); }\n#[cfg(test)]\nmod t {\nfn c() {\n}\n}";
    let source = Source::new("context/src/a.rs", text);
    let functions = source.functions();
    let names: Vec<_> = functions.iter().map(|f| (f.name, f.lines.clone())).collect();
    assert_eq!(names, [("a", 1..1), ("c", 5..6)]);
    assert!(!source.is_test_token(functions[0].body.start));
    assert!(source.is_test_token(functions[1].body.start));
}
