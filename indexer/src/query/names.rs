//! Names of fields as people type them: short names, WSO2's own words, and what was probably meant.

use super::fields;

/// Short names and WSO2's own words, with the full names they stand for. Several: any of them.
pub const ALIASES: &[(&str, &[&str])] = &[
    ("level", &["log.level"]),
    ("logger", &["log.logger"]),
    ("thread", &["process.thread.name"]),
    ("host", &["host.name"]),
    ("product", &["service.type"]),
    ("component", &["service.name"]),
    ("file", &["log.file.path", "log.file.name"]),
    ("stream", &["log.stream"]),
    ("corr", &["wso2.correlation_id"]),
    ("correlation_id", &["wso2.correlation_id"]),
    ("exception", &["error.type"]),
    ("tenant", &["wso2.tenant.id", "wso2.tenant.domain"]),
    ("app", &["wso2.app"]),
    ("api", &["wso2.artifact.name"]),
    ("integration", &["wso2.artifact.name"]),
    ("log_type", &["event.dataset"]),
    ("family", &["wso2.log.family"]),
    ("dataset", &["event.dataset"]),
    ("status", &["http.response.status_code"]),
    ("user", &["user.name"]),
    ("ts", &["@timestamp"]),
];

/// Groups of fields that configuration may add to, as labels.
const OPEN_GROUPS: &[&str] = &[
    "labels.",
    "service.",
    "host.",
    "cloud.",
    "container.",
    "orchestrator.",
    "kubernetes.",
    "organization.",
    "observer.",
    "agent.",
    "data_stream.",
    "tags.",
    "wso2.",
];

/// The full names a typed name stands for; empty: no such field.
pub fn resolve(name: &str) -> Vec<&str> {
    if let Some((_, full)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return full.to_vec();
    }
    if is_known(name) {
        return vec![name];
    }
    let open = OPEN_GROUPS.iter().find(|group| name.len() > group.len() && name.starts_with(**group));
    // A short name in a group is near the group's own name (`labels.x`), and yet not meant to be it.
    let is_meant = |group: &str| suggestion(name).is_none_or(|near| group.strip_suffix('.') == Some(near));
    if open.is_some_and(|group| is_meant(group)) { vec![name] } else { Vec::new() }
}

/// Whether a name is an alias or one of [`fields::known`].
pub fn is_known_or_alias(name: &str) -> bool {
    ALIASES.iter().any(|(alias, _)| *alias == name) || is_known(name)
}

fn is_known(name: &str) -> bool {
    fields::known().any(|(known, _)| known == name)
}

/// The alias of a full name that stands for it alone.
pub fn alias_of(name: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(_, full)| full.first() == Some(&name)).map(|(alias, _)| *alias)
}

/// The known name that was probably meant by an unknown one.
pub fn suggestion(name: &str) -> Option<&'static str> {
    let most = if name.len() <= 4 { 1 } else { 2 };
    let names = ALIASES.iter().map(|(alias, _)| *alias).chain(fields::known().map(|(known, _)| known));
    let close = names.map(|known| (distance(name, known), known)).filter(|(distance, _)| *distance <= most);
    close.min_by_key(|(distance, _)| *distance).map(|(_, known)| known).or_else(|| by_last_part(name))
}

/// `levelname`, `log_level`, `loglevel`: the known name that says the same in other writing.
fn by_last_part(name: &str) -> Option<&'static str> {
    let plain = |text: &str| text.replace(['.', '_', '-', '@'], "").to_ascii_lowercase();
    let wanted = plain(name);
    fields::known().map(|(known, _)| known).find(|known| plain(known) == wanted)
}

/// Edits (insert, remove, replace, swap of neighbours) between two short texts.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        let check = |typed: &str, meant: Option<&str>| assert_eq!(suggestion(typed), meant, "{typed}");
        check("levle", Some("level"));
        check("log_level", Some("log.level"));
        check("loger", Some("logger"));
        check("error.typ", Some("error.type"));
        check("hots", Some("host"));
        check("quite_another", None);
    }

    #[test]
    fn every_alias_stands_for_known_fields() {
        for (alias, full) in ALIASES {
            assert!(full.iter().all(|name| is_known(name)), "{alias}");
        }
        assert_eq!(resolve("labels.customer"), ["labels.customer"]);
        assert_eq!(resolve("labels.x"), ["labels.x"]);
        assert!(resolve("customer").is_empty());
        assert!(resolve("service.typ").is_empty());
    }
}
