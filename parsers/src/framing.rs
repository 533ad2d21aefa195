//! Framing: where events end (protocol rules 13 to 17).
//!
//! - Lines are decided whole: when their newline was seen, when a cut ends them, or when 32 KiB of them
//!   are there ([`WINDOW`]). A line once decided is not looked at again.
//! - What an event's first line is decides what its further lines may be ([`Lines`]).
//! - Cuts and the size cap depend on offsets and bytes alone, never on how the bytes arrived.
//!
//! The framer knows nothing but the open event; all that outlives it is in [`Context`].

use crate::head::{self, Fixed, Head, WINDOW};
use crate::wrapper::{self, Wrapper};
use crate::{Channel, Context, Continues, Family, FileFacts, Flags, Formats, Input, InputAt, Offset, heads};

/// The largest event (protocol rule 15).
pub(crate) const EVENT_BYTES_MAX: usize = 1 << 20;

/// How much of an open event travels as provisional (protocol rule 18).
pub(crate) const PROVISIONAL_BYTES_MAX: usize = 64 * 1024;

/// Which lines belong to an event besides its first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Lines {
    /// Those that cannot stand alone: it began with a line that is no head (protocol rule 14).
    #[default]
    Joined = 0,
    /// All up to the next head.
    All = 1,
    /// None: its format has no continuation lines.
    None = 2,
}

/// A closed piece of the stream, an event to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) size: usize,
    pub(crate) lines: u32,
    /// `None`: text, or a continuation.
    pub(crate) head: Option<Head>,
    pub(crate) rule: Lines,
    /// Goes on from what was cut before it.
    pub(crate) continues: bool,
    /// The event that it goes on from, when that is not the one just before it.
    pub(crate) from: Option<Continues>,
    /// Which of several programs wrote it that write through one tool; 0: it is not told.
    pub(crate) channel: u32,
    /// A line of another program ended it.
    pub(crate) interrupted: bool,
    /// Its last line goes on in the next one of its program.
    pub(crate) goes_on: bool,
    /// The family that the file is fixed to after it.
    pub(crate) lock: Option<Family>,
    /// How its lines are wrapped; the head's places count within the first line's inside.
    pub(crate) wrapper: Wrapper,
    pub(crate) end: End,
    pub(crate) flags: Flags,
}

/// What ends a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The next event begins, or its format says so.
    Closed,
    /// A cut or the size cap, at a line end.
    CutAtLine,
    /// A cut or the size cap, inside a line.
    CutInLine,
}

/// The open event, its first line decided or not. Positions count from the event's first byte.
#[derive(Clone, Debug)]
pub(crate) struct Framer {
    /// Where the first line begins that is not taken in yet.
    line: usize,
    /// Up to where that line was searched for its end.
    searched: usize,
    /// Where that line ends, when it is known already; else 0.
    known_end: usize,
    lines: u32,
    /// The last line taken in goes on in the next one of its program.
    goes_on: bool,
    /// Set once the first line is decided; it may still have to be taken in (`line` is 0 until then).
    first: Option<First>,
    /// Which heads the file has, when something else than its bytes tells.
    given: Option<Fixed>,
}

/// What the first line of the open event is.
#[derive(Clone, Copy, Debug)]
struct First {
    head: Option<Head>,
    rule: Lines,
    continues: bool,
    from: Option<Continues>,
    channel: u32,
    lock: Option<Family>,
    wrapper: Wrapper,
}

impl Framer {
    pub(crate) fn new(facts: &FileFacts) -> Framer {
        let document = facts.name.starts_with("hs_err").then_some(Fixed::Document);
        Framer::begin(facts.family.map(Fixed::Configured).or(document))
    }

    /// With no event open.
    fn begin(given: Option<Fixed>) -> Framer {
        Framer { line: 0, searched: 0, known_end: 0, lines: 0, goes_on: false, first: None, given }
    }

