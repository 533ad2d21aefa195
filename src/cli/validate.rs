//! `carbontrail validate`: all problems of a configuration file, with line and column; with `--test`, its tests too.

use crate::config::Settings;
use crate::out::Out;
use anyhow::bail;
use std::path::PathBuf;

/// Checks a configuration file and reports all its problems with line and column.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail validate --test /etc/carbontrail/carbontrail.toml")]
pub(crate) struct Arguments {
    /// The file.
    #[arg(value_name = "FILE", required_unless_present = "config")]
    file: Option<PathBuf>,
    /// The file, as the other commands name it.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
    /// Run the tests of the file (`[[test]]`): given lines, what would be sent of them.
    #[cfg(feature = "shipper")]
    #[arg(long)]
    test: bool,
}

/// Runs the command.
///
/// # Errors
/// All problems of the file.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let path = arguments.file.as_deref().or(arguments.config.as_deref());
    let settings = Settings::load(path)?;
    let mut out = Out::new();
    for setting in settings.formats() {
        let name = &setting.format.spec().name;
        for note in setting.format.notes() {
            out.line(&format!("format `{name}`: {note}"))?;
        }
        if let Some(family) = setting.format.built_in() {
            let family = family.name();
            out.line(&format!("format `{name}`: it is what family `{family}` is, which is used in its place"))?;
        }
    }
    let name = path.map(|p| p.display().to_string()).unwrap_or_default();
    #[cfg(feature = "shipper")]
    if arguments.test {
        return test(&settings, &name, &mut out);
    }
    out.line(&format!("{name}: no problem found"))?;
    out.flush()
}

#[cfg(feature = "shipper")]
fn test(settings: &Settings, name: &str, out: &mut Out) -> anyhow::Result<()> {
    let outcomes = crate::cases::run(settings)?;
    for outcome in &outcomes {
        let passed = if outcome.problems.is_empty() { "ok    " } else { "FAILED" };
        out.line(&format!("{passed} {}", outcome.name))?;
        for problem in &outcome.problems {
            out.line(&format!("       {problem}"))?;
        }
    }
    let failed = outcomes.iter().filter(|o| !o.problems.is_empty()).count();
    out.line(&format!("{name}: {} of {} tests passed", outcomes.len() - failed, outcomes.len()))?;
    out.flush()?;
    if failed > 0 {
        bail!("{failed} of the tests in `{name}` failed");
    }
    Ok(())
}
