//! carbontrail beside other shippers: the same numbered files, rotated while they are written, one `kill -9` in the
//! middle, and a verifier that has the truth. What is compared: numbers lost and doubled, events that arrived in other
//! pieces than they were written in, processor seconds for each GB, and resident memory.
//!
//! rsyslog and syslog-ng (Debian packages) are taken where they are found, or by path; Vector, Fluent Bit, Filebeat and
//! the OpenTelemetry collector by path. Each gets a configuration that joins Carbon's stack traces, with everything
//! switched on that it has for delivery: state on disk, retries without end. They send lines of JSON to a socket here
//! (or print them, where they have no such output); carbontrail sends to its own server.
//!
//! Not measured: the receiving side, and how soon a line arrives.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]
#![allow(clippy::disallowed_methods, reason = "a rim: it writes files, starts processes and reads the clock")]

use anyhow::{Context as _, bail};
use benches::measure::process::Process;
use clap::Parser;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Runs shippers one after the other on the same files, with a kill in the middle.
#[derive(Parser)]
#[command(after_help = "Example:\n  beside --carbontrail target/release/carbontrail --seconds 30 --rate 5000\n  \
    beside --carbontrail target/release/carbontrail --vector /opt/vector/bin/vector --runs 3")]
struct Arguments {
    /// The carbontrail binary; `carbon-writer` must stand beside this program.
    #[arg(long)]
    carbontrail: PathBuf,
    /// rsyslogd.
    #[arg(long, default_value = "/usr/sbin/rsyslogd")]
    rsyslog: PathBuf,
    /// syslog-ng.
    #[arg(long, default_value = "/usr/sbin/syslog-ng")]
    syslog_ng: PathBuf,
    /// Vector.
    #[arg(long)]
    vector: Option<PathBuf>,
    /// Fluent Bit.
    #[arg(long)]
    fluent_bit: Option<PathBuf>,
    /// Filebeat.
    #[arg(long)]
    filebeat: Option<PathBuf>,
    /// OpenTelemetry collector (contrib).
    #[arg(long)]
    otelcol: Option<PathBuf>,
    /// Events a second, over all files.
    #[arg(long, default_value_t = 5_000)]
    rate: u64,
    /// Seconds of writing.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Mean pause between two rotations of each of the three files.
    #[arg(long, default_value_t = 4_000)]
    rotate_every_ms: u64,
    /// Folder to work in; emptied before and after.
    #[arg(long, default_value = "target/beside")]
    folder: PathBuf,
}

/// Nothing new for so long: it has sent what it has. Longer than any of them waits for an event's end.
const QUIET: Duration = Duration::from_secs(12);
const LIMIT: Duration = Duration::from_secs(300);

/// One shipper.
struct Tool {
    name: &'static str,
    /// Name of its configuration file.
    file: &'static str,
    /// Its text, for the folders and the port of a run.
    configuration: fn(&Run) -> String,
    /// What follows the program; `CONFIG` and `STATE` stand for paths.
    arguments: &'static [&'static str],
}

/// Folders and port of one run.
struct Run {
    logs: PathBuf,
    state: PathBuf,
    port: u16,
}

const TOOLS: [Tool; 6] = [
    Tool {
        name: "rsyslog",
        file: "rsyslog.conf",
        configuration: rsyslog,
        arguments: &["-n", "-f", "CONFIG", "-i", "STATE/pid"],
    },
    Tool {
        name: "syslog-ng",
        file: "syslog-ng.conf",
        configuration: syslog_ng,
        arguments: &[
            "-F",
            "--no-caps",
            "-f",
            "CONFIG",
            "-R",
            "STATE/persist",
            "-c",
            "STATE/control",
            "--pidfile",
            "STATE/pid",
        ],
    },
    Tool { name: "Vector", file: "vector.yaml", configuration: vector, arguments: &["--quiet", "--config", "CONFIG"] },
    Tool {
        name: "Fluent Bit",
        file: "fluent-bit.yaml",
        configuration: fluent_bit,
        arguments: &["--quiet", "-c", "CONFIG"],
    },
    Tool {
        name: "Filebeat",
        file: "filebeat.yml",
        configuration: filebeat,
        arguments: &["-c", "CONFIG", "--path.data", "STATE", "--path.logs", "STATE"],
    },
    Tool {
        name: "OpenTelemetry collector",
        file: "otelcol.yaml",
        configuration: otelcol,
        arguments: &["--config", "CONFIG"],
    },
];

/// How a Carbon event begins: the three products' heads.
const HEAD: &str = r"^(TID: )?\[";

