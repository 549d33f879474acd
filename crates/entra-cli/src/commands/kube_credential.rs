use clap::Args;
use serde_json::Value;

use crate::commands::token::{one_request, print_issued, print_kept};
use crate::exit::Failure;
use crate::silent::CacheSettings;
use crate::token_output::Output;
use crate::token_settings::TokenSettings;

/// Get a token for kubectl: `entra token -o exec-credential`, for a cluster of the Azure Kubernetes Service.
///
/// kubectl runs it whenever it needs a token, and keeps the token until that expires. The cluster needs Entra sign-in; what the
/// application may do there is set by role assignments in Azure or by role bindings in the cluster. For a cluster with a server
/// application of its own, name that with --resource.
///
/// The version of the answer is the one that kubectl asks for in KUBERNETES_EXEC_INFO: v1 or v1beta1 of client.authentication.k8s.io.
#[derive(Args)]
#[command(
    // The server application of the service is the usual one.
    mut_group("api", |group| group.required(false)),
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

In the kubeconfig file that is:
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
    kept.check(true)?;
    let output = Output::ExecCredential.ready()?;
    if kept.is_enabled() {
        return print_kept(wanted, kept, &output);
    }
    let client = wanted.client(one_request())?.build();
    let client = client?;
    let token = client.token_with(&wanted.target()?, &wanted.options()?)?;
    print_issued(wanted, &token, &client.authority()?, &output, Value::Null)
}

/// The server application of the Azure Kubernetes Service, the same in every tenant.
const SERVER_APPLICATION: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";
