//! Reads Rust sources: which paths a file names.

use std::{collections::BTreeMap, fs, path::Path};

/// A source file without its comments and without the tests at its end.
pub struct Source {
    /// Below the workspace.
    pub path: String,
    pub code: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        Self { path: path.to_owned(), code: code.lines().filter(is_code).collect::<Vec<_>>().join("\n") }
    }

    /// Whether the file is for tests alone, by its name.
    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.ends_with("tests.rs") || ["examples.rs", "given_when_then.rs"].contains(&name)
    }

    /// The place of its module below the crate: `["http", "orders"]` for `src/http/orders.rs`.
    pub fn module(&self) -> Vec<String> {
        let below = self.path.split_once("src/").map_or("", |(_, below)| below).trim_end_matches(".rs");
        below.split('/').filter(|name| !["mod", "lib", "main"].contains(name)).map(str::to_owned).collect()
    }

    /// Every path that begins with `root`, such as `crate`, in full: `crate::{a, b::C}` are two.
    pub fn paths(&self, root: &str) -> Vec<String> {
        let mut paths = Vec::new();
        let start = format!("{root}::");
        for (at, _) in self.code.match_indices(&start) {
            let before = self.code[..at].trim_end_matches("self::");
            if !before.ends_with(|before: char| is_name(before) || before == ':') {
                expand(root, &self.code[at + root.len()..], &mut paths);
            }
        }
        paths
    }

    /// Whether a crate is named: in a path, or alone behind `use`.
    pub fn names_crate(&self, name: &str) -> bool {
        !self.paths(name).is_empty() || self.code.contains(&format!("use {name};"))
    }
}

/// Every Rust file below a folder of the workspace.
pub fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    let mut files = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root).unwrap().to_str().unwrap();
                files.insert(below.to_owned(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    files.iter().map(|(path, text)| Source::new(path, text)).collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Follows a path, or each of its branches, to its end.
fn expand(path: &str, rest: &str, paths: &mut Vec<String>) {
    let Some(rest) = rest.strip_prefix("::") else { return paths.push(path.to_owned()) };
    if let Some(rest) = rest.strip_prefix('{') {
        let (mut depth, mut from) = (0, 0);
        for (at, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                ',' | '}' if depth == 0 => {
                    let branch = rest[from..at].trim();
                    if !branch.is_empty() {
                        expand(path, &format!("::{branch}"), paths);
                    }
                    from = at + 1;
                    if c == '}' {
                        return;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        return;
    }
    let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
    match &rest[..end] {
        // `*`, `self`, a turbofish.
        "" | "self" => paths.push(path.to_owned()),
        name => expand(&format!("{path}::{name}"), &rest[end..], paths),
    }
}
