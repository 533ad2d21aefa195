//! What is packed: the sample configuration is right, scripts and unit can be read, and the deb is installed, upgraded,
//! removed and purged for real where that can be done. `make dist` does the same with the program itself.

use crate::binaries::{carbontrail, run};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn has(program: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {program}")]).output().is_ok_and(|o| o.status.success())
}

#[test]
fn the_sample_configuration_is_right_also_where_it_is_commented_out() {
    let text = fs::read_to_string(root().join("packaging/carbontrail.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sample.toml");
    fs::write(&file, &text).unwrap();
    run(&["validate", file.to_str().unwrap()]);
    // Options that are commented out begin with a key or a table; remarks are sentences.
    let option =
        |line: &str| line.starts_with("[[") || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let all: Vec<&str> =
        text.lines().map(|line| line.strip_prefix("# ").filter(|l| option(l)).unwrap_or(line)).collect();
    let all = all.join("\n");
    assert!(all.contains("\n[[test]]\n") && all.contains("\nrate = "), "{all}");
    fs::write(&file, all).unwrap();
    let told = String::from_utf8(run(&["validate", "--test", file.to_str().unwrap()])).unwrap();
    assert!(told.contains("ok     passwords stay here") && told.contains("1 of 1 tests passed"), "{told}");
}

#[test]
fn scripts_and_unit_can_be_read() {
    for script in ["packaging/user", "packaging/deb/postinst", "packaging/deb/prerm", "packaging/deb/postrm"] {
        assert!(Command::new("sh").arg("-n").arg(root().join(script)).status().unwrap().success(), "{script}");
    }
    let unit = fs::read_to_string(root().join("packaging/carbontrail-ship.service")).unwrap();
    for line in ["Type=notify", "RestartPreventExitStatus=2 3", "WatchdogSec=60", "Restart=on-failure"] {
        assert!(unit.lines().any(|l| l == line), "{line}");
    }
    if has("systemd-analyze") {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("carbontrail-ship.service");
        // The program is not installed here.
        fs::write(&file, unit.replace("/usr/bin/carbontrail", &carbontrail().display().to_string())).unwrap();
        let told = Command::new("systemd-analyze").arg("verify").arg("--man=no").arg(&file).output().unwrap();
        let text = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(!text.contains("carbontrail-ship.service:"), "{text}");
    }
}

#[test]
fn deb_and_rpm_are_installed_upgraded_and_removed() {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    if !is_root || !has("dpkg-deb") {
        assert!(std::env::var_os("CI").is_none(), "needs root and dpkg-deb");
        eprintln!("SKIPPED: needs root and dpkg-deb");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // A stand-in: what is looked at here is what packing and maintainer scripts do.
    let program = folder.path().join("carbontrail");
    fs::write(&program, "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let out = folder.path().join("dist");
    let script = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(root().join("scripts").join(name));
        let told = command
            .args(arguments)
            .env("DIST_OUT", &out)
            .env("DIST_KINDS", if has("rpmbuild") { "deb rpm" } else { "deb" })
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
        assert!(told.status.success(), "{name}: {text}");
        text
    };
    script("dist", &["pack", program.to_str().unwrap()]);
    let text = script("dist-check", &[]);
    assert!(text.contains("deb: installed, upgraded, removed, purged"), "{text}");
    assert!(!has("rpmbuild") || text.contains("rpm: installed, upgraded, removed"), "{text}");
}
