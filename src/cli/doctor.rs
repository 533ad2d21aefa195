//! `carbontrail doctor`: what keeps a shipper from its work on this host, each with the command that cures it.

use crate::config::{Settings, places};
use crate::out::Out;
use crate::rim;
use crate::shipping;
use anyhow::bail;
use parsers::plain_name;
use shipper::{HttpForward, Probe, ShipperConfig};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Looks for what keeps a shipper from its work on this host, and names the command that cures it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sudo -u carbontrail carbontrail doctor --config /etc/carbontrail/carbontrail.toml\n\n\
    Run it as the user that ships. Ends with 0 when nothing is wrong (warnings are no failure), else with 1."
)]
pub(crate) struct Arguments {
    /// Folders to look at, instead of those of the configuration.
    #[arg(value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The indexer.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Folder of the shipper's own state.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Ok,
    Warn,
    Fail,
}

/// What was found, in order.
struct Report {
    out: Out,
    failed: usize,
}

impl Report {
    fn say(&mut self, finding: Finding, text: &str) -> anyhow::Result<()> {
        let word = match finding {
            Finding::Ok => "ok  ",
            Finding::Warn => "warn",
            Finding::Fail => "FAIL",
        };
        self.failed += usize::from(finding == Finding::Fail);
        self.out.line(&format!("{word} {text}"))
    }

    fn cure(&mut self, command: &str) -> anyhow::Result<()> {
        self.out.line(&format!("       cure: {command}"))
    }
}

const SPACE_MIN: u64 = 100 << 20;
const CLOCK_SECONDS_MAX: u64 = 60;
const CURES_MAX: usize = 20;

/// Runs the command.
///
/// # Errors
/// When something is wrong.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = Settings::load(arguments.config.as_deref())?;
    let config = shipping::rules(&settings)?;
    let named =
        if arguments.folders.is_empty() { settings.paths("ship", "folders") } else { arguments.folders.clone() };
    let mut report = Report { out: Out::new(), failed: 0 };
    if named.is_empty() {
        report.say(Finding::Fail, "no folder to follow: name one, or set `folders` in [ship]")?;
    }
    let (mut folders, mut files) = (0, 0);
    for folder in &named {
        let found = look_at(folder, &config, &mut report)?;
        folders += found.0;
        files += found.1;
    }
    limits(folders, files, &mut report)?;
    copytruncate(&named, &mut report)?;
    let state = arguments.state.clone().or_else(|| settings.path("ship", "state")).unwrap_or_else(places::state_folder);
    state_folder(&state, &mut report)?;
    let to = arguments.to.clone().or_else(|| settings.text("ship", "to"));
    indexer(to.as_deref(), &settings, &mut report)?;
    report.out.flush()?;
    if report.failed > 0 {
        bail!("{} of these (FAIL) must be cured before the shipper can do its work", report.failed);
    }
    Ok(())
}

/// One folder with its sub-folders; gives the numbers of folders and files.
fn look_at(root: &Path, config: &ShipperConfig, report: &mut Report) -> anyhow::Result<(usize, usize)> {
    let (mut folders, mut files, mut unreadable) = (0, 0, 0);
    let mut oldest: BTreeMap<(PathBuf, String), (Duration, usize)> = BTreeMap::new();
    let mut waiting = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        let entries = match rim::list(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                report.say(Finding::Fail, &format!("folder `{}` cannot be listed: {error}", folder.display()))?;
                report.cure(&cure_folder(&folder))?;
                continue;
            }
        };
        folders += 1;
        for entry in entries {
            if entry.is_folder {
                if depth < config.limits.folder_depth_max {
                    waiting.push((entry.path, depth + 1));
                }
                continue;
            }
            let name = entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if config.why_left_out(&name).is_some() {
                continue;
            }
            files += 1;
            if let Err(error) = rim::open(&entry.path) {
                unreadable += 1;
                if unreadable <= CURES_MAX {
                    report.say(Finding::Fail, &format!("`{}` cannot be read: {error}", entry.path.display()))?;
                    report.cure(&cure_file(&entry.path))?;
                }
            }
            let known = oldest.entry((folder.clone(), plain_name(&name))).or_default();
            *known = (known.0.max(rim::modified_age(&entry.path).unwrap_or_default()), known.1 + 1);
        }
    }
    if unreadable > CURES_MAX {
        report.say(
            Finding::Fail,
            &format!("{} more files in `{}` cannot be read", unreadable - CURES_MAX, root.display()),
        )?;
    }
    if unreadable == 0 && folders > 0 {
        report.say(Finding::Ok, &format!("`{}`: {files} files in {folders} folders, all readable", root.display()))?;
    }
    let rotated = oldest.iter().filter(|(_, (_, generations))| *generations > 2).min_by_key(|(_, (age, _))| *age);
    if let Some(((_, name), (age, generations))) = rotated {
        let text = format!(
            "rotation keeps {generations} generations of `{name}`, back to {}: an outage of the indexer may last so long",
            hours(*age)
        );
        report.say(if age.as_secs() < 3600 { Finding::Warn } else { Finding::Ok }, &text)?;
    }
    Ok((folders, files))
}

