#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{DecodeError, Limits, decode_answer, decode_request, encode_answer, encode_draft, encode_request};
use crate::*;
use bytes::Bytes;
use parsers::{Dataset, EventTime, Family, Field, FieldId, Flags, Level, TimeNs, TimeSource, Value, ZoneSource};
use proptest::prelude::*;

fn value(len: u32) -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..=len, 0..=len).prop_map(|(a, b)| Value::Span { start: a.min(b), len: a.max(b) - a.min(b) }),
        ".{0,12}".prop_map(|text| Value::Literal(text.into())),
        any::<i64>().prop_map(Value::Int),
    ]
}

fn event() -> impl Strategy<Value = (EventBody, Vec<u8>)> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    (bytes, 0u64..1 << 48, any::<u32>(), 0usize..Family::ALL.len(), 0usize..Dataset::ALL.len(), any::<Option<i64>>())
        .prop_flat_map(|(bytes, offset, head_hash, family, dataset, time)| {
            let fields = prop::collection::vec((any::<u16>(), value(bytes.len() as u32)), 0..6);
            (fields, any::<i16>(), 0u8..3, any::<bool>()).prop_map(move |(fields, minutes, continues, redacted)| {
                let len = bytes.len() as u32;
                let body = EventBody {
                    offset: Offset(offset),
                    size: if redacted { len + 7 } else { len },
                    len,
                    lines: 1 + u32::from(head_hash as u8),
                    head_hash,
                    family: Family::ALL[family],
                    dataset: Dataset::ALL[dataset],
                    level: Level::Warn,
                    time: time.map(|ns| EventTime {
                        utc: TimeNs(ns),
                        offset_minutes: minutes,
                        source: TimeSource::Payload,
                        zone: ZoneSource::Banner,
                    }),
                    flags: Flags(head_hash),
                    continues: match continues {
                        0 => None,
                        1 => Some(ContinuesFrom::Stream(StreamId(offset))),
                        _ => Some(ContinuesFrom::Event(EventId {
                            stream: StreamId(offset),
                            offset: Offset(offset),
                            head_hash,
                        })),
                    },
                    fields: fields.into_iter().map(|(id, value)| Field { id: FieldId(id), value }).collect(),
                };
                (body, bytes.clone())
            })
        })
}

/// Events of this stream: any, and neighbours as a file has them, each like the one before it.
fn payload(stream: StreamId) -> impl Strategy<Value = EventsPayload> {
    let events = prop::collection::vec((event(), any::<bool>(), 0u32..3_000_000), 0..9);
    events.prop_map(move |drawn| {
        let mut events: Vec<(EventBody, Vec<u8>)> = Vec::new();
        for ((mut body, bytes), is_neighbour, later) in drawn {
            if let (true, Some((before, their))) = (is_neighbour, events.last()) {
                let offset = Offset((before.offset.0 + u64::from(before.size)) & ((1 << 48) - 1));
                let ns = i64::from(later) * if later % 2 == 0 { 1_000_000 } else { 1 };
                let time = before.time.map(|t| EventTime { utc: TimeNs(t.utc.0.wrapping_add(ns)), ..t });
                let head_hash = head_hash(stream, parsers::first_line(their));
                body = EventBody { offset, time, head_hash, ..before.clone() };
                events.push((body, their.clone()));
            } else {
                events.push((body, bytes));
            }
        }
        EventsPayload {
            bytes: events.iter().flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<u8>>().into(),
            events: events.into_iter().map(|(body, _)| body).collect(),
        }
    })
}

