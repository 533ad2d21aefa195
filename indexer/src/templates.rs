//! Gives events their `wso2.template.hash`. A template follows from an event's bytes and fields alone, and hosts have better
//! things to do: their shippers leave it out, and it is added here before an event is judged.
//!
//! An event that has one keeps it: where a text does not stand in the bytes as it is, only its host can tell.

use parsers::template::Splitter;
use wire::{EventsPayload, Fate, Message, Request};

/// Adds the hash to every event of a request that has none.
pub fn complete(request: &mut Request) {
    let mut splitter = Splitter::new();
    for message in &mut request.messages {
        match message {
            Message::Ranges(ranges) => {
                for range in &mut ranges.ranges {
                    if let Fate::Events(payload) = &mut range.fate {
                        complete_all(payload, &mut splitter);
                    }
                }
            }
            Message::Replay(replay) => complete_all(&mut replay.payload, &mut splitter),
            Message::Provisional(shown) => splitter.complete(&mut shown.event.fields, &shown.bytes),
            _ => {}
        }
    }
}

fn complete_all(payload: &mut EventsPayload, splitter: &mut Splitter) {
    let mut rest: &[u8] = &payload.bytes;
    for event in &mut payload.events {
        // What lacks bytes is refused by whoever judges it.
        let (bytes, behind) = rest.split_at(rest.len().min(event.len as usize));
        splitter.complete(&mut event.fields, bytes);
        rest = behind;
    }
}
