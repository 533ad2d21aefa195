//! Lively traffic of a small deployment: an API Manager, an Identity Server and a Micro Integrator that serve the
//! same calls, so that one correlation id leads over all three; log-ins, console work, background lines, and
//! now and then an incident: for some time one backend does not answer, and the stacks pile up.
#![allow(clippy::disallowed_methods, reason = "a rim: it looks whether its files are there")]

use crate::corpus::Product;
use crate::dice::{Dice, Zipf};
use crate::local_time::{LocalClock, decimal};
use crate::stacks::Stacks;
use crate::templates::{self, APIS, HOSTS, Severity, Template, address, user};
use crate::writer::log_file::{LogFile, Rotation};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One product's folder and the files in it.
#[derive(Debug)]
struct Server {
    product: Product,
    folder: PathBuf,
    clock: LocalClock,
    main: LogFile,
    audit: LogFile,
    error: Option<LogFile>,
    access: Option<(String, LogFile)>,
    rotation: Rotation,
}

/// A backend that does not answer for some time.
#[derive(Clone, Copy, Debug)]
struct Incident {
    host: &'static str,
    until_ms: i64,
}

/// A call on its way, and when it ends.
#[derive(Debug)]
struct Call {
    id: String,
    api: &'static str,
    host: &'static str,
    path: String,
    down: bool,
    took_ms: u64,
}

/// Writes the deployment's logs.
#[derive(Debug)]
pub struct Traffic {
    dice: Dice,
    templates: Vec<Template>,
    ranks: Zipf,
    stacks: Stacks,
    servers: BTreeMap<usize, Server>,
    incident: Option<Incident>,
    next_incident_ms: i64,
    /// Calls under way by their end; the number tells those of one millisecond apart.
    under_way: BTreeMap<(i64, u64), Call>,
    lines: u64,
}

const API: usize = 0;
const IDENTITY: usize = 1;
const INTEGRATOR: usize = 2;

