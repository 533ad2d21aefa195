//! Which marks of secrets may stand in an event, told by one search through the whole buffer for each: nearly all events
//! have none of them, and searches that begin anew in each cost more than all the looking.
//!
//! A mark that begins in an event counts as in it, whether or not it ends there: what is said to be in it is looked for.

use super::secrets::Finders;

/// Marks that are looked for.
const MARKS: usize = 7;

/// Which of the marks may stand in an event, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct May(u8);

impl May {
    /// All of them: nobody has looked.
    pub(crate) const ANY: May = May(u8::MAX);

    pub(super) fn has(self, mark: Mark) -> bool {
        self.0 >> mark as u8 & 1 == 1
    }
}

/// Without which some class of secret cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mark {
    /// `-----BEGIN`
    Begin,
    /// `<`
    Tag,
    /// `eyJ`
    Jwt,
    /// `IA` of `AKIA` and `ASIA`
    Aws,
    /// `earer `
    Bearer,
    /// `EARER `
    LoudBearer,
    /// `__Host-`
    Host,
}

impl Mark {
    const ALL: [Mark; MARKS] =
        [Mark::Begin, Mark::Tag, Mark::Jwt, Mark::Aws, Mark::Bearer, Mark::LoudBearer, Mark::Host];
}

/// Where the next of each mark stands in the buffer; what was searched is not searched again.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead {
    next: [Option<usize>; MARKS],
}

impl Ahead {
    #[inline]
    pub(super) fn of(&mut self, finders: &Finders, buffer: &[u8], start: usize, end: usize) -> May {
        let mut may = 0;
        for (mark, next) in Mark::ALL.into_iter().zip(&mut self.next) {
            let at = match *next {
                Some(at) if at >= start => at,
                _ => {
                    let found = finders.mark(mark, &buffer[start..]).map_or(usize::MAX, |i| start + i);
                    *next = Some(found);
                    found
                }
            };
            may |= u8::from(at < end) << mark as u8;
        }
        May(may)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_where_they_begin() {
        let buffer = b"<a> eyJ| AKIA -----BEG|IN bearer | Bearer BEARER <|x";
        let finders = Finders::default();
        let mut ahead = Ahead::default();
        let mut start = 0;
        let mut seen = Vec::new();
        for event in buffer.split_inclusive(|b| *b == b'|') {
            let may = ahead.of(&finders, buffer, start, start + event.len());
            seen.push(Mark::ALL.into_iter().filter(|mark| may.has(*mark)).collect::<Vec<_>>());
            start += event.len();
        }
        let expected = [
            vec![Mark::Tag, Mark::Jwt],
            vec![Mark::Aws],
            vec![Mark::Bearer],
            vec![Mark::Tag, Mark::Bearer, Mark::LoudBearer],
            vec![],
        ];
        assert_eq!(seen, expected);
    }
}
