//! `carbontrail validate`: all problems of a configuration file, with line and column.

use crate::config::Settings;
use crate::out::Out;
use std::path::PathBuf;

/// Checks a configuration file and reports all its problems with line and column.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail validate /etc/carbontrail/carbontrail.toml")]
pub(crate) struct Arguments {
    /// The file.
    #[arg(value_name = "FILE", required_unless_present = "config")]
    file: Option<PathBuf>,
    /// The file, as the other commands name it.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
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
    out.line(&format!("{}: no problem found", path.map(|p| p.display().to_string()).unwrap_or_default()))?;
    out.flush()
}
