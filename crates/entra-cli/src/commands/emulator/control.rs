//! The options of the control API, by which programs in any language drive the emulator.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use entra_emulator::{Emulator, EmulatorBuilder};

use crate::message::warn;

/// The part of `entra emulator --help` about it.
macro_rules! control_help {
    () => {
        "\
With --control PORT, programs in any language drive the emulator over HTTP, in JSON; the lines printed name the address and the key:
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
  POST /v1/revocations   revoke tokens: all, app or user
  POST /v1/approvals     accept or decline as a user: url or
                         user_code, user, decision
  GET /v1/signing-keys   POST: action: rotate, replace or
                         retire
  POST /v1/tokens        forge an access token: app, api,
                         user, claims, header, key, defect
                         and more; GET lists the defects
  POST /v1/reset         reset the state; the configuration
                         stays"
    };
}
pub(super) use control_help;

#[derive(Args)]
pub(super) struct Control {
    /// Listen for the control API (faults, clock, requests, approvals) on this port of 127.0.0.1; 0 takes a free one. Its key
    /// is printed
    #[arg(long, value_name = "PORT", conflicts_with = "control_listen")]
    control: Option<u16>,

    /// Listen for the control API at this address, such as 0.0.0.0:8401 in a container that publishes the port to 127.0.0.1 of
    /// its host. Anyone who reaches it and knows the key controls the emulator
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    control_listen: Option<SocketAddr>,
}

impl Control {
    pub(super) fn apply(&self, builder: EmulatorBuilder) -> EmulatorBuilder {
        match self.address() {
            None => builder,
            Some(address) if address.ip().is_loopback() => builder.control_at(address),
            // The user named that address.
            Some(address) => builder.allow_other_machines().control_at(address),
        }
    }

    /// Advice for a failure to listen at this address, if it is the control API's.
    pub(super) fn advice(&self, failed: SocketAddr) -> Option<&'static str> {
        let is_own = self.address() == Some(failed);
        let advice = if self.control.is_some() {
            "choose another port with --control, or 0 for a free one"
        } else {
            "choose another address or port with --control-listen"
        };
        is_own.then_some(advice)
    }

    /// Warns of strangers, where some can come.
    pub(super) fn warn(&self) {
        if let Some(address) = self.address().filter(|address| !address.ip().is_loopback()) {
            warn(
                format_args!(
                    "other machines reach the control API at {address}: only its key keeps them out, and it travels unencrypted"
                ),
                "use it in a network of your own alone",
            );
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        self.control_listen.or_else(|| self.control.map(local))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let problem = |_| "it is no IP address with a port, such as 0.0.0.0:8401 or [::1]:8401".to_owned();
    text.parse().map_err(problem)
}

/// The variables that name the control API, where it listens.
pub(super) fn variables(emulator: &Emulator) -> Vec<(&'static str, String)> {
    let Some(url) = emulator.control_url() else {
        return Vec::new();
    };
    vec![
        ("ENTRA_EMULATOR_CONTROL", url.to_owned()),
        ("ENTRA_EMULATOR_CONTROL_KEY", emulator.control_key().to_owned()),
    ]
}
