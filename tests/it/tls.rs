//! The way to an indexer as it is outside: authorities and certificates made by openssl, a terminator of TLS (stunnel), an
//! HTTP proxy (tinyproxy), and a line between them that is cut in the middle of what it carries, and counts it.

use benches::dice::Dice;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(10);

/// An address that nobody has.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// An authority of its own, with its files in a folder.
pub(crate) struct Authority {
    folder: PathBuf,
}

/// A certificate and its key.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let done = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "openssl {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr));
}

/// A new key of the kind that is made fastest.
const NEW_KEY: [&str; 6] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256"];

impl Authority {
    pub(crate) fn new(root: &Path, name: &str) -> Authority {
        let folder = root.join(name);
        fs::create_dir(&folder).unwrap();
        let subject = format!("/CN={name}");
        let request = ["req", "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", &subject];
        openssl(&folder, &[&request[..], &NEW_KEY].concat());
        Authority { folder }
    }

    /// The file that whoever trusts it names.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for a server at `name` (`IP:127.0.0.1`, `DNS:store.example`), or for a client.
    pub(crate) fn sign(&self, name: &str) -> Certificate {
        let stem: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let of = |ending: &str| format!("{stem}.{ending}");
        let (key, request, certificate) = (of("key"), of("request"), of("pem"));
        let uses = format!("subjectAltName={name}\nbasicConstraints=critical,CA:FALSE\n");
        fs::write(self.folder.join(of("uses")), uses).unwrap();
        let subject = format!("/CN={stem}");
        let ask = ["req", "-new", "-keyout", &key, "-out", &request, "-subj", &subject];
        openssl(&self.folder, &[&ask[..], &NEW_KEY].concat());
        let by = ["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-sha256"];
        openssl(&self.folder, &[&by[..], &["-in", &request, "-out", &certificate, "-extfile", &of("uses")]].concat());
        Certificate { certificate: self.folder.join(certificate), key: self.folder.join(key) }
    }
}

/// A process of the system that listens; killed when dropped.
pub(crate) struct Daemon(Child);

impl Daemon {
    fn start(program: &str, arguments: &[&str], address: SocketAddr) -> Daemon {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let daemon = Daemon(command.spawn().unwrap());
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < LIMIT, "{program} does not listen on {address}");
            thread::sleep(Duration::from_millis(5));
        }
        daemon
    }

    /// Terminates TLS at `address` for what listens at `to`. With `clients`, only who shows a certificate of that authority
    /// is served.
    pub(crate) fn terminator(
        address: SocketAddr,
        to: SocketAddr,
        shows: &Certificate,
        clients: Option<&Authority>,
    ) -> Daemon {
        let wants = clients.map(|authority| {
            format!("CAfile = {}\nverifyChain = yes\nrequireCert = yes\n", authority.file().display())
        });
        let text = format!(
            "foreground = yes\npid =\n[indexer]\naccept = {address}\nconnect = {to}\ncert = {}\nkey = {}\n\
             TIMEOUTclose = 0\n{}",
            shows.certificate.display(),
            shows.key.display(),
            wants.unwrap_or_default()
        );
        let config = shows.key.with_extension("stunnel");
        fs::write(&config, text).unwrap();
        Daemon::start("stunnel4", &[&config.display().to_string()], address)
    }

    /// An HTTP proxy; what passes is written to `log`. With `user` (name and password), only for who knows both.
    pub(crate) fn proxy(address: SocketAddr, log: &Path, user: Option<(&str, &str)>) -> Daemon {
        let (ip, port, log_file) = (address.ip(), address.port(), log.display());
        let user = user.map(|(name, password)| format!("BasicAuth {name} {password}\n")).unwrap_or_default();
        let text = format!(
            "Listen {ip}\nPort {port}\nTimeout 60\nMaxClients 50\nAllow 127.0.0.1\nLogFile \"{log_file}\"\n\
             LogLevel Connect\n{user}"
        );
        let config = log.with_extension("conf");
        fs::write(&config, text).unwrap();
        Daemon::start("tinyproxy", &["-d", "-c", &config.display().to_string()], address)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail when it has ended, and then there is nothing to do.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a line carried.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// Connections that began as TLS does.
    pub(crate) tls: AtomicU64,
    /// Connections that began otherwise.
    pub(crate) plain: AtomicU64,
    /// Connections cut in the middle of a request.
    pub(crate) cut_in_request: AtomicU64,
    /// Connections cut in the middle of an answer.
    pub(crate) cut_in_answer: AtomicU64,
    /// Nothing is cut any more.
    pub(crate) gentle: AtomicBool,
}

/// A line to `to`: it is cut again and again until it is told to be gentle.
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    pub(crate) carried: Arc<Carried>,
}

/// First byte of a TLS connection: a record of the handshake.
const HANDSHAKE: u8 = 0x16;
/// Bytes of a request that stays whole at least, and what comes to it at random.
const REQUEST_BYTES: (u64, u64) = (2_000, 150_000);
/// The same of answers: the handshake is about 1,500 bytes.
const ANSWER_BYTES: (u64, u64) = (1_600, 3_000);

impl Line {
    pub(crate) fn lay(to: SocketAddr, seed: u64) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let carried = Arc::new(Carried::default());
        let for_threads = Arc::clone(&carried);
        thread::spawn(move || {
            let mut dice = Dice::new(seed);
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(to)) else { continue };
                // Each connection is cut at one end of its two.
                let (mut request, mut answer) = (u64::MAX, u64::MAX);
                if dice.chance(5_000) {
                    request = dice.between(REQUEST_BYTES.0, REQUEST_BYTES.1);
                } else {
                    answer = dice.between(ANSWER_BYTES.0, ANSWER_BYTES.1);
                }
                let pairs =
                    [(client.try_clone(), server.try_clone(), request, true), (Ok(server), Ok(client), answer, false)];
                for (from, to, limit, up) in pairs {
                    let carried = Arc::clone(&for_threads);
                    let (Ok(from), Ok(to)) = (from, to) else { continue };
                    thread::spawn(move || carry(from, to, limit, up, &carried));
                }
            }
        });
        Line { address, carried }
    }
}

/// Carries one direction until an end is closed, or `limit` bytes are over.
fn carry(mut from: TcpStream, mut to: TcpStream, limit: u64, up: bool, carried: &Carried) {
    let (mut buffer, mut passed) = ([0; 4096], 0u64);
    let cuts = if up { &carried.cut_in_request } else { &carried.cut_in_answer };
    let ended: io::Result<()> = (|| {
        loop {
            let n = from.read(&mut buffer)?;
            if n == 0 {
                return Ok(());
            }
            if up && passed == 0 {
                let kind = if buffer[0] == HANDSHAKE { &carried.tls } else { &carried.plain };
                kind.fetch_add(1, Ordering::Relaxed);
            }
            passed += n as u64;
            if passed > limit && !carried.gentle.load(Ordering::Relaxed) {
                // A part of it still arrives.
                to.write_all(&buffer[..n / 2])?;
                cuts.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            to.write_all(&buffer[..n])?;
        }
    })();
    drop(ended);
    // The other direction ends with it; one that is closed already has nothing to shut down.
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}
