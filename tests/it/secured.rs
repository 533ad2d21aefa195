//! The ways to an indexer that are not a plain connection: TLS with an authority of one's own, mutual TLS, an HTTP proxy
//! with and without a user, and what the environment says of proxies. The parts on the way are real: stunnel terminates
//! TLS, tinyproxy is the proxy. Whatever is wrong with a way is told in words that say what to do, nothing is lost for
//! it, and shipping goes on when it is cured.

use crate::binaries::{carbontrail, output};
use crate::stage::{Stage, can, has, line};
use crate::tls::{Authority, Certificate, Daemon, Line, free_address};
use benches::dice::Dice;
use benches::measure::process::Process;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);
/// Cuts of each kind that a run must have met.
const CUTS: u64 = 10;
const HERE: &str = "IP:127.0.0.1";
/// What the HTTP client looks at; none of this machine's own may be in the way.
const VARIABLES: [&str; 8] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"];

/// A server, an authority that signed for it, and what the shipper is told of the way.
struct Place {
    root: tempfile::TempDir,
    stage: Stage,
    _serve: Process,
    authority: Authority,
    /// Where TLS is terminated.
    secured: SocketAddr,
}

impl Place {
    fn new() -> Option<Place> {
        let all = ["openssl", "stunnel4", "tinyproxy"].iter().all(|program| has(program));
        if !can("openssl, stunnel4 and tinyproxy are needed", all) {
            return None;
        }
        let root = tempfile::tempdir().unwrap();
        let stage = Stage::new(root.path(), 1);
        stage.proxy.seen.gentle.store(true, Ordering::Relaxed);
        let serve = stage.serve();
        let authority = Authority::new(root.path(), "ours");
        Some(Place { root, stage, _serve: serve, authority, secured: free_address() })
    }

    /// Terminates TLS with a certificate of an authority.
    fn terminate(&self, shows: &Certificate, clients: Option<&Authority>) -> Daemon {
        Daemon::terminator(self.secured, self.stage.proxy.address, shows, clients)
    }

    fn to(&self, address: SocketAddr) -> String {
        format!("to = \"https://{address}\"\n")
    }

    fn trusts(&self, authority: &Authority) -> String {
        format!("ca_file = \"{}\"\n", authority.file().display())
    }

