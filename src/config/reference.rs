//! `docs/configuration.md` is made from the table of options. The test compares; with
//! `CARBONTRAIL_WRITE_DOCS=1` it writes.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and this one reads a document")]

use super::file::show_limit;
use super::options::{self, OptionSpec};

const HEAD: &str = "# Configuration

One TOML file, named by `--config FILE`, with the tables `[ship]`, `[redact]` and `[serve]`, and any number of
`[[source]]` and `[[test]]`. `carbontrail serve` reads `[serve]`, `ship` all the others, `up` everything. Every option has a default that works; a flag wins over the file.
Durations are written with a unit (`250ms`, `5s`, `10m`, `12h`, `7d`, `4w`), and so are sizes (`64MiB`, `2GiB`, `500MB`).

`carbontrail validate FILE` checks a file and reports all problems together, each with line and column; the
commands do the same at start. `carbontrail validate --test FILE` also runs its `[[test]]`s.

`ship` reads the file again at SIGHUP. Include and exclude, sources, redaction, rates, labels and times hold at once; `to`,
`token_file`, certificates, `proxy`, `state`, `listen`, `host_id` and folders left out need a restart, and a message says so.

```toml
[ship]
folders = [\"/opt/wso2am/repository/logs\"]
to = \"https://logs.example.com:7600\"
token_file = \"/etc/carbontrail/token\"

[redact]
classes = [\"secrets\"]

[[source]]
files = [\"/opt/legacy/*\"]
zone = \"Asia/Colombo\"
rate = \"2MB\"

[[test]]
name = \"passwords stay here\"
input = \"TID: [-1234] [] [2026-11-25 10:00:00,000]  WARN {org.acme.Login} - password=hunter2 of bob\"
expect = { \"log.level\" = \"WARN\", message = \"password=‹password_0› of bob\" }
absent = [\"hunter2\"]

[serve]
data = \"/var/lib/carbontrail\"
retention = \"30d\"
```
";

const FOOT: &str = "
State and data folders are made with mode 0700, files in them with 0600; nothing needs root.

*Made from the table of options in `src/config/options.rs`; a test compares. Do not edit by hand.*
";

fn reference() -> String {
    let mut text = HEAD.to_owned();
    for table in ["ship", "redact", "source", "test", "serve"] {
        let repeated = super::file::REPEATED.iter().any(|(name, _)| *name == table);
        let title = if repeated { format!("[[{table}]]") } else { format!("[{table}]") };
        text.push_str(&format!(
            "\n## `{title}`\n\n| option | takes | default | limits | flag | |\n|---|---|---|---|---|---|\n"
        ));
        for option in options::ALL.iter().filter(|option| option.table == table) {
            text.push_str(&row(option));
        }
    }
    text + FOOT
}

fn row(option: &OptionSpec) -> String {
    let default = option.default.map_or(option.unset.to_owned(), |default| format!("`\"{default}\"`"));
    let flag = option.flag.map_or("–".to_owned(), |flag| format!("`{flag}`"));
    let OptionSpec { key, kind, what, .. } = option;
    format!("| `{key}` | {} | {default} | {} | {flag} | {what} |\n", kind.name(), show_limit(kind))
}

#[test]
fn the_document_says_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    if std::env::var_os("CARBONTRAIL_WRITE_DOCS").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == reference(),
        "docs/configuration.md is out of date: run `CARBONTRAIL_WRITE_DOCS=1 cargo test -p carbontrail`"
    );
}
