//! Zones: by name from the bundled time zone database, and as the Carbon start banner prints them.
//!
//! Only the database in the binary is used, never the host's: the same bytes give the same times everywhere.

use crate::span::Span;
use crate::{Context, Zone, ZoneSource};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use std::sync::OnceLock;

/// The rules of a zone: an IANA name, one of Java's short names, `GMT+05:30`, or `+05:30`.
pub(crate) fn rules(name: &str) -> Option<TimeZone> {
    static BUNDLED: OnceLock<TimeZoneDatabase> = OnceLock::new();
    if let Some(offset) = fixed(name) {
        return Some(TimeZone::fixed(offset));
    }
    let name = java_short(name).unwrap_or(name);
    BUNDLED.get_or_init(TimeZoneDatabase::bundled).get(name).ok()
}

/// `+05:30`, `-0330`, `+5`, `Z`, with or without `GMT` or `UTC` before it.
fn fixed(name: &str) -> Option<Offset> {
    let bare = name.strip_prefix("GMT").or_else(|| name.strip_prefix("UTC")).unwrap_or(name);
    if name == "Z" || name == "GMT" || name == "UTC" {
        return Some(Offset::UTC);
    }
    let (sign, digits) = match bare.as_bytes().first()? {
        b'+' => (1, &bare[1..]),
        b'-' => (-1, &bare[1..]),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number = |text: &str| text.parse::<i32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > 18 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// Names that Java still takes and the time zone database does not know, or means differently.
fn java_short(name: &str) -> Option<&'static str> {
    Some(match name {
        "ACT" => "Australia/Darwin",
        "AET" => "Australia/Sydney",
        "AGT" => "America/Argentina/Buenos_Aires",
        "ART" => "Africa/Cairo",
        "AST" => "America/Anchorage",
        "BET" => "America/Sao_Paulo",
        "BST" => "Asia/Dhaka",
        "CAT" => "Africa/Harare",
        "CNT" => "America/St_Johns",
        "CST" => "America/Chicago",
        "CTT" => "Asia/Shanghai",
        "EAT" => "Africa/Addis_Ababa",
        "ECT" => "Europe/Paris",
        "IET" => "America/Indiana/Indianapolis",
        "IST" => "Asia/Kolkata",
        "JST" => "Asia/Tokyo",
        "MIT" => "Pacific/Apia",
        "NET" => "Asia/Yerevan",
        "NST" => "Pacific/Auckland",
        "PLT" => "Asia/Karachi",
        "PNT" => "America/Phoenix",
        "PRT" => "America/Puerto_Rico",
        "PST" => "America/Los_Angeles",
        "SST" => "Pacific/Guadalcanal",
        "VST" => "Asia/Ho_Chi_Minh",
        _ => return None,
    })
}

/// The zone in a start banner's line `User : <os user>, <locale>, <zone>`; `None` for all other events.
pub(crate) fn of_banner(logger: Span, message: Span, bytes: &[u8]) -> Option<Zone> {
    if !logger.of(bytes).ends_with(b"CarbonCoreActivator") {
        return None;
    }
    let rest = message.of(bytes).strip_prefix(b"User")?.trim_ascii_start().strip_prefix(b":")?;
    let text = std::str::from_utf8(rest).ok()?;
    let mut parts = text.rsplitn(3, ", ");
    let name = parts.next()?.trim();
    parts.next()?;
    parts.next()?;
    rules(name)?;
    Some(Zone { name: name.to_owned(), source: ZoneSource::Banner })
}

/// The zone that an access line's own offset tells, when it is news: better than what is known, or another
/// offset than the last access line's. It tells an offset, not rules: the zone is named by it.
pub(crate) fn of_access(offset_minutes: i16, context: &Context) -> Option<Zone> {
    let minutes = offset_minutes.unsigned_abs();
    let digit = |n: u16| b'0' + (n % 10) as u8;
    let (hours, rest) = (minutes / 60, minutes % 60);
    let sign = if offset_minutes < 0 { b'-' } else { b'+' };
    let name = [sign, digit(hours / 10), digit(hours), b':', digit(rest / 10), digit(rest)];
    let known = context.zone.as_ref();
    if known
        .is_some_and(|z| z.source < ZoneSource::Access || z.source == ZoneSource::Access && z.name.as_bytes() == name)
    {
        return None;
    }
    let name = std::str::from_utf8(&name).ok()?.to_owned();
    Some(Zone { name, source: ZoneSource::Access })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    fn banner(text: &str) -> Option<String> {
        let logger = b"org.wso2.carbon.core.internal.CarbonCoreActivator";
        let bytes = [logger, text.as_bytes()].concat();
        let message = Span::new(logger.len(), bytes.len());
        of_banner(Span::new(0, logger.len()), message, &bytes).map(|z| z.name)
    }

    #[test]
    fn reads_the_zone_of_the_user_line_only() {
        assert_eq!(banner("User             : u, en-US, Asia/Karachi").as_deref(), Some("Asia/Karachi"));
        assert_eq!(banner("User : a, b, de-DE, Etc/UTC ").as_deref(), Some("Etc/UTC"));
        assert_eq!(banner("User             : u, en-US, Nowhere/None"), None);
        assert_eq!(banner("Java Home        : /usr, a, Etc/UTC"), None);
        assert_eq!(banner("User : Etc/UTC"), None);
    }

    #[test]
    fn access_lines_tell_an_offset_once() {
        let mut context = Context::default();
        let zone = of_access(-210, &context).unwrap();
        assert_eq!((zone.name.as_str(), zone.source), ("-03:30", ZoneSource::Access));
        assert!(rules(&zone.name).is_some());
        context.zone = Some(zone);
        assert_eq!(of_access(-210, &context), None);
        assert!(of_access(330, &context).is_some());
        context.zone = Some(Zone { name: "Asia/Tokyo".into(), source: ZoneSource::Banner });
        assert_eq!(of_access(330, &context), None);
    }

    #[test]
    fn knows_fixed_and_short_names() {
        for (name, seconds) in [("GMT+05:30", 19800), ("+0530", 19800), ("-3", -10800), ("GMT", 0), ("Z", 0)] {
            assert_eq!(fixed(name).map(Offset::seconds), Some(seconds), "{name}");
        }
        assert!(rules("IST").is_some() && rules("America/New_York").is_some());
        assert!(rules("GMT+99:00").is_none() && rules("").is_none() && rules("+x").is_none());
    }
}
