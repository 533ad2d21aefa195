//! Patterns of `*` (any characters, none too) and `?` (exactly one), `\` before a character that means itself.

use super::words::{fold, is_word_char};

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Any,
    One,
    Char(char),
}

/// A pattern, folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    steps: Vec<Step>,
}

impl Glob {
    /// The pattern of that text.
    pub fn new(pattern: &str) -> Glob {
        let mut steps = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' if steps.last() == Some(&Step::Any) => {}
                '*' => steps.push(Step::Any),
                '?' => steps.push(Step::One),
                '\\' => steps.push(Step::Char(fold(chars.next().unwrap_or('\\')))),
                c => steps.push(Step::Char(fold(c))),
            }
        }
        Glob { steps }
    }

    /// Whether the whole of `value`, folded, fits.
    pub fn matches(&self, value: &str) -> bool {
        let mut rest = value.chars();
        let mut step = 0;
        // Where to go on after the last `*` when the rest does not fit: one character further.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            if self.steps.get(step) == Some(&Step::Any) {
                step += 1;
                retry = Some((step, rest.clone()));
                continue;
            }
            let before = rest.clone();
            match (rest.next(), self.steps.get(step)) {
                (None, None) => return true,
                (Some(_), Some(Step::One)) => step += 1,
                (Some(c), Some(Step::Char(expected))) if fold(c) == *expected => step += 1,
                (None, Some(_)) => return false,
                _ => {
                    let _behind = before;
                    let Some((after_any, from)) = &mut retry else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    step = *after_any;
                    rest = from.clone();
                }
            }
        }
    }

    /// The characters every match begins with.
    pub fn literal_prefix(&self) -> String {
        self.steps.iter().map_while(|step| if let Step::Char(c) = step { Some(*c) } else { None }).collect()
    }

    /// The text before the `*`, when the pattern is just that: text, then `*`.
    pub fn only_prefix(&self) -> Option<String> {
        let prefix = self.literal_prefix();
        let chars = prefix.chars().count();
        (chars + 1 == self.steps.len() && self.steps.last() == Some(&Step::Any)).then_some(prefix)
    }

    /// Its only match, when nothing in it is open.
    pub fn literal(&self) -> Option<String> {
        let prefix = self.literal_prefix();
        (prefix.chars().count() == self.steps.len()).then_some(prefix)
    }

    /// Whether all characters it names are `allowed`: if not, no text of allowed characters fits.
    pub fn names_only(&self, allowed: impl Fn(char) -> bool) -> bool {
        self.steps.iter().all(|step| !matches!(step, Step::Char(c) if !allowed(*c)))
    }

    /// One pattern a word: taken apart where a character of no word stands.
    pub(super) fn into_words(self) -> Vec<Glob> {
        let separates = |step: &Step| matches!(step, Step::Char(c) if !is_word_char(*c));
        let words = self.steps.split(separates).filter(|steps| !steps.is_empty());
        words.map(|steps| Glob { steps: steps.to_vec() }).collect()
    }
}

/// Writes `text` so that a pattern matches it literally.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    /// By the definition, without any cleverness.
    fn model(pattern: &[char], value: &[char]) -> bool {
        match pattern.split_first() {
            None => value.is_empty(),
            Some(('*', rest)) => (0..=value.len()).any(|n| model(rest, &value[n..])),
            Some(('?', rest)) => !value.is_empty() && model(rest, &value[1..]),
            Some((c, rest)) => value.first() == Some(c) && model(rest, &value[1..]),
        }
    }

    #[test]
    fn parts() {
        assert_eq!(Glob::new("Abc*").only_prefix().unwrap(), "abc");
        assert_eq!(Glob::new("a?c*").only_prefix(), None);
        assert_eq!(Glob::new("a\\*").literal().unwrap(), "a*");
        assert_eq!(Glob::new("org.wso2.*Ex").into_words(), [Glob::new("org"), Glob::new("wso2"), Glob::new("*ex")]);
    }

    proptest! {
        #[test]
        fn as_the_definition(pattern in "[ab*?]{0,8}", value in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Glob::new(&pattern).matches(&value), model(&chars(&pattern), &chars(&value)));
        }

        #[test]
        fn escaped_text_matches_itself_only(text in "[ab*?\\\\]{0,6}", other in "[ab*?\\\\]{0,6}") {
            prop_assert_eq!(Glob::new(&escape(&text)).matches(&other), text == other);
        }
    }
}
