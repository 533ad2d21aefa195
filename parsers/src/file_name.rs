//! What a file's name says: the name it has while it is written, and whether it was rotated.

/// `log.file.name`: the name without date, index and `.gz`.
///
/// Dates are `MM-dd-yyyy`, `yyyy-MM-dd` (also with hour and minute) and `yyyyMMdd`; an index is up to three
/// digits after a dot at the name's end, or after a dot or dash just before the extension of a dated name.
pub fn plain_name(file_name: &str) -> String {
    let mut name = file_name;
    for packed in [".gz", ".zip"] {
        name = name.strip_suffix(packed).unwrap_or(name);
    }
    let mut out = name.to_owned();
    if let Some((from, to)) = find_date(out.as_bytes()) {
        out = without(&out, from, to);
    }
    strip_last_index(&mut out);
    // `http_access_.log` is the live name of `http_access_2026-11-25.log`.
    match out.rsplit_once('.') {
        Some((front, last)) => format!("{}.{last}", front.trim_end_matches(['.', '-', '_'])),
        None => out.trim_end_matches(['.', '-', '_']).to_owned(),
    }
}

/// Whether the name carries a date or an index, as rotated files do.
pub fn is_dated(file_name: &str) -> bool {
    let unpacked = file_name.strip_suffix(".gz").unwrap_or(file_name);
    let mut without_index = unpacked.to_owned();
    strip_last_index(&mut without_index);
    find_date(file_name.as_bytes()).is_some() || without_index != unpacked
}

/// Takes a date out, with the separator before it and the index behind it.
fn without(name: &str, mut from: usize, mut to: usize) -> String {
    let bytes = name.as_bytes();
    let digits = bytes[to..].iter().skip(1).take_while(|b| b.is_ascii_digit()).count();
    let follows = bytes.get(to + 1 + digits);
    if matches!(bytes.get(to), Some(b'.' | b'-' | b'_'))
        && (1..=3).contains(&digits)
        && matches!(follows, None | Some(b'.'))
    {
        to += 1 + digits;
    }
    while from > 0 && matches!(bytes[from - 1], b'.' | b'-' | b'_') {
        from -= 1;
    }
    format!("{}{}", &name[..from], &name[to..])
}

/// `x.log.3` → `x.log`.
fn strip_last_index(name: &mut String) {
    if let Some((front, last)) = name.rsplit_once('.')
        && (1..=3).contains(&last.len())
        && last.bytes().all(|b| b.is_ascii_digit())
        && front.contains('.')
    {
        name.truncate(front.len());
    }
}

/// Where a date stands in a name.
fn find_date(name: &[u8]) -> Option<(usize, usize)> {
    const SHAPES: [&[u8]; 4] = [b"dddd-dd-dd", b"dd-dd-dddd", b"dddd_dd_dd", b"dddddddd"];
    let fits = |at: usize, shape: &[u8]| {
        name.get(at..at + shape.len()).is_some_and(|part| {
            part.iter().zip(shape).all(|(b, s)| if *s == b'd' { b.is_ascii_digit() } else { b == s })
        })
    };
    let digit = |at: usize| name.get(at).is_some_and(u8::is_ascii_digit);
    for at in 0..name.len() {
        if at > 0 && digit(at - 1) {
            continue;
        }
        for shape in SHAPES {
            if fits(at, shape) && !digit(at + shape.len()) {
                return Some((at, date_end(name, at + shape.len())));
            }
        }
    }
    None
}

/// Takes in an hour, and a minute, after a date.
fn date_end(name: &[u8], mut end: usize) -> usize {
    for _ in 0..2 {
        let part = name.get(end..end + 3);
        let more = name.get(end + 3).is_some_and(u8::is_ascii_digit);
        match part {
            Some([b'-' | b'_' | b'T', a, b]) if a.is_ascii_digit() && b.is_ascii_digit() && !more => end += 3,
            _ => break,
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_date_and_index() {
        for (name, plain) in [
            ("wso2carbon.log", "wso2carbon.log"),
            ("wso2carbon-11-25-2026.log", "wso2carbon.log"),
            ("wso2carbon-10-26-2022.1.log", "wso2carbon.log"),
            ("wso2carbon.log.2016-05-05", "wso2carbon.log"),
            ("wso2-apigw-errors-05-19-2026-1.log.gz", "wso2-apigw-errors.log"),
            ("x.log.1", "x.log"),
            ("wso2-apigw-service.log.10", "wso2-apigw-service.log"),
            ("http_access_2018-04-12.log", "http_access.log"),
            ("http_access_.log", "http_access.log"),
            ("http_access_.2026-05-05.log", "http_access.log"),
            ("http_access_management_console_2017-10-17.log", "http_access_management_console.log"),
            ("tm-05-19-2026.out", "tm.out"),
            ("audit-05-19-2026-12.log", "audit.log"),
            ("1433148212345.log", "1433148212345.log"),
            ("app-20260519.log", "app.log"),
            ("patches.log", "patches.log"),
            ("v1.2.log", "v1.2.log"),
        ] {
            assert_eq!(plain_name(name), plain, "{name}");
        }
        assert!(is_dated("wso2carbon-11-25-2026.log") && is_dated("x.log.1") && is_dated("x.log.1.gz"));
        assert!(!is_dated("wso2carbon.log") && !is_dated("http_access_.log"));
    }
}
