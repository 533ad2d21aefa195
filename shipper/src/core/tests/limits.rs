//! Rates, and configuration that changes while the shipper runs.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use super::world::{World, line, log};
use crate::core::ShipperInput;
use crate::{ShipperConfig, SourceRule};
use outside::Clock as _;
use parsers::redact::{Action, Rule, Rules};
use std::sync::Arc;
use std::time::Duration;

fn lines(count: u64) -> Vec<u8> {
    (0..count).flat_map(line).collect()
}

/// Bytes of a file that the indexer has.
fn taken(w: &World, name: &str) -> u64 {
    let path = log(name).display().to_string();
    w.indexer.rows.values().filter(|r| r.open.factors.path == path).map(|r| r.mark.0).sum()
}

#[test]
fn a_flood_under_a_rate_is_late_whole_and_does_not_starve_a_trickle() {
    let mut w = World::new(1);
    w.config.rate = Some(100_000);
    let flood = lines(20_000);
    w.disk.append(&log("wso2carbon.log"), &flood);
    w.start().settle();
    w.append("audit.log", &line(1));
    let small = line(1).len() as u64;
    w.pass(Duration::from_secs(2));
    let path = log("audit.log").display().to_string();
    let shown = w.indexer.rows.values().any(|r| r.open.factors.path == path && r.provisional.is_some());
    assert!(shown || taken(&w, "audit.log") == small, "the trickle is seen while the flood goes on");
    let after = taken(&w, "wso2carbon.log");
    assert!((50_000..400_000).contains(&after), "{after} bytes in two seconds");
    w.pass(Duration::from_secs(1 + flood.len() as u64 / 90_000));
    assert_eq!(taken(&w, "wso2carbon.log"), flood.len() as u64, "nothing is dropped");
}

#[test]
fn a_rate_of_one_source_leaves_the_others_alone() {
    let mut w = World::new(2);
    w.config.sources =
        vec![SourceRule { files: vec!["audit.log".into()], rate: Some(20_000), ..SourceRule::default() }];
    w.disk.append(&log("wso2carbon.log"), &lines(5_000));
    w.disk.append(&log("audit.log"), &lines(5_000));
    w.start().pass(Duration::from_secs(8));
    let whole = lines(5_000).len() as u64;
    assert_eq!(taken(&w, "wso2carbon.log"), whole);
    assert!((100_000..250_000).contains(&taken(&w, "audit.log")), "{}", taken(&w, "audit.log"));
}

#[test]
fn redaction_holds_from_when_the_configuration_is_read_again() {
    let mut w = World::new(3);
    let secret = |n: u64| {
        let mut text = line(n);
        text.pop();
        text.extend_from_slice(b" password=hunter2\n");
        text
    };
    w.append("wso2carbon.log", &secret(1)).start().pass(Duration::from_secs(10));
    let rule = Rule { name: "password".into(), action: Action::Mask, pattern: None };
    let redaction = Some(Arc::new(Rules::new(&[rule], None).unwrap()));
    let config = ShipperConfig { redaction, host_id: "other".into(), ..w.config.clone() };
    w.step(ShipperInput::Configure(Box::new(config)));
    assert!(w.notices.iter().any(|n| n.contains("host_id hold from the next start")), "{:?}", w.notices);
    w.append("wso2carbon.log", &secret(2)).pass(Duration::from_secs(10));
    let row = w.only();
    let texts: Vec<String> = row.events.iter().map(|(_, b)| String::from_utf8_lossy(b).into_owned()).collect();
    assert!(texts[0].contains("hunter2") && texts[1].contains("password=‹password_0›"), "{texts:?}");
    assert_eq!(row.mark.0, (secret(1).len() + secret(2).len()) as u64, "marks are those of the file");
    for ((event, _), n) in row.events.iter().zip(1..) {
        let id = wire::head_hash(row.open.stream, secret(n).trim_ascii_end());
        assert_eq!(event.head_hash, id, "an event's id comes from its line in the file, redacted or not");
    }
    assert_eq!(w.status().redacted.get("password"), Some(&1));
}

#[test]
fn a_source_names_zone_product_and_labels() {
    let mut w = World::new(4);
    w.config.labels = vec![("team".into(), "core".into()), ("site".into(), "a".into())];
    w.config.sources = vec![SourceRule {
        files: vec!["/logs/legacy*".into()],
        product: Some("old".into()),
        labels: vec![("site".into(), "b".into())],
        ..SourceRule::default()
    }];
    w.append("legacy.log", &line(1)).append("other.log", &line(1)).start().settle();
    let of = |name: &str| {
        let path = log(name).display().to_string();
        w.indexer.rows.values().find(|r| r.open.factors.path == path).unwrap().open.factors.clone()
    };
    assert_eq!(of("legacy.log").product.as_deref(), Some("old"));
    assert_eq!(of("legacy.log").labels, [("site".into(), "b".into()), ("team".to_owned(), "core".to_owned())]);
    assert_eq!(of("other.log").product, None);
    assert_eq!(of("other.log").labels.len(), 2);
}

#[test]
fn what_comes_right_after_a_request_is_gathered_for_the_next_one() {
    let mut w = World::new(7);
    let gathers = |w: &World| {
        let now = w.clock.monotonic();
        w.core.as_ref().unwrap().gather_until().saturating_sub(now)
    };
    w.append("a.log", &lines(10)).start();
    assert!(gathers(&w).is_zero(), "the first answer is waited for");
    w.pass(Duration::from_secs(10));
    assert!(gathers(&w).is_zero(), "nothing was sent lately");
    w.append("a.log", &lines(10));
    assert_eq!(w.requests.len(), 1, "the first line goes at once");
    let left = gathers(&w);
    assert!(!left.is_zero() && left <= w.config.timing.pace, "{left:?}");
    // Where much waits an answer makes room for more.
    w.append("a.log", &lines(60_000));
    assert!(gathers(&w).is_zero());
    w.pass(Duration::from_secs(10));
    w.append("a.log", &lines(10));
    assert!(!gathers(&w).is_zero());
    w.step(ShipperInput::Shutdown);
    assert!(gathers(&w).is_zero(), "the end is waited for");
}

#[test]
fn floods_and_trickles_have_their_turns_on_a_narrow_way() {
    let mut w = World::new(6);
    (w.config.limits.requests_first, w.config.limits.requests_max) = (1, 1);
    (w.config.limits.read_bytes, w.config.limits.batch_bytes_max) = (2000, 1000);
    for flood in 0..6 {
        w.disk.append(&log(&format!("flood-{flood}.log")), &lines(20_000));
    }
    w.start();
    for _ in 0..50 {
        w.step(ShipperInput::Tick);
        w.deliver(true);
        w.clock.advance(Duration::from_millis(25));
    }
    let trickles: Vec<String> = (0..20).map(|n| format!("trickle-{n}.log")).collect();
    for name in &trickles {
        w.append(name, &lines(2));
    }
    w.clock.advance(w.config.timing.linger);
    let mut requests = 0;
    while trickles.iter().any(|name| taken(&w, name) == 0) {
        w.step(ShipperInput::Tick);
        requests += u32::from(w.deliver(true));
        w.clock.advance(Duration::from_millis(25));
        assert!(requests < 60, "a line waits behind {requests} requests of floods");
    }
    let left = (0..6).filter(|n| taken(&w, &format!("flood-{n}.log")) < lines(20_000).len() as u64).count();
    assert_eq!(left, 6, "the floods went on all the while");
}
