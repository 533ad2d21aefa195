//! Death before every single file system call of a life that holds all the shipper writes: first state, cuts,
//! marks, a turn of the state files, rotations, an adoption, a loss. Whatever call it is, and whether or not the
//! power goes with it, the next start ends with every byte shipped once.

use super::world::{World, gz, line, log};
use crate::core::ShipperInput;
use std::time::Duration;

fn lines(range: std::ops::Range<u64>) -> Vec<u8> {
    range.flat_map(line).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    Kill,
    /// What was not synced is gone as well.
    PowerCut,
    /// What it sent and nobody answered arrives after it was started again.
    RequestsArriveLate,
}

/// Plays the life; with a death in the `n`-th call of it. Gives the number of calls made.
fn play(n: Option<u64>, death: Death) -> u64 {
    let mut w = World::new(71);
    w.config.limits.state_bytes_min = 2048;
    w.die_in_call = n;
    w.disk.append(&log("a.log"), &lines(0..12));
    let _dead_already = w.try_start();
    let go = |w: &mut World, seconds: u64| {
        w.step(ShipperInput::Overflow).pass(Duration::from_secs(seconds));
    };
    // An open event is cut, goes on, and is cut again.
    go(&mut w, 7);
    w.disk.append(&log("a.log"), b"\tat org.wso2.Frame\n");
    go(&mut w, 7);
    // Rotated with bytes unread, and compressed.
    w.disk.append(&log("a.log"), &lines(12..20));
    w.disk.rename(&log("a.log"), &log("a.log.1")).unwrap();
    w.disk.append(&log("a.log"), &lines(20..24));
    go(&mut w, 1);
    let bytes = w.disk.contents(&log("a.log.1")).unwrap();
    w.disk.append(&log("a.log.1.gz"), &gz(&bytes));
    w.disk.remove(&log("a.log.1")).unwrap();
    go(&mut w, 12);
    // Copied and truncated.
    w.disk.append(&log("a.log"), &lines(24..30));
    let bytes = w.disk.contents(&log("a.log")).unwrap();
    w.disk.append(&log("a.log.2"), &bytes);
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &lines(30..31));
    go(&mut w, 12);
    let calls = w.files.calls();
    if n.is_some() {
        let late = std::mem::take(&mut w.requests);
        assert!(w.core.is_none(), "call {n:?} was never made");
        if death == Death::PowerCut {
            w.disk.power_cut();
        }
        w.disk.append(&log("a.log"), &lines(31..33));
        w.start();
        if death == Death::RequestsArriveLate {
            for (_, request) in late {
                w.indexer.handle(&request);
            }
        }
    } else {
        w.disk.append(&log("a.log"), &lines(31..33));
    }
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(60));
    check(&w, &format!("{death:?} in call {n:?}"));
    calls
}

fn check(w: &World, case: &str) {
    let mut expected =
        vec![[lines(0..12), b"\tat org.wso2.Frame\n".to_vec(), lines(12..20)].concat(), lines(20..30), lines(30..33)];
    let mut got: Vec<_> = w.indexer.rows.values().map(|r| r.bytes()).filter(|b| !b.is_empty()).collect();
    expected.sort();
    got.sort();
    let sizes = |of: &[Vec<u8>]| of.iter().map(Vec::len).collect::<Vec<_>>();
    assert!(got == expected, "{case}: got {:?}, written {:?}; {:#?}", sizes(&got), sizes(&expected), w.notices);
    assert_eq!(w.indexer.straddled, 0, "{case}: a cut was forgotten");
    assert!(w.indexer.rows.values().all(|r| r.lost.is_empty()), "{case}: {:?}", w.notices);
}

#[test]
fn death_in_any_call_loses_and_doubles_nothing() {
    let calls = play(None, Death::Kill);
    assert!(calls > 200, "{calls} calls");
    for death in [Death::Kill, Death::PowerCut, Death::RequestsArriveLate] {
        for n in 0..calls {
            play(Some(n), death);
        }
    }
}