    fn append(&self, name: &str, text: &str) {
        let mut options = fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(self.stage.logs.join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn config(&self, ship: &str) -> PathBuf {
        let stage = &self.stage;
        let text = format!(
            "[ship]\nfolders = [\"{}\"]\ntoken_file = \"{}\"\nstate = \"{}\"\nbatch = \"64KiB\"\n{ship}",
            stage.logs.display(),
            stage.token,
            stage.state
        );
        let config = self.root.path().join("carbontrail.toml");
        fs::write(&config, text).unwrap();
        config
    }

    fn command(&self, words: &[&str], ship: &str, environment: &[(&str, String)]) -> Command {
        let mut command = Command::new(carbontrail());
        for name in VARIABLES {
            command.env_remove(name);
        }
        command.args(words).arg("--config").arg(self.config(ship)).stdin(Stdio::null());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn ship(&self, ship: &str, environment: &[(&str, String)]) -> Running {
        Running(self.command(&["ship"], ship, environment).spawn().unwrap())
    }

    /// Ships until all is there.
    fn ship_all(&self, ship: &str, environment: &[(&str, String)]) {
        let mut running = Running(self.command(&["ship", "--until-idle"], ship, environment).spawn().unwrap());
        until("the end of ship --until-idle", || running.0.try_wait().unwrap().is_some());
        assert!(running.0.wait().unwrap().success());
    }

    /// What `status` says went wrong last.
    fn error(&self) -> String {
        let status = output(&["status", "--json", "--state", &self.stage.state]).stdout;
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap_or_default();
        status["last_error"].as_str().unwrap_or_default().to_owned()
    }

    /// The shipper cannot send, and says why: with all these words.
    fn is_told(&self, ship: &str, environment: &[(&str, String)], words: &[&str]) {
        let running = self.ship(ship, environment);
        self.says(words);
        assert_eq!(self.requests(), 0, "something got through");
        drop(running);
        // The same words for who asks before.
        let doctor = self.doctor(ship, environment);
        let told = doctor.lines().any(|line| line.starts_with("FAIL") && words.iter().all(|word| line.contains(word)));
        assert!(told, "doctor does not say {words:?}: {doctor}");
    }

    fn doctor(&self, ship: &str, environment: &[(&str, String)]) -> String {
        let done = self.command(&["doctor"], ship, environment).output().unwrap();
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
    }

    fn says(&self, words: &[&str]) {
        let mut last = String::new();
        let started = Instant::now();
        while !words.iter().all(|word| last.contains(word)) {
            assert!(started.elapsed() < LIMIT, "status does not say {words:?}, but: {last}");
            thread::sleep(Duration::from_millis(50));
            last = self.error();
        }
        eprintln!("told: {last}");
    }

    /// Requests with events that came to the indexer.
    fn requests(&self) -> u64 {
        self.stage.proxy.seen.requests.load(Ordering::Relaxed)
    }

    /// Two files of a few events.
    fn write(&self) {
        for number in 0..40 {
            let name = if number % 3 == 0 { "audit.log" } else { "wso2carbon.log" };
            self.append(name, &line("INFO", &format!("counted seq={number};")));
        }
    }
}

/// A shipper; killed when dropped.
struct Running(Child);

impl Running {
    fn terminate(mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
        until("the shipper's end", || self.0.try_wait().unwrap().is_some());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended, and then there is nothing to do.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LIMIT, "in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Requests in the proxy's own log: tunnels, and others.
fn passed(log: &Path) -> (usize, usize) {
    let text = fs::read_to_string(log).unwrap_or_default();
    let requests: Vec<&str> = text.lines().filter(|line| line.contains("Request (file descriptor")).collect();
    let tunnels = requests.iter().filter(|line| line.contains(": CONNECT ")).count();
    (tunnels, requests.len() - tunnels)
}

/// Writes numbered events that hardly compress, with rotations, until the line was cut often enough in each of its two ways.
fn write_through(place: &Place, carried: &crate::tls::Carried) {
    let (mut dice, mut number, started) = (Dice::new(7), 0u32, Instant::now());
    let met = || {
        let cuts = [&carried.cut_in_request, &carried.cut_in_answer];
        cuts.iter().all(|cuts| cuts.load(Ordering::Relaxed) >= CUTS)
    };
    while !met() {
        assert!(started.elapsed() < LIMIT, "too few cuts: {carried:?}");
        for _ in 0..20 {
            let noise: String = (0..24).map(|_| format!("{:016x}", dice.bits())).collect();
            let name = if number.is_multiple_of(3) { "audit.log" } else { "wso2carbon.log" };
            place.append(name, &line("INFO", &format!("counted seq={number}; {noise}")));
            number += 1;
        }
        if number.is_multiple_of(1_000) {
            let rotated = format!("wso2carbon-{number}.log");
            fs::rename(place.stage.logs.join("wso2carbon.log"), place.stage.logs.join(rotated)).unwrap();
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Ships through a line that is cut, then through the same one left whole.
fn arrives_once(place: &Place, line: &Line, ship: &str) {
    let running = place.ship(ship, &[]);
    write_through(place, &line.carried);
    line.carried.gentle.store(true, Ordering::Relaxed);
    running.terminate();
    place.ship_all(ship, &[]);
    place.stage.every_file_comes_back(1);
    let (carried, seen) = (&line.carried, &place.stage.proxy.seen);
    eprintln!("{carried:?} {seen:?}");
    assert_eq!(carried.plain.load(Ordering::Relaxed), 0, "something went without TLS");
    let resent = seen.covered.load(Ordering::Relaxed) + seen.refused.load(Ordering::Relaxed);
    assert!(resent > 0, "no cut took an answer: {carried:?} {seen:?}");
}

#[test]
fn each_byte_arrives_once_over_tls_that_is_cut() {
    let Some(place) = Place::new() else { return };
    let _terminator = place.terminate(&place.authority.sign(HERE), None);
    let line = Line::lay(place.secured, 1);
    arrives_once(&place, &line, &(place.to(line.address) + &place.trusts(&place.authority)));
}

#[test]
fn each_byte_arrives_once_over_mutual_tls_by_way_of_a_proxy_with_a_user() {
    let Some(place) = Place::new() else { return };
    let clients = Authority::new(place.root.path(), "clients");
    let _terminator = place.terminate(&place.authority.sign(HERE), Some(&clients));
    let line = Line::lay(place.secured, 2);
    let (proxy, log) = (free_address(), place.root.path().join("proxy.log"));
    let _proxy = Daemon::proxy(proxy, &log, Some(("agent", "secret")));
    let ship = place.to(line.address)
        + &place.trusts(&place.authority)
        + &shows(&clients.sign("DNS:agent"))
        + &format!("proxy = \"http://agent:secret@{proxy}\"\n");
    arrives_once(&place, &line, &ship);
    let (tunnels, others) = passed(&log);
    assert!(tunnels as u64 >= line.carried.tls.load(Ordering::Relaxed), "{tunnels} tunnels in the proxy's log");
    assert_eq!(others, 0, "TLS goes through a tunnel, nothing else");
}

fn shows(certificate: &Certificate) -> String {
    let Certificate { certificate, key } = certificate;
    format!("client_cert = \"{}\"\nclient_key = \"{}\"\n", certificate.display(), key.display())
}

#[test]
fn a_certificate_that_is_not_trusted_is_told_and_shipping_goes_on_when_it_is_cured() {
    let Some(place) = Place::new() else { return };
    let other = Authority::new(place.root.path(), "other");
    let (ours, theirs) = (place.authority.sign(HERE), other.sign(HERE));
    place.write();
    let to = place.to(place.secured);
    let wrong = to.clone() + &place.trusts(&other);
    let right = to.clone() + &place.trusts(&place.authority);
    {
        let _terminator = place.terminate(&ours, None);
        place.is_told(&wrong, &[], &["UnknownIssuer", "`ca_file`"]);
        place.is_told(&to, &[], &["UnknownIssuer", "`ca_file`"]);
    }
    {
        let _terminator = place.terminate(&place.authority.sign("DNS:store.example"), None);
        place.is_told(&right, &[], &["not valid for name", "use the name that its certificate has"]);
    }
    // Cured at the indexer, the shipper goes on by itself.
    let terminator = place.terminate(&theirs, None);
    let running = place.ship(&right, &[]);
    place.says(&["UnknownIssuer"]);
    drop(terminator);
    let _terminator = place.terminate(&ours, None);
    until("the events", || place.stage.search("counted").split(|&b| b == b'\n').count() > 38);
    running.terminate();
    place.append("wso2carbon.log", &line("INFO", "counted seq=40;"));
    place.ship_all(&right, &[]);
    place.stage.every_file_comes_back(1);
    let doctor = place.doctor(&right, &[]);
    assert!(doctor.contains(&format!("ok   indexer https://{} answers", place.secured)), "{doctor}");
}

#[test]
fn without_the_certificate_that_mutual_tls_wants_nothing_gets_through_and_the_reason_is_told() {
    let Some(place) = Place::new() else { return };
    let (clients, other) = (Authority::new(place.root.path(), "clients"), Authority::new(place.root.path(), "other"));
    let _terminator = place.terminate(&place.authority.sign(HERE), Some(&clients));
    place.write();
    let ship = place.to(place.secured) + &place.trusts(&place.authority);
    place.is_told(&ship, &[], &["CertificateRequired", "`client_cert`"]);
    let stranger = ship.clone() + &shows(&other.sign("DNS:agent"));
    place.is_told(&stranger, &[], &["UnknownCA", "`client_cert`"]);
    let mut mixed = clients.sign("DNS:agent");
    mixed.key = other.sign("DNS:agent").key;
    let refused = place.command(&["ship"], &(ship.clone() + &shows(&mixed)), &[]).output().unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("is not its key"), "{words}");
    place.ship_all(&(ship + &shows(&clients.sign("DNS:agent"))), &[]);
    place.stage.every_file_comes_back(1);
}

#[test]
fn a_host_that_trusts_no_authority_ships_without_tls_and_hears_what_tls_wants() {
    let Some(place) = Place::new() else { return };
    let _terminator = place.terminate(&place.authority.sign(HERE), None);
    place.write();
    let nobody = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| (name, "/nowhere".to_owned()));
    let secured = place.to(place.secured);
    for words in ["ship", "doctor"] {
        let refused = place.command(&[words], &secured, &nobody).output().unwrap();
        let told = String::from_utf8_lossy(&[refused.stdout, refused.stderr].concat()).into_owned();
        let cures = told.contains("`ca-certificates`") && told.contains("`ca_file`");
        assert!(!refused.status.success() && cures, "{words}: {told}");
    }
    place.ship_all(&(secured + &place.trusts(&place.authority)), &nobody);
    place.append("wso2carbon.log", &line("INFO", "counted seq=40;"));
    place.ship_all(&format!("to = \"http://{}\"\n", place.stage.proxy.address), &nobody);
    place.stage.every_file_comes_back(1);
    let search = Command::new(carbontrail())
        .args(["search", "counted", "--server", &place.stage.url()])
        .envs(nobody)
        .output()
        .unwrap();
    assert_eq!(search.stdout.split(|&b| b == b'\n').filter(|line| !line.is_empty()).count(), 41);
}

#[test]
fn a_proxy_is_used_its_troubles_are_told_and_shipping_goes_on_when_it_is_back() {
    let Some(place) = Place::new() else { return };
    let _terminator = place.terminate(&place.authority.sign(HERE), None);
    place.write();
    let (proxy, log) = (free_address(), place.root.path().join("proxy.log"));
    let secured = place.to(place.secured) + &place.trusts(&place.authority);
    let by = |user: &str| secured.clone() + &format!("proxy = \"http://{user}{proxy}\"\n");
    place.is_told(&by(""), &[], &["Connection refused", "does the proxy listen there?", &format!("{proxy}")]);
    {
        let _proxy = Daemon::proxy(proxy, &log, Some(("agent", "secret")));
        place.is_told(&by(""), &[], &["the proxy wants a user and a password"]);
        place.is_told(&by("agent:wrong@"), &[], &["tunnel error", "or not with this user and password"]);
        // Plain HTTP is asked of the proxy, without a tunnel; it refuses that in another way.
        let plain = format!("to = \"http://{}\"\nproxy = \"http://{proxy}\"\n", place.stage.proxy.address);
        place.is_told(&plain, &[], &["a user and a password"]);
    }
    // Down, then up again while the shipper runs.
    let running = place.ship(&by(""), &[]);
    place.says(&["does the proxy listen there?"]);
    let daemon = Daemon::proxy(proxy, &log, None);
    until("the events", || place.stage.search("counted").split(|&b| b == b'\n').count() > 38);
    drop(daemon);
    place.append("wso2carbon.log", &line("INFO", "counted seq=40;"));
    place.append("wso2carbon.log", &line("INFO", "counted seq=41;"));
    place.says(&["does the proxy listen there?"]);
    let (before, _) = passed(&log);
    let _daemon = Daemon::proxy(proxy, &log, None);
    until("what was written meanwhile", || !place.stage.search("\"seq=40\"").is_empty());
    running.terminate();
    let (after, _) = passed(&log);
    assert!(before > 0 && after > before, "{before} tunnels, then {after}");
    place.append("wso2carbon.log", &line("INFO", "counted seq=42;"));
    let plain = format!("to = \"http://{}\"\nproxy = \"http://{proxy}\"\n", place.stage.proxy.address);
    place.ship_all(&plain, &[]);
    assert!(passed(&log).1 > 0, "plain HTTP went past the proxy");
    place.stage.every_file_comes_back(1);
}

#[test]
fn what_the_environment_says_of_proxies_holds_unless_the_configuration_names_one() {
    let Some(place) = Place::new() else { return };
    let _terminator = place.terminate(&place.authority.sign(HERE), None);
    place.write();
    let (proxy, log, nobody) = (free_address(), place.root.path().join("proxy.log"), free_address());
    let ship = place.to(place.secured) + &place.trusts(&place.authority);
    let variable = |name, address: SocketAddr| (name, format!("http://{address}"));
    place.is_told(&ship, &[variable("HTTPS_PROXY", nobody)], &["Connection refused", "HTTPS_PROXY is set"]);
    // Past the proxy that does not listen.
    place.ship_all(&ship, &[variable("HTTPS_PROXY", nobody), ("NO_PROXY", "example.com,127.0.0.1".to_owned())]);
    assert_eq!(passed(&log), (0, 0));
    let _proxy = Daemon::proxy(proxy, &log, None);
    place.append("audit.log", &line("INFO", "counted seq=40;"));
    place.ship_all(&ship, &[variable("HTTPS_PROXY", proxy)]);
    let (first, _) = passed(&log);
    assert!(first > 0, "the proxy of the environment was not used");
    // What the configuration names goes before all of it.
    place.append("audit.log", &line("INFO", "counted seq=41;"));
    let named = ship + &format!("proxy = \"http://{proxy}\"\n");
    place.ship_all(&named, &[variable("HTTPS_PROXY", nobody), ("NO_PROXY", "127.0.0.1".to_owned())]);
    assert!(passed(&log).0 > first, "the proxy of the configuration was not used");
    place.stage.every_file_comes_back(1);
}
