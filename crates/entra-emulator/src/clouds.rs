//! The Entra clouds, by the names of their hosts.

pub(crate) struct Cloud {
    pub(crate) network: &'static str,
    pub(crate) cache: &'static str,
    pub(crate) aliases: &'static [&'static str],
}

/// Returns true if a host is one of the names of Entra's public cloud.
pub(crate) fn is_public_cloud(host: &str) -> bool {
    CLOUDS
        .first()
        .is_some_and(|cloud| cloud.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(host)))
}

/// The name of the cloud in documents.
pub(crate) const CLOUD: &str = "microsoftonline.com";

pub(crate) const CLOUDS: &[Cloud] = &[
    Cloud {
        network: "login.microsoftonline.com",
        cache: "login.windows.net",
        aliases: &[
            "login.microsoftonline.com",
            "login.windows.net",
            "login.microsoft.com",
            "sts.windows.net",
        ],
    },
    Cloud {
        network: "login.partner.microsoftonline.cn",
        cache: "login.partner.microsoftonline.cn",
        aliases: &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    },
    Cloud {
        network: "login.microsoftonline.us",
        cache: "login.microsoftonline.us",
        aliases: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    },
];