    /// The next piece of `buffer[start..]` that is complete. `cut` is a place in `buffer` after `start`.
    ///
    /// `coming` are the inputs after `start`: of them only formats count before the event they stand in is closed.
    pub(crate) fn next(
        &mut self,
        buffer: &[u8],
        start: usize,
        cut: Option<usize>,
        context: &Context,
        coming: Coming<'_>,
    ) -> Option<Piece> {
        let bytes = &buffer[start..];
        let cut = cut.map(|c| c - start).filter(|c| *c <= bytes.len());
        let bytes = cut.map_or(bytes, |c| &bytes[..c]);
        if self.searched.max(self.known_end) > bytes.len() {
            // A cut behind what was already looked at: begin the event again.
            *self = Framer::begin(self.given);
        }
        let is_plain = |first: &First| first.rule != Lines::None && first.wrapper == Wrapper::None;
        if (1..=EVENT_BYTES_MAX).contains(&self.known_end) && self.first.as_ref().is_some_and(is_plain) {
            // A first line that was decided when it closed the event before it.
            (self.line, self.searched, self.lines) = (self.known_end, self.known_end, 1);
            self.known_end = 0;
        }
        loop {
            let newline = match self.known_end {
                0 => memchr::memchr(b'\n', &bytes[self.searched..]).map(|i| self.searched + i + 1),
                end => Some(end),
            };
            let end = newline.unwrap_or(bytes.len());
            let enough = newline.is_some() || cut.is_some() || end > EVENT_BYTES_MAX && end - self.line > WINDOW;
            if !enough {
                self.searched = end;
                return None;
            }
            if end == self.line {
                // Only at a cut: no byte is left, so the open event ends with its last line.
                return (end > 0).then(|| self.close(bytes, end, End::CutAtLine));
            }
            if let Some(piece) = self.take_line(bytes, end, context, coming) {
                return Some(piece);
            }
            if newline.is_none() {
                return Some(self.close(bytes, end, End::CutInLine));
            }
        }
    }

    /// Decides the line `self.line..end`; gives the piece that it closes.
    fn take_line(&mut self, bytes: &[u8], end: usize, context: &Context, coming: Coming<'_>) -> Option<Piece> {
        let line = content(&bytes[self.line..end]);
        let fixed = self.fixed(context);
        let Some(first) = &self.first else {
            let first = First::decide(line, fixed, context);
            let rule = first.rule;
            self.first = Some(first);
            return self.take_in(bytes, end, rule);
        };
        let First { rule, lock, wrapper, channel: own_channel, .. } = *first;
        // No head but of own formats begins with a blank, wrapped or not, and no line that does stands alone.
        let indented =
            matches!(line.first(), Some(b' ' | b'\t')) && context.formats.is_empty() && coming.inputs.is_empty();
        if self.line == 0 || indented && rule != Lines::None {
            return self.take_in(bytes, end, rule);
        }
        if self.goes_on && wrapper == wrapper::of_line(line) && own_channel == wrapper.channel(line) {
            return self.take_in(bytes, end, rule);
        }
        let formats = coming.formats(self.line, &context.formats);
        if let Some(head) = usual(line, fixed, formats) {
            return Some(self.close_before(bytes, end, First::of_usual(head, lock)));
        }
        let look = Look::of_any(line, fixed, formats);
        let ends = match rule {
            _ if look.head.is_some() => true,
            Lines::All => false,
            Lines::Joined => !look.joins,
            // Its line went on, but not here.
            Lines::None => true,
        };
        let channel = look.channel(line);
        // Both programs write through one tool that names them, and their lines come as they come.
        let interrupted = look.wrapper == wrapper && own_channel != 0 && channel != 0 && channel != own_channel;
        if ends || interrupted {
            // What the event that ends here went on from is no longer open.
            let open = context.channels.iter().filter(|open| open.name != own_channel);
            let mut piece = self.close_before(bytes, end, First::of_line(look, channel, lock, open));
            piece.interrupted = interrupted;
            return Some(piece);
        }
        self.take_in(bytes, end, rule)
    }

    /// Ends the open event before the line that ends at `end`, which `first` says is the first of the next one.
    fn close_before(&mut self, bytes: &[u8], end: usize, first: First) -> Piece {
        let size = self.line;
        let piece = self.close(bytes, size, End::Closed);
        self.first = Some(first);
        match bytes[end - 1] {
            b'\n' => self.known_end = end - size,
            _ => self.searched = end - size,
        }
        piece
    }