fn rsyslog(run: &Run) -> String {
    format!(
        r#"global(workDirectory="{state}" maxMessageSize="1m")
module(load="imfile" mode="inotify")
input(type="imfile" File="{logs}/*/wso2carbon*.log*" Tag="c" startmsg.regex="{head}" readTimeout="5" escapeLF="off"
  reopenOnTruncate="on" persistStateInterval="100" addMetadata="off" Facility="local0")
template(name="line" type="list") {{ property(name="msg" format="json") constant(value="\n") }}
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" template="line" action.resumeRetryCount="-1"
  queue.type="LinkedList" queue.filename="q" queue.saveOnShutdown="on" queue.syncQueueFiles="off")
"#,
        head = HEAD.replace('\\', "\\\\"),
        state = run.state.display(),
        logs = run.logs.display(),
        port = run.port
    )
}

fn syslog_ng(run: &Run) -> String {
    format!(
        r#"@version: 3.38
options {{ log-msg-size(1048576); }};
source s {{ wildcard-file(base-dir("{logs}") filename-pattern("wso2carbon*") recursive(yes) follow-freq(0.5)
  flags(no-parse) multi-line-mode(prefix-garbage) multi-line-prefix('{HEAD}') multi-line-timeout(5)); }};
destination d {{ network("127.0.0.1" port({port}) transport("tcp") template("$(format-json message=$MSG)\n")
  disk-buffer(reliable(yes) disk-buf-size(268435456) dir("{state}"))); }};
log {{ source(s); destination(d); flags(flow-control); }};
"#,
        state = run.state.display(),
        logs = run.logs.display(),
        port = run.port
    )
}

fn vector(run: &Run) -> String {
    format!(
        r"data_dir: {state}
acknowledgements: {{ enabled: true }}
sources:
  s:
    type: file
    include: ['{logs}/*/wso2carbon*']
    multiline: {{ start_pattern: '{HEAD}', condition_pattern: '{HEAD}', mode: halt_before, timeout_ms: 5000 }}
sinks:
  d:
    type: socket
    inputs: [s]
    mode: tcp
    address: 127.0.0.1:{port}
    encoding: {{ codec: json }}
    buffer: {{ type: disk, max_size: 268435488 }}
",
        state = run.state.display(),
        logs = run.logs.display(),
        port = run.port
    )
}

fn fluent_bit(run: &Run) -> String {
    format!(
        r"service: {{ flush: 1, storage.path: {state}/storage }}
multiline_parsers:
  - name: carbon
    type: regex
    flush_timeout: 5000
    rules:
      - {{ state: start_state, regex: '/{HEAD}/', next_state: cont }}
      - {{ state: cont, regex: '/^(?!(TID: )?\[)/', next_state: cont }}
pipeline:
  inputs:
    - {{ name: tail, path: '{logs}/*/wso2carbon*', multiline.parser: carbon, db: {state}/db, read_from_head: true, key: message, storage.type: filesystem }}
  outputs:
    - {{ name: tcp, match: '*', host: 127.0.0.1, port: {port}, format: json_lines, retry_limit: no_limits }}
",
        state = run.state.display(),
        logs = run.logs.display(),
        port = run.port
    )
}

fn filebeat(run: &Run) -> String {
    format!(
        r"filebeat.inputs:
  - type: filestream
    id: carbon
    paths: ['{logs}/*/wso2carbon*']
    parsers:
      - multiline: {{ type: pattern, pattern: '{HEAD}', negate: true, match: after, timeout: 5s }}
output.console: {{ codec.json: {{ pretty: false }} }}
logging.level: error
",
        logs = run.logs.display()
    )
}

fn otelcol(run: &Run) -> String {
    format!(
        r"extensions: {{ file_storage: {{ directory: {state} }} }}
receivers:
  filelog:
    include: ['{logs}/*/wso2carbon*']
    start_at: beginning
    storage: file_storage
    multiline: {{ line_start_pattern: '{HEAD}' }}
exporters:
  file: {{ path: /dev/stdout }}
service:
  extensions: [file_storage]
  telemetry: {{ logs: {{ level: error }} }}
  pipelines: {{ logs: {{ receivers: [filelog], exporters: [file] }} }}
",
        state = run.state.display(),
        logs = run.logs.display()
    )
}

/// What arrived: messages, and when the last one did.
#[derive(Default)]
struct Arrived {
    messages: Vec<String>,
    last: Option<Instant>,
}

type Sink = Arc<Mutex<Arrived>>;

