//! What the names of log files tell: the live file a rotated one belongs to, and files that repeat another's events.

use crate::FileFacts;

impl FileFacts {
    /// The facts that a file's name tells, wherever it was rotated to.
    pub fn of_file_name(file_name: &str) -> FileFacts {
        FileFacts { name: log_name(file_name), family: None }
    }

    /// The file in the same folder whose WARN and ERROR events this one repeats in another layout
    /// (protocol rule 40); `None` for files that have events of their own.
    pub fn repeats(&self) -> Option<&'static str> {
        let errors = ["wso2-apigw-errors.log", "wso2-esb-errors.log", "wso2-ei-errors.log", "wso2error.log"];
        errors.contains(&self.name.as_str()).then_some("wso2carbon.log")
    }
}

/// A file's name without date, index and `.gz` (`wso2carbon-05-19-2026.1.log.gz` is `wso2carbon.log`).
///
/// An underscore before a date stays, as in the live name of access logs that have none (`http_access_.log`).
pub fn log_name(file_name: &str) -> String {
    let mut name = file_name.strip_suffix(".gz").or_else(|| file_name.strip_suffix(".zip")).unwrap_or(file_name);
    let mut out = String::with_capacity(name.len());
    if let Some((from, to)) = date_in(name) {
        let kept = name[..from].strip_suffix(['-', '.']).unwrap_or(&name[..from]);
        out.push_str(kept);
        name = &name[to..];
        // The index after a date stands before the ending or is the end.
        name = after_index(name);
        out.push_str(name);
        return out;
    }
    // `x.log.3`
    let ending = name.rfind('.').filter(|dot| is_index(&name[dot + 1..]) && name[..*dot].contains('.'));
    out.push_str(ending.map_or(name, |dot| &name[..dot]));
    out
}

/// What follows `-1` or `.1` at the start of `rest`, or `rest` itself.
fn after_index(rest: &str) -> &str {
    let Some(digits) = rest.strip_prefix(['-', '.']) else { return rest };
    let len = digits.bytes().take_while(u8::is_ascii_digit).count();
    let ends = digits.len() == len || digits[len..].starts_with('.');
    if len > 0 && len <= 4 && ends { &digits[len..] } else { rest }
}

fn is_index(text: &str) -> bool {
    !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The first `yyyy-MM-dd` or `MM-dd-yyyy` that stands alone.
fn date_in(name: &str) -> Option<(usize, usize)> {
    let bytes = name.as_bytes();
    (0..bytes.len().saturating_sub(9)).map(|at| (at, at + 10)).find(|(from, to)| {
        let part = &bytes[*from..*to];
        let shape = |groups: [usize; 3]| {
            let mut at = 0;
            groups.into_iter().enumerate().all(|(i, len)| {
                let digits = part[at..at + len].iter().all(u8::is_ascii_digit);
                let dash = i == 2 || part.get(at + len) == Some(&b'-');
                at += len + 1;
                digits && dash
            })
        };
        let alone = |byte: Option<&u8>| byte.is_none_or(|b| !b.is_ascii_alphanumeric());
        let before = from.checked_sub(1).and_then(|i| bytes.get(i));
        (shape([4, 2, 2]) || shape([2, 2, 4])) && alone(before) && alone(bytes.get(*to))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_have_the_name_of_the_live_one() {
        for (rotated, live) in [
            ("wso2carbon.log", "wso2carbon.log"),
            ("wso2carbon.log.2016-05-05", "wso2carbon.log"),
            ("wso2carbon-05-19-2026.log", "wso2carbon.log"),
            ("wso2carbon-10-26-2022.1.log", "wso2carbon.log"),
            ("wso2-apigw-errors-05-19-2026-1.log.gz", "wso2-apigw-errors.log"),
            ("wso2-apigw-service.log.3", "wso2-apigw-service.log"),
            ("correlation.log.10", "correlation.log"),
            ("tm-05-19-2026.out", "tm.out"),
            ("http_access_2018-04-12.log", "http_access_.log"),
            ("http_access_.2026-05-05.log", "http_access_.log"),
            ("http_access_management_console_2017-10-17.log", "http_access_management_console_.log"),
            ("1650000000000.log", "1650000000000.log"),
            ("patches.log.1", "patches.log"),
            ("wso2carbon-node1.log", "wso2carbon-node1.log"),
            ("weird", "weird"),
            ("x.12345", "x.12345"),
            ("\u{e9}t\u{e9}-2024-01-01.log", "\u{e9}t\u{e9}.log"),
        ] {
            assert_eq!(log_name(rotated), live, "{rotated}");
        }
    }

    #[test]
    fn error_files_repeat_the_main_file() {
        assert_eq!(FileFacts::of_file_name("wso2error.log.gz").repeats(), Some("wso2carbon.log"));
        assert_eq!(FileFacts::of_file_name("wso2carbon.log").repeats(), None);
    }
}
