//! A server that speaks enough of TDS to take a token in a login and to say who logged in. It
//! accepts the token of Azure SQL that is valid by the emulator's clock.

use std::io;
use std::sync::{Arc, Mutex};

use entra_emulator::Emulator;
use entra_proto::Timestamp;
use entra_proto::claims::UnverifiedClaims;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// With the slash at the end.
const API: &str = "https://database.windows.net/";

/// The rules of a server, and what it saw.
pub(super) struct Server {
    emulator: Arc<Emulator>,
    /// The tokens of all logins, and whether they were accepted.
    logins: Mutex<Vec<(String, bool)>>,
    /// The emulator's clock moves two hours after this query.
    expires_after: usize,
    queries: Mutex<usize>,
    rejects_all: bool,
    pub(super) port: u16,
}

impl Server {
    pub(super) async fn start(emulator: &Arc<Emulator>, expires_after: usize, rejects_all: bool) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self {
            emulator: Arc::clone(emulator),
            logins: Mutex::default(),
            expires_after,
            queries: Mutex::default(),
            rejects_all,
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

    pub(super) fn logins(&self) -> Vec<(String, bool)> {
        self.logins.lock().unwrap().clone()
    }

    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let (kind, _) = receive(&mut stream).await?;
        assert_eq!(kind, PRELOGIN);
        send(&mut stream, &prelogin()).await?;
        loop {
            let (kind, message) = receive(&mut stream).await?;
            match kind {
                LOGIN7 => {
                    let token = token(&message);
                    let is_accepted = !self.rejects_all && self.is_valid(&token);
                    self.logins.lock().unwrap().push((token, is_accepted));
                    if !is_accepted {
                        return send(&mut stream, &login_failed()).await;
                    }
                    send(&mut stream, &login_accepted()).await?;
                }
                BATCH => {
                    let number = {
                        let mut queries = self.queries.lock().unwrap();
                        *queries += 1;
                        *queries
                    };
                    if number == self.expires_after {
                        self.emulator.clock().advance(std::time::Duration::from_secs(7200));
                    }
                    send(&mut stream, &row("inventory")).await?;
                }
                other => panic!("message {other}"),
            }
        }
    }

    fn is_valid(&self, token: &str) -> bool {
        let now: Timestamp = self.emulator.clock().now().into();
        UnverifiedClaims::decode(token)
            .is_ok_and(|claims| claims.audience() == Some(API) && claims.expires_at().is_some_and(|end| now < end))
    }
}

/// Receives a message: packets up to the one that says that it is the last.
async fn receive(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut message = Vec::new();
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head).await?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let mut content = vec![0; length - head.len()];
        stream.read_exact(&mut content).await?;
        message.extend(content);
        if head[1] & 1 == 1 {
            return Ok((head[0], message));
        }
    }
}

async fn send(stream: &mut TcpStream, content: &[u8]) -> io::Result<()> {
    let length = (content.len() as u16 + 8).to_be_bytes();
    let mut packet = vec![RESPONSE, 1, length[0], length[1], 0, 0, 1, 0];
    packet.extend(content);
    stream.write_all(&packet).await
}

/// The version, no encryption, and federated authentication.
fn prelogin() -> Vec<u8> {
    let mut message = Vec::new();
    let options: [(u8, &[u8]); 3] = [(0, &[16, 0, 0, 0, 0, 0]), (1, &[2]), (6, &[1])];
    let mut offset = options.len() * 5 + 1;
    for (option, value) in options {
        message.push(option);
        message.extend((offset as u16).to_be_bytes());
        message.extend((value.len() as u16).to_be_bytes());
        offset += value.len();
    }
    message.push(0xff);
    message.extend(options.iter().flat_map(|(_, value)| *value));
    message
}

/// Returns the token in the feature extension of a login.
fn token(login: &[u8]) -> String {
    let number = |at: usize, length: usize| {
        let bytes = login[at..at + length].iter().rev();
        bytes.fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let mut at = number(number(56, 2), 4);
    assert_eq!(login[at], 2, "the first feature is FEDAUTH");
    at += 5;
    assert_eq!(login[at] >> 1, 1, "a security token");
    let length = number(at + 1, 4);
    let units = login[at + 5..at + 5 + length].chunks(2);
    let units: Vec<u16> = units.map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).unwrap()
}

fn login_accepted() -> Vec<u8> {
    let mut content = vec![1, 0x74, 0, 0, 4]; // TDS 7.4
    content.extend(short("stub"));
    content.extend([16, 0, 0, 0]);
    let mut message = vec![0xad];
    message.extend((content.len() as u16).to_le_bytes());
    message.extend(content);
    message.extend(done(0));
    message
}

fn login_failed() -> Vec<u8> {
    let text = "Login failed for user '<token-identified principal>'.";
    let mut content = 18456_u32.to_le_bytes().to_vec();
    content.extend([1, 14]);
    content.extend((text.len() as u16).to_le_bytes());
    content.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    content.extend([0, 0]);
    content.extend(1_u32.to_le_bytes());
    let mut message = vec![0xaa];
    message.extend((content.len() as u16).to_le_bytes());
    message.extend(content);
    message.extend(done(2));
    message
}

/// One row with one text.
fn row(text: &str) -> Vec<u8> {
    let mut message = vec![0x81, 1, 0];
    message.extend([0; 4]); // the user type
    message.extend([9, 0]);
    message.push(0xe7); // nvarchar
    message.extend(256_u16.to_le_bytes());
    message.extend([9, 4, 0xd0, 0, 0x34]); // the collation
    message.extend(short("login"));
    message.push(0xd1);
    message.extend((text.len() as u16 * 2).to_le_bytes());
    message.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    message.extend(done(0x10));
    message
}

fn done(status: u8) -> Vec<u8> {
    let mut message = vec![0xfd, status, 0, 0xc1, 0];
    message.extend(1_u64.to_le_bytes());
    message
}

/// A text with its length in one byte.
fn short(text: &str) -> Vec<u8> {
    let mut bytes = vec![text.len() as u8];
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

const BATCH: u8 = 1;
const RESPONSE: u8 = 4;
const LOGIN7: u8 = 16;
const PRELOGIN: u8 = 18;