    /// Which heads the next line may have, given the open event and what lies before it.
    fn fixed(&self, context: &Context) -> Fixed {
        let lock = self.first.as_ref().map_or(context.lock, |f| f.lock);
        let head = context.head_seen || self.first.as_ref().is_some_and(|f| f.head.is_some());
        match (self.given, lock) {
            (Some(given), _) => given,
            (None, Some(family)) => Fixed::Content(family),
            (None, None) if head => Fixed::No,
            (None, None) => Fixed::Open,
        }
    }

    /// Adds the line up to `end` to the open event, unless that makes it too large.
    fn take_in(&mut self, bytes: &[u8], end: usize, rule: Lines) -> Option<Piece> {
        if end > EVENT_BYTES_MAX {
            let (size, how) = match self.line {
                0 => (character_border(bytes, EVENT_BYTES_MAX), End::CutInLine),
                line => (line, End::CutAtLine),
            };
            self.lines += u32::from(how == End::CutInLine);
            let mut piece = self.close(bytes, size, how);
            piece.flags.set(Flags::SPLIT);
            return Some(piece);
        }
        let wrapper = self.first.as_ref().map_or(Wrapper::None, |first| first.wrapper);
        self.goes_on = wrapper != Wrapper::None && wrapper.goes_on(&bytes[self.line..end]);
        self.line = end;
        self.searched = end;
        self.known_end = 0;
        self.lines += 1;
        let whole = bytes[end - 1] == b'\n';
        (rule == Lines::None && whole && !self.goes_on).then(|| self.close(bytes, end, End::Closed))
    }

    /// Ends the open event after `size` bytes and begins the next one.
    fn close(&mut self, bytes: &[u8], size: usize, end: End) -> Piece {
        debug_assert!(size > 0 && size <= bytes.len());
        let first = self.first.unwrap_or(First::TEXT);
        let piece = Piece {
            size,
            lines: self.lines,
            head: first.head,
            rule: first.rule,
            continues: first.continues,
            from: first.from,
            channel: first.channel,
            interrupted: false,
            goes_on: self.goes_on,
            lock: first.lock,
            wrapper: first.wrapper,
            end,
            flags: Flags::default(),
        };
        *self = Framer::begin(self.given);
        piece
    }

    /// Bytes of the open event up to its last line end.
    pub(crate) fn whole_lines(&self, buffer: &[u8]) -> usize {
        let size = self.line.min(buffer.len());
        let rest = buffer.get(self.searched.max(size)..).unwrap_or_default();
        memchr::memrchr(b'\n', rest).map_or(size, |i| self.searched.max(size) + i + 1)
    }

    /// The open event's whole lines as a piece; `None` when it has none.
    pub(crate) fn open_piece(&self, buffer: &[u8]) -> Option<Piece> {
        let first = self.first?;
        let size = self.line;
        if self.lines == 0 || size > buffer.len() {
            return None;
        }
        let mut piece = Piece {
            size,
            lines: self.lines,
            head: first.head,
            rule: first.rule,
            continues: first.continues,
            from: first.from,
            channel: first.channel,
            interrupted: false,
            goes_on: self.goes_on,
            lock: first.lock,
            wrapper: first.wrapper,
            end: End::CutAtLine,
            flags: Flags::PROVISIONAL,
        };
        if size > PROVISIONAL_BYTES_MAX {
            let part = &buffer[..PROVISIONAL_BYTES_MAX];
            piece.size =
                memchr::memrchr(b'\n', part).map_or_else(|| character_border(buffer, PROVISIONAL_BYTES_MAX), |i| i + 1);
            piece.lines = memchr::memchr_iter(b'\n', &buffer[..piece.size]).count().max(1) as u32;
            piece.flags.set(Flags::HEAD_ONLY);
        }
        Some(piece)
    }
}

impl First {
    /// A line that is no head and goes on from nothing.
    const TEXT: First = First {
        head: None,
        rule: Lines::Joined,
        continues: false,
        from: None,
        channel: 0,
        lock: None,
        wrapper: Wrapper::None,
    };

