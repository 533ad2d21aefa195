//! Message templates: constant text with blanks to fill in. Components (who speaks) times patterns (what is
//! said), each component with its own choice of patterns, plus some that belong to one component alone.
//! Loggers are real package names of the products; the sentences are ours.

use crate::dice::{Dice, hex};
use crate::local_time::{decimal, digits};

/// Severity as printed, padded to five.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// `DEBUG`
    Debug,
    /// `INFO`
    Info,
    /// `WARN`
    Warn,
    /// `ERROR`
    Error,
}

impl Severity {
    /// As `%5p` prints it.
    pub fn padded(self) -> &'static str {
        match self {
            Severity::Debug => "DEBUG",
            Severity::Info => " INFO",
            Severity::Warn => " WARN",
            Severity::Error => "ERROR",
        }
    }
}

/// A piece of a message.
#[derive(Clone, Copy, Debug)]
enum Piece {
    Text(&'static str),
    Noun,
    Uuid,
    Hex(u32),
    Number { low: u64, high: u64 },
    Word(&'static [&'static str]),
    Address,
    User,
    Name,
}

/// A message: who says it, how serious it is, and its text.
#[derive(Clone, Debug)]
pub struct Template {
    /// Full logger name.
    pub logger: &'static str,
    /// Severity.
    pub severity: Severity,
    /// Whether it holds an id that never comes again.
    pub unique_id: bool,
    noun: &'static str,
    pieces: Vec<Piece>,
}

impl Template {
    fn new(component: &Component, severity: Severity, text: &'static str) -> Template {
        let pieces = parse(text);
        let unique_id = pieces.iter().any(|p| matches!(p, Piece::Uuid | Piece::Hex(16..)));
        Template { logger: component.logger, severity, unique_id, noun: component.noun, pieces }
    }

    /// Appends the message with its blanks filled in; `id` is used for the first id of the message.
    pub fn fill(&self, dice: &mut Dice, id: Option<&[u8]>, out: &mut Vec<u8>) {
        let mut id = id;
        for piece in &self.pieces {
            match *piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Noun => out.extend_from_slice(self.noun.as_bytes()),
                Piece::Uuid => match id.take() {
                    Some(id) => out.extend_from_slice(id),
                    None => dice.uuid(out),
                },
                Piece::Hex(width) => {
                    hex(out, dice.bits(), width.min(16));
                    hex(out, dice.bits(), width.saturating_sub(16));
                }
                Piece::Number { low, high } => decimal(out, dice.between(low, high)),
                Piece::Word(words) => out.extend_from_slice(dice.pick(words).as_bytes()),
                Piece::Address => address(dice, out),
                Piece::User => user(dice, out),
                Piece::Name => {
                    out.extend_from_slice(dice.pick(APIS).as_bytes());
                    out.extend_from_slice(b"--v");
                    decimal(out, dice.between(1, 3));
                    out.extend_from_slice(b".0");
                }
            }
        }
    }
}

/// Appends an address of a private network; a few hundred in all, as behind a load balancer.
pub fn address(dice: &mut Dice, out: &mut Vec<u8>) {
    out.extend_from_slice(b"10.40.");
    decimal(out, dice.between(0, 3));
    out.push(b'.');
    decimal(out, dice.between(1, 120));
}

/// Appends a user name.
pub fn user(dice: &mut Dice, out: &mut Vec<u8>) {
    out.extend_from_slice(dice.pick(USERS).as_bytes());
    digits(out, dice.below(400), 3);
}

