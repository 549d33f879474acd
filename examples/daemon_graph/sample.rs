//! The samples, and the names that their configurations use.

use clap::ValueEnum;

/// A sample of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sample {
    /// ms-identity-docs-code-dotnet, console-daemon
    Dotnet,
    /// ms-identity-javascript-nodejs-console
    Node,
    /// ms-identity-python-daemon, with a secret or with a certificate
    Python,
    /// ms-identity-java-daemon, with a secret or with a certificate
    Java,
}

/// The names of a sample's settings. An empty name means that the sample does not have the setting.
pub(crate) struct Names {
    /// The configuration file.
    pub(crate) file: &'static str,
    pub(crate) authority: &'static str,
    /// The tenant, and the address of the cloud, if the sample has separate settings for them.
    pub(crate) tenant: &'static str,
    pub(crate) cloud: &'static str,
    pub(crate) client_id: &'static str,
    pub(crate) secret: &'static str,
    /// The file with the private key, and the setting that names its certificate: another file, or
    /// a thumbprint.
    pub(crate) key: &'static str,
    pub(crate) certificate: &'static str,
    pub(crate) thumbprint: &'static str,
    pub(crate) scope: &'static str,
    /// The full address to call, or the address of Graph.
    pub(crate) endpoint: &'static str,
    pub(crate) graph: &'static str,
    pub(crate) object_id: &'static str,
}

impl Names {
    /// Returns all names that are not empty.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            self.authority,
            self.tenant,
            self.cloud,
            self.client_id,
            self.secret,
            self.key,
            self.certificate,
            self.thumbprint,
            self.scope,
            self.endpoint,
            self.graph,
            self.object_id,
        ];
        all.into_iter().filter(|name| !name.is_empty())
    }
}

impl Sample {
    pub(crate) fn names(self) -> &'static Names {
        match self {
            Self::Dotnet => &DOTNET,
            Self::Node => &NODE,
            Self::Python => &PYTHON,
            Self::Java => &JAVA,
        }
    }
}

const NONE: Names = Names {
    file: "",
    authority: "",
    tenant: "",
    cloud: "",
    client_id: "",
    secret: "",
    key: "",
    certificate: "",
    thumbprint: "",
    scope: "",
    endpoint: "",
    graph: "",
    object_id: "",
};

static DOTNET: Names = Names {
    file: "Program.cs",
    authority: "Authority",
    client_id: "ClientId",
    secret: "ClientSecret",
    object_id: "ClientObjectId",
    ..NONE
};

static NODE: Names = Names {
    file: ".env",
    tenant: "TENANT_ID",
    cloud: "AAD_ENDPOINT",
    client_id: "CLIENT_ID",
    secret: "CLIENT_SECRET",
    graph: "GRAPH_ENDPOINT",
    ..NONE
};

static PYTHON: Names = Names {
    file: "parameters.json",
    authority: "authority",
    client_id: "client_id",
    secret: "secret",
    key: "private_key_file",
    thumbprint: "thumbprint",
    scope: "scope",
    endpoint: "endpoint",
    ..NONE
};

static JAVA: Names = Names {
    file: "application.properties",
    authority: "AUTHORITY",
    client_id: "CLIENT_ID",
    secret: "SECRET",
    key: "KEY_PATH",
    certificate: "CERT_PATH",
    scope: "SCOPE",
    ..NONE
};
