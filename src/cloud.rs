//! What EC2 says of the instance this runs on (instance metadata service, version 2: a token first, then questions with it).
//!
//! Asked once, at the first start with `ec2 = true`; the answer holds until the process ends. A service that does not answer
//! delays a start by some seconds and keeps nothing from being shipped.

use crate::rim;
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use std::sync::OnceLock;
use std::time::Duration;

/// Another address of the service, as AWS's own tools know it.
const ENDPOINT_VARIABLE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const ENDPOINT: &str = "http://169.254.169.254";
/// The service is one hop away and answers in milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// It may not be there in the first moments of an instance.
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
/// What may be done about a service that does not answer.
const ADVICE: &str = "is this an EC2 instance, with its metadata service switched on? From a container it is reached with a hop limit \
    of 2 (`aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2`); elsewhere leave `ec2` out of [ship]";
/// The document has some 500 bytes.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// The instance identity document, as far as it is of use.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    account_id: Option<String>,
    region: Option<String>,
    availability_zone: Option<String>,
    instance_id: Option<String>,
    instance_type: Option<String>,
    image_id: Option<String>,
}

/// Fields of the instance, by their ECS names; none, with a warning, when the service does not answer.
pub(crate) fn labels() -> Vec<(String, String)> {
    static ANSWER: OnceLock<Vec<(String, String)>> = OnceLock::new();
    ANSWER
        .get_or_init(|| {
            let endpoint = std::env::var(ENDPOINT_VARIABLE).unwrap_or_else(|_| ENDPOINT.to_owned());
            match rim::apart("ec2", move || ask_again(&endpoint)) {
                Ok(labels) => labels,
                Err(error) => {
                    rim::say(&format!("carbontrail: no fields of EC2 in events: {error:#}; {ADVICE}"));
                    Vec::new()
                }
            }
        })
        .clone()
}

fn ask_again(endpoint: &str) -> anyhow::Result<Vec<(String, String)>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut tries = 1;
    loop {
        match runtime.block_on(ask(endpoint)) {
            Err(_) if tries < TRIES => {
                tries += 1;
                rim::pause(BETWEEN_TRIES);
            }
            result => return result.with_context(|| format!("failed to ask {endpoint}, {tries} times")),
        }
    }
}

async fn ask(endpoint: &str) -> anyhow::Result<Vec<(String, String)>> {
    // Never by way of a proxy: it would answer for itself, or hand the token on.
    let http =
        reqwest::Client::builder().no_proxy().timeout(ANSWER_TIMEOUT).redirect(reqwest::redirect::Policy::none());
    // It speaks no TLS, and a small host may trust no authority.
    let http = http.tls_certs_only([]).build()?;
    let token = http.put(format!("{endpoint}/latest/api/token")).header("x-aws-ec2-metadata-token-ttl-seconds", "60");
    let token = text(token).await?.context("it gives no token")?;
    let get = |path: &str| http.get(format!("{endpoint}/latest/{path}")).header("x-aws-ec2-metadata-token", &token);
    let document = text(get("dynamic/instance-identity/document")).await?.context("it has no identity document")?;
    let identity: Identity = serde_json::from_str(&document).context("its identity document is not one")?;
    // Tags are there only where the instance allows it.
    let name = text(get("meta-data/tags/instance/Name")).await.ok().flatten();
    let provider = identity.instance_id.is_some().then(|| "aws".to_owned());
    let fields = [
        ("cloud.provider", provider),
        ("cloud.account.id", identity.account_id),
        ("cloud.region", identity.region),
        ("cloud.availability_zone", identity.availability_zone),
        ("cloud.instance.id", identity.instance_id),
        ("cloud.instance.name", name),
        ("cloud.machine.type", identity.instance_type),
        ("cloud.image.id", identity.image_id),
    ];
    let told = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Ok(told.filter(|(_, value)| !value.is_empty()).collect())
}

/// The answer's text; `None` when there is no such thing.
async fn text(call: reqwest::RequestBuilder) -> anyhow::Result<Option<String>> {
    let mut response = call.send().await?;
    if response.status() == reqwest::StatusCode::NOT_FOUND {
        return Ok(None);
    }
    ensure!(response.status().is_success(), "it answers {}", response.status());
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        ensure!(body.len() + piece.len() <= ANSWER_BYTES_MAX, "its answer is larger than {ANSWER_BYTES_MAX} bytes");
        body.extend_from_slice(&piece);
    }
    Ok(Some(String::from_utf8(body).context("its answer is not text")?.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        reason = "a test fails by panicking; it plays the service"
    )]

    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    /// Plays the service: gives a token, and answers only to who shows it. `answer` by path.
    fn service(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
                let first = lines.next().unwrap_or_default();
                let headers: Vec<String> =
                    lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let has = |header: &str| headers.iter().any(|h| h == header);
                let (status, body) = match path.as_str() {
                    "/latest/api/token"
                        if first.starts_with("PUT ") && has("x-aws-ec2-metadata-token-ttl-seconds: 60") =>
                    {
                        (200, "the-token".to_owned())
                    }
                    _ if has("x-aws-ec2-metadata-token: the-token") => answer(&path),
                    _ => (401, String::new()),
                };
                let len = body.len();
                let _gone =
                    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n{body}");
            }
        });
        address
    }

    fn asked(endpoint: &str) -> Result<Vec<(String, String)>, String> {
        ask_again(endpoint).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn an_instance_tells_where_and_what_it_is_to_who_has_a_token() {
        let document = r#"{"accountId":"123456789012","region":"eu-central-1","availabilityZone":"eu-central-1b",
            "instanceId":"i-0abc","instanceType":"m7i.large","privateIp":"10.0.0.5","kernelId":null}"#;
        let endpoint = service(move |path| match path {
            "/latest/dynamic/instance-identity/document" => (200, document.to_owned()),
            "/latest/meta-data/tags/instance/Name" => (200, "gateway-1\n".to_owned()),
            _ => (404, String::new()),
        });
        let labels = asked(&endpoint).unwrap();
        let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("cloud.provider", "aws"),
            ("cloud.account.id", "123456789012"),
            ("cloud.region", "eu-central-1"),
            ("cloud.availability_zone", "eu-central-1b"),
            ("cloud.instance.id", "i-0abc"),
            ("cloud.instance.name", "gateway-1"),
            ("cloud.machine.type", "m7i.large"),
        ];
        assert_eq!(labels, expected);
    }

    #[test]
    fn what_is_no_such_service_is_told_and_bounded() {
        let hidden = service(|path| if path.contains("tags") { (404, String::new()) } else { (200, "{}".to_owned()) });
        assert_eq!(asked(&hidden), Ok(Vec::new()));
        let large = service(|_| (200, "x".repeat(ANSWER_BYTES_MAX + 1)));
        assert!(asked(&large).unwrap_err().contains("larger than"));
        let html = service(|_| (200, "<html>".to_owned()));
        assert!(asked(&html).unwrap_err().contains("is not one"));
        let refusing = service(|_| (403, String::new()));
        assert!(asked(&refusing).unwrap_err().contains("403"));
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(asked(&format!("http://{nobody}")).unwrap_err().contains("3 times"));
    }
}