impl Traffic {
    /// Opens the log folders below `root`; what stands there is appended to.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub fn open(root: &Path, seed: u64, rotation: Rotation, start_ms: i64) -> anyhow::Result<Traffic> {
        // Two products print their zone in the start banner; the third prints local time of the host.
        let zones = [TimeZone::get("Asia/Colombo")?, TimeZone::get("Europe/Berlin")?, TimeZone::system()];
        let mut servers = BTreeMap::new();
        for (index, zone) in zones.into_iter().enumerate() {
            servers.insert(index, Server::open(root, Product::ALL[index], LocalClock::new(zone), rotation)?);
        }
        let templates = templates::all();
        let ranks = Zipf::new(templates.len(), 0.95);
        let mut traffic = Traffic {
            dice: Dice::new(seed),
            templates,
            ranks,
            stacks: Stacks::default(),
            servers,
            incident: None,
            next_incident_ms: start_ms + 20_000,
            under_way: BTreeMap::new(),
            lines: 0,
        };
        for index in [API, IDENTITY, INTEGRATOR] {
            traffic.banner(index, start_ms)?;
        }
        Ok(traffic)
    }

    /// Whether the API Manager had no log before this start.
    pub fn is_fresh(root: &Path) -> bool {
        !logs_folder(root, Product::ApiManager).join("wso2carbon.log").exists()
    }

    /// Events written so far.
    pub fn events(&self) -> u64 {
        self.lines
    }

    /// Lets one thing happen at `ms`; it writes one to about ten events. Returns how many.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn happen(&mut self, ms: i64) -> anyhow::Result<u64> {
        let before = self.lines;
        self.turn_incident(ms);
        while let Some(entry) = self.under_way.first_entry().filter(|e| e.key().0 <= ms) {
            let ((end_ms, _), call) = entry.remove_entry();
            self.end_call(end_ms, &call)?;
        }
        match self.dice.below(100) {
            0..=54 => self.call(ms)?,
            55..=64 => self.login(ms)?,
            65..=67 => self.console(ms)?,
            _ => {
                let server = self.dice.below(3) as usize;
                self.background(server, ms)?;
            }
        }
        Ok(self.lines - before)
    }

    fn turn_incident(&mut self, ms: i64) {
        if self.incident.is_some_and(|i| i.until_ms <= ms) {
            self.incident = None;
            self.next_incident_ms = ms + self.dice.between(120_000, 360_000) as i64;
        } else if self.incident.is_none() && self.next_incident_ms <= ms {
            let until_ms = ms + self.dice.between(25_000, 60_000) as i64;
            self.incident = Some(Incident { host: HOSTS[self.dice.below(5) as usize], until_ms });
        }
    }

    /// A call through the gateway: access lines, the token looked up, the integration run, perhaps a failure.
    fn call(&mut self, ms: i64) -> anyhow::Result<()> {
        let mut id = Vec::new();
        self.dice.uuid(&mut id);
        let id = String::from_utf8_lossy(&id).into_owned();
        let api = *self.dice.pick(APIS);
        let host = HOSTS[self.dice.below(5) as usize];
        let path =
            format!("/{}/v1/{}/{}", api.trim_end_matches("API").to_lowercase(), "items", self.dice.below(90_000));
        let down = self.incident.is_some_and(|i| i.host == host);
        let refused = !down && self.dice.chance(300);
        let took = if down { self.dice.between(5_000, 30_000) } else { self.dice.pause(60.0) as u64 + 3 };

        let text = format!("Received request for API {api}, resource {path}, correlation_id : {id}");
        self.line(API, ms, Severity::Info, "org.wso2.carbon.apimgt.gateway.handlers.LogsHandler", &text)?;
        if self.dice.chance(4_000) {
            let text = format!("Introspected access token for client of {api}, active = {}", !refused);
            let logger = "org.wso2.carbon.identity.oauth2.validators.TokenValidationHandler";
            self.correlated(IDENTITY, ms + 4, Severity::Info, logger, &text, &id)?;
            self.access_quoted(IDENTITY, ms + 4, "POST /oauth2/introspect HTTP/1.1", 200, 9)?;
        }
        if refused {
            let text =
                format!("API authentication failure due to an expired access token for {api}, correlation_id : {id}");
            let logger = "org.wso2.carbon.apimgt.gateway.handlers.security.APIAuthenticationHandler";
            self.line(API, ms + 5, Severity::Warn, logger, &text)?;
            return self.access_bare(ms + 6, &path, 401, 6);
        }
        let text = format!("{{api:{api}}} To: https://{host}{path}, MessageID: urn:uuid:{id}, correlation_id : {id}");
        self.line(INTEGRATOR, ms + 8, Severity::Info, "org.apache.synapse.mediators.builtin.LogMediator", &text)?;
        let call = Call { id, api, host, path, down, took_ms: took };
        self.under_way.insert((ms + took as i64, self.lines), call);
        Ok(())
    }

    fn end_call(&mut self, ms: i64, call: &Call) -> anyhow::Result<()> {
        let Call { id, api, host, path, down, took_ms } = call;
        if *down {
            let text = format!("{{api:{api}}} Unable to reach https://{host}{path}, correlation_id : {id}");
            self.failure(INTEGRATOR, ms, "org.apache.synapse.transport.passthru.ConnectCallback", &text)?;
            let text = format!("Endpoint of API {api} did not answer within {took_ms} ms, correlation_id : {id}");
            self.failure(API, ms, "org.apache.synapse.endpoints.EndpointContext", &text)?;
        }
        let status = if *down { 504 } else { 200 };
        self.access_passthrough(ms, path, status)?;
        self.access_bare(ms, path, status, *took_ms)
    }

    fn login(&mut self, ms: i64) -> anyhow::Result<()> {
        let (mut id, mut name) = (Vec::new(), Vec::new());
        self.dice.uuid(&mut id);
        user(&mut self.dice, &mut name);
        let (id, name) = (String::from_utf8_lossy(&id).into_owned(), String::from_utf8_lossy(&name).into_owned());
        let tenant = *self.dice.pick(templates::TENANTS);
        let good = !self.dice.chance(1_200);
        let text = format!(
            "Initiator : {name}@{tenant} | Action : Login | Target : ApplicationAuthenticationFramework | \
             Data : {{ \"ContextIdentifier\" : \"{id}\" }} | Result : {}",
            if good { "Success" } else { "Failed" }
        );
        self.audit(IDENTITY, ms, &text, &id)?;
        if !good {
            let text = format!("Login of {name}@{tenant} refused: password does not match");
            let logger = "org.wso2.carbon.identity.authenticator.basicauth.BasicAuthenticator";
            self.correlated(IDENTITY, ms, Severity::Warn, logger, &text, &id)?;
        }
        let took = self.dice.between(20, 400);
        self.access_quoted(IDENTITY, ms + 2, "POST /commonauth HTTP/1.1", if good { 302 } else { 401 }, took)
    }

    fn console(&mut self, ms: i64) -> anyhow::Result<()> {
        let api = *self.dice.pick(APIS);
        let action = *self.dice.pick(&["created", "updated", "published", "deprecated"]);
        let text = format!(
            "{{\"performedBy\":\"admin\",\"action\":\"{action}\",\"typ\":\"API\",\"info\":\"{{\\\"name\\\":\\\"{api}\\\",\\\"version\\\":\\\"1.0.0\\\"}}\"}}"
        );
        self.audit(API, ms, &text, "")?;
        let text = format!("API {api}:1.0.0 was {action} by admin");
        self.line(API, ms + 1, Severity::Info, "org.wso2.carbon.apimgt.impl.APIProviderImpl", &text)
    }

    fn background(&mut self, index: usize, ms: i64) -> anyhow::Result<()> {
        let template = self.templates[self.ranks.draw(&mut self.dice)].clone();
        let mut text = Vec::new();
        template.fill(&mut self.dice, None, &mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        if template.severity == Severity::Error {
            return self.failure(index, ms, template.logger, &text);
        }
        self.line(index, ms, template.severity, template.logger, &text)
    }

    fn line(&mut self, index: usize, ms: i64, severity: Severity, logger: &str, text: &str) -> anyhow::Result<()> {
        self.correlated(index, ms, severity, logger, text, "")?;
        if severity == Severity::Warn {
            self.error_copy(index, ms, severity, logger, text.as_bytes(), b"\n")?;
        }
        Ok(())
    }

    fn correlated(
        &mut self,
        index: usize,
        ms: i64,
        severity: Severity,
        logger: &str,
        text: &str,
        id: &str,
    ) -> anyhow::Result<()> {
        let server = self.server(index);
        let mut bytes = Vec::with_capacity(256);
        server.product.head(&mut server.clock, ms, severity, logger, id.as_bytes(), &mut bytes);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
        server.main.write(&mut server.clock, ms, &bytes)
    }

    /// An ERROR with its stack, in the main file and, where the product has one, in the error file.
    fn failure(&mut self, index: usize, ms: i64, logger: &str, text: &str) -> anyhow::Result<()> {
        let mut stack = vec![b' '];
        self.stacks.append(&mut self.dice, &mut stack);
        let server = self.server(index);
        let mut bytes = Vec::with_capacity(4_096);
        server.product.head(&mut server.clock, ms, Severity::Error, logger, b"", &mut bytes);
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(&stack);
        server.main.write(&mut server.clock, ms, &bytes)?;
        self.error_copy(index, ms, Severity::Error, logger, text.as_bytes(), &stack)
    }

    fn error_copy(
        &mut self,
        index: usize,
        ms: i64,
        severity: Severity,
        logger: &str,
        text: &[u8],
        rest: &[u8],
    ) -> anyhow::Result<()> {
        let thread = self.dice.between(1, 40);
        let server = self.server(index);
        let Some(error) = &mut server.error else { return Ok(()) };
        let mut bytes = Vec::with_capacity(4_096);
        if server.product == Product::ApiManager {
            server.clock.comma(ms, b'T', &mut bytes);
            bytes.extend_from_slice(format!(" [-] [PassThroughMessageProcessor-{thread}] ").as_bytes());
            bytes.extend_from_slice(severity.padded().as_bytes());
            bytes.extend_from_slice(format!(" {} ", logger.rsplit('.').next().unwrap_or(logger)).as_bytes());
        } else {
            server.product.head(&mut server.clock, ms, severity, logger, b"", &mut bytes);
        }
        bytes.extend_from_slice(text);
        bytes.extend_from_slice(rest);
        error.write(&mut server.clock, ms, &bytes)
    }

    fn audit(&mut self, index: usize, ms: i64, text: &str, id: &str) -> anyhow::Result<()> {
        let server = self.server(index);
        let mut bytes = b"TID: [-1234] [".to_vec();
        server.clock.comma(ms, b' ', &mut bytes);
        if server.product == Product::IdentityServer {
            bytes.extend_from_slice(format!("] [{id}").as_bytes());
        }
        bytes.extend_from_slice(format!("]  INFO {{AUDIT_LOG}} - {text}\n").as_bytes());
        server.audit.write(&mut server.clock, ms, &bytes)
    }

    /// Tomcat's access line of API Manager, nothing quoted.
    fn access_bare(&mut self, ms: i64, path: &str, status: u64, took: u64) -> anyhow::Result<()> {
        let size = self.dice.between(40, 9_000);
        let mut bytes = self.access_start(API, ms, b" - - [", false);
        bytes.extend_from_slice(format!("] GET {path} HTTP/1.1 {status} {size} - okhttp/4.12.0 ").as_bytes());
        seconds(took, &mut bytes);
        self.access_write(API, ms, &bytes)
    }

    /// Tomcat's access line of Identity Server, quoted.
    fn access_quoted(&mut self, index: usize, ms: i64, request: &str, status: u64, took: u64) -> anyhow::Result<()> {
        let size = self.dice.between(40, 4_000);
        let mut bytes = self.access_start(index, ms, b" - - [", false);
        bytes.extend_from_slice(format!("] \"{request}\" {status} {size} \"-\" \"Java/17.0.9\" ").as_bytes());
        seconds(took, &mut bytes);
        self.access_write(index, ms, &bytes)
    }

    /// The two access lines a call leaves in the Micro Integrator: request and response have no common key.
    fn access_passthrough(&mut self, ms: i64, path: &str, status: u64) -> anyhow::Result<()> {
        let mut bytes = b"- ".to_vec();
        bytes.extend(self.access_start(INTEGRATOR, ms, b" - - [", true));
        bytes.extend_from_slice(
            format!("] \"GET {path} HTTP/1.1\" - - \"-\" \"Synapse-PT-HttpComponents-NIO\"\n- ").as_bytes(),
        );
        bytes.extend(self.access_start(INTEGRATOR, ms, b"  - [", true));
        bytes.extend_from_slice(format!("] \"- - \" {status} - \"-\" \"-\"\n").as_bytes());
        self.lines += 1;
        self.access_write(INTEGRATOR, ms, &bytes)
    }

    fn access_start(&mut self, index: usize, ms: i64, between: &[u8], with_ms: bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        address(&mut self.dice, &mut bytes);
        bytes.extend_from_slice(between);
        if let Some(server) = self.servers.get_mut(&index) {
            server.clock.access(ms, with_ms, &mut bytes);
        }
        bytes
    }

    fn access_write(&mut self, index: usize, ms: i64, bytes: &[u8]) -> anyhow::Result<()> {
        let server = self.server(index);
        // Access files have the date in the name of the live file; a new day is a new name.
        let date = server.clock.date(ms);
        let name = match server.product {
            Product::MicroIntegrator => format!("http_access_{date}.log"),
            _ => format!("http_access_.{date}.log"),
        };
        let file = match &mut server.access {
            Some((current, file)) if *current == name => file,
            other => &mut other.insert((name.clone(), LogFile::open(&server.folder, &name, server.rotation)?)).1,
        };
        file.append(bytes)
    }

    /// What a product prints when it starts; the Carbon ones name their zone.
    fn banner(&mut self, index: usize, ms: i64) -> anyhow::Result<()> {
        if index == INTEGRATOR {
            let logger = "org.wso2.micro.integrator.core.internal.CoreServerInitializer";
            self.line(index, ms, Severity::Info, logger, "Starting WSO2 Micro Integrator...")?;
            let logger = "org.wso2.micro.integrator.initializer.StartupFinalizer";
            return self.line(index, ms + 900, Severity::Info, logger, "WSO2 Micro Integrator started in 5.12 seconds");
        }
        let zone = self.server(index).clock.zone_name().to_owned();
        let home = format!("/opt/{}", Product::ALL[index].folder());
        let logger = "org.wso2.carbon.core.internal.CarbonCoreActivator";
        for text in [
            "Starting WSO2 Carbon...".to_owned(),
            "Operating System : Linux 6.8.0, amd64".to_owned(),
            "Java Home        : /opt/java/openjdk".to_owned(),
            "Java Version     : 17.0.9".to_owned(),
            "Java VM          : OpenJDK 64-Bit Server VM 17.0.9+9,Eclipse Adoptium".to_owned(),
            format!("Carbon Home      : {home}"),
            format!("Java Temp Dir    : {home}/tmp"),
            format!("User             : wso2carbon, en-US, {zone}"),
        ] {
            self.line(index, ms, Severity::Info, logger, &text)?;
        }
        let logger = "org.wso2.carbon.core.internal.StartupFinalizerServiceComponent";
        self.line(index, ms + 900, Severity::Info, logger, "WSO2 Carbon started in 41 sec")
    }

    /// The server, counting one more event.
    fn server(&mut self, index: usize) -> &mut Server {
        self.lines += 1;
        self.servers.get_mut(&index).expect("three servers, made at start")
    }
}

fn seconds(took_ms: u64, out: &mut Vec<u8>) {
    decimal(out, took_ms / 1_000);
    out.extend_from_slice(format!(".{:03}\n", took_ms % 1_000).as_bytes());
}

fn logs_folder(root: &Path, product: Product) -> PathBuf {
    root.join(product.folder()).join("repository/logs")
}

impl Server {
    fn open(root: &Path, product: Product, clock: LocalClock, rotation: Rotation) -> anyhow::Result<Server> {
        let folder = logs_folder(root, product);
        let error = match product {
            Product::ApiManager => Some("wso2-apigw-errors.log"),
            Product::IdentityServer => None,
            Product::MicroIntegrator => Some("wso2error.log"),
        };
        Ok(Server {
            product,
            clock,
            main: LogFile::open(&folder, "wso2carbon.log", rotation)?,
            audit: LogFile::open(&folder, "audit.log", rotation)?,
            error: error.map(|name| LogFile::open(&folder, name, rotation)).transpose()?,
            access: None,
            folder,
            rotation,
        })
    }
}