/// The texts of the events in one line of JSON.
fn messages(line: &str) -> Vec<String> {
    // rsyslog sends the text alone, escaped.
    let bare = || serde_json::from_str::<String>(&format!("\"{line}\"")).ok().map(|text| vec![text]);
    let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { return bare().unwrap_or_default() };
    if let Some(message) = value["message"].as_str().or_else(|| value["log"].as_str()) {
        return vec![message.to_owned()];
    }
    let mut found = Vec::new();
    for resource in value["resourceLogs"].as_array().into_iter().flatten() {
        for scope in resource["scopeLogs"].as_array().into_iter().flatten() {
            for record in scope["logRecords"].as_array().into_iter().flatten() {
                found.extend(record["body"]["stringValue"].as_str().map(str::to_owned));
            }
        }
    }
    found
}

fn drain(from: impl std::io::Read, sink: &Sink) {
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let texts = messages(&String::from_utf8_lossy(&line));
        let mut sink = sink.lock().expect("no panic while it is held");
        sink.messages.extend(texts);
        sink.last = Some(Instant::now());
    }
}

/// Listens on a free port of its own.
fn listen(sink: &Sink) -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let sink = Arc::clone(sink);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sink = Arc::clone(&sink);
            thread::spawn(move || drain(stream, &sink));
        }
    });
    Ok(port)
}

/// Every event as it was written, by its number.
type Truth = BTreeMap<String, String>;

fn number_of(text: &str) -> Option<String> {
    Some(text.split_once("counted seq=")?.1.split_once(';')?.0.to_owned())
}

/// Cuts text into events: each begins with the line that holds its number.
fn events(text: &str) -> Vec<String> {
    let mut events: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        match events.last_mut() {
            Some(last) if number_of(line).is_none() => last.push_str(line),
            _ => events.push(line.to_owned()),
        }
    }
    events
}

fn truth(logs: &Path) -> anyhow::Result<(Truth, u64)> {
    let (mut truth, mut bytes) = (Truth::new(), 0);
    for folder in fs::read_dir(logs)? {
        for file in fs::read_dir(folder?.path())? {
            let text = fs::read(file?.path())?;
            bytes += text.len() as u64;
            for event in events(&String::from_utf8_lossy(&text)) {
                let number = number_of(&event).with_context(|| format!("an event without number: {event}"))?;
                truth.insert(number, event.trim_end().to_owned());
            }
        }
    }
    Ok((truth, bytes))
}

/// What became of one run.
struct Outcome {
    name: &'static str,
    written: usize,
    lost: usize,
    doubled: usize,
    broken: usize,
    seconds_a_gb: f64,
    memory: u64,
}

impl Outcome {
    fn judge(name: &'static str, truth: &Truth, bytes: u64, arrived: &[String], seconds: f64, memory: u64) -> Outcome {
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        let mut broken = 0;
        let numbers: Vec<Option<String>> = arrived.iter().map(|text| number_of(text)).collect();
        for (text, number) in arrived.iter().zip(&numbers) {
            let whole = number.as_ref().and_then(|number| truth.get(number));
            broken += usize::from(whole.is_none_or(|whole| whole != text.trim_end()));
            if let Some(number) = number {
                *times.entry(number).or_default() += 1;
            }
        }
        Outcome {
            name,
            written: truth.len(),
            lost: truth.keys().filter(|number| !times.contains_key(number.as_str())).count(),
            doubled: times.values().map(|times| times - 1).sum(),
            broken,
            seconds_a_gb: seconds / (bytes as f64 / 1e9),
            memory,
        }
    }

    fn show(&self) {
        println!(
            "| {} | {} | {} | {} | {} | {:.1} | {} MB |",
            self.name,
            self.written,
            self.lost,
            self.doubled,
            self.broken,
            self.seconds_a_gb,
            self.memory / 1_000_000
        );
    }
}

/// Writes while a shipper runs that `start` starts, killing it in the middle; gives its processor seconds and memory.
fn write_and_kill(
    arguments: &Arguments,
    run: &Run,
    start: &dyn Fn() -> anyhow::Result<Process>,
) -> anyhow::Result<(Process, f64, u64)> {
    let writer = std::env::current_exe()?.with_file_name("carbon-writer");
    let logs = run.logs.display().to_string();
    let (rate, seconds) = (arguments.rate.to_string(), arguments.seconds.to_string());
    let rotate = arguments.rotate_every_ms.to_string();
    let write = ["--out", &logs, "--numbered", "--files", "3", "--rate", &rate, "--seconds", &seconds];
    let first = start()?;
    let writing = Process::start(&writer, &[&write[..], &["--rotate-every-ms", &rotate]].concat())?;
    thread::sleep(Duration::from_secs(arguments.seconds / 2));
    let (mut used, mut memory) = (first.processor_seconds()?, first.memory_peak()?);
    first.kill()?;
    thread::sleep(Duration::from_secs(1));
    let second = start()?;
    let (written, _) = writing.finish(LIMIT)?;
    if !written.success() {
        bail!("the writer failed: {written}");
    }
    used += second.processor_seconds()?;
    memory = memory.max(second.memory_peak()?);
    Ok((second, used, memory))
}