fn message() -> impl Strategy<Value = Message> {
    let range = |stream| {
        (any::<u64>(), any::<Option<u64>>(), payload(stream), 0u8..4, ".{0,9}").prop_map(
            |(from, to, payload, fate, reason)| Range {
                from: Offset(from),
                to: to.map(Offset),
                fate: match fate {
                    0 => Fate::Events(payload),
                    1 => Fate::Dead(reason),
                    2 => Fate::Excluded(reason),
                    _ => Fate::Lost(reason),
                },
                context: Bytes::from_static(b"context"),
                anchors: vec![Anchor { at: Offset(from), hash: from }],
            },
        )
    };
    let ranges = any::<u64>().prop_map(StreamId).prop_flat_map(move |stream| {
        let ranges = prop::collection::vec(range(stream), 0..4);
        ranges.prop_map(move |ranges| Message::Ranges(Ranges { stream, ranges }))
    });
    let open = (any::<u64>(), any::<u128>(), ".{0,20}", any::<Option<i64>>()).prop_map(|(n, number, path, born_ns)| {
        Message::Open(Open {
            stream: StreamId(n),
            base: Offset(n),
            context: Bytes::new(),
            factors: Factors { path, number, born_ns, labels: vec![("a.b".into(), "c".into())], ..Factors::default() },
        })
    });
    let provisional = (any::<u64>(), event()).prop_map(|(stream, (event, bytes))| {
        Message::Provisional(Provisional { stream: StreamId(stream), event, bytes: bytes.into() })
    });
    let replay = any::<u64>()
        .prop_map(StreamId)
        .prop_flat_map(|stream| payload(stream).prop_map(move |payload| Message::Replay(Replay { stream, payload })));
    prop_oneof![
        any::<i64>().prop_map(|clock_ns| Message::Hello(Hello { host_id: "h".into(), clock_ns, ..Hello::default() })),
        open,
        ranges,
        provisional,
        replay,
        any::<u64>().prop_map(|stream| Message::Gone(StreamId(stream))),
        prop::collection::vec(any::<u64>().prop_map(StreamId), 0..4).prop_map(Message::Ledger),
        prop::collection::vec(any::<u64>().prop_map(stream_range), 0..4).prop_map(Message::Prove),
        prop::collection::vec(any::<u32>(), 0..4).prop_map(|heads| {
            let factors = |head_len| Factors { path: "/logs/a.log".into(), head_len, ..Factors::default() };
            Message::Claim(Claim { files: heads.into_iter().map(factors).collect() })
        }),
    ]
}

fn stream_range(n: u64) -> StreamRange {
    StreamRange { stream: StreamId(n), from: Offset(n >> 9), to: Offset(!n) }
}

fn request() -> impl Strategy<Value = Request> {
    (any::<[u8; 16]>(), any::<u64>(), prop::collection::vec(message(), 0..5)).prop_map(|(agent, number, messages)| {
        Request { agent: AgentId(agent), epoch: Epoch { incarnation: !number, number }, messages }
    })
}