fn parse(text: &'static str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (name, after) = after.split_once('>').expect("each `<` of a template has its `>`");
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(match name {
            "noun" => Piece::Noun,
            "uuid" => Piece::Uuid,
            "hex16" => Piece::Hex(16),
            "hex32" => Piece::Hex(32),
            "ms" => Piece::Number { low: 1, high: 900 },
            "n" => Piece::Number { low: 1, high: 60 },
            "big" => Piece::Number { low: 1_000, high: 90_000 },
            "status" => Piece::Word(&["400", "401", "403", "404", "409", "429", "500", "502", "503", "504"]),
            "api" => Piece::Name,
            "tenant" => Piece::Word(TENANTS),
            "op" => Piece::Word(OPERATIONS),
            "ip" => Piece::Address,
            "user" => Piece::User,
            "host" => Piece::Word(HOSTS),
            other => panic!("unknown blank `{other}` in a template"),
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Names of APIs.
pub const APIS: &[&str] = &[
    "OrderAPI",
    "PaymentAPI",
    "CustomerAPI",
    "InvoiceAPI",
    "StockAPI",
    "ShippingAPI",
    "PricingAPI",
    "LoyaltyAPI",
    "ClaimsAPI",
    "BookingAPI",
    "DocumentAPI",
    "NotificationAPI",
    "AddressAPI",
    "ContractAPI",
    "MeterAPI",
    "TariffAPI",
];
/// First parts of user names.
pub const USERS: &[&str] = &["amara", "bjorn", "chen", "dilini", "elif", "farah", "gustavo", "hana", "ivo", "jonas"];
/// Domains of tenants.
pub const TENANTS: &[&str] = &["carbon.super", "acme.example", "globex.example", "initech.example", "umbrella.example"];
/// Names of backend hosts.
pub const HOSTS: &[&str] = &[
    "orders.internal:8443",
    "payments.internal:8443",
    "crm.internal:8080",
    "stock.internal:9090",
    "billing.internal:8243",
    "documents.internal:8080",
    "ldap.internal:636",
    "db-primary.internal:3306",
    "db-replica.internal:3306",
];
const OPERATIONS: &[&str] = &["create", "update", "delete", "list", "validate", "publish", "subscribe", "revoke"];

struct Component {
    logger: &'static str,
    noun: &'static str,
}

const fn component(logger: &'static str, noun: &'static str) -> Component {
    Component { logger, noun }
}

const COMPONENTS: &[Component] = &[
    component("org.wso2.carbon.apimgt.gateway.handlers.security.APIAuthenticationHandler", "access token"),
    component("org.wso2.carbon.apimgt.gateway.handlers.throttling.ThrottleHandler", "throttle policy"),
    component("org.apache.synapse.transport.passthru.TargetHandler", "backend connection"),
    component("org.apache.synapse.transport.passthru.SourceHandler", "client connection"),
    component("org.apache.synapse.mediators.builtin.LogMediator", "message"),
    component("org.wso2.carbon.apimgt.impl.utils.APIUtil", "API definition"),
    component("org.wso2.carbon.apimgt.keymgt.service.TokenValidationContext", "key validation"),
    component("org.wso2.carbon.apimgt.jms.listener.utils.JMSListener", "throttle event"),
    component("org.wso2.carbon.apimgt.gateway.InMemoryAPIDeployer", "API artifact"),
    component("org.wso2.carbon.apimgt.notification.DefaultKeyManagerEventHandler", "key manager event"),
    component("org.wso2.carbon.identity.oauth2.OAuth2Service", "authorization request"),
    component("org.wso2.carbon.identity.oauth2.token.AccessTokenIssuer", "token request"),
    component(
        "org.wso2.carbon.identity.application.authentication.framework.handler.request.impl.DefaultRequestCoordinator",
        "login flow",
    ),
    component("org.wso2.carbon.identity.authenticator.basicauth.BasicAuthenticator", "password check"),
    component("org.wso2.carbon.identity.sso.saml.servlet.SAMLSSOProviderServlet", "SAML response"),
    component("org.wso2.carbon.identity.mgt.IdentityMgtEventListener", "account event"),
    component("org.wso2.carbon.user.core.ldap.ReadWriteLDAPUserStoreManager", "directory search"),
    component("org.wso2.carbon.user.core.common.AbstractUserStoreManager", "user store"),
    component("org.wso2.carbon.core.services.util.CarbonAuthenticationUtil", "console session"),
    component("org.wso2.carbon.registry.core.jdbc.EmbeddedRegistryService", "registry resource"),
    component("org.wso2.carbon.caching.impl.CacheImpl", "cache region"),
    component("org.wso2.andes.kernel.AndesChannel", "broker channel"),
    component("org.wso2.andes.server.cluster.coordination.CoordinationTask", "cluster member"),
    component("org.wso2.carbon.databridge.agent.endpoint.DataEndpoint", "event publisher"),
    component("org.wso2.siddhi.core.query.QueryRuntime", "stream query"),
    component("org.wso2.micro.integrator.inbound.endpoint.protocol.jms.JMSPollingConsumer", "queue message"),
    component("org.wso2.micro.integrator.dataservices.core.DataServiceFault", "data service call"),
    component("org.wso2.micro.integrator.ntask.core.impl.TaskQuartzJobAdapter", "scheduled task"),
    component("org.apache.synapse.endpoints.EndpointContext", "endpoint"),
    component("org.apache.synapse.core.axis2.ProxyService", "proxy service"),
    component("org.apache.synapse.rest.API", "REST resource"),
    component("org.apache.synapse.message.processor.impl.forwarder.ForwardingService", "stored message"),
    component("org.apache.axis2.engine.AxisEngine", "SOAP message"),
    component("org.apache.tomcat.jdbc.pool.ConnectionPool", "database connection"),
    component("com.hazelcast.cluster.ClusterService", "partition table"),
    component("org.wso2.carbon.tomcat.ext.valves.CompositeValve", "web request"),
    component("org.wso2.carbon.webapp.mgt.TomcatGenericWebappsDeployer", "web application"),
    component("org.wso2.carbon.event.output.adapter.http.HTTPEventAdapter", "outgoing event"),
    component("org.wso2.carbon.governance.registry.extensions.executors.ServiceVersionExecutor", "lifecycle change"),
    component("org.wso2.carbon.analytics.spark.core.CarbonAnalyticsProcessorService", "analytics job"),
    component("org.wso2.carbon.mediation.initializer.ServiceBusInitializer", "mediation runtime"),
    component("org.wso2.carbon.security.caas.user.core.domain.DomainManager", "domain lookup"),
    component("org.wso2.carbon.device.mgt.core.operation.mgt.OperationManagerImpl", "device operation"),
    component("org.wso2.carbon.apimgt.rest.api.store.v1.impl.ApplicationsApiServiceImpl", "application"),
    component("org.wso2.carbon.apimgt.rest.api.publisher.v1.impl.ApisApiServiceImpl", "published revision"),
];

/// What any component may say.
const PATTERNS: &[(Severity, &str)] = &[
    (Severity::Info, "Processed <noun> <uuid> for <api> in <ms> ms"),
    (Severity::Info, "Accepted <noun> from <ip> for user <user>@<tenant>, reference <uuid>"),
    (Severity::Info, "<noun> <op> finished, <n> entries updated in <ms> ms"),
    (Severity::Info, "Forwarding <noun> to https://<host>/services/<op>, MessageID = urn:uuid:<uuid>"),
    (Severity::Debug, "Looking up <noun> of tenant <tenant> in local cache, key = <hex32>"),
    (Severity::Info, "State of <noun> changed from CREATED to ACTIVE by <user>"),
    (Severity::Warn, "Slow <noun>: <big> ms for <op> on <host>, correlation id <uuid>"),
    (Severity::Info, "Reloading <noun> configuration of tenant <tenant>, <n> changes found"),
    (Severity::Warn, "Could not <op> <noun> <uuid>, trying again, attempt <n>"),
    (Severity::Info, "Session <hex32> bound to <noun>, client address <ip>"),
    (Severity::Error, "Failed to <op> <noun> for <user>@<tenant>: status <status> from <host>"),
    (Severity::Info, "Queue of <noun> holds <n> items, oldest waits <ms> ms"),
    (Severity::Debug, "Evaluating rule <n> against <noun>, request <uuid>"),
    (Severity::Info, "Statistics of <noun>: accepted = <big>, refused = <n>, mean time = <ms> ms"),
    (Severity::Warn, "Received unexpected status <status> while handling <noun>, API = <api>, client = <ip>"),
    (Severity::Info, "Released <noun> after <ms> ms, trace <hex16>, thread pool has <n> idle threads"),
    (Severity::Info, "Published <noun> to topic notifications/<tenant>, event id <uuid>, <n> receivers"),
    (Severity::Error, "Rejected <noun>: signature of request <uuid> does not match, caller <ip>"),
    (Severity::Info, "<noun> of <api> was deployed to the default gateway in <ms> ms"),
    (Severity::Info, "Scheduled cleanup of <noun> removed <n> expired records"),
];

/// Patterns one component has of those above.
const PATTERNS_EACH: usize = 8;

/// What only one component says.
const OWN: &[(usize, Severity, &str)] = &[
    (
        0,
        Severity::Warn,
        "API authentication failure due to invalid credentials, path /<op>/v1, client <ip>, request <uuid>",
    ),
    (1, Severity::Info, "Quota of application <uuid> exceeded, requests are refused for <n> seconds"),
    (
        2,
        Severity::Warn,
        "Connection to <host> was closed by the remote side while reading the response, socket timeout <big>, correlation_id : <uuid>",
    ),
    (
        4,
        Severity::Info,
        "To: /<op>/1.0.0, MessageID: urn:uuid:<uuid>, Direction: request, LEVEL = STEP-<n>, CONTEXT = <api>",
    ),
    (10, Severity::Info, "Issued authorization code for client <hex32>, scopes = openid profile, consent kept"),
    (11, Severity::Info, "Issued access token for client <hex32> with grant client_credentials, validity <big> s"),
    (
        13,
        Severity::Warn,
        "Login of <user>@<tenant> refused: password does not match, attempt <n>, session data key <uuid>",
    ),
    (16, Severity::Debug, "Searching uid=<user>,ou=people,dc=<tenant> took <ms> ms"),
    (22, Severity::Info, "Member <host> joined the cluster, <n> members now"),
    (27, Severity::Info, "Task heartbeat-<n> done, run <uuid>, next run in 60 s"),
    (33, Severity::Warn, "Connection was in use for <big> ms and counts as abandoned, url jdbc:mysql://<host>/apim"),
    (36, Severity::Info, "Deployed web application [/<op>#v1], session timeout <n> minutes"),
];

/// All templates, the most frequent first when drawn by rank.
pub fn all() -> Vec<Template> {
    let mut templates = Vec::new();
    for round in 0..PATTERNS_EACH {
        for (index, component) in COMPONENTS.iter().enumerate() {
            // A step of 7 visits all 20 patterns, so no component gets one twice.
            let (severity, text) = PATTERNS[(index * 3 + round * 7) % PATTERNS.len()];
            templates.push(Template::new(component, severity, text));
        }
    }
    for &(index, severity, text) in OWN {
        templates.push(Template::new(&COMPONENTS[index], severity, text));
    }
    // Ranks should not follow the table: the first ones would all be of one pattern round.
    let mut dice = Dice::new(0x7e3a);
    for last in (1..templates.len()).rev() {
        templates.swap(last, dice.below(last as u64 + 1) as usize);
    }
    templates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_at_least_300_and_no_two_are_alike() {
        let templates = all();
        assert!(templates.len() >= 300, "{} templates", templates.len());
        let mut texts: Vec<String> =
            templates.iter().map(|t| format!("{} {:?} {} {:?}", t.logger, t.severity, t.noun, t.pieces)).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), templates.len());
    }
}