fn hours(age: Duration) -> String {
    match age.as_secs() {
        s if s >= 2 * 86_400 => format!("{} days", s / 86_400),
        s if s >= 3600 => format!("{} hours", s / 3600),
        s => format!("{} minutes", s / 60),
    }
}

/// How this user comes to read a file: its group's right if there is one, else a right of its own.
fn cure_file(path: &Path) -> String {
    let user = rim::user_name();
    match rim::group_of(path) {
        Some((group, true)) => format!("usermod -a -G {group} {user}   # its group may read; then restart the shipper"),
        _ => {
            let folder = path.parent().unwrap_or(Path::new("/")).display().to_string();
            format!("setfacl -m u:{user}:r '{}' && setfacl -d -m u:{user}:rX '{folder}'", path.display())
        }
    }
}

fn cure_folder(path: &Path) -> String {
    format!("setfacl -m u:{user}:rx '{0}' && setfacl -d -m u:{user}:rX '{0}'", path.display(), user = rim::user_name())
}

fn limits(folders: usize, files: usize, report: &mut Report) -> anyhow::Result<()> {
    if let Some(watches) = rim::read_number("/proc/sys/fs/inotify/max_user_watches") {
        if watches < 2 * folders as u64 {
            report.say(
                Finding::Warn,
                &format!("{watches} watches for {folders} folders: the others are listed every second"),
            )?;
            report.cure(&format!("sysctl -w fs.inotify.max_user_watches={}", (4 * folders).max(65_536)))?;
        } else {
            report.say(Finding::Ok, &format!("{watches} watches for {folders} folders"))?;
        }
    }
    let descriptors = rim::descriptors_max();
    let needed = 100 + files.min(4000) as u64;
    if descriptors < needed {
        report.say(Finding::Warn, &format!("{descriptors} files may be open, {needed} may be needed"))?;
        report.cure("LimitNOFILE=65536 in the unit, or ulimit -n 65536")?;
    } else {
        report.say(Finding::Ok, &format!("{descriptors} files may be open"))?;
    }
    Ok(())
}

/// Bytes written between copy and truncation are seen by nobody (protocol rule 10).
fn copytruncate(folders: &[PathBuf], report: &mut Report) -> anyhow::Result<()> {
    let mut rules = vec![PathBuf::from("/etc/logrotate.conf")];
    rules.extend(rim::list(Path::new("/etc/logrotate.d")).unwrap_or_default().into_iter().map(|e| e.path));
    let mut found = false;
    for file in rules {
        let Ok(text) = rim::read_text(&file) else { continue };
        for folder in folders_of_copytruncate(&text) {
            let ours = folders.iter().any(|f| folder.starts_with(f) || f.starts_with(&folder));
            if ours {
                found = true;
                let text = format!(
                    "`{}` rotates `{}` by copytruncate: what is written between copy and truncation is lost to everyone",
                    file.display(),
                    folder.display()
                );
                report.say(Finding::Warn, &text)?;
                report.cure("let log4j2 rotate (RollingFile), or use `create` with a restart of the writer")?;
            }
        }
    }
    if !found {
        report.say(Finding::Ok, "no copytruncate in logrotate's rules for these folders")?;
    }
    Ok(())
}

/// The folders of the stanzas that copy and truncate.
fn folders_of_copytruncate(text: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut names = String::new();
    let mut rest = text.lines().map(|line| line.split('#').next().unwrap_or("").trim());
    while let Some(line) = rest.next() {
        match line.split_once('{') {
            None => {
                if line.starts_with('/') || line.starts_with('"') {
                    names.push_str(line);
                    names.push(' ');
                }
            }
            Some((before, _)) => {
                names.push_str(before);
                let body: Vec<&str> = rest.by_ref().take_while(|line| !line.starts_with('}')).collect();
                if body.contains(&"copytruncate") {
                    let paths = names.split_whitespace().map(|name| name.trim_matches('"'));
                    folders.extend(paths.filter_map(|path| Path::new(path).parent()).map(Path::to_owned));
                }
                names.clear();
            }
        }
    }
    folders
}

