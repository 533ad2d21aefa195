//! What a regular expression's matches must contain: pieces of words, to look up in the dictionary.

use crate::query::words::{WORD_BYTES_MAX, fold_text, is_word_char};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

/// Characters a piece must have to tell words apart.
const PIECE_MIN: usize = 3;
/// Bytes from which on a word of the dictionary may have been cut.
const CUT_FROM: usize = WORD_BYTES_MAX - 3;

/// Pieces that every text contains in which the expression, case folded, is found. Each lies inside one word.
pub(super) fn pieces(pattern: &str) -> Vec<String> {
    // As typed, without the folding of the search: else each letter would be a class of letters.
    let Ok(hir) = ParserBuilder::new().utf8(false).build().parse(pattern) else { return Vec::new() };
    let (mut literals, mut open) = (Vec::new(), String::new());
    gather(&hir, &mut literals, &mut open);
    literals.push(open);
    let words = literals.iter().flat_map(|literal| literal.split(|c| !is_word_char(c)));
    let long = words.filter(|word| word.chars().count() >= PIECE_MIN && word.len() < CUT_FROM);
    let mut pieces: Vec<String> = long.map(|word| plain(&fold_text(word))).collect();
    pieces.sort();
    pieces.dedup();
    pieces
}

/// Collects what must stand in a match; `open` is the literal that goes on with what comes next.
fn gather(hir: &Hir, literals: &mut Vec<String>, open: &mut String) {
    match hir.kind() {
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => open.push_str(text),
            Err(_) => literals.push(std::mem::take(open)),
        },
        HirKind::Capture(capture) => gather(&capture.sub, literals, open),
        HirKind::Concat(parts) => parts.iter().for_each(|part| gather(part, literals, open)),
        // Takes no text: what stands before goes on behind it.
        HirKind::Look(_) | HirKind::Empty => {}
        HirKind::Repetition(repetition) => {
            literals.push(std::mem::take(open));
            if repetition.min > 0 {
                gather(&repetition.sub, literals, open);
                literals.push(std::mem::take(open));
            }
        }
        HirKind::Class(_) | HirKind::Alternation(_) => literals.push(std::mem::take(open)),
    }
}

/// Whether a folded word of the dictionary may stand for one that has the piece: it has it, or it was cut.
pub(super) fn word_has(word: &str, piece: &str) -> bool {
    word.len() >= CUT_FROM || if word.is_ascii() { word.contains(piece) } else { plain(word).contains(piece) }
}

/// The two characters that a regular expression takes for an ASCII letter, but folding of words does not.
fn plain(word: &str) -> String {
    word.chars()
        .map(|c| {
            if c == '\u{17f}' {
                's'
            } else if c == '\u{212a}' {
                'k'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::query::words::words;
    use proptest::prelude::*;

    #[test]
    fn pieces_of_expressions() {
        let check = |pattern: &str, expect: &[&str]| assert_eq!(pieces(pattern), expect, "{pattern}");
        check("time.?out", &["out", "time"]);
        check("Connection (refused|reset) by", &["connection"]);
        check("^java\\.lang\\.[A-Z]", &["java", "lang"]);
        check("(abcd)+(efgh)*", &["abcd"]);
        check("ab\\bcde", &["abcde"]);
        check("[0-9]{4}|x", &[]);
        check("(", &[]);
    }

    proptest! {
        #[test]
        fn what_matches_has_the_pieces(
            pattern in "(abc|b.d|(ks[ea])+|\\(?i\\)|a{1,3}|[bc]|[.] |x?|\\\\bka|é){1,6}",
            text in "[abcdeksKSé\u{17f}\u{212a} .x]{0,30}",
        ) {
            let Ok(regex) = crate::query::text::regex(&pattern) else { return Ok(()) };
            if regex.is_match(text.as_bytes()) {
                for piece in pieces(&pattern) {
                    prop_assert!(words(&text).iter().any(|word| word_has(word, &piece)), "{piece}");
                }
            }
        }
    }
}