    /// What an event's first line is, given what lies before it.
    fn decide(line: &[u8], fixed: Fixed, context: &Context) -> First {
        let mut text = First { lock: context.lock, ..First::TEXT };
        if context.mid_line {
            return First { rule: context.cut_lines, continues: true, ..text };
        }
        let look = Look::at(line, fixed, &context.formats);
        let channel = look.channel(line);
        let after_cut = context.cut.is_some() || context.after_generation;
        // What was cut was printed by one of several programs, which line goes on from which is known; or it was not.
        let known = context.cut.is_some_and(|cut| context.channels.iter().any(|open| open.event == cut));
        if look.head.is_some() || channel != 0 && fixed != Fixed::Document && (known || !after_cut) {
            return First::of_line(look, channel, context.lock, context.channels.iter());
        }
        text.wrapper = look.wrapper;
        if fixed == Fixed::Document {
            text.rule = Lines::All;
        }
        match context.cut_lines {
            Lines::All if after_cut => First { rule: Lines::All, continues: true, ..text },
            _ => First { continues: after_cut && look.joins, ..text },
        }
    }

    /// The first line of an event, given which events of several programs are `open`.
    fn of_line<'c>(
        look: Look,
        channel: u32,
        lock: Option<Family>,
        mut open: impl Iterator<Item = &'c Channel>,
    ) -> First {
        let open = if channel == 0 { None } else { open.find(|open| open.name == channel) };
        let goes_on = |open: &&Channel| match open.lines {
            _ if open.mid_line => true,
            _ if look.head.is_some() => false,
            Lines::All => true,
            Lines::Joined => look.joins,
            Lines::None => false,
        };
        match open.filter(goes_on) {
            Some(open) => First {
                rule: open.lines,
                continues: true,
                from: Some(Continues::Earlier { event: open.event, head_hash: open.head_hash }),
                channel,
                lock,
                wrapper: look.wrapper,
                head: None,
            },
            None => First { channel, ..First::of_look(look, lock) },
        }
    }

    /// A usual head, which goes on from nothing, in a file fixed like that so far.
    #[inline]
    fn of_usual(head: Head, lock: Option<Family>) -> First {
        First { head: Some(head), rule: Lines::All, lock: lock_behind(&head, lock), ..First::TEXT }
    }

    /// The first line of an event that goes on from nothing.
    fn of_look(look: Look, lock: Option<Family>) -> First {
        let text = First { lock, wrapper: look.wrapper, ..First::TEXT };
        let Some(head) = look.head else { return text };
        let rule = match () {
            () if head.is_single_line() => Lines::None,
            () if look.whole => Lines::Joined,
            () => Lines::All,
        };
        First { head: Some(head), rule, lock: lock_behind(&head, lock), ..text }
    }
}

/// The family that a file is fixed to behind `head`, given what it was fixed to before. A head that any file may have
/// shows that the file is not fixed after all; Choreo Connect mixes them.
#[inline]
fn lock_behind(head: &Head, lock: Option<Family>) -> Option<Family> {
    match lock {
        // A proxy's access lines stand among others.
        _ if head.family == Family::None && head.single => lock,
        _ if heads::fixed::locks(head.family) => lock.or(Some(head.family)),
        Some(Family::Enforcer | Family::None) => lock,
        _ => None,
    }
}

/// The head that nearly all lines have; what they could be besides is asked of all others. No tool wraps such a line.
#[inline]
fn usual(line: &[u8], fixed: Fixed, formats: &Formats) -> Option<Head> {
    let any = formats.is_empty() && matches!(fixed, Fixed::Open | Fixed::No | Fixed::Content(_));
    if any { heads::usual::recognise(&line[..line.len().min(WINDOW)]) } else { None }
}

/// What one look at a line tells.
pub(crate) struct Look {
    pub(crate) head: Option<Head>,
    pub(crate) wrapper: Wrapper,
    /// It cannot stand alone (protocol rule 14).
    joins: bool,
    /// It is a head that holds its whole event, so that lines behind it that can stand alone do.
    whole: bool,
}

impl Look {
    /// Which of several programs printed `line`.
    fn channel(&self, line: &[u8]) -> u32 {
        match self.wrapper {
            Wrapper::None => 0,
            wrapper => wrapper.channel(line),
        }
    }

    #[inline]
    pub(crate) fn at(line: &[u8], fixed: Fixed, formats: &Formats) -> Look {
        if let Some(head) = usual(line, fixed, formats) {
            return Look { head: Some(head), wrapper: Wrapper::None, joins: false, whole: false };
        }
        Look::of_any(line, fixed, formats)
    }

