//! A server that speaks enough of PostgreSQL's protocol to ask for a password and to say who the
//! user is. It accepts the token of its API that is valid by the emulator's clock.

use std::io;
use std::sync::{Arc, Mutex};

use entra_emulator::Emulator;
use entra_proto::Timestamp;
use entra_proto::claims::UnverifiedClaims;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const API: &str = "https://ossrdbms-aad.database.windows.net";

/// An action of a test, with the number of queries so far.
type Action = Box<dyn Fn(&Emulator, usize) + Send + Sync>;

/// An attempt to connect.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) is_accepted: bool,
}

/// The rules of a server, and what it saw.
pub(super) struct Server {
    emulator: Arc<Emulator>,
    logins: Mutex<Vec<Login>>,
    /// Called after each query, with their number so far.
    after_query: Action,
    queries: Mutex<usize>,
    /// Rejects every token.
    rejects_all: bool,
    /// Closes a connection when its first query is over.
    closes: bool,
    pub(super) port: u16,
}

impl Server {
    pub(super) async fn start(
        emulator: &Arc<Emulator>,
        closes: bool,
        after_query: impl Fn(&Emulator, usize) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::listen(emulator, closes, false, Box::new(after_query)).await
    }

    /// Starts a server that rejects every token.
    pub(super) async fn start_closed(emulator: &Arc<Emulator>) -> Arc<Self> {
        Self::listen(emulator, false, true, Box::new(|_, _| {})).await
    }

    async fn listen(emulator: &Arc<Emulator>, closes: bool, rejects_all: bool, after_query: Action) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self {
            emulator: Arc::clone(emulator),
            logins: Mutex::default(),
            after_query,
            queries: Mutex::default(),
            rejects_all,
            closes,
            port: listener.local_addr().unwrap().port(),
        });
        let shared = Arc::clone(&server);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = Arc::clone(&shared);
                // A client may go at any time.
                tokio::spawn(async move { drop(server.serve(stream).await) });
            }
        });
        server
    }

    pub(super) fn logins(&self) -> Vec<Login> {
        self.logins.lock().unwrap().clone()
    }

    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        // The startup message has no type: length, version, names and values.
        let length = stream.read_u32().await? as usize;
        let mut startup = vec![0; length - 4];
        stream.read_exact(&mut startup).await?;
        assert_eq!(startup[..4], 196_608_u32.to_be_bytes(), "not a plain startup");
        let words: Vec<&[u8]> = startup[4..].split(|byte| *byte == 0).collect();
        let user = words.chunks(2).find(|pair| pair[0] == b"user").unwrap()[1];
        let user = String::from_utf8(user.to_vec()).unwrap();

        send(&mut stream, b'R', &3_u32.to_be_bytes()).await?;
        let (kind, password) = receive(&mut stream).await?;
        assert_eq!(kind, b'p');
        let password = String::from_utf8(password[..password.len() - 1].to_vec()).unwrap();
        let is_accepted = !self.rejects_all && self.is_valid(&password);
        self.logins.lock().unwrap().push(Login {
            user: user.clone(),
            password,
            is_accepted,
        });
        if !is_accepted {
            let error = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0";
            return send(&mut stream, b'E', error).await;
        }
        send(&mut stream, b'R', &0_u32.to_be_bytes()).await?;
        send(&mut stream, b'S', b"server_version\x0016.0\0").await?;
        send(&mut stream, b'K', &[0; 8]).await?;
        send(&mut stream, b'Z', b"I").await?;
        loop {
            match receive(&mut stream).await? {
                (b'Q', _) => {
                    self.query(&mut stream, &user).await?;
                    if self.closes {
                        return Ok(());
                    }
                }
                (b'S', _) => send(&mut stream, b'Z', b"I").await?,
                (b'X', _) => return Ok(()),
                (other, _) => panic!("message {}", char::from(other)),
            }
        }
    }

    /// Returns a row with the user.
    async fn query(&self, stream: &mut TcpStream, user: &str) -> io::Result<()> {
        // One column: its name, no table, the type text, no size, no modifier, as text.
        let mut column = vec![0, 1];
        column.extend(b"current_user\0\0\0\0\0\0\0");
        column.extend(25_u32.to_be_bytes());
        column.extend([0xff; 6]);
        column.extend([0, 0]);
        send(stream, b'T', &column).await?;
        let mut row = vec![0, 1];
        row.extend((user.len() as u32).to_be_bytes());
        row.extend(user.as_bytes());
        send(stream, b'D', &row).await?;
        let number = {
            let mut queries = self.queries.lock().unwrap();
            *queries += 1;
            *queries
        };
        (self.after_query)(&self.emulator, number);
        send(stream, b'C', b"SELECT 1\0").await?;
        send(stream, b'Z', b"I").await
    }

    fn is_valid(&self, token: &str) -> bool {
        let now: Timestamp = self.emulator.clock().now().into();
        UnverifiedClaims::decode(token)
            .is_ok_and(|claims| claims.audience() == Some(API) && claims.expires_at().is_some_and(|end| now < end))
    }
}

async fn send(stream: &mut TcpStream, kind: u8, content: &[u8]) -> io::Result<()> {
    let mut message = vec![kind];
    message.extend((content.len() as u32 + 4).to_be_bytes());
    message.extend(content);
    stream.write_all(&message).await
}

async fn receive(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await?;
    let length = stream.read_u32().await? as usize;
    let mut content = vec![0; length - 4];
    stream.read_exact(&mut content).await?;
    Ok((kind, content))
}