fn draft(request: &Request) -> Draft {
    let messages = request.messages.iter().map(|message| match message {
        Message::Ranges(Ranges { stream, ranges }) => {
            let ranges = ranges.iter().map(|range| {
                let mut parses = Parses::default();
                let mut range = range.clone();
                if let Fate::Events(payload) = &mut range.fate {
                    for (event, bytes) in payload.iter() {
                        let is_derived = event.head_hash == head_hash(*stream, parsers::first_line(&bytes));
                        parses.push(&EventBody { fields: Vec::new(), ..event.clone() }, &event.fields, is_derived);
                    }
                    payload.events.clear();
                }
                DraftedRange { range, parse: parses.take_bytes() }
            });
            Drafted::Ranges { stream: *stream, ranges: ranges.collect() }
        }
        other => Drafted::Message(other.clone()),
    });
    Draft { agent: request.agent, epoch: request.epoch, messages: messages.collect() }
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let state = || {
        (any::<u64>(), any::<bool>()).prop_map(|(n, closed)| MarkState {
            mark: Offset(n),
            context: Bytes::from_static(b"c"),
            anchors: vec![Anchor { at: Offset(n), hash: !n }],
            last_event: closed.then_some(EventId { stream: StreamId(n), offset: Offset(n >> 16), head_hash: n as u32 }),
            closed,
            books: closed.then(|| {
                Box::new(Books {
                    taken: LedgerSum { events: n, bytes: !n, hash: LedgerHash(u128::from(n)) },
                    other: OtherBytes { dead: n, excluded: 1, lost: !n },
                })
            }),
        })
    };
    let sum = |n: u64| LedgerSum { events: n, bytes: !n, hash: LedgerHash(u128::from(n) << 77 | 5) };
    prop_oneof![
        any::<u64>().prop_map(|n| Verdict::Hello(HelloAnswer {
            epoch: Epoch { incarnation: n, number: !n },
            oldest_ns: Some(n.cast_signed()),
            request_bytes_max: n,
            host_streams: !n,
        })),
        state().prop_map(Verdict::Open),
        any::<u64>().prop_map(move |n| Verdict::Ranges {
            mark: Offset(n),
            covered: Some(Covered {
                to: Offset(n),
                fates: vec![FateSpan { from: Offset(0), to: Offset(n), fate: FateKind::Excluded }],
                sum: Some(sum(n)),
            }),
            expired: n,
        }),
        any::<bool>().prop_map(|taken| Verdict::Provisional { taken }),
        Just(Verdict::Gone),
        any::<u64>().prop_map(|events| Verdict::Replay { events }),
        any::<u64>().prop_map(move |n| Verdict::Ledger(vec![LedgerRow {
            stream: StreamId(n),
            taken: sum(n),
            hash: LedgerHash(!u128::from(n)),
            folded_excluded: n,
            folded_lost: !n,
            folded_to: Offset(n >> 1),
            ..LedgerRow::default()
        }])),
        any::<u64>().prop_map(move |n| Verdict::Proof(vec![RangeProof {
            range: stream_range(n),
            found: sum(n),
            other: vec![FateSpan { from: Offset(n), to: Offset(!n), fate: FateKind::Lost }],
            absent: n,
            doubled: n >> 1,
            damage: n.is_multiple_of(2).then(|| n.to_string()),
        }])),
        (any::<u64>(), state()).prop_map(|(n, state)| Verdict::Claim(vec![Claimable {
            stream: StreamId(n),
            factors: Factors { name: "a.log".into(), head_hash: !n, ..Factors::default() },
            base: Offset(n >> 3),
            state,
        }])),
        Just(Verdict::Refused(Refusal::Fenced)),
        Just(Verdict::Refused(Refusal::NotOpen)),
        state().prop_map(|state| Verdict::Refused(Refusal::Gap(state))),
        state().prop_map(|state| Verdict::Refused(Refusal::Straddles(state))),
        any::<u64>().prop_map(|max| Verdict::Refused(Refusal::TooLarge { max })),
        any::<u64>().prop_map(|n| Verdict::Refused(Refusal::Rejected { offset: Offset(n), reason: n.to_string() })),
        any::<u64>().prop_map(|n| Verdict::Refused(Refusal::Busy {
            retry_after_ms: n,
            reason: n.to_string(),
            disk_full: n % 2 == 1
        })),
    ]
}

