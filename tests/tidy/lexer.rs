//! A small Rust lexer: tokens with their lines on one side, comments on the other.
//!
//! It knows strings, raw strings, characters, lifetimes and nested comments, which is all the rules
//! need so that a word in a comment or a string is never taken for code, or the other way round.

/// One token of code. Strings and characters keep only their quote; puncts are one character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

impl Token<'_> {
    /// Whether this is an identifier or a keyword.
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// One comment with its markers, at the line where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Comment<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// Splits `text` into tokens and comments.
pub(crate) fn lex(text: &str) -> (Vec<Token<'_>>, Vec<Comment<'_>>) {
    let mut lexer = Lexer { text, at: 0, line: 1, tokens: Vec::new(), comments: Vec::new() };
    while lexer.at < text.len() {
        lexer.step();
    }
    (lexer.tokens, lexer.comments)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    tokens: Vec<Token<'a>>,
    comments: Vec<Comment<'a>>,
}

impl<'a> Lexer<'a> {
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        let first = rest.chars().next().expect("not at the end");
        if first.is_whitespace() {
            self.advance(first.len_utf8());
        } else if rest.starts_with("//") {
            self.comment(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.comment(block_comment(rest));
        } else if let Some(length) = string(rest) {
            self.token(length, Some("\""));
        } else if let Some(length) = character(rest) {
            self.token(length, Some("'"));
        } else if let Some(name) = rest.strip_prefix("r#") {
            self.advance(2);
            self.token(word(name), None);
        } else if first.is_ascii_digit() {
            self.token(number(rest), None);
        } else if first.is_alphabetic() || first == '_' {
            self.token(word(rest), None);
        } else if first == '\'' {
            self.token(1 + word(&rest[1..]), None);
        } else {
            self.token(first.len_utf8(), None);
        }
    }

    fn token(&mut self, length: usize, shown: Option<&'static str>) {
        let text = shown.unwrap_or(&self.text[self.at..self.at + length]);
        self.tokens.push(Token { text, line: self.line });
        self.advance(length);
    }

    fn comment(&mut self, length: usize) {
        let text = &self.text[self.at..self.at + length];
        self.comments.push(Comment { text, line: self.line });
        self.advance(length);
    }

    fn advance(&mut self, length: usize) {
        let passed = &self.text[self.at..self.at + length];
        self.line += passed.matches('\n').count();
        self.at += length;
    }
}

/// Length of the identifier at the start.
fn word(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
}

/// Length of the number at the start; a range such as `0..9` is not one.
fn number(rest: &str) -> usize {
    let whole = word(rest);
    match rest[whole..].strip_prefix('.') {
        Some(tail) if tail.starts_with(|c: char| c.is_ascii_digit()) => whole + 1 + word(tail),
        _ => whole,
    }
}

/// Length of the nested block comment at the start.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Length of the string literal at the start, with any of the prefixes `b`, `c`, `r`, `br`, `cr`.
fn string(rest: &str) -> Option<usize> {
    let prefix = rest.find(|c| !matches!(c, 'b' | 'c' | 'r')).filter(|length| *length <= 2)?;
    let raw = rest[..prefix].ends_with('r');
    let body = &rest[prefix..];
    if raw {
        let hashes = body.find(|c| c != '#')?;
        let inner = body[hashes..].strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        let end = inner.find(&close).map_or(inner.len(), |end| end + close.len());
        return Some(prefix + hashes + 1 + end);
    }
    let inner = body.strip_prefix('"')?;
    Some(prefix + 1 + quoted(inner, b'"'))
}

/// Length of the character or byte literal at the start; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let prefix = usize::from(rest.starts_with("b'"));
    let inner = rest[prefix..].strip_prefix('\'')?;
    let first = inner.chars().next()?;
    let is_literal = first == '\\' || inner[first.len_utf8()..].starts_with('\'');
    is_literal.then(|| prefix + 1 + quoted(inner, b'\''))
}

/// Length up to and with the closing quote, escapes skipped.
fn quoted(inner: &str, quote: u8) -> usize {
    let mut bytes = inner.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte == b'\\' {
            bytes.next();
        } else if byte == quote {
            return at + 1;
        }
    }
    inner.len()
}

#[test]
fn words_in_strings_and_comments_are_no_tokens() {
    let first = "let a = \"x // unsafe\"; /* unsafe /* nested */ still */ r#\"un\"safe\"#";
    let text = format!("{first} // unsafe\n'\\'' 'a b");
    let (tokens, comments) = lex(&text);
    let texts: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    assert_eq!(texts, ["let", "a", "=", "\"", ";", "\"", "'", "'a", "b"]);
    assert_eq!(comments.len(), 2);
    assert_eq!((tokens[5].line, tokens[6].line), (1, 2));
}

#[test]
fn ranges_and_raw_identifiers() {
    let (tokens, _) = lex("0..9 1.5 r#type b'x' br\"y\"");
    let texts: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    assert_eq!(texts, ["0", ".", ".", "9", "1.5", "type", "'", "\""]);
}
