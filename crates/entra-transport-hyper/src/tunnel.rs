//! The tunnel through a proxy, over tokio.

use entra_transport::TransportError;
use entra_transport::adapter::Tunnel;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Opens `tunnel` through the proxy at the other end of `stream`.
///
/// It reads byte by byte, because the bytes after the response belong to the host. The response is
/// short and is read once per connection.
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
