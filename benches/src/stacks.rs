//! Shapes of stack traces: exception class, text, frames and causes, made once from a fixed seed. An event
//! takes one shape whole; only the text of the exception and some generated names differ.

use crate::dice::{Dice, Zipf};
use crate::local_time::decimal;

/// Number of shapes.
pub const SHAPES: usize = 64;

/// All shapes, drawn by Zipf frequencies.
#[derive(Clone, Debug)]
pub struct Stacks {
    shapes: Vec<Shape>,
    ranks: Zipf,
}

/// One exception with its frames and causes.
#[derive(Clone, Debug)]
struct Shape {
    class: String,
    text: &'static str,
    rest: String,
    frames: u32,
}

impl Default for Stacks {
    fn default() -> Stacks {
        let mut dice = Dice::new(0x57ac);
        let shapes = (0..SHAPES).map(|index| Shape::new(index, &mut dice)).collect();
        Stacks { shapes, ranks: Zipf::new(SHAPES, 0.9) }
    }
}

impl Stacks {
    /// Appends an exception: `class: text` where the writing stands (the head line of `%m%ex` layouts),
    /// then its frames, each on a line. Returns the number of frames.
    pub fn append(&self, dice: &mut Dice, out: &mut Vec<u8>) -> u32 {
        let shape = &self.shapes[self.ranks.draw(dice)];
        out.extend_from_slice(shape.class.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(shape.text.as_bytes());
        decimal(out, dice.between(1, 99_999));
        out.push(b'\n');
        out.extend_from_slice(shape.rest.as_bytes());
        shape.frames
    }
}

impl Shape {
    fn new(index: usize, dice: &mut Dice) -> Shape {
        let frames = dice.between(20, 120) as u32;
        let causes = dice.below(3) as u32;
        let mut rest = String::new();
        let mut left = frames;
        for cause in 0..=causes {
            let here = if cause == causes { left } else { left / 2 };
            left -= here;
            for frame in 0..here {
                // The bottom of the first stack is the same thread pool everywhere, as in a server.
                let from_bottom = here - frame;
                if cause == 0 && from_bottom as usize <= BOTTOM.len() {
                    rest.push_str(&format!("\tat {}\n", BOTTOM[BOTTOM.len() - from_bottom as usize]));
                } else {
                    frame_line(dice, &mut rest);
                }
            }
            if cause < causes {
                let class = EXCEPTIONS[(index + 7 * (cause as usize + 1)) % EXCEPTIONS.len()];
                rest.push_str(&format!(
                    "Caused by: {class}: {}\n",
                    TEXTS[(index + cause as usize) % TEXTS.len()].trim_end()
                ));
            } else if cause > 0 {
                rest.push_str(&format!("\t... {} more\n", here.min(29)));
            }
        }
        Shape {
            class: EXCEPTIONS[index % EXCEPTIONS.len()].to_owned(),
            text: TEXTS[(index * 5 + 1) % TEXTS.len()],
            rest,
            frames,
        }
    }
}

fn frame_line(dice: &mut Dice, out: &mut String) {
    let package = dice.pick(PACKAGES);
    let class = format!("{}{}", dice.pick(CLASS_STARTS), dice.pick(CLASS_ENDS));
    let method = dice.pick(METHODS);
    out.push_str(&format!("\tat {package}.{class}.{method}({class}.java:{})\n", dice.between(20, 900)));
}

const EXCEPTIONS: &[&str] = &[
    "org.apache.axis2.AxisFault",
    "org.apache.synapse.SynapseException",
    "org.wso2.carbon.apimgt.api.APIManagementException",
    "org.wso2.carbon.identity.oauth2.IdentityOAuth2Exception",
    "org.wso2.carbon.user.core.UserStoreException",
    "java.lang.NullPointerException",
    "java.lang.IllegalStateException",
    "java.net.ConnectException",
    "java.net.SocketTimeoutException",
    "javax.net.ssl.SSLHandshakeException",
    "java.sql.SQLTransientConnectionException",
    "com.mysql.cj.jdbc.exceptions.CommunicationsException",
    "javax.naming.CommunicationException",
    "org.apache.http.NoHttpResponseException",
    "org.wso2.carbon.registry.core.exceptions.RegistryException",
    "java.util.concurrent.TimeoutException",
    "org.wso2.micro.integrator.dataservices.core.DataServiceFault",
];

const TEXTS: &[&str] = &[
    "connection refused, attempt ",
    "no answer within the time allowed, waited ms ",
    "cannot read the definition of resource number ",
    "the pool has no free connection, in use ",
    "value for parameter is missing at position ",
    "certificate of the remote side is not trusted, serial ",
    "entry is locked by another node, owner ",
    "unexpected end of stream at byte ",
    "policy refers to an unknown attribute, rule ",
];

const PACKAGES: &[&str] = &[
    "org.wso2.carbon.apimgt.gateway.handlers",
    "org.wso2.carbon.apimgt.impl.dao",
    "org.wso2.carbon.apimgt.keymgt.handlers",
    "org.wso2.carbon.identity.oauth2.token.handlers.grant",
    "org.wso2.carbon.identity.application.authentication.framework",
    "org.wso2.carbon.user.core.jdbc",
    "org.wso2.carbon.user.core.ldap",
    "org.wso2.carbon.core.multitenancy",
    "org.apache.synapse.mediators.base",
    "org.apache.synapse.core.axis2",
    "org.apache.synapse.rest.dispatch",
    "org.apache.axis2.engine",
    "org.apache.axis2.transport.http",
    "org.apache.catalina.core",
    "org.apache.tomcat.jdbc.pool",
    "org.springframework.beans.factory.support",
    "com.sun.jndi.ldap",
    "com.mysql.cj.jdbc",
    "sun.security.ssl",
    "java.util.concurrent",
];

const CLASS_STARTS: &[&str] =
    &["Abstract", "Default", "Tenant", "Remote", "Cached", "Request", "Response", "Secure", "Pooled", "Async"];
const CLASS_ENDS: &[&str] =
    &["Handler", "Manager", "Mediator", "Dispatcher", "Validator", "Connection", "Resolver", "Context", "Invoker"];
const METHODS: &[&str] = &[
    "invoke",
    "handleRequest",
    "mediate",
    "doFilter",
    "execute",
    "getConnection",
    "process",
    "validate",
    "lookup",
    "authenticate",
    "send",
    "receive",
    "call",
    "apply",
];

const BOTTOM: &[&str] = &[
    "org.apache.catalina.core.StandardWrapperValve.invoke(StandardWrapperValve.java:202)",
    "org.apache.catalina.core.StandardContextValve.invoke(StandardContextValve.java:97)",
    "org.apache.catalina.core.StandardHostValve.invoke(StandardHostValve.java:143)",
    "org.apache.catalina.valves.ErrorReportValve.invoke(ErrorReportValve.java:92)",
    "org.apache.catalina.connector.CoyoteAdapter.service(CoyoteAdapter.java:343)",
    "org.apache.coyote.http11.Http11Processor.service(Http11Processor.java:374)",
    "java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1128)",
    "java.base/java.util.concurrent.ThreadPoolExecutor$Worker.run(ThreadPoolExecutor.java:628)",
    "java.base/java.lang.Thread.run(Thread.java:829)",
];
