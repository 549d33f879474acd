//! The command `entra kube-credential`: the credential plugin for kubectl.

use clap::Args;
use serde_json::Value;

use crate::commands::token::{one_request, print_cached, print_issued};
use crate::exit::Failure;
use crate::silent::CacheSettings;
use crate::token_output::Output;
use crate::token_settings::TokenSettings;

/// Get a token for kubectl and a cluster of the Azure Kubernetes Service.
///
/// This is `entra token -o exec-credential` for the server application of the service. Each kubectl
/// process runs the command once, and caches the token in memory until the process ends. Add
/// --cache, so that the next kubectl does not request another token.
///
/// The cluster must use Entra sign-in; role assignments in Azure or role bindings in the cluster
/// determine what the application can do. If the cluster has its own server application, name it
/// with --resource.
///
/// The version of the output is the one that kubectl requests in KUBERNETES_EXEC_INFO: v1 or
/// v1beta1 of client.authentication.k8s.io.
#[derive(Args)]
#[command(
    // The default is the server application of the service.
    mut_group("api", |group| group.required(false)),
    mut_arg("resource", |resource| resource.help(format!(
        "The server application of the cluster [default: {SERVER_APPLICATION}, Azure Kubernetes Service]"
    ))),
    after_help = "\
Examples:
  kubectl config set-credentials daemon \\
    --exec-api-version client.authentication.k8s.io/v1 \\
    --exec-interactive-mode Never \\
    --exec-command entra \\
    --exec-arg kube-credential \\
    --exec-arg --cache \\
    --exec-env AZURE_TENANT_ID=contoso.onmicrosoft.com \\
    --exec-env AZURE_CLIENT_ID=...
  kubectl config set-context --current --user daemon
  AZURE_CLIENT_SECRET=... kubectl get pods

The same in the kubeconfig file:
  users:
  - name: daemon
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1
        interactiveMode: Never
        command: entra
        args: [kube-credential, --cache]
        env:
        - name: AZURE_TENANT_ID
          value: contoso.onmicrosoft.com
        - name: AZURE_CLIENT_ID
          value: ..."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wanted: TokenSettings,

    #[command(flatten)]
    kept: CacheSettings,
}

pub(crate) fn run(arguments: &mut Arguments) -> Result<(), Failure> {
    let Arguments { wanted, kept } = arguments;
    wanted.default_resource(SERVER_APPLICATION);
    kept.check(wanted, true)?;
    let output = Output::ExecCredential.ready()?;
    if kept.is_enabled() {
        return print_cached(wanted, kept, &output);
    }
    let client = wanted.client(one_request())?;
    let token = client.token_with(&wanted.target()?, &wanted.options()?)?;
    print_issued(wanted, &token, &wanted.issuer(&client)?, &output, Value::Null)
}

/// The ID of the server application of the Azure Kubernetes Service, which is the same in every
/// tenant.
const SERVER_APPLICATION: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";