    fn of_any(line: &[u8], fixed: Fixed, formats: &Formats) -> Look {
        let head_of = |line: &[u8]| head_of(line, fixed, formats);
        // What only wraps a line may pass for an access line's first field.
        if !wrapper::is_certain(line)
            && let Some(head) = head_of(line)
        {
            let whole = heads::fixed::is_whole(&head, line);
            return Look { head: Some(head), wrapper: Wrapper::None, joins: false, whole };
        }
        let inside_of = |inside: &[u8], wrapper: Wrapper| {
            let head = head_of(inside);
            let whole = head.is_some_and(|head| heads::fixed::is_whole(&head, inside));
            Look { head, wrapper, joins: joins(inside), whole }
        };
        let wrapper = wrapper::of_line(line);
        if wrapper == Wrapper::None {
            return Look { head: None, wrapper, joins: joins(line), whole: false };
        }
        let window = &line[..line.len().min(WINDOW)];
        if let Some(skip) = wrapper.slice_of(window) {
            return inside_of(&window[skip..], wrapper);
        }
        let mut inside = Vec::new();
        wrapper.unwrap_into(window, &mut inside);
        inside_of(content(&inside), wrapper)
    }
}

/// The head that `line` is, in one of the own formats or by itself.
#[inline]
fn head_of(line: &[u8], fixed: Fixed, formats: &Formats) -> Option<Head> {
    if formats.is_empty() {
        return head::recognise_in(line, fixed);
    }
    formats.recognise(line).or_else(|| head::recognise_in(line, fixed).filter(|_| formats.share()))
}

/// Inputs that hold from places after the open event's first byte.
#[derive(Clone, Copy)]
pub(crate) struct Coming<'a> {
    /// Where the open event begins.
    pub(crate) begin: Offset,
    pub(crate) inputs: &'a [InputAt],
}

impl<'a> Coming<'a> {
    /// The formats that hold for the line `at` bytes behind the open event's first.
    fn formats(self, at: usize, known: &'a Formats) -> &'a Formats {
        let place = Offset(self.begin.0 + at as u64);
        let passed = self.inputs.iter().take_while(|i| i.at <= place);
        let newest = passed.filter_map(|i| match &i.input {
            Input::Formats(formats) => Some(formats),
            Input::Cut | Input::Zone(_) | Input::FileTime(_) => None,
        });
        newest.last().unwrap_or(known)
    }
}

/// The head of a piece whose bytes were changed from `first` on: found again, so that its parts stand where they
/// are now. What no longer has its shape keeps family and time.
pub(crate) fn head_again(
    piece: &Piece,
    bytes: &[u8],
    first: usize,
    configured: Option<Family>,
    formats: &Formats,
) -> Option<Head> {
    let head = piece.head?;
    let is_own = head.family == Family::Own;
    if piece.wrapper == Wrapper::None && first >= usize::from(head.message) && !is_own {
        return Some(head);
    }
    let fixed = match (configured, piece.lock) {
        (Some(family), _) => Fixed::Configured(family),
        (None, Some(family)) => Fixed::Content(family),
        (None, None) => Fixed::Open,
    };
    let line = memchr::memchr(b'\n', bytes).map_or(bytes, |end| &bytes[..=end]);
    let again = Look::at(content(line), fixed, formats);
    let same = again.head.filter(|h| h.family == head.family && again.wrapper == piece.wrapper);
    match same {
        Some(again) => Some(Head { stamp: head.stamp, ..again }),
        None if is_own => None,
        None => Some(Head::new(head.family, head.stamp)),
    }
}

/// A line without its line end.
pub(crate) fn content(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether a line that is no head belongs to the text line before it (protocol rule 14).
fn joins(line: &[u8]) -> bool {
    match line.first() {
        Some(b' ' | b'\t') => true,
        Some(b'C') => line.starts_with(b"Caused by:"),
        Some(b'.') => line.strip_prefix(b"... ").is_some_and(|rest| {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            digits > 0 && rest[digits..].starts_with(b" more")
        }),
        _ => false,
    }
}

/// The last border between characters at or before `at`; `at` itself where the bytes are no UTF-8.
fn character_border(bytes: &[u8], at: usize) -> usize {
    let inside = |i: usize| bytes.get(i).is_some_and(|b| (0x80..0xc0).contains(b));
    (0..4).map(|back| at - back).find(|i| !inside(*i)).unwrap_or(at)
}