/// Empty folders for a run.
fn folders(root: &Path, port: u16) -> anyhow::Result<Run> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::create_dir_all(root)?;
    let root = root.canonicalize()?;
    let run = Run { logs: root.join("logs"), state: root.join("state"), port };
    fs::create_dir_all(&run.logs)?;
    fs::create_dir_all(run.state.join("storage"))?;
    Ok(run)
}

fn other(arguments: &Arguments, tool: &Tool, program: &Path) -> anyhow::Result<Outcome> {
    let sink = Sink::default();
    let run = folders(&arguments.folder, listen(&sink)?)?;
    let config = run.state.join(tool.file);
    fs::write(&config, (tool.configuration)(&run))?;
    let with = |argument: &&str| {
        argument.replace("CONFIG", &config.display().to_string()).replace("STATE", &run.state.display().to_string())
    };
    let words: Vec<String> = tool.arguments.iter().map(with).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let prints = tool.name == "Filebeat" || tool.name == "OpenTelemetry collector";
    let start = || match prints {
        true => {
            let (process, output) = Process::start_printing(program, &words)?;
            let sink = Arc::clone(&sink);
            thread::spawn(move || drain(output, &sink));
            Ok(process)
        }
        false => Process::start(program, &words),
    };
    let (process, before, _) = write_and_kill(arguments, &run, &start)?;
    let at_end = process.processor_seconds()?;
    let started = Instant::now();
    let quiet = || sink.lock().expect("no panic while it is held").last.is_none_or(|last| last.elapsed() > QUIET);
    while started.elapsed() < QUIET || !quiet() && started.elapsed() < LIMIT {
        thread::sleep(Duration::from_millis(100));
    }
    let seconds = before - at_end + process.processor_seconds()?;
    let memory = process.memory_peak()?;
    process.kill()?;
    let (truth, bytes) = truth(&run.logs)?;
    let arrived = std::mem::take(&mut sink.lock().expect("no panic while it is held").messages);
    Ok(Outcome::judge(tool.name, &truth, bytes, &arrived, seconds, memory))
}

fn carbontrail(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let run = folders(&arguments.folder, 0)?;
    let data = run.state.join("data").display().to_string();
    let state = run.state.join("ship").display().to_string();
    let logs = run.logs.display().to_string();
    let serve = ["serve", "--data", &data, "--listen", "127.0.0.1:0"];
    let (_serve, url) = Process::start_server(&arguments.carbontrail, &serve)?;
    let ship = ["ship", &logs, "--to", &url, "--state", &state];
    let start = || Process::start(&arguments.carbontrail, &ship);
    let (process, before, memory) = write_and_kill(arguments, &run, &start)?;
    process.terminate()?;
    let at_end = process.processor_seconds()?;
    let (_, whole) = process.finish(LIMIT)?;
    let last = Process::start(&arguments.carbontrail, &[&ship[..], &["--until-idle"]].concat())?;
    let (_, rest) = last.finish(LIMIT)?;
    let seconds = before - at_end + whole + rest;
    let found = Command::new(&arguments.carbontrail)
        .args(["search", "counted", "--server", &url, "--format", "raw"])
        .output()
        .context("failed to search")?;
    let (truth, bytes) = truth(&run.logs)?;
    let arrived = events(&String::from_utf8_lossy(&found.stdout));
    Ok(Outcome::judge("carbontrail", &truth, bytes, &arrived, seconds, memory))
}

/// Those that are here.
fn tools(arguments: &Arguments) -> Vec<(Tool, PathBuf)> {
    let programs = [
        Some(&arguments.rsyslog),
        Some(&arguments.syslog_ng),
        arguments.vector.as_ref(),
        arguments.fluent_bit.as_ref(),
        arguments.filebeat.as_ref(),
        arguments.otelcol.as_ref(),
    ];
    let mut here = Vec::new();
    for (tool, program) in TOOLS.into_iter().zip(programs) {
        match program {
            Some(program) if program.exists() => here.push((tool, program.clone())),
            Some(program) => eprintln!("{}: SKIPPED, `{}` is not there", tool.name, program.display()),
            None => {}
        }
    }
    here
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    println!("| shipper | events | lost | doubled | in other pieces | cpu seconds a GB | peak memory |");
    println!("|---|---|---|---|---|---|---|");
    carbontrail(&arguments)?.show();
    for (tool, program) in tools(&arguments) {
        match other(&arguments, &tool, &program) {
            Ok(outcome) => outcome.show(),
            Err(error) => eprintln!("{}: {error:#}", tool.name),
        }
    }
    fs::remove_dir_all(&arguments.folder).with_context(|| arguments.folder.display().to_string())
}
