//! Rules of the source tree that no compiler checks: direction of dependencies, where a library's types may be
//! seen, names and sizes of files, module documents.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which of our own crates each crate may use, at build time or in tests.
const MAY_USE: &[(&str, &[&str])] = &[
    ("parsers", &[]),
    ("outside", &[]),
    ("seglog", &["outside"]),
    ("wire", &["parsers"]),
    ("shipper", &["parsers", "wire", "outside", "seglog"]),
    ("indexer", &["parsers", "wire", "outside", "seglog"]),
    ("carbontrail", &["parsers", "wire", "outside", "shipper", "indexer"]),
    ("benches", &["parsers", "wire", "outside", "seglog", "shipper", "indexer"]),
    ("fuzz", &["parsers", "wire", "outside", "seglog", "shipper", "indexer"]),
    ("tests", &["parsers", "wire", "outside", "seglog", "shipper", "indexer", "benches"]),
];

/// Libraries whose types are seen in some places only: crate, paths they may appear under, reason.
const SEEN_ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("tantivy", &["indexer/src/store/embedded"], "another store can take its place"),
    ("axum", &["indexer/src/http", "indexer/src/serve", "benches/"], "HTTP is an edge"),
    ("reqwest", &["shipper/src/", "src/client.rs", "src/cloud.rs", "tests/", "benches/"], "HTTP is an edge"),
    ("notify", &["shipper/src/", "indexer/outside/src/"], "watches are a rim"),
];

const LINES_MAX: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Our own source files, by path from the root.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> =
        ["src", "parsers", "shipper", "indexer", "benches", "tests"].iter().map(|f| root().join(f)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !["target", "node_modules", "fixtures"].contains(&name.as_str()) {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let short = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.insert(short, fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// The manifest of each of our crates, by package name.
fn manifests() -> BTreeMap<String, toml::Table> {
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    members
        .iter()
        .map(|member| {
            let path = root().join(member.as_str().unwrap()).join("Cargo.toml");
            let manifest: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
            (manifest["package"]["name"].as_str().unwrap().to_owned(), manifest)
        })
        .collect()
}

fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    tables.iter().filter_map(|table| manifest.get(*table)?.as_table()).flat_map(|table| table.keys().cloned()).collect()
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn dependencies_point_one_way() {
    let manifests = manifests();
    let mut problems = Vec::new();
    for (name, manifest) in &manifests {
        let Some((_, allowed)) = MAY_USE.iter().find(|(crate_name, _)| crate_name == name) else {
            problems.push(format!("{name}: say in MAY_USE of tests/it/tidy.rs what it may use"));
            continue;
        };
        for used in dependencies(manifest) {
            if manifests.contains_key(&used) && !allowed.contains(&used.as_str()) {
                problems.push(format!("{name} must not use {used}"));
            }
        }
    }
    none(problems);
}

#[test]
fn pure_crates_know_no_threads_sockets_or_clocks() {
    let manifests = manifests();
    let mut problems = Vec::new();
    for name in ["parsers", "outside", "seglog", "wire"] {
        for used in dependencies(&manifests[name]) {
            if ["tokio", "axum", "reqwest", "hyper"].contains(&used.as_str()) {
                problems.push(format!("{name} must not use {used}"));
            }
        }
    }
    none(problems);
}

#[test]
fn libraries_stay_where_they_belong() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        for (library, places, reason) in SEEN_ONLY_IN {
            let used = text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or("");
                code.contains(&format!("{library}::")) || code.contains(&format!("use {library}"))
            });
            if used && path != "tests/it/tidy.rs" && !places.iter().any(|place| path.starts_with(place)) {
                problems.push(format!("{path}: {library} is used only in {places:?} ({reason})"));
            }
        }
    }
    none(problems);
}

#[test]
fn files_are_named_sized_and_documented_as_agreed() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if path.ends_with("/mod.rs") {
            problems.push(format!("{path}: name it after the module, beside its folder"));
        }
        if ["utils", "helpers", "common"].iter().any(|word| path.ends_with(&format!("/{word}.rs"))) {
            problems.push(format!("{path}: name it after what it holds"));
        }
        if lines > LINES_MAX && !text.contains("//! Long because") {
            problems.push(format!("{path}: {lines} lines; split it, or say `//! Long because …` in its header"));
        }
        if !text.starts_with("//!") && !path.ends_with("/tests.rs") {
            problems.push(format!("{path}: begin with `//!`: what it is for, its invariants, what it leaves out"));
        }
    }
    none(problems);
}
