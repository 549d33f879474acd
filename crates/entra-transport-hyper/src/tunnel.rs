use entra_transport::{Proxy, TransportError, TransportErrorKind, endpoint};
use http::Uri;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

/// What is said to `proxy` to be put through to the host of `uri` (RFC 9110, section 9.3.6).
pub(crate) fn opening(uri: &Uri, proxy: &Proxy) -> Zeroizing<Vec<u8>> {
    let host = endpoint(uri);
    let mut opening = Zeroizing::new(format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n").into_bytes());
    if let Some(authorization) = proxy.authorization() {
        opening.extend_from_slice(&[b"Proxy-Authorization: ", authorization.as_bytes(), b"\r\n"].concat());
    }
    opening.extend_from_slice(b"\r\n");
    opening
}

/// Says it, and waits until the proxy agrees.
pub(crate) async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    opening: &[u8],
) -> Result<(), TransportError> {
    stream.write_all(opening).await.map_err(gone)?;
    let mut answer = Vec::with_capacity(512);
    while !answer.ends_with(b"\r\n\r\n") {
        // Byte by byte, as what follows belongs to the host; it is short, and once per connection.
        answer.push(stream.read_u8().await.map_err(gone)?);
        if answer.len() > LONGEST {
            return Err(refused("the proxy's answer has no end"));
        }
    }
    match answer.get(..12) {
        Some(b"HTTP/1.1 200" | b"HTTP/1.0 200") => Ok(()),
        Some(b"HTTP/1.1 407" | b"HTTP/1.0 407") => {
            Err(refused("the proxy wants a user name and password: put them into its URI").retryable(false))
        }
        _ => Err(refused(
            "the proxy does not connect to the host: check what it allows, and its user name and password",
        )),
    }
}

fn gone(error: std::io::Error) -> TransportError {
    refused("the proxy closed the connection").because(error)
}

fn refused(why: &'static str) -> TransportError {
    TransportError::new(TransportErrorKind::Connect, why)
}

const LONGEST: usize = 16 * 1024;
