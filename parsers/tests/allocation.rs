//! A line costs no allocation once the parser has seen its like.
#![allow(unsafe_code, reason = "a global allocator that counts has to be one")]

use parsers::{Context, FileFacts, Offset, Parser};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// Counts what the test's own thread allocates.
struct Counting;

// SAFETY: it hands every request on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LINES: [&str; 9] = [
    "TID: [-1234] [api/am] [2026-04-22 11:02:00,317]  INFO {org.wso2.carbon.demo.A} - started {x} 17\n",
    "TID: [] [] [2026-04-22 11:02:01,001] [c-1] ERROR {org.wso2.B} - failed java.io.IOException: x\n\tat a.b.C.d(C.java:1)\n\tat a.b.C$$Lambda$12/0x01.e(C.java:2)\nCaused by: a.b.D: y\n\t... 2 more\n",
    "TID: [] [] [2026-04-22 11:02:00,319]  INFO {org.wso2.carbon.demo.Startup} - WSO2 Carbon started in 69 sec\n",
    "TID: [-1234] [2026-04-22 11:02:02,001]  INFO {AUDIT_LOG} - Initiator=a Action=b Target=c Data={\"x\":1} Outcome=Success\n",
    "[2026-04-22 11:02:02,002]  WARN {org.M} - {api:x} plain\n",
    "2026-04-22T11:02:02,003 [-] [main]  INFO Route text\n",
    "2026-04-22 11:02:02,004|c-1|main|1|HTTP State Transition|http-incoming-2|GET|/till/2|REQUEST_HEAD\n",
    "127.0.0.1 - - [22/Apr/2026:11:02:02 +0000] \"GET /a?b HTTP/1.1\" 200 5 \"-\" \"curl\"\n",
    "service_1  | [2026-04-22 11:02:02,005]  INFO {org.M} - wrapped\n",
];

#[test]
fn a_line_costs_no_allocation() {
    let block: String = LINES.concat();
    let text = block.repeat(200);
    let mut parser = Parser::new(FileFacts { name: "mixed.log".into(), family: None }, Offset(0), Context::default());
    let mut events = 0;
    // The first block fills what is used again and again.
    let warm = block.len() * 2;
    let used = parser.advance(&text.as_bytes()[..warm], &[], &mut |_, _| {});
    let before = COUNT.with(Cell::get);
    parser.advance(&text.as_bytes()[used..], &[], &mut |_, _| events += 1);
    let allocations = COUNT.with(Cell::get) - before;
    assert!(events > 1700, "{events} events");
    assert_eq!(allocations, 0, "in {events} events");
}
