use std::io;

use entra_transport::tls::{find, hung_up};
use http::Uri;
use ureq::Error;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport};

use crate::error::Marked;

/// ureq's own way to a connection, watched for two things it does not tell by itself.
///
/// A connection that closes in the TLS handshake is marked as such, because only then trying again may help. And a connection
/// that is reset, or ends without TLS' goodbye, in the middle of a body is marked as cut: ureq takes both for the body's end
/// where the body has no declared length.
#[derive(Debug, Default)]
pub(crate) struct Watching(DefaultConnector);

impl Connector for Watching {
    type Out = Watched;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<()>) -> Result<Option<Watched>, Error> {
        match self.0.connect(details, chained) {
            Ok(transport) => Ok(transport.map(Watched)),
            Err(Error::Io(error)) if matches!(find(&error), Some(Marked::Answer(_))) => {
                Err(Marked::Proxy(error).into())
            }
            Err(Error::Io(error)) if details.needs_tls() && hung_up(&error) => Err(Marked::Handshake(error).into()),
            Err(error) => Err(error),
        }
    }
}

/// A connection that says how it ended.
#[derive(Debug)]
pub(crate) struct Watched(Box<dyn Transport>);

impl Transport for Watched {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.0.transmit_output(amount, timeout).map_err(marked)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.0.await_input(timeout).map_err(marked)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

/// There was a connection: what the network says from here on is no failure to connect, and the service may have the request.
fn marked(error: Error) -> Error {
    use io::ErrorKind as Kind;
    let is_gone = |kind| {
        matches!(
            kind,
            Kind::NetworkUnreachable | Kind::NetworkDown | Kind::HostUnreachable
        )
    };
    match error {
        Error::Io(error) if hung_up(&error) || is_gone(error.kind()) => Marked::Answer(error).into(),
        error => error,
    }
}

/// ureq's own resolver, whose failures are marked: ureq passes them on as it does those of connecting.
#[derive(Debug, Default)]
pub(crate) struct Resolving(DefaultResolver);

impl Resolver for Resolving {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        self.0.resolve(uri, config, timeout).map_err(|error| match error {
            Error::Io(error) => Marked::Name(error).into(),
            error => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use entra_transport::TransportErrorKind;

    use super::*;
    use crate::error::told;

    #[test]
    fn a_network_that_goes_away_in_the_middle_is_no_failure_to_connect() {
        for kind in [
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::NetworkDown,
            io::ErrorKind::HostUnreachable,
            io::ErrorKind::ConnectionReset,
        ] {
            let uri = Uri::from_static("https://login.microsoftonline.com/");
            let before = told(io::Error::from(io::ErrorKind::NetworkUnreachable).into(), &uri);
            assert_eq!(before.kind(), TransportErrorKind::Connect);
            let after = told(marked(io::Error::from(kind).into()), &uri);
            assert_eq!(after.kind(), TransportErrorKind::Interrupted, "{kind}");
        }
    }
}
