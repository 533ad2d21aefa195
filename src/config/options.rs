//! Every option of the configuration file: the one table that reading, defaults and `docs/configuration.md`
//! are made from.

use std::time::Duration;

/// What kind of value an option takes.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A list of texts.
    Texts,
    /// A path.
    Path,
    /// A list of paths.
    Paths,
    /// `http://…` or `https://…`.
    Url,
    /// `IP:PORT`.
    Address,
    /// An IANA time zone.
    Zone,
    /// A duration within limits.
    Duration {
        /// Smallest.
        min: Duration,
        /// Largest.
        max: Duration,
    },
    /// A size within limits.
    Size {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A table of fixed fields.
    Labels,
    /// Yes or no.
    Flag,
    /// Own formats of files.
    Formats,
    /// `IP:PORT` of this host alone.
    Loopback,
    /// Redaction classes, or groups of them.
    Classes,
    /// A table of regular expressions.
    Patterns,
}

impl Kind {
    /// Its name for people.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Texts => "list of texts",
            Kind::Path => "path",
            Kind::Paths => "list of paths",
            Kind::Url => "URL",
            Kind::Address => "address (IP:PORT)",
            Kind::Zone => "time zone",
            Kind::Duration { .. } => "duration (text with a unit)",
            Kind::Size { .. } => "size (text with a unit)",
            Kind::Labels => "table of texts",
            Kind::Flag => "true or false",
            Kind::Formats => "list of tables",
            Kind::Loopback => "loopback address (IP:PORT)",
            Kind::Classes => "list of classes",
            Kind::Patterns => "table of regular expressions",
        }
    }
}

/// One option.
#[derive(Clone, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "a test makes docs/configuration.md from every field"))]
pub(crate) struct OptionSpec {
    /// Table of the file.
    pub(crate) table: &'static str,
    /// Key in the table.
    pub(crate) key: &'static str,
    /// What it takes.
    pub(crate) kind: Kind,
    /// Its default as it would be written; `None`: what `unset` says.
    pub(crate) default: Option<&'static str>,
    /// What holds when it is not set and has no fixed default.
    pub(crate) unset: &'static str,
    /// The flag that sets it too, if there is one.
    pub(crate) flag: Option<&'static str>,
    /// What it does and why its default and limits are what they are.
    pub(crate) what: &'static str,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

const fn option(table: &'static str, key: &'static str, kind: Kind, what: &'static str) -> OptionSpec {
    OptionSpec { table, key, kind, default: None, unset: "–", flag: None, what }
}

impl OptionSpec {
    const fn default(self, default: &'static str) -> OptionSpec {
        OptionSpec { default: Some(default), ..self }
    }

    const fn unset(self, unset: &'static str) -> OptionSpec {
        OptionSpec { unset, ..self }
    }

