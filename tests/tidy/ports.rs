//! The list of Node's ported tests tells the truth: its counts are those of its rows, each port
//! exists under its name with the assertions that the list says, and none is missing from it.

/// One of Node's test files, as the list has it.
#[derive(Clone, Copy)]
struct Row<'a> {
    line: usize,
    file: &'a str,
    expected: &'a str,
    here: &'a str,
    asserts: &'a str,
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect()
}

fn rows(list: &str) -> Vec<Row<'_>> {
    let parse = |(index, line)| match cells(line)[..] {
        [file, expected, here, asserts] if file.starts_with("test-") => {
            Some(Row { line: index + 1, file, expected, here, asserts })
        }
        _ => None,
    };
    list.lines().enumerate().filter_map(parse).collect()
}

impl<'a> Row<'a> {
    /// Its column in the table of counts; `None`: the status is none of the four.
    fn column(&self) -> Option<usize> {
        let is = |status| self.here.starts_with(status);
        match self.here {
            _ if is("ported") => Some(usize::from(self.here.contains("DIFFERENCE"))),
            _ if is("left out: ") => Some(2),
            _ if is("later") => Some(3),
            _ => None,
        }
    }

    /// The module, if it is named, and the test.
    fn port(&self) -> Option<(Option<&'a str>, &'a str)> {
        let quoted: Vec<&str> = self.here.split('`').skip(1).step_by(2).collect();
        match quoted[..] {
            [module, test, ..] if self.here.starts_with("ported: ") => Some((Some(module), test)),
            [test, ..] if self.here.starts_with("ported as ") => Some((None, test)),
            _ => None,
        }
    }
}

/// A name without what differs between Node's files and functions here.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// The numbers in the table at the top are those of the rows.
pub(crate) fn counts(path: &str, list: &str) -> Vec<String> {
    let rows = rows(list);
    let mut found = Vec::new();
    for row in rows.iter().filter(|row| row.column().is_none()) {
        found.push(format!("{path}:{}: `{}` is no status", row.line, row.here));
    }
    for expected in ["yes", "partly", "no"] {
        let count = |column| {
            let is_in = |row: &&Row<'_>| row.expected == expected && row.column() == Some(column);
            rows.iter().filter(is_in).count()
        };
        let [ported, different, left_out, later] = [0, 1, 2, 3].map(count);
        let line = format!("| {expected} | {ported} | {different} | {left_out} | {later} |");
        if !list.lines().any(|other| other == line) {
            found.push(format!("{path}:1: the table of counts lacks `{line}`"));
        }
    }
    if !list.contains(&format!("The {} files", rows.len())) {
        found.push(format!("{path}:1: there are {} files", rows.len()));
    }
    found
}

/// The ports, in files of (module, text), are what the rows say.
pub(crate) fn ports(path: &str, list: &str, modules: &[(&str, &str)]) -> Vec<String> {
    let rows = rows(list);
    let mut found = Vec::new();
    for row in rows.iter().filter(|row| row.here.starts_with("ported")) {
        let faults = match row.port() {
            Some((Some(module), test)) => port_faults(row, test, module, modules),
            Some((None, test)) if modules.iter().any(|(_, text)| body(text, test).is_some()) => {
                None
            }
            _ => Some("names no test".into()),
        };
        found.extend(faults.map(|fault| format!("{path}:{}: `{}` {fault}", row.line, row.file)));
    }
    for (module, text) in modules {
        let tests =
            text.split("\nfn ").filter_map(|text| text.split_once('(')).map(|(name, _)| name);
        let is_listed =
            |test: &&str| rows.iter().any(|row| row.port() == Some((Some(*module), *test)));
        let missing = tests.filter(|name| name.starts_with("test_") && !is_listed(name));
        found.extend(missing.map(|test| format!("{path}:1: no row has `{module}`, `{test}`")));
    }
    found
}

fn port_faults(
    row: &Row<'_>,
    test: &str,
    module: &str,
    modules: &[(&str, &str)],
) -> Option<String> {
    // Two folders of Node's have files of one name: one of the ports says more.
    if !letters(test).starts_with(&letters(row.file)) {
        return Some(format!("is not called `{test}`"));
    }
    let text = modules.iter().find(|(name, _)| *name == module).map(|(_, text)| text);
    let Some(body) = text.and_then(|text| body(text, test)) else {
        return Some(format!("has no `{test}` in `{module}`"));
    };
    let comment: String =
        body.lines().skip(1).map_while(|line| line.trim().strip_prefix("//")).collect();
    let said = row.asserts.replace(" / ", " there, ");
    let is_said = comment.contains(&format!("Assertions: {said} here"));
    (!is_said).then(|| format!("has other numbers of assertions than its port: {comment}"))
}

/// The text from a function's name on.
fn body<'a>(text: &'a str, function: &str) -> Option<&'a str> {
    let start = text.find(&format!("\nfn {function}("))?;
    Some(&text[start + 1..])
}

#[cfg(test)]
mod samples {
    const LIST: &str = "The 3 files of\n\n| yes | 1 | 0 | 1 | 0 |\n| partly | 0 | 1 | 0 | 0 |\n\
        | no | 0 | 0 | 0 | 0 |\n\n\
        | test-a.getB | yes | ported: `x`, `test_a_get_b` | 2 / 1 |\n\
        | test-c | yes | left out: types |  |\n\
        | test-d | partly | ported as `test_a_get_b`: DIFFERENCE | 2 / 1 |\n";
    const TEXT: &str = "//! x\n\n#[test]\nfn test_a_get_b() {\n    // Node: test-a.getB.\n    \
        // Assertions: 2 there, 1\n    // here; left out: b.\n    assert!(true);\n}\n";

    #[test]
    fn counts() {
        let count = |list: &str| super::counts("R.md", list).len();
        assert_eq!(count(LIST), 0);
        assert_eq!(count(&LIST.replace("yes | 1", "yes | 2")), 1);
        assert_eq!(count(&LIST.replace("The 3", "The 4")), 1);
        assert_eq!(count(&LIST.replace("left out: types", "perhaps")), 2);
    }

    #[test]
    fn ports() {
        let count = |list: &str, text: &str| super::ports("R.md", list, &[("x", text)]).len();
        assert_eq!(count(LIST, TEXT), 0);
        assert_eq!(count(LIST, &TEXT.replace("2 there", "3 there")), 1);
        assert_eq!(count(LIST, &[TEXT, "#[test]\nfn test_e() {\n}\n"].concat()), 1);
        assert_eq!(count(&LIST.replace("test-a.getB", "test-a.getC"), TEXT), 1);
        assert_eq!(count(&LIST.replace("as `test_a_get_b`", "as `test_f`"), TEXT), 1);
        assert_eq!(count(&LIST.replace("`x`", "`y`"), TEXT), 2);
    }
}
