//! Makes the table of the web view's built files, so that cargo alone builds all of the program. An empty or missing
//! `dashboards/dist` gives an empty table, and a plain page in its place.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a build script reads files and talks to cargo")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(name.to_owned()));
    let dist = variable("CARGO_MANIFEST_DIR")?.join("../dashboards/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut table = String::from("const BUILT: &[Built] = &[\n");
    if dist.join("index.html").is_file() {
        let mut files = Vec::new();
        list(&dist, &mut files)?;
        files.sort();
        for file in files.iter().filter(|file| kind(file).is_some()) {
            println!("cargo::rerun-if-changed={}", file.display());
            row(&mut table, &dist, file);
        }
    }
    table.push_str("];\n");
    fs::write(variable("OUT_DIR")?.join("web_view.rs"), table)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn row(table: &mut String, dist: &Path, file: &Path) {
    let name = file.strip_prefix(dist).unwrap_or(file).display().to_string();
    let packed = PathBuf::from(format!("{}.br", file.display()));
    let brotli = if packed.is_file() {
        format!("Some(include_bytes!({:?}))", packed.display().to_string())
    } else {
        "None".to_owned()
    };
    let kind = kind(file).unwrap_or_default();
    let bytes = file.display().to_string();
    let _written = writeln!(
        table,
        "    Built {{ path: {:?}, kind: {kind:?}, bytes: include_bytes!({bytes:?}), brotli: {brotli} }},",
        format!("/{name}")
    );
}

/// The media type; `None`: not served by itself.
fn kind(file: &Path) -> Option<&'static str> {
    Some(match file.extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "md" => "text/markdown; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}
