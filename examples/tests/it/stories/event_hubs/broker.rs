//! A broker that speaks enough of Kafka's protocol to authenticate a producer by OAUTHBEARER and to
//! take its records.

use std::io;
use std::sync::{Arc, Mutex};

use entra_emulator::Emulator;
use entra_proto::Timestamp;
use entra_proto::claims::UnverifiedClaims;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const API: &str = "https://contoso.servicebus.windows.net";

/// A broker of one event hub, `orders`, with one partition.
pub(super) struct Broker {
    emulator: Arc<Emulator>,
    /// The tokens that connections were opened with.
    tokens: Mutex<Vec<String>>,
    records: Mutex<i64>,
    /// Closes a connection after each record.
    closes: bool,
    pub(super) port: u16,
}

impl Broker {
    pub(super) async fn start(emulator: &Arc<Emulator>, closes: bool) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let broker = Arc::new(Self {
            emulator: Arc::clone(emulator),
            tokens: Mutex::default(),
            records: Mutex::default(),
            closes,
            port: listener.local_addr().unwrap().port(),
        });
        let shared = Arc::clone(&broker);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let broker = Arc::clone(&shared);
                // A client may go at any time.
                tokio::spawn(async move { drop(broker.serve(stream).await) });
            }
        });
        broker
    }

    pub(super) fn tokens(&self) -> Vec<String> {
        self.tokens.lock().unwrap().clone()
    }

    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut is_authenticated = false;
        loop {
            let length = stream.read_u32().await? as usize;
            let mut request = vec![0; length];
            stream.read_exact(&mut request).await?;
            let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
            let (operation, version) = (number(0), number(2));
            let mut response = request[4..8].to_vec(); // the correlation ID
            // The header ends with the client's ID, and the body follows.
            let body = &request[10 + usize::try_from(number(8)).unwrap_or_default()..];
            match operation {
                API_VERSIONS if version > 0 => {
                    // Unsupported: the client tries an older version.
                    response.extend(35_i16.to_be_bytes());
                    response.push(1); // no operations
                    response.extend([0; 4]);
                    response.push(0);
                }
                API_VERSIONS => {
                    response.extend([0; 2]);
                    response.extend((OPERATIONS.len() as u32).to_be_bytes());
                    for [operation, least, most] in OPERATIONS {
                        response.extend([operation, least, most].map(i16::to_be_bytes).concat());
                    }
                }
                SASL_HANDSHAKE => {
                    response.extend([0; 2]);
                    response.extend(1_u32.to_be_bytes());
                    response.extend(string("OAUTHBEARER"));
                }
                SASL_AUTHENTICATE => {
                    is_authenticated = self.authenticate(&body[4..]);
                    let code: i16 = if is_authenticated { 0 } else { 58 };
                    response.extend(code.to_be_bytes());
                    response.extend((-1_i16).to_be_bytes());
                    response.extend([0; 4]);
                }
                _ if !is_authenticated => return Ok(()),
                METADATA => response.extend(self.metadata()),
                PRODUCE => {
                    response.extend(self.produced());
                    send(&mut stream, &response).await?;
                    if self.closes {
                        return Ok(());
                    }
                    continue;
                }
                other => panic!("operation {other}"),
            }
            send(&mut stream, &response).await?;
        }
    }

    /// Accepts a message of RFC 7628 with a token for the namespace that is valid by the emulator's
    /// clock.
    fn authenticate(&self, message: &[u8]) -> bool {
        let message = std::str::from_utf8(message).unwrap();
        let token = message.strip_prefix("n,,\u{1}auth=Bearer ").unwrap();
        let token = token.split('\u{1}').next().unwrap();
        self.tokens.lock().unwrap().push(token.to_owned());
        let now: Timestamp = self.emulator.clock().now().into();
        UnverifiedClaims::decode(token)
            .is_ok_and(|claims| claims.audience() == Some(API) && claims.expires_at().is_some_and(|end| now < end))
    }

    /// One broker, this one, which has the only partition.
    fn metadata(&self) -> Vec<u8> {
        let mut response = 1_u32.to_be_bytes().to_vec();
        response.extend([0; 4]);
        response.extend(string("127.0.0.1"));
        response.extend(u32::from(self.port).to_be_bytes());
        response.extend((-1_i16).to_be_bytes());
        response.extend([0; 4]); // the controller
        response.extend(1_u32.to_be_bytes());
        response.extend([0; 2]);
        response.extend(string("orders"));
        response.push(0);
        response.extend(1_u32.to_be_bytes());
        response.extend([0; 2 + 4 + 4]); // no error, partition 0, broker 0
        response.extend([0; 4 + 4]); // no replicas
        response
    }

    fn produced(&self) -> Vec<u8> {
        let mut records = self.records.lock().unwrap();
        let mut response = 1_u32.to_be_bytes().to_vec();
        response.extend(string("orders"));
        response.extend(1_u32.to_be_bytes());
        response.extend([0; 4 + 2]); // partition 0, no error
        response.extend(records.to_be_bytes());
        response.extend((-1_i64).to_be_bytes());
        response.extend([0; 4]);
        *records += 1;
        response
    }
}

async fn send(stream: &mut TcpStream, response: &[u8]) -> io::Result<()> {
    let mut frame = (response.len() as u32).to_be_bytes().to_vec();
    frame.extend(response);
    stream.write_all(&frame).await
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const SASL_HANDSHAKE: i16 = 17;
const API_VERSIONS: i16 = 18;
const SASL_AUTHENTICATE: i16 = 36;

/// The operations, each with its oldest and its newest version.
const OPERATIONS: [[i16; 3]; 5] = [
    [PRODUCE, 3, 3],
    [METADATA, 1, 1],
    [SASL_HANDSHAKE, 1, 1],
    [API_VERSIONS, 0, 0],
    [SASL_AUTHENTICATE, 0, 0],
];
