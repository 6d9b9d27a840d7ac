//! No circle of files inside a folder: of two files that belong together, one can be read without the other.
//!
//! A file uses another one where it names an item of it, by `use` or by a path in the code. A name is followed through `pub use` to
//! the file that defines it. A file may use what its own folder's file (`mod.rs`, or `x.rs` beside the folder `x`) defines itself:
//! those are the words that the folder shares. What that file only passes on from elsewhere counts. Tests do not count.

use crate::tokens::tokens;
use crate::{Source, sources};
use std::collections::{BTreeMap, BTreeSet};

/// A module's path: `["pipe", "hwm"]`.
type Module = Vec<String>;

struct File {
    module: Module,
    /// Paths that it names: in a `pub use`, or in any other way.
    passed_on: Vec<Module>,
    used: Vec<Module>,
    /// Names of items that it defines.
    defined: BTreeSet<String>,
}

struct Files(BTreeMap<Module, File>);

#[test]
fn no_circle_of_files() {
    let files = Files::of(sources());
    let circles: Vec<String> = files.circles().iter().map(|circle| files.drawn(circle)).collect();
    assert!(circles.is_empty(), "circles:\n{}", circles.join("\n\n"));
}

impl Files {
    fn of(sources: Vec<Source>) -> Files {
        let modules: BTreeSet<Module> = sources.iter().map(|source| source.module.clone()).collect();
        let mut files = BTreeMap::new();
        for source in sources.into_iter().filter(|source| !is_for_tests(&source.module)) {
            let tokens = tokens(&source.text);
            files.insert(source.module.clone(), File::of(source.module, &tokens, &modules));
        }
        Files(files)
    }

    /// The file that defines what `path` names in `module`, if it is one of these.
    fn resolved(&self, module: &Module, path: &[String]) -> Option<Module> {
        let mut at = module.clone();
        match path.first()?.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            name if self.0.contains_key(&child(module, name)) => at.push(name.to_owned()),
            _ => return None,
        }
        let mut rest = &path[1..];
        while let Some(name) = rest.first() {
            if name == "super" {
                at.pop();
            } else if self.0.contains_key(&child(&at, name)) {
                at.push(name.clone());
            } else {
                break;
            }
            rest = &rest[1..];
        }
        if let Some(name) = rest.first()
            && let Some(file) = self.0.get(&at)
            && !file.defined.contains(name)
            && let Some(origin) = self.origin(file, name)
        {
            return Some(origin);
        }
        self.0.contains_key(&at).then_some(at)
    }

    /// Where a name comes from that `file` passes on.
    fn origin(&self, file: &File, name: &str) -> Option<Module> {
        let ends_in = |path: &Module, end: &str| path.last().is_some_and(|last| last == end);
        if let Some(path) = file.passed_on.iter().find(|path| ends_in(path, name)) {
            return self.resolved(&file.module, path).filter(|origin| *origin != file.module);
        }
        let globs = file.passed_on.iter().filter(|path| ends_in(path, "*"));
        globs
            .filter_map(|path| self.resolved(&file.module, path))
            .find(|origin| self.0.get(origin).is_some_and(|origin| origin.defined.contains(name)))
    }

    /// The other files that each uses, and by which name.
    fn uses(&self) -> BTreeMap<Module, BTreeMap<Module, String>> {
        let mut all: BTreeMap<Module, BTreeMap<Module, String>> = BTreeMap::new();
        for file in self.0.values() {
            let uses = all.entry(file.module.clone()).or_default();
            for path in file.used.iter().chain(&file.passed_on) {
                if let Some(other) = self.resolved(&file.module, path)
                    && !file.module.starts_with(&other)
                {
                    uses.insert(other, path.join("::"));
                }
            }
        }
        all
    }

    /// The largest sets of files each of which uses, directly or by way of others, each other.
    fn circles(&self) -> Vec<Vec<Module>> {
        let uses = self.uses();
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            uses.keys().map(|module| (module, reached(module, &uses))).collect();
        let mut circles: Vec<Vec<Module>> = Vec::new();
        for (module, others) in &reached {
            let leads_back =
                |other: &&&Module| reached.get(**other).is_some_and(|back| back.contains(module));
            let circle: Vec<Module> =
                others.iter().filter(leads_back).map(|other| (*other).clone()).collect();
            if !circle.is_empty() && !circles.contains(&circle) {
                circles.push(circle);
            }
        }
        circles
    }

    fn drawn(&self, circle: &[Module]) -> String {
        let uses = self.uses();
        let mut lines = Vec::new();
        for module in circle {
            let inside = uses.get(module).into_iter().flatten().filter(|(other, _)| circle.contains(other));
            for (other, path) in inside {
                lines.push(format!("    {} uses {} ({path})", module.join("/"), other.join("/")));
            }
        }
        lines.join("\n")
    }
}

fn reached<'a>(
    from: &'a Module,
    uses: &'a BTreeMap<Module, BTreeMap<Module, String>>,
) -> BTreeSet<&'a Module> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        for other in uses.get(module).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(other) {
                open.push(other);
            }
        }
    }
    found
}

