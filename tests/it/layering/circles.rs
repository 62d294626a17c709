//! Files that name each other, directly or by way of others.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::Source;

/// The circles that the architecture explains: lines of a list that begin with the paths of their files.
pub fn explained(architecture: &str) -> Vec<BTreeSet<String>> {
    let section = architecture.split("\n## Circles\n").nth(1).expect("circles are explained");
    let section = section.split("\n## ").next().unwrap_or_default();
    let items = section.split("\n- ").skip(1).filter_map(|item| item.split_once("`:"));
    let paths =
        |(files, _): (&str, &str)| files.split('`').filter(|path| path.contains("src/")).map(str::to_owned).collect();
    items.map(paths).collect()
}

/// The circles between the files of one crate.
pub fn find(files: &[Source]) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        files.iter().map(|file| (&*file.path, reachable(files, file))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (file, others) in &reach {
        let back = others.iter().filter(|other| reach[**other].contains(file));
        let circle: BTreeSet<_> = back.map(|other| (*other).to_owned()).collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

fn reachable<'f>(files: &'f [Source], from: &'f Source) -> BTreeSet<&'f str> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        next.extend(named(files, file).into_iter().filter(|other| reached.insert(&*other.path)));
    }
    reached
}

/// The files whose items a file names. A file that only lists modules and passes names on stands for those that have them; a
/// file and those in the folder of its name are one thing in parts.
fn named<'f>(files: &'f [Source], file: &Source) -> Vec<&'f Source> {
    let module = file.module();
    let below =
        |root: &[String], path: &str| [root, &path.split("::").skip(1).map(str::to_owned).collect::<Vec<_>>()].concat();
    let parent = &module[..module.len().saturating_sub(1)];
    let of_crate = file.paths("crate").into_iter().map(|path| below(&[], &path));
    let of_parent = file.paths("super").into_iter().map(|path| below(parent, &path));
    let owners = of_crate.chain(of_parent).filter_map(|path| owner(files, &path, 0));
    owners.filter(|other| !module.starts_with(&other.module())).collect()
}

/// The file that has the item of this path.
fn owner<'f>(files: &'f [Source], path: &[String], depth: usize) -> Option<&'f Source> {
    let (file, item) = (0..=path.len()).rev().find_map(|end| {
        let file = files.iter().find(|file| file.module() == path[..end] && !file.path.ends_with("/main.rs"))?;
        Some((file, path.get(end)))
    })?;
    if !file.path.ends_with("/mod.rs") && !file.path.ends_with("/lib.rs") {
        return Some(file);
    }
    // Passed on by `pub use self::name::Item` or `pub use name::Item`.
    let (module, item) = (file.module(), item.filter(|_| depth < 4)?);
    let is_child = |other: &&Source| other.module().split_last().is_some_and(|(_, parent)| parent == module);
    let mut passed = files.iter().filter(is_child).flat_map(|child| file.paths(&child.module()[module.len()]));
    let passed = passed.find(|path| path.ends_with(&format!("::{item}")))?;
    owner(files, &[module, passed.split("::").map(str::to_owned).collect()].concat(), depth + 1)
}
