//! Families (shapes of head lines) and datasets (what a file is for). The numbers are stored and sent.

macro_rules! closed_list {
    ($(#[$m:meta])* $ty:ident { $($id:literal $variant:ident $name:literal),* $(,)? }) => {
        $(#[$m])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $ty { $(#[doc = concat!("`", $name, "`")] $variant = $id),* }

        impl $ty {
            /// Every member, by number.
            pub const ALL: &'static [$ty] = &[$($ty::$variant),*];

            /// Its name in events and queries.
            pub fn name(self) -> &'static str {
                match self { $($ty::$variant => $name),* }
            }

            /// The member of that name.
            pub fn from_name(name: &str) -> Option<$ty> {
                match name { $($name => Some($ty::$variant),)* _ => None }
            }

            /// The member of that number.
            pub fn from_number(number: u8) -> Option<$ty> {
                match number { $($id => Some($ty::$variant),)* _ => None }
            }
        }
    };
}

closed_list! {
    /// Shape of an event's head line (`wso2.log.family`).
    Family {
        0 None "-",
        1 TidIs "tid-is",
        2 TidIsAudit "tid-is-audit",
        3 Tid "tid",
        4 TidShort "tid-short",
        5 TidLaunch "tid-launch",
        6 Governance "governance",
        7 Ei63 "ei63",
        8 BrkCorr "brk-corr",
        9 Enforcer "enforcer",
        10 Plain "plain",
        11 ApiJson "api-json",
        12 MiMetric "mi-metric",
        13 Console "console",
        14 Transaction "transaction",
        15 Websocket "websocket",
        16 Envoy "envoy",
        17 Gwerr "gwerr",
        18 Gwtrace "gwtrace",
        19 MiOtel "mi-otel",
        20 Corr "corr",
        21 Diagtool "diagtool",
        22 Tm1 "tm1",
        23 AccessPt "access-pt",
        24 AccessTc "access-tc",
        25 Equinox "equinox",
        26 Logrus "logrus",
        27 Golog "golog",
        28 Logfmt "logfmt",
        29 ConsoleOdd "console-odd",
        30 Json "json",
        31 Tdump "tdump",
        32 Own "own",
    }
}

closed_list! {
    /// What a file is for (`event.dataset`), a closed list.
    Dataset {
        1 Carbon "wso2.carbon",
        2 Audit "wso2.audit",
        3 Access "wso2.access",
        4 Error "wso2.error",
        5 Service "wso2.service",
        6 Api "wso2.api",
        7 Trace "wso2.trace",
        8 Correlation "wso2.correlation",
        9 Metrics "wso2.metrics",
        10 Analytics "wso2.analytics",
        11 Transaction "wso2.transaction",
        12 Patches "wso2.patches",
        13 Osgi "wso2.osgi",
        14 Console "wso2.console",
        15 Jvm "wso2.jvm",
        16 Other "wso2.other",
    }
}
