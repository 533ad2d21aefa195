//! Exclusion holds from the mark on, inclusion from the size the file has then (protocol rule 25).

use super::world::{Row, World, line, log};
use crate::ShipperConfig;
use crate::core::ShipperInput;
use std::time::Duration;

const FILE: &str = "wso2carbon.log";

fn lines(range: std::ops::Range<u64>) -> Vec<u8> {
    range.flat_map(line).collect()
}

fn len(range: std::ops::Range<u64>) -> u64 {
    lines(range).len() as u64
}

fn read_again(w: &mut World, change: impl FnOnce(&mut ShipperConfig)) {
    change(&mut w.config);
    let config = w.config.clone();
    w.step(ShipperInput::Configure(Box::new(config)));
}

fn leave_out(config: &mut ShipperConfig) {
    config.exclude.push("wso2carbon*".to_owned());
}

fn take_in(config: &mut ShipperConfig) {
    config.exclude.pop();
}

fn texts(row: &Row) -> Vec<u8> {
    row.events.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
}

/// Bytes recorded as excluded, and that nothing of the file is missing.
fn excluded(row: &Row) -> u64 {
    assert!(row.lost.is_empty(), "{:?}", row.lost);
    row.excluded.iter().map(|(from, to)| to - from).sum()
}

#[test]
fn left_out_from_the_mark_on_and_taken_in_from_the_size_it_has_then() {
    for restart in [false, true] {
        let mut w = World::new(1);
        w.append(FILE, &lines(0..10)).start().pass(Duration::from_secs(10));
        if restart {
            w.kill();
            leave_out(&mut w.config);
            w.start();
        } else {
            read_again(&mut w, leave_out);
        }
        w.append(FILE, &lines(10..20)).pass(Duration::from_secs(10));
        assert!(w.only().provisional.is_none(), "an open event is not shown either");
        // More that nobody looks at before it is taken in again.
        w.disk.append(&log(FILE), &lines(20..30));
        if restart {
            w.kill();
            take_in(&mut w.config);
            w.start();
        } else {
            read_again(&mut w, take_in);
        }
        w.pass(Duration::from_secs(10));
        w.append(FILE, &lines(30..40)).pass(Duration::from_secs(10));
        let row = w.only();
        assert_eq!(
            String::from_utf8_lossy(&texts(row)),
            String::from_utf8_lossy(&[lines(0..10), lines(30..40)].concat())
        );
        assert_eq!((excluded(row), row.mark.0), (len(10..30), len(0..40)), "restart {restart}");
        assert_eq!(w.status().files[0].excluded_bytes, len(10..30));
    }
}

#[test]
fn what_was_read_and_not_sent_is_left_out_too() {
    let mut w = World::new(2);
    w.config.timing.linger = Duration::from_millis(20);
    w.append(FILE, &lines(0..10)).start().pass(Duration::from_secs(10));
    w.append(FILE, &lines(10..15));
    assert!(w.only().mark.0 == len(0..10), "nothing was sent yet");
    read_again(&mut w, leave_out);
    w.pass(Duration::from_secs(10));
    assert_eq!((excluded(w.only()), texts(w.only())), (len(10..15), lines(0..10)));
}

#[test]
fn a_file_truncated_or_rotated_while_it_is_left_out_stays_so() {
    let mut w = World::new(3);
    w.append(FILE, &lines(0..10)).start().pass(Duration::from_secs(10));
    read_again(&mut w, leave_out);
    w.disk.truncate(&log(FILE)).unwrap();
    w.append(FILE, &lines(50..53)).pass(Duration::from_secs(90));
    w.disk.rename(&log(FILE), &log("wso2carbon.log.1")).unwrap();
    w.append(FILE, &lines(60..63)).pass(Duration::from_secs(90));
    for row in w.indexer.rows.values() {
        assert!(!texts(row).windows(9).any(|w| w == b"number 5" || w == b"number 60"), "{:?}", texts(row));
    }
    let sent: usize = w.indexer.rows.values().map(|row| row.events.len()).sum();
    assert_eq!(sent, 10);
    // Named anew it is a file of its own, from its begin on: it never had a stream.
    read_again(&mut w, take_in);
    w.append(FILE, &lines(63..64)).pass(Duration::from_secs(90));
    let new = w.indexer.rows.values().any(|row| texts(row) == lines(60..64));
    assert!(new, "{:#?}", w.status());
}

#[test]
fn a_copy_is_no_copy_while_the_main_file_is_left_out() {
    let errors = |n: u64| {
        let text = String::from_utf8(line(n)).unwrap();
        text.replace(" INFO", "ERROR").into_bytes()
    };
    let mut w = World::new(4);
    w.append(FILE, &errors(1)).append("wso2-apigw-errors.log", &errors(1)).start().pass(Duration::from_secs(10));
    read_again(&mut w, |config| config.exclude.push(FILE.to_owned()));
    w.append(FILE, &[errors(2), errors(3)].concat()).pass(Duration::from_secs(1));
    w.append("wso2-apigw-errors.log", &[errors(2), errors(3)].concat()).pass(Duration::from_secs(10));
    let row = w.indexer.rows.values().find(|row| row.open.factors.path.contains("errors")).unwrap();
    let last = row.events.last().unwrap();
    assert!(!last.0.flags.has(parsers::Flags::COPY), "it is all there is");
}

#[test]
fn a_named_file_is_never_left_out_by_patterns() {
    let mut w = World::new(5);
    w.config.folders = vec![log(FILE)];
    w.append(FILE, &lines(0..10)).start().pass(Duration::from_secs(10));
    read_again(&mut w, leave_out);
    w.append(FILE, &lines(10..20)).pass(Duration::from_secs(10));
    assert_eq!((texts(w.only()), excluded(w.only())), (lines(0..20), 0));
}
