//! Flags that give files a format of their own, for trying it before it goes into the configuration.

use crate::config::Settings;
use parsers::own::Syntax;
use parsers::{Format, FormatSpec, Formats, plain_name};
use std::path::{Path, PathBuf};

/// At most one format, or those of a configuration file.
#[derive(Debug, clap::Args)]
pub(crate) struct FormatFlags {
    /// A log4j2 layout (`PatternLayout`) of the files, tried before the known families.
    #[arg(long, value_name = "PATTERN", group = "own")]
    layout: Option<String>,
    /// The same of log4j1 (`ConversionPattern`), with Carbon's letters.
    #[arg(long, value_name = "PATTERN", group = "own")]
    layout_log4j1: Option<String>,
    /// A regular expression of the files' heads, with named groups.
    #[arg(long, value_name = "EXPRESSION", group = "own")]
    regex: Option<String>,
    /// A grok pattern of the files' heads.
    #[arg(long, value_name = "PATTERN", group = "own")]
    grok: Option<String>,
    /// Format of the time in --regex and --grok, as in `%d{…}`.
    #[arg(long, value_name = "FORMAT", requires = "own")]
    time_format: Option<String>,
    /// Configuration file whose `[[ship.format]]` are used.
    #[arg(long, value_name = "FILE", conflicts_with = "own")]
    config: Option<PathBuf>,
}

impl FormatFlags {
    /// A function from a file to its formats.
    ///
    /// # Errors
    /// When the format, or the configuration file, has a problem.
    pub(crate) fn formats(&self) -> anyhow::Result<impl Fn(&Path) -> Formats> {
        let given = self.given()?;
        let configured = Settings::load(self.config.as_deref())?.formats();
        Ok(move |path: &Path| {
            let name = path.file_name().map(|n| plain_name(&n.to_string_lossy())).unwrap_or_default();
            let fitting = configured.iter().filter(|setting| fits(&setting.files, &name)).map(|s| s.format.clone());
            Formats::new(given.iter().cloned().chain(fitting))
        })
    }

    fn given(&self) -> anyhow::Result<Option<Format>> {
        let flags = [
            ("--layout", Syntax::Layout, &self.layout),
            ("--layout-log4j1", Syntax::Layout1, &self.layout_log4j1),
            ("--regex", Syntax::Regex, &self.regex),
            ("--grok", Syntax::Grok, &self.grok),
        ];
        let Some((flag, syntax, text)) =
            flags.into_iter().find_map(|(flag, syntax, t)| Some((flag, syntax, t.as_ref()?)))
        else {
            return Ok(None);
        };
        let mut spec = FormatSpec::new("given", syntax, text);
        spec.time.clone_from(&self.time_format);
        Format::new(spec).map(Some).map_err(|error| anyhow::anyhow!("{flag}: {error}"))
    }
}

#[cfg(feature = "shipper")]
fn fits(patterns: &[String], name: &str) -> bool {
    shipper::fits_any(name, patterns)
}

#[cfg(not(feature = "shipper"))]
fn fits(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern == name)
}