proptest! {
    #[test]
    fn a_request_is_read_back_as_it_was_sent(request in request()) {
        prop_assert_eq!(decode_request(&encode_request(&request), Limits::default()), Ok(request));
    }

    #[test]
    fn a_draft_is_sent_and_handed_over_as_the_request_it_stands_for(request in request()) {
        let draft = draft(&request);
        prop_assert_eq!(encode_draft(&draft), encode_request(&request));
        prop_assert_eq!(draft.into_request(), Ok(request));
    }

    #[test]
    fn an_answer_is_read_back_as_it_was_sent(verdicts in prop::collection::vec(verdict(), 0..6), boot in any::<u64>()) {
        let answer = Answer { incarnation: !boot, boot, verdicts };
        prop_assert_eq!(decode_answer(&encode_answer(&answer), Limits::default()), Ok(answer));
    }

    #[test]
    fn any_flipped_bit_is_noticed(request in request(), bit in any::<prop::sample::Index>()) {
        let mut bytes = encode_request(&request);
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(decode_request(&bytes, Limits::default()).is_err());
    }

    #[test]
    fn hostile_bodies_are_refused_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let sealed = super::seal(super::REQUEST_MAGIC, &body);
        let _outcome = decode_request(&sealed, Limits::default());
        let sealed = super::seal(super::ANSWER_MAGIC, &body);
        let _outcome = decode_answer(&sealed, Limits::default());
        let _outcome = decode_request(&body, Limits::default());
    }

    #[test]
    fn a_damaged_body_with_a_right_checksum_does_not_panic(request in request(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        use prost::Message as _;
        let mut body = proto::Request::from(&request).encode_to_vec();
        if !body.is_empty() {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let _outcome = decode_request(&super::seal(super::REQUEST_MAGIC, &body), Limits::default());
    }
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let bomb = super::seal(super::REQUEST_MAGIC, &vec![0; 64 << 20]);
    assert!(bomb.len() < 64 << 10);
    assert_eq!(decode_request(&bomb, Limits::default()), Err(DecodeError::TooLarge(16 << 20)));
    let wide = Limits { decoded_bytes_max: 128 << 20, ratio_max: 10 };
    assert!(matches!(decode_request(&bomb, wide), Err(DecodeError::TooLarge(n)) if n < 1 << 21));
}

#[test]
fn a_body_of_empty_messages_is_refused_before_it_is_decoded() {
    // Tag 4, length 0: two bytes a message.
    let many = [0x22, 0].repeat(200_000);
    let sealed = super::seal(super::REQUEST_MAGIC, &many);
    let refused = decode_request(&sealed, Limits::default());
    assert_eq!(refused, Err(DecodeError::Malformed("more messages than its size warrants")));
}

#[test]
fn a_parse_of_nothing_but_events_is_refused() {
    // A shape without fields, then 100,000 events of no bytes: three bytes each.
    let head_hash = head_hash(StreamId(1), b"");
    let event = EventBody { size: 0, len: 0, time: None, head_hash, fields: Vec::new(), ..sample() };
    let events = vec![event; 100_000];
    let payload = EventsPayload { bytes: Bytes::new(), events };
    let replay = Message::Replay(Replay { stream: StreamId(1), payload });
    let request = Request { messages: vec![replay], ..Request::default() };
    let refused = decode_request(&encode_request(&request), Limits::default()).unwrap_err();
    assert_eq!(refused, DecodeError::Malformed("more events than its size warrants"));
}

#[test]
fn neighbours_take_few_bytes() {
    let line = b"TID: [-1234] [] [2026-11-25 10:00:00,000]  INFO {org.wso2.carbon.core.Test} - started\n";
    let (mut parses, mut last) = (Parses::default(), 0);
    for index in 0..100u64 {
        let mut event = EventBody { offset: Offset(index * 85), size: 85, len: 85, ..sample() };
        event.time = event.time.map(|t| EventTime { utc: TimeNs(t.utc.0 + index as i64 * 40_000_000), ..t });
        event.head_hash = head_hash(StreamId(1), parsers::first_line(line));
        last = parses.len();
        parses.push(&event, &event.fields, true);
    }
    // Its shape, size, lines, time, and the lengths of five fields.
    assert_eq!(parses.len() - last, 9);
}

fn sample() -> EventBody {
    let spans = [(6, 5), (18, 23), (44, 4), (50, 26), (80, 7)];
    EventBody {
        offset: Offset(0),
        size: 85,
        len: 85,
        lines: 1,
        head_hash: 0,
        family: Family::Tid,
        dataset: Dataset::ALL[0],
        level: Level::Info,
        time: Some(EventTime {
            utc: TimeNs(1_764_064_800_000_000_000),
            offset_minutes: 60,
            source: TimeSource::Parsed,
            zone: ZoneSource::Banner,
        }),
        flags: Flags::default(),
        continues: None,
        fields: (1u16..)
            .zip(spans)
            .map(|(id, (start, len))| Field { id: FieldId(id), value: Value::Span { start, len } })
            .collect(),
    }
}

#[test]
fn a_newer_version_is_refused_and_named() {
    let mut bytes = encode_request(&Request::default());
    bytes[4] = 9;
    let refused = decode_request(&bytes, Limits::default()).unwrap_err();
    assert_eq!(refused.to_string(), "wire version 9 is not spoken here, only versions 1 to 1");
}

#[test]
fn an_event_id_is_24_characters_and_reads_back() {
    let id = EventId { stream: StreamId(0x0123_4567_89ab_cdef), offset: Offset(0xffff_0000_1234), head_hash: 7 };
    let text = id.to_string();
    assert_eq!(text.len(), 24);
    assert_eq!(text.parse(), Ok(id));
    assert_eq!("short".parse::<EventId>(), Err(NotAnEventId));
}
