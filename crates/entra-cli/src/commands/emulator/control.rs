//! The options of the control API, with which programs in any language control the emulator.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use entra_emulator::{Emulator, EmulatorBuilder};

use crate::message::warn;

/// The part of `entra emulator --help` about the control API.
macro_rules! control_help {
    () => {
        "\
With --control PORT, programs in any language control the emulator with JSON over HTTP. The printed lines name the address and the key:
  echo \"Authorization: Bearer $ENTRA_EMULATOR_CONTROL_KEY\" |
    curl -H @- -H 'Content-Type: application/json' \\
      -d '{\"status\": 429, \"retry_after\": 2,
        \"path\": \"/token\"}' \\
      $ENTRA_EMULATOR_CONTROL/v1/faults

  GET /v1                a list of the endpoints
  GET /v1/requests       the requests, with an explanation
                         of each error; ?after=N; DELETE
  GET /v1/faults         the injected faults; DELETE; POST:
                         status, aadsts, body, retry_after,
                         latency_ms, reset, path, times and
                         more
  GET /v1/clock          POST: set, advance_seconds, frozen
  POST /v1/revocations   revoke tokens: all, app (with
                         tenant: its consent) or user
  POST /v1/approvals     accept or decline as a user: url or
                         user_code, user, decision
  GET /v1/signing-keys   POST: action: rotate, replace or
                         retire
  POST /v1/tokens        forge an access token: app, api,
                         user, claims, header, key, defect
                         and more; GET lists the defects
  POST /v1/assertions    issue an assertion of the second
                         issuer: subject, audience, claims
                         and more
  POST /v1/activity      publish content in the activity
                         feed: tenant, content_type,
                         contents
  POST /v1/reset         reset the state; the configuration
                         stays"
    };
}
pub(super) use control_help;

#[derive(Args)]
pub(super) struct Control {
    /// Serve the control API (faults, clock, requests, approvals) on this port of 127.0.0.1, and
    /// print its key; 0 chooses a free port
    #[arg(long, value_name = "PORT", conflicts_with = "control_listen")]
    control: Option<u16>,

    /// Serve the control API at this address, such as 0.0.0.0:8401 in a container that publishes
    /// the port to 127.0.0.1 of its host; every user who can reach it and knows the key controls
    /// the emulator
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    control_listen: Option<SocketAddr>,
}

impl Control {
    pub(super) fn apply(&self, builder: EmulatorBuilder) -> EmulatorBuilder {
        match self.address() {
            None => builder,
            Some(address) if address.ip().is_loopback() => builder.control_at(address),
            // The user chose an address that other machines reach.
            Some(address) => builder.allow_other_machines().control_at(address),
        }
    }

    /// Returns the hint for a failure to listen on this address, if it is that of the control API.
    pub(super) fn hint(&self, failed: SocketAddr) -> Option<&'static str> {
        let is_own = self.address() == Some(failed);
        let hint = if self.control.is_some() {
            "choose another port with --control; 0 chooses a free one"
        } else {
            "choose another address or port with --control-listen"
        };
        is_own.then_some(hint)
    }

    /// Warns if other machines can reach the control API.
    pub(super) fn warn(&self) {
        if let Some(address) = self.address().filter(|address| !address.ip().is_loopback()) {
            warn(
                format_args!(
                    "other machines can reach the control API at {address}: only its key protects it, and the key is sent unencrypted"
                ),
                "use it only in a private network",
            );
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        self.control_listen.or_else(|| self.control.map(local))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let problem = |_| "it is not an IP address with a port, such as 0.0.0.0:8401 or [::1]:8401".to_owned();
    text.parse().map_err(problem)
}

/// Returns the variables with the address and the key of the control API, if it is enabled.
pub(super) fn variables(emulator: &Emulator) -> Vec<(&'static str, String)> {
    let Some(url) = emulator.control_url() else {
        return Vec::new();
    };
    vec![
        ("ENTRA_EMULATOR_CONTROL", url.to_owned()),
        ("ENTRA_EMULATOR_CONTROL_KEY", emulator.control_key().to_owned()),
    ]
}