fn child(module: &[String], name: &str) -> Module {
    let mut child = module.to_vec();
    child.push(name.to_owned());
    child
}

/// A file or folder of a name that only tests have. (`tokens` leaves out what is under `#[cfg(test)]` in other files.)
pub fn is_for_tests(module: &Module) -> bool {
    module.iter().any(|name| ["tests", "loom_tests", "testing", "floods", "counted"].contains(&name.as_str()))
}

impl File {
    fn of(module: Module, tokens: &[String], modules: &BTreeSet<Module>) -> File {
        let mut file = File { module, passed_on: Vec::new(), used: Vec::new(), defined: BTreeSet::new() };
        let mut at = 0;
        while at < tokens.len() {
            let token = tokens[at].as_str();
            let before = at.checked_sub(1).map_or("", |before| tokens[before].as_str());
            if token == "use" {
                let end = (at..tokens.len()).find(|at| tokens[*at] == ";").unwrap_or(tokens.len());
                let list = if is_public(before) { &mut file.passed_on } else { &mut file.used };
                list.extend(paths_of(&tokens[at + 1..end]));
                at = end;
            } else if before != "::" && before != "." && is_path(tokens, at) {
                let end = (at..tokens.len()).step_by(2).find(|at| !is_path(tokens, *at)).unwrap_or(at);
                if ["crate", "self", "super"].contains(&token)
                    || modules.contains(&child(&file.module, token))
                {
                    file.used.push(tokens[at..=end].iter().step_by(2).cloned().collect());
                }
                at = end;
            } else if ["fn", "struct", "enum", "union", "const", "static", "type", "trait"].contains(&token)
                && let Some(name) = tokens.get(at + 1)
            {
                file.defined.insert(name.clone());
            }
            at += 1;
        }
        file
    }
}

/// Behind `pub` or `pub(...)`.
fn is_public(before: &str) -> bool {
    before == "pub" || before == ")"
}

/// Whether a name stands at `at`, and `::` and another one behind it.
fn is_path(tokens: &[String], at: usize) -> bool {
    let is_name = |at: usize| {
        tokens.get(at).is_some_and(|token| token.starts_with(|c: char| c.is_alphabetic() || c == '_'))
    };
    is_name(at) && tokens.get(at + 1).is_some_and(|token| token == "::") && is_name(at + 2)
}

/// The paths of a `use`: `a::{b, c::{d, e as f}}` are `a::b`, `a::c::d` and `a::c::e`.
fn paths_of(tree: &[String]) -> Vec<Module> {
    let open = tree.iter().position(|token| token == "{");
    let before: Module = tree[..open.unwrap_or(tree.len())]
        .iter()
        .take_while(|token| *token != "as")
        .filter(|token| *token != "::")
        .cloned()
        .collect();
    let Some(open) = open else { return vec![before] };
    let (mut paths, mut depth, mut from) = (Vec::new(), 0, open + 1);
    for (at, token) in tree.iter().enumerate().skip(open + 1) {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth > 0 => depth -= 1,
            "," | "}" if depth == 0 => {
                for path in paths_of(&tree[from..at]).into_iter().filter(|path| !path.is_empty()) {
                    let own = if path == ["self"] { Vec::new() } else { path };
                    paths.push([before.clone(), own].concat());
                }
                from = at + 1;
            }
            _ => {}
        }
    }
    paths
}

#[test]
fn a_circle_is_seen_in_each_way_to_name_a_file() {
    let source = |module: &[&str], text: &str| Source {
        file: module.join("/").into(),
        module: module.iter().map(|name| (*name).to_owned()).collect(),
        text: text.to_owned(),
    };
    let circles = |a: &str, b: &str, parent: &str| {
        Files::of(vec![source(&["p"], parent), source(&["p", "a"], a), source(&["p", "b"], b)])
            .circles()
            .len()
    };
    let (a, b) = ("use super::b::B; pub struct A;", "pub struct B;");
    assert_eq!(circles(a, b, "mod a; mod b;"), 0);
    for back in [
        "use super::a::A;",
        "use crate::p::{a::{A as X}};",
        "fn f() { super::a::A; }",
        "fn f(a: &crate::p::a::A) {}",
    ] {
        assert_eq!(circles(a, &format!("{back} {b}"), "mod a; mod b;"), 1, "{back}");
    }
    let passed_on = format!("use super::A; {b}");
    assert_eq!(circles(a, &passed_on, "mod a; mod b; pub use a::A;"), 1);
    assert_eq!(circles(a, &passed_on, "mod a; mod b; pub(crate) use a::*;"), 1);
    assert_eq!(circles(a, &passed_on, "mod a; mod b; pub struct A;"), 0, "of the folder itself");
    let in_tests = format!("#[cfg(test)] mod tests {{ use crate::p::a::A; }} {b}");
    assert_eq!(circles(a, &in_tests, "mod a; mod b;"), 0);
    // What the folder's own file does with its files does not make them one circle with it.
    assert_eq!(circles("use super::f;", b, "mod a; mod b; pub fn f() { a::g(); b::B; }"), 0);
}
