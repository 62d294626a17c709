//! Reads Rust sources as tokens, without comments, literals and `#[cfg(test)]` items.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A name, a number, `::`, or one other character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// A source file, tests cut out.
pub struct SourceFile {
    /// Below the workspace, with `/`.
    pub path: String,
    pub text: String,
    pub tokens: Vec<Token>,
    /// Lines that are not tests.
    pub lines: usize,
    /// Where the modules are that another file declares below `#[cfg(test)]`.
    test_modules: Vec<String>,
    is_test: bool,
}

impl SourceFile {
    pub fn new(path: &str, text: &str) -> Self {
        let mut file = Self::with_tests(path, text);
        let cut = cut_tests(&mut file.tokens);
        file.lines -= cut.lines;
        let folder =
            path.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/lib").trim_end_matches("/main");
        file.test_modules = cut.modules.iter().map(|module| format!("{folder}/{module}")).collect();
        file
    }

    /// The same, with the tests in it.
    pub fn with_tests(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            tokens: tokens(text),
            lines: text.lines().count(),
            test_modules: Vec::new(),
            is_test: path.ends_with("tests.rs") || path.split('/').any(|folder| folder == "tests"),
        }
    }

    /// Whether the file as a whole is a test: by its name (`*tests.rs`, `tests/`) or because it is declared as one.
    pub fn is_test(&self) -> bool {
        self.is_test
    }

    /// Whether the file is `module` or lies below it.
    fn belongs_to(&self, module: &str) -> bool {
        self.path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }

    /// `http` for `src/http/orders.rs` below `src`; nothing for the roots `lib.rs` and `main.rs`.
    pub fn module(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        let first = below.split('/').next()?.trim_end_matches(".rs");
        (first != "lib" && first != "main").then_some(first)
    }

    /// Whether the file is a module of the crate's root, so that `super` is the root.
    fn is_top_level(&self) -> bool {
        let below = self.path.trim_start_matches("src/");
        below.split('/').count() == 1 || (below.split('/').count() == 2 && below.ends_with("/mod.rs"))
    }

    /// The modules of the crate's root that the file names, each with the line: `crate::a`, `crate::{a, b::c}`, and
    /// `super::a` where that leads to the root.
    pub fn named_modules(&self) -> Vec<(&str, usize)> {
        let mut named = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let from_root = token.text == "crate" || (token.text == "super" && self.is_top_level());
            if from_root && self.text_at(at + 1) == "::" {
                self.names_after(at + 2, &mut named);
            }
        }
        named
    }

    /// The lines where `name` is used as a crate: `name::...` or `use name`.
    pub fn uses_of_crate(&self, name: &str) -> Vec<usize> {
        let used = |at: usize| {
            let before = at.checked_sub(1).map_or("", |at| self.text_at(at));
            before == "use"
                || (self.text_at(at + 1) == "::" && (before != "::" || self.text_at(at.saturating_sub(2)) == "use"))
        };
        self.tokens
            .iter()
            .enumerate()
            .filter(|(at, token)| token.text == name && used(*at))
            .map(|(_, token)| token.line)
            .collect()
    }

    /// The lines where this sequence of tokens starts.
    pub fn occurrences(&self, sequence: &[&str]) -> Vec<usize> {
        let here = |window: &[Token]| window.iter().zip(sequence).all(|(token, text)| token.text == *text);
        self.tokens.windows(sequence.len()).filter(|window| here(window)).map(|window| window[0].line).collect()
    }

    fn names_after<'a>(&'a self, at: usize, named: &mut Vec<(&'a str, usize)>) {
        let Some(first) = self.tokens.get(at) else { return };
        if first.text != "{" {
            named.push((&first.text, first.line));
            return;
        }
        let mut depth = 0;
        for at in at..self.tokens.len() {
            match self.text_at(at) {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
            if depth == 1 && matches!(self.text_at(at), "{" | ",") && !matches!(self.text_at(at + 1), "}" | "{" | "") {
                named.push((self.text_at(at + 1), self.tokens[at + 1].line));
            }
        }
    }

    fn text_at(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }
}

/// Every Rust file below a folder of the workspace, which may be missing.
pub fn sources(folder: &str) -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = vec![root.join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                files.push(SourceFile::new(&below, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    mark_tests(&mut files);
    files
}

/// Marks the files that others declare below `#[cfg(test)]`.
pub fn mark_tests(files: &mut [SourceFile]) {
    let modules: Vec<String> = files.iter().flat_map(|file| file.test_modules.clone()).collect();
    for file in files {
        file.is_test |= modules.iter().any(|module| file.belongs_to(module));
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut rest = text;
    let mut line = 1;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (length, is_token) = match first {
            _ if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            _ if rest.starts_with("/*") => (block_comment(rest), false),
            _ if rest.starts_with("::") => (2, true),
            '"' => (quoted(rest), false),
            '\'' => (character_or_lifetime(rest), false),
            _ if word(first) => match literal_with_prefix(rest) {
                Some(length) => (length, false),
                None => (rest.find(|c: char| !word(c)).unwrap_or(rest.len()), true),
            },
            _ => (first.len_utf8(), !first.is_whitespace()),
        };
        let (token, after) = rest.split_at(length);
        if is_token {
            tokens.push(Token { text: token.to_owned(), line });
        }
        line += token.matches('\n').count();
        rest = after;
    }
    tokens
}

fn word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a text in quotes, escapes minded.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `'x'` and `'\n'` whole; of a lifetime the tick and its name.
fn character_or_lifetime(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            text[from..].find('\'').map_or(text.len(), |at| from + at + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1 + text[1..].find(|c: char| !word(c)).unwrap_or(text.len() - 1),
    }
}

/// The length of `r"..."`, `r#"..."#`, `b"..."`, `br"..."`, `c"..."`, `b'x'`.
fn literal_with_prefix(text: &str) -> Option<usize> {
    let prefix = text.find(|c: char| !matches!(c, 'b' | 'c' | 'r'))?;
    let (letters, rest) = text.split_at(prefix);
    if !matches!(letters, "r" | "b" | "c" | "br" | "cr") {
        return None;
    }
    if letters == "b" && rest.starts_with('\'') {
        return Some(prefix + character_or_lifetime(rest));
    }
    if !letters.contains('r') {
        return rest.starts_with('"').then(|| prefix + quoted(rest));
    }
    let hashes = rest.find(|c| c != '#')?;
    if !rest[hashes..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = &rest[hashes + 1..];
    Some(body.find(&end).map_or(text.len(), |at| prefix + hashes + 1 + at + end.len()))
}

/// What was cut out of a file.
#[derive(Default)]
struct Cut {
    lines: usize,
    /// The names in `mod name;`.
    modules: Vec<String>,
}

/// Takes every item under `#[cfg(test)]` out.
fn cut_tests(tokens: &mut Vec<Token>) -> Cut {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let is_test = |window: &[Token]| window.iter().map(|token| &*token.text).eq(TEST);
    let mut cut = Cut::default();
    while let Some(start) = tokens.windows(TEST.len()).position(is_test) {
        let end = item_end(tokens, start + TEST.len());
        let item: Vec<Token> = tokens.drain(start..end).collect();
        cut.lines += item[item.len() - 1].line - item[0].line + 1;
        if let [.., keyword, name, semicolon] = &item[..]
            && keyword.text == "mod"
            && semicolon.text == ";"
        {
            cut.modules.push(name.text.clone());
        }
    }
    cut
}

/// Where the item that starts at `from` ends: behind its `;` or its closing brace. Attributes belong to it.
fn item_end(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match &*token.text {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}