fn state_folder(state: &Path, report: &mut Report) -> anyhow::Result<()> {
    let shown = state.display();
    match rim::try_write(state) {
        Ok(()) => report.say(Finding::Ok, &format!("state folder `{shown}` can be written"))?,
        Err(error) => {
            report.say(Finding::Fail, &format!("state folder `{shown}` cannot be written: {error}"))?;
            report.cure(&format!("install -d -m 0700 -o {} '{shown}'", rim::user_name()))?;
        }
    }
    if let Some(mode) = rim::mode_of(state).filter(|mode| mode & 0o077 != 0) {
        report.say(Finding::Warn, &format!("state folder `{shown}` is open to others (mode {:o})", mode & 0o777))?;
        report.cure(&format!("chmod 0700 '{shown}'"))?;
    }
    match rim::free_space(state) {
        Ok(free) if free < SPACE_MIN => {
            report.say(Finding::Warn, &format!("only {} MB are free for the state folder", free >> 20))
        }
        Ok(_) => Ok(()),
        Err(error) => report.say(Finding::Warn, &format!("free space of `{shown}` is not known: {error}")),
    }
}

fn indexer(to: Option<&str>, settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    let Some(to) = to else { return report.say(Finding::Warn, "no indexer named: --to, or `to` in [ship]") };
    let token_file = settings.path("ship", "token_file");
    let token = match token_file.as_deref().map(rim::read_text).transpose() {
        Ok(token) => token.map(|text| text.trim().to_owned()),
        Err(error) => {
            let path = token_file.unwrap_or_default();
            report.say(Finding::Fail, &format!("token file `{}` cannot be read: {error}", path.display()))?;
            report.cure(&format!("chown root:{0} '{1}' && chmod 0640 '{1}'", rim::user_name(), path.display()))?;
            None
        }
    };
    // By the certificates and the proxy that the shipper itself would use.
    let way = super::ship::way(settings);
    let forward = match way.and_then(|way| Ok(HttpForward::by(to, token, &way)?)) {
        Ok(forward) => forward,
        Err(error) => return report.say(Finding::Fail, &format!("the way to indexer {to}: {error:#}")),
    };
    match forward.probe() {
        Err(error) => {
            report.say(Finding::Fail, &error.to_string())?;
            report.cure(&format!("curl -sv {to}/health/live   # address, port, firewall, proxy, certificates"))
        }
        Ok(probe) => answers(to, &probe, report),
    }
}

fn answers(to: &str, probe: &Probe, report: &mut Report) -> anyhow::Result<()> {
    match probe.status {
        401 | 403 => {
            report.say(Finding::Fail, &format!("indexer {to} refuses the token"))?;
            report.cure(
                "carbontrail token create --agent --owner OWNER --env ENV   # there; the token into token_file",
            )?;
        }
        407 => report.say(Finding::Fail, &format!("indexer {to}: the proxy wants a user and a password"))?,
        500.. => report.say(
            Finding::Warn,
            &format!("indexer {to}, or a proxy on the way, answers {}: it takes nothing now", probe.status),
        )?,
        status => report.say(Finding::Ok, &format!("indexer {to} answers ({status})"))?,
    }
    let date = probe.date.as_deref().and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
    match date.map(|date| rim::seconds_apart(date.timestamp().as_second())) {
        Some(apart) if apart > CLOCK_SECONDS_MAX => {
            report.say(Finding::Warn, &format!("this clock and that of the indexer are {apart} s apart"))?;
            report.cure("timedatectl set-ntp true")
        }
        Some(_) => report.say(Finding::Ok, "the clock agrees with that of the indexer"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_folders_that_are_copied_and_truncated() {
        let text = "weekly\n# copytruncate\n/var/log/a/*.log\n\"/opt/wso2/repository/logs/*.log\" {\n  daily\n  copytruncate\n}\n/x/y {\n  create\n}\n";
        let found = folders_of_copytruncate(text);
        assert_eq!(found, [Path::new("/var/log/a"), Path::new("/opt/wso2/repository/logs")]);
    }

    #[test]
    fn names_the_command_that_cures_a_file() {
        let cure = cure_file(Path::new("/no/such/file.log"));
        assert!(cure.contains("setfacl -m u:") && cure.contains("'/no/such/file.log'"), "{cure}");
    }
}
