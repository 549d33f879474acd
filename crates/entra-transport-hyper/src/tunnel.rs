//! The tunnel through a proxy, over tokio.

use entra_transport::TransportError;
use entra_transport::adapter::Tunnel;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Has the proxy at the other end of `stream` open `tunnel`.
///
/// Reads byte by byte, as what follows belongs to the host; it is short, and once per connection.
pub(crate) async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut tunnel: Tunnel,
) -> Result<(), TransportError> {
    let sent = stream.write_all(&tunnel.request()).await;
    sent.map_err(|error| tunnel.closed(error))?;
    loop {
        let byte = stream.read_u8().await.map_err(|error| tunnel.closed(error))?;
        if tunnel.take(byte)? {
            return Ok(());
        }
    }
}