    const fn flag(self, flag: &'static str) -> OptionSpec {
        OptionSpec { flag: Some(flag), ..self }
    }
}

/// All options, in the order of the reference.
pub(crate) const ALL: &[OptionSpec] = &[
    option("ship", "folders", Kind::Paths, "Folders whose log files are followed, with their sub-folders.")
        .unset("the folders named on the command line")
        .flag("FOLDER…"),
    option("ship", "to", Kind::Url, "The indexer that events are sent to. `up` does not use it.")
        .unset("must be given to `ship`")
        .flag("--to"),
    option("ship", "token_file", Kind::Path, "File that holds the agent token, one line.")
        .unset("no token: only a loopback indexer takes events without one")
        .flag("--token-file"),
    option("ship", "ca_file", Kind::Path, "File with certificates (PEM) of authorities trusted besides the host's own, for an indexer behind https.")
        .unset("the host's own authorities"),
    option("ship", "client_cert", Kind::Path, "File with the certificate (PEM, with its chain) that the shipper shows: mutual TLS.")
        .unset("none is shown"),
    option("ship", "client_key", Kind::Path, "File with the key (PEM) of `client_cert`.").unset("looked for in `client_cert`"),
    option("ship", "proxy", Kind::Url, "HTTP proxy on the way to the indexer.")
        .unset("`HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of the environment"),
    option("ship", "state", Kind::Path, "Folder of the shipper's own state: agent id, checkpoints, journal, dead letters.")
        .unset("`/var/lib/carbontrail/ship` for root, else `$XDG_STATE_HOME/carbontrail/ship`")
        .flag("--state"),
    option(
        "ship",
        "since",
        Kind::Duration { min: Duration::ZERO, max: Duration::from_secs(36_500 * 86_400) },
        "Age up to which rotated generations are shipped at the first start, by the time of their last change. \
         Live files are always shipped whole. A week covers most questions without filling the disk on the first day.",
    )
    .default("7d")
    .flag("--since"),
    option(
        "ship",
        "close_after",
        Kind::Duration { min: SECOND, max: MINUTE },
        "Idle time after which the last event of a file is closed although no next one has begun. Shorter cuts \
         events that are written slowly, longer keeps the last one provisional for longer; it is searchable either way.",
    )
    .default("5s"),
    option(
        "ship",
        "scan_every",
        Kind::Duration { min: SECOND, max: Duration::from_secs(3_600) },
        "Pause between two scans of the folders that back up the watches of the kernel, which can overflow. \
         Lower it on network file systems, which have no watches.",
    )
    .default("60s"),
    option("ship", "include", Kind::Texts, "File names to follow, with `*` and `?`.")
        .unset("`*.log`, `*.log.*`, `*.out`, `*.out.*`, `*.txt`"),
    option(
        "ship",
        "exclude",
        Kind::Texts,
        "File names left alone although `include` names them. The default leaves out archives that are not read (`.gz` is), locks, \
         heap dumps and the data files of Atomikos, which are called like logs.",
    )
    .unset("`*.zip`, `*.bz2`, `*.xz`, `*.lck`, `*.hprof`, `*.tmp`, `*.swp`, `tmlog*`"),
    option(
        "ship",
        "memory",
        Kind::Size { min: 4 * MIB, max: GIB },
        "Bytes of log held in memory, read and not yet acknowledged; reading stops there until answers come. \
         The files are the buffer, so more memory only helps on slow links.",
    )
    .default("16MiB"),
    option(
        "ship",
        "batch",
        Kind::Size { min: 64 << 10, max: 8 * MIB },
        "Bytes of events in one request. Larger ones compress and sync better, smaller ones arrive sooner; \
         an indexer takes at most 16 MiB.",
    )
    .default("4MiB"),
    option("ship", "zone", Kind::Zone, "Zone of local times in files whose products neither print a start banner nor access lines.")
        .unset("the host's own zone"),
    option("ship", "host_name", Kind::Text, "Name of the host in events (`host.name`); for containers, whose own name says nothing.")
        .unset("the host's own name"),
    option("ship", "host_id", Kind::Text, "Id of the host; a state folder found under another one counts as a copy and begins anew.")
        .unset("`/etc/machine-id`, else the host's name"),
    option(
        "ship",
        "product_layouts",
        Kind::Flag,
        "Read the layouts that a product's own `log4j2.properties` (or `log4j.properties`) in the `conf` folder beside \
         its logs gives to its files. Only layouts that differ from the products' usual ones are used; changes are \
         seen with the next scan.",
    )
    .default("true"),
    option(
        "ship",
        "format",
        Kind::Formats,
        "Own formats of files, one `[[ship.format]]` each: `name`, `files`, one of `layout`, `layout_log4j1`, `regex` \
         and `grok`, and `multiline`, `time`, `zone`, `patterns`; see [own-formats.md](own-formats.md).",
    )
    .unset("none"),
    option("ship", "product", Kind::Text, "Product in events (`service.type`).").unset("what the files and banners tell"),
    option("ship", "service", Kind::Text, "Name of the service in events (`service.name`).").unset("the product found"),
    option("ship", "labels", Kind::Labels, "Fixed fields added to each event, by full name.").unset("none"),
    option(
        "ship",
        "ec2",
        Kind::Flag,
        "Ask EC2's instance metadata service (version 2), at the start, for fields of each event: `cloud.provider`, \
         `cloud.account.id`, `cloud.region`, `cloud.availability_zone`, `cloud.instance.id`, `cloud.machine.type`, \
         `cloud.image.id`, and `cloud.instance.name` where the instance shows its tags. `labels` of the same name win.",
    )
    .default("false"),
    option(
        "ship",
        "rate",
        Kind::Size { min: 4 << 10, max: 16 * GIB },
        "Bytes of log read a second, over all files. Reading waits, nothing is dropped: the files are the buffer. \
         Every file has its turn, so that one that is written fast does not hold up the others.",
    )
    .unset("no limit"),
    option("ship", "file_rate", Kind::Size { min: 4 << 10, max: 16 * GIB }, "The same for each file.").unset("no limit"),
    option(
        "ship",
        "listen",
        Kind::Loopback,
        "Address on which `ship` answers `/metrics` and `/health`; `up` has them on its own address.",
    )
    .unset("not answered")
    .flag("--listen"),
    option(
        "redact",
        "classes",
        Kind::Classes,
        "What is replaced before it leaves the host: classes, or `secrets` or `personal` for all of a group; \
         [redaction.md](redaction.md) lists them. The packaged configuration has `secrets`.",
    )
    .unset("nothing"),
    option("redact", "patterns", Kind::Patterns, "Expressions of your own, by name; of one with a group, the group is replaced.").unset("none"),
    option("redact", "hash", Kind::Texts, "Classes and patterns whose values become keyed hashes, so that equal ones stay equal.").unset("none"),
    option("redact", "last4", Kind::Texts, "Classes and patterns of whose values the last four characters stay.").unset("none"),
    option("redact", "key_file", Kind::Path, "File with the key of the hashes, 32 hexadecimal digits.").unset("needed for `hash`"),
    option("source", "files", Kind::Texts, "Which files: names, or whole paths where there is a `/`, with `*` and `?`. The first `[[source]]` that fits a file holds.")
        .unset("must be given"),
    option("source", "zone", Kind::Zone, "As in `[ship]`, for these files.").unset("that of `[ship]`"),
    option("source", "product", Kind::Text, "As in `[ship]`.").unset("that of `[ship]`"),
    option("source", "service", Kind::Text, "As in `[ship]`.").unset("that of `[ship]`"),
    option("source", "labels", Kind::Labels, "Beside those of `[ship]`.").unset("none"),
    option("source", "rate", Kind::Size { min: 4 << 10, max: 16 * GIB }, "Bytes read a second from each of these files.").unset("`file_rate`"),
    option("source", "redact", Kind::Classes, "Classes, instead of those of `[redact]`; patterns hold all the same.").unset("those of `[redact]`"),
    option("test", "name", Kind::Text, "What is shown when it fails.").unset("its number"),
    option("test", "file", Kind::Text, "The file the lines stand in.").unset("`wso2carbon.log`"),
    option("test", "input", Kind::Text, "The lines.").unset("must be given"),
    option("test", "expect", Kind::Labels, "Fields of the first event, by full name, as they would be sent; `text` is all that would be.").unset("none"),
    option("test", "absent", Kind::Texts, "What must not stand in anything that would be sent.").unset("none"),
    option("test", "followed", Kind::Flag, "Whether the file would be followed at all.").unset("not looked at"),
    option("serve", "listen", Kind::Address, "Address to answer on; port 0 picks a free one. Reading is answered on loopback addresses only.")
        .default("127.0.0.1:7600")
        .flag("--listen"),
    option("serve", "data", Kind::Path, "Folder of the store: WAL, segments, marks, tokens.")
        .unset("`/var/lib/carbontrail` for root, else `$XDG_DATA_HOME/carbontrail`")
        .flag("--data"),
    option(
        "serve",
        "retention",
        Kind::Duration { min: DAY, max: Duration::from_secs(36_500 * 86_400) },
        "Age of an event, by its own time, after which it is removed.",
    )
    .default("30d"),
    option(
        "serve",
        "retention_bytes",
        Kind::Size { min: 64 * MIB, max: 1 << 50 },
        "Bytes the store may take on disk; the oldest events are removed beyond it.",
    )
    .unset("half of the sum of free disk space and what the store holds, measured at start"),
    option(
        "serve",
        "wal_bytes",
        Kind::Size { min: 16 * MIB, max: 4 * GIB },
        "Size of the write-ahead log at which the newest events go into segments. It bounds the time of a start \
         after a crash; twice as much disk space is always kept free for it.",
    )
    .default("256MiB"),
    option(
        "serve",
        "query_deadline",
        Kind::Duration { min: Duration::from_millis(100), max: Duration::from_secs(600) },
        "Time after which a query answers with what it has, marked incomplete, with a cursor to go on.",
    )
    .default("10s"),
];
