//! Level words: the products' own, and those that java.util.logging prints in the language of the JVM.

use crate::Level;
use crate::span::{Cursor, Part};

/// The level of a word of log4j or of java.util.logging in English.
#[inline]
fn known(word: &[u8]) -> Option<Level> {
    Some(match word {
        b"INFO" => Level::Info,
        b"WARN" | b"WARNING" => Level::Warn,
        b"ERROR" | b"SEVERE" => Level::Error,
        b"DEBUG" | b"CONFIG" | b"FINE" => Level::Debug,
        b"TRACE" | b"FINER" | b"FINEST" => Level::Trace,
        b"FATAL" => Level::Fatal,
        _ => return None,
    })
}

/// The level that a whole word means; `Unknown` for words that are none.
#[inline]
pub(crate) fn of_word(word: &[u8]) -> Level {
    known(word).or_else(|| foreign(word)).unwrap_or_else(|| localised(word))
}

/// The level that a word names which is the name events carry for it, and the word's length; a blank ends it.
#[inline]
pub(crate) fn usual(bytes: &[u8; 6]) -> Option<(Level, usize)> {
    Some(match bytes {
        b"INFO {" | b"INFO -" => (Level::Info, 4),
        b"WARN {" | b"WARN -" => (Level::Warn, 4),
        [b'E', b'R', b'R', b'O', b'R', b' '] => (Level::Error, 5),
        [b'D', b'E', b'B', b'U', b'G', b' '] => (Level::Debug, 5),
        [b'T', b'R', b'A', b'C', b'E', b' '] => (Level::Trace, 5),
        [b'F', b'A', b'T', b'A', b'L', b' '] => (Level::Fatal, 5),
        _ => return None,
    })
}

/// The level of a word that log4j or java.util.logging prints in English; `Unknown` for all others.
pub(crate) fn of_log4j(word: &[u8]) -> Level {
    known(word).unwrap_or_default()
}

/// Whether `word` is the name events carry for its level anyway.
#[inline]
pub(crate) fn is_canonical(word: &[u8], level: Level) -> bool {
    match level {
        Level::Unknown => false,
        Level::Trace => word == b"TRACE",
        Level::Debug => word == b"DEBUG",
        Level::Info => word == b"INFO",
        Level::Warn => word == b"WARN",
        Level::Error => word == b"ERROR",
        Level::Fatal => word == b"FATAL",
    }
}

/// Takes any blanks and a level word that a blank, the line's end or something else than a capital follows.
#[inline]
pub(crate) fn take(c: &mut Cursor<'_>) -> Option<Part> {
    let mut t = *c;
    t.blanks();
    let from = t.at;
    while t.peek().is_some_and(|b| b.is_ascii_uppercase()) {
        t.at += 1;
    }
    known(&t.line[from..t.at])?;
    *c = t;
    Some(Part::new(from, t.at))
}

/// Takes any blanks and one to three words of letters, the last one before a blank: a level in any language.
///
/// Bytes from 0x80 on count as letters, so that words of a file in Latin-1 are recognised as well.
pub(crate) fn take_any(c: &mut Cursor<'_>) -> Option<Part> {
    let mut t = *c;
    t.blanks();
    let from = t.at;
    let mut end = from;
    for _ in 0..3 {
        let word = t.at;
        while t.peek().is_some_and(|b| b.is_ascii_alphabetic() || b >= 0x80) {
            t.at += 1;
        }
        if t.at == word {
            break;
        }
        end = t.at;
        if t.peek() != Some(b' ') {
            break;
        }
        t.at += 1;
    }
    if end == from {
        return None;
    }
    c.at = end;
    Some(Part::new(from, end))
}

/// Words of Envoy, logrus, Ballerina and others that are not Java.
fn foreign(word: &[u8]) -> Option<Level> {
    Some(match word {
        b"trace" | b"TRAC" => Level::Trace,
        b"debug" | b"DEBG" => Level::Debug,
        b"info" => Level::Info,
        b"warn" | b"warning" => Level::Warn,
        b"error" | b"ERRO" => Level::Error,
        b"critical" | b"fatal" | b"panic" | b"FATL" | b"PANC" => Level::Fatal,
        _ => return None,
    })
}

/// Words of the JDK's own translations. `FIN` is Swedish for FINE; French and Portuguese write accents.
fn localised(word: &[u8]) -> Level {
    let word = match std::str::from_utf8(word) {
        Ok(word) => word,
        Err(_) => return latin1(word),
    };
    match word {
        "SCHWERWIEGEND" | "GRAVE" | "ALLVARLIG" | "SÉVÈRE" | "致命的" | "重大" | "심각" | "严重" | "嚴重" => {
            Level::Error
        }
        "WARNUNG" | "ADVERTENCIA" | "AVERTISSEMENT" | "AVVERTENZA" | "ADVERTÊNCIA" | "AVISO" | "VARNING" | "警告"
        | "경고" => Level::Warn,
        "INFORMATION" | "INFORMACIÓN" | "INFOS" | "INFORMAZIONI" | "INFORMAÇÕES" | "情報" | "정보" | "信息"
        | "資訊" => Level::Info,
        "KONFIGURATION" | "CONFIGURAR" | "CONFIGURAZIONI" | "CONFIGURAZIONE" | "CONFIGURAÇÃO" | "KONFIG" | "構成"
        | "구성" | "配置" | "組態" | "設定" | "FEIN" | "DETALLADO" | "PRÉCIS" | "BUONO" | "DETALHADO" | "FIN"
        | "普通" | "미세" | "详细" | "詳細" => Level::Debug,
        "FEINER"
        | "AM FEINSTEN"
        | "MUY DETALLADO"
        | "MÁS DETALLADO"
        | "PLUS PRÉCIS"
        | "LE PLUS PRÉCIS"
        | "MIGLIORE"
        | "OTTIMALE"
        | "MAIS DETALHADO"
        | "O MAIS DETALHADO"
        | "FINARE"
        | "FINASTE"
        | "詳細レベル (中)"
        | "詳細レベル(中)"
        | "詳細レベル(高)"
        | "보다 미세"
        | "가장 미세"
        | "较详细"
        | "非常详细"
        | "較詳細"
        | "最詳細" => Level::Trace,
        _ => Level::Unknown,
    }
}

/// The few words with accents as a JVM on an old Windows code page prints them.
fn latin1(word: &[u8]) -> Level {
    match word {
        b"INFORMACI\xd3N" | b"INFORMA\xc7\xd5ES" => Level::Info,
        b"ADVERT\xcaNCIA" => Level::Warn,
        b"CONFIGURA\xc7\xc3O" | b"PR\xc9CIS" => Level::Debug,
        b"M\xc1S DETALLADO" | b"PLUS PR\xc9CIS" | b"LE PLUS PR\xc9CIS" => Level::Trace,
        _ => Level::Unknown,
    }
}
