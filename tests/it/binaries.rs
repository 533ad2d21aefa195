//! The built binaries, and commands run to their end.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Folder of the built binaries, brought up to date once.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().and_then(Path::parent).unwrap().to_owned();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "-p", "carbontrail", "-p", "benches", "--bins"]);
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(cargo.status().unwrap().success(), "the binaries do not build");
        folder
    })
}

/// The `carbontrail` binary.
pub(crate) fn carbontrail() -> PathBuf {
    folder().join("carbontrail")
}

/// Runs a `carbontrail` command to its end.
pub(crate) fn output(arguments: &[&str]) -> Output {
    let mut command = Command::new(carbontrail());
    command.args(arguments).stdin(Stdio::null()).env_remove("CARBONTRAIL_SERVER").output().unwrap()
}

/// Standard output of a `carbontrail` command that must succeed.
pub(crate) fn run(arguments: &[&str]) -> Vec<u8> {
    let output = output(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "carbontrail {} ended with {}: {errors}", arguments.join(" "), output.status);
    output.stdout
}

/// Exit code and standard error of a `carbontrail` command that must fail.
pub(crate) fn failure(arguments: &[&str]) -> (i32, String) {
    let output = output(arguments);
    let code = output.status.code().unwrap_or(-1);
    assert_ne!(code, 0, "carbontrail {} did not fail", arguments.join(" "));
    (code, String::from_utf8_lossy(&output.stderr).into_owned())
}
