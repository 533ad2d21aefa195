//! What is durable when: sync, flush, cut, full disk.

use super::rig::{Rig, events, mark_of, small};
use crate::store::core::StoreInput;

#[test]
fn no_answer_before_the_sync() {
    let mut rig = Rig::new(small());
    rig.begin();
    assert!(rig.request(1, vec![events(0, &[10, 20])]).is_empty());
    assert!(rig.offsets().is_empty());
    let answers = rig.step(StoreInput::Sync);
    assert_eq!(answers.len(), 1);
    assert_eq!(mark_of(&answers[0].1.verdicts[0]), 20);
    assert_eq!(rig.offsets(), [0, 10]);
    rig.power_cut();
    rig.open().unwrap();
    assert_eq!(rig.offsets(), [0, 10]);
    rig.flush();
    assert_eq!(rig.offsets(), [0, 10]);
    rig.power_cut();
    rig.open().unwrap();
    assert_eq!(rig.offsets(), [0, 10]);
}
