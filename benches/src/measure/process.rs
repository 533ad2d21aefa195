//! A child process and the processor time it used.
#![allow(clippy::disallowed_methods, reason = "a rim: it starts processes and reads /proc")]

use anyhow::{Context as _, bail};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Clock ticks a second in /proc; 100 on every Linux in use.
const TICKS: f64 = 100.0;

/// A child process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts it, with standard output closed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, arguments: &[&str]) -> anyhow::Result<Process> {
        let mut command = Command::new(program);
        let child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let name = format!("{} {}", program.display(), arguments.join(" "));
        Ok(Process { child: child.with_context(|| format!("failed to start `{name}`"))?, name })
    }

    /// Starts it, and gives what it prints.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_printing(program: &Path, arguments: &[&str]) -> anyhow::Result<(Process, ChildStdout)> {
        let mut command = Command::new(program);
        let child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let name = format!("{} {}", program.display(), arguments.join(" "));
        let mut child = child.with_context(|| format!("failed to start `{name}`"))?;
        let output = child.stdout.take().context("standard output of the child is missing")?;
        Ok((Process { child, name }, output))
    }

    /// Starts a server and waits for its `ready URL` line; returns the URL too.
    ///
    /// # Errors
    /// When it cannot be started, or ends before it is ready.
    pub fn start_server(program: &Path, arguments: &[&str]) -> anyhow::Result<(Process, String)> {
        let mut command = Command::new(program);
        let child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let name = format!("{} {}", program.display(), arguments.join(" "));
        let mut child = child.with_context(|| format!("failed to start `{name}`"))?;
        let stdout = child.stdout.take().context("standard output of the child is missing")?;
        let process = Process { child, name };
        for line in BufReader::new(stdout).lines() {
            if let Some(url) = line?.strip_prefix("ready ") {
                return Ok((process, url.to_owned()));
            }
        }
        bail!("`{}` ended before it was ready", process.name)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor seconds used so far, all threads, user and system.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn processor_seconds(&self) -> anyhow::Result<f64> {
        Ok(self.stat()?.1)
    }

    /// State letter and processor seconds.
    fn stat(&self) -> anyhow::Result<(char, f64)> {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read `{path}`"))?;
        // The name in brackets may hold blanks; what follows it does not.
        let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or("").split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        let state = fields.first().and_then(|f| f.chars().next()).unwrap_or('?');
        Ok((state, (ticks(11) + ticks(12)) / TICKS))
    }

    /// Resident memory now, bytes.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn memory(&self) -> anyhow::Result<u64> {
        self.memory_line("VmRSS:")
    }

    /// Largest resident memory so far, bytes.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn memory_peak(&self) -> anyhow::Result<u64> {
        self.memory_line("VmHWM:")
    }

    fn memory_line(&self, name: &str) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read `{path}`"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(kib.unwrap_or(0) << 10)
    }

    /// Waits for its end; returns its exit status and the processor seconds of its whole life.
    ///
    /// # Errors
    /// When it takes longer than `limit`.
    pub fn finish(mut self, limit: Duration) -> anyhow::Result<(ExitStatus, f64)> {
        let started = Instant::now();
        loop {
            // A child that ended and was not waited for still has its times in /proc.
            let (state, seconds) = self.stat()?;
            if state == 'Z' {
                return Ok((self.child.wait()?, seconds));
            }
            if started.elapsed() > limit {
                bail!("`{}` did not end within {} s", self.name, limit.as_secs());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(&self) -> anyhow::Result<()> {
        let done = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        if done.success() { Ok(()) } else { bail!("failed to end `{}`", self.name) }
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether it has ended, and how.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when it has ended already, and then there is nothing to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
