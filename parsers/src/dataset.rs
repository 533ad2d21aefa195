//! What a file is for, told by its name, else by what stands in it.

use crate::head::Head;
use crate::{Dataset, Family};

/// The dataset of a file of that name (without folder, date, index and `.gz`); `None` when it tells nothing.
///
/// Names vary: an instance name may follow (`wso2carbon-node2.log`), Tomcat's have dates and underscores.
pub(crate) fn of_name(name: &str) -> Option<Dataset> {
    let name = name.to_ascii_lowercase();
    let has = |part: &str| name.contains(part);
    Some(match () {
        () if has("governance_audit") || has("audit") => Dataset::Audit,
        () if has("access") => Dataset::Access,
        () if has("correlation") => Dataset::Correlation,
        () if has("apim_metrics") => Dataset::Metrics,
        () if has("analytics") => Dataset::Analytics,
        () if has("trace") || has("tracing") || has("telemetry") => Dataset::Trace,
        () if has("error") || name == "warn.log" => Dataset::Error,
        () if has("-service") => Dataset::Service,
        () if name == "api.log" || has("botdetected") || has("-api.") || has("mi-api") || has("ei-api") => Dataset::Api,
        () if has("delete-event") => Dataset::Audit,
        () if has("diagnostics-tool") => Dataset::Other,
        () if has("diagnostics") => Dataset::Correlation,
        () if has("transaction") || name.starts_with("tm.") || name.starts_with("tm-") => Dataset::Transaction,
        () if has("patches") => Dataset::Patches,
        () if has("console") || has("stdout") || name == "wrapper.log" || has("nohup") || name == "wso2.out" => {
            Dataset::Console
        }
        () if name.starts_with("gc") || name.starts_with("hs_err") || has("threaddump") || has("thread-dump") => {
            Dataset::Jvm
        }
        () if name.starts_with("wso2carbon") || name.starts_with("carbon") => Dataset::Carbon,
        () if is_osgi(&name) => Dataset::Osgi,
        () => return None,
    })
}

/// The OSGi framework names its files by the milliseconds of the start.
fn is_osgi(name: &str) -> bool {
    name.strip_suffix(".log").is_some_and(|stem| stem.len() >= 12 && stem.bytes().all(|b| b.is_ascii_digit()))
}

/// The dataset of an event in a file whose name tells nothing.
pub(crate) fn of_event(head: Option<&Head>, bytes: &[u8]) -> Dataset {
    let Some(head) = head else { return Dataset::Other };
    match head.family {
        Family::None if head.single => Dataset::Access,
        Family::AccessPt | Family::AccessTc | Family::Websocket => Dataset::Access,
        Family::Corr => Dataset::Correlation,
        Family::Governance | Family::TidIsAudit => Dataset::Audit,
        Family::Transaction | Family::Tm1 => Dataset::Transaction,
        Family::Equinox => Dataset::Osgi,
        Family::Tdump => Dataset::Jvm,
        Family::MiMetric => Dataset::Analytics,
        Family::MiOtel => Dataset::Trace,
        Family::Gwtrace => match head.logger.of(bytes) {
            b"ELKCounterMetric" => Dataset::Metrics,
            b"ElasticStatisticsPublisher" => Dataset::Analytics,
            _ => Dataset::Trace,
        },
        Family::Console | Family::ConsoleOdd => Dataset::Console,
        Family::Gwerr => Dataset::Error,
        Family::Tid | Family::TidIs | Family::TidLaunch | Family::Ei63 => Dataset::Carbon,
        Family::TidShort | Family::BrkCorr | Family::Plain | Family::ApiJson => of_logger(head.logger.of(bytes)),
        Family::None
        | Family::Enforcer
        | Family::Envoy
        | Family::Diagtool
        | Family::Logrus
        | Family::Golog
        | Family::Logfmt
        | Family::Json
        | Family::Own => Dataset::Other,
    }
}

fn of_logger(logger: &[u8]) -> Dataset {
    match logger {
        b"AUDIT_LOG" => Dataset::Audit,
        b"API_LOG" => Dataset::Api,
        _ if logger.starts_with(b"API_LOGGER.") => Dataset::Api,
        _ if logger.starts_with(b"SERVICE_LOGGER") => Dataset::Service,
        _ if logger.starts_with(b"com.atomikos.") => Dataset::Transaction,
        _ if logger.ends_with(b"server.util.PatchUtils") => Dataset::Patches,
        _ => Dataset::Carbon,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_files_are_for() {
        for (name, dataset) in [
            ("wso2carbon.log", Dataset::Carbon),
            ("carbon.log", Dataset::Carbon),
            ("audit.log", Dataset::Audit),
            ("apim_governance_audit.log", Dataset::Audit),
            ("http_access_.log", Dataset::Access),
            ("http_access_management_console.log", Dataset::Access),
            ("websocket-access.log", Dataset::Access),
            ("wso2-apigw-errors.log", Dataset::Error),
            ("wso2error.log", Dataset::Error),
            ("wso2-esb-service.log", Dataset::Service),
            ("wso2-mi-api.log", Dataset::Api),
            ("api.log", Dataset::Api),
            ("wso2-cep-trace.log", Dataset::Trace),
            ("wso2carbon-trace-messages.log", Dataset::Trace),
            ("wso2-apimgt-open-tracing.log", Dataset::Trace),
            ("correlation.log", Dataset::Correlation),
            ("apim_metrics.log", Dataset::Metrics),
            ("synapse-analytics.log", Dataset::Analytics),
            ("tm.out", Dataset::Transaction),
            ("transaction.log", Dataset::Transaction),
            ("patches.log", Dataset::Patches),
            ("wso2-BotDetectedData.log", Dataset::Api),
            ("delete-event.log", Dataset::Audit),
            ("diagnostics.log", Dataset::Correlation),
            ("wrapper.log", Dataset::Console),
            ("1650000000000.log", Dataset::Osgi),
            ("gc.log", Dataset::Jvm),
        ] {
            assert_eq!(of_name(name), Some(dataset), "{name}");
        }
        assert_eq!(of_name("whatever.log"), None);
    }
}
