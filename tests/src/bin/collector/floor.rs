//! The same requests and the same lines without our client: ready tokens, no retries, no memory of
//! records.
//!
//! What is written has to last as with the collector: a tenant's records, and a note of the
//! contents that they are from, are on the disk after as many bytes as there, and at its end.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use entra_emulator::Emulator;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::TcpStream;

use crate::load::TYPES;

/// The settings of the floor.
#[derive(Serialize, Deserialize)]
struct Task {
    address: String,
    output: PathBuf,
    /// Tenants with their tokens.
    tenants: Vec<(String, String)>,
}

/// The input of the floor: a token of each tenant, and subscriptions that are started.
pub(crate) fn input(emulator: &Emulator, output: &Path) -> Vec<u8> {
    let tenants = emulator.tenants().iter().map(|tenant| {
        let token = token(emulator, &tenant.id);
        for content_type in TYPES {
            let url = format!(
                "/api/v1.0/{}/activity/feed/subscriptions/start?contentType={}",
                tenant.id,
                content_type.as_str()
            );
            let request = Request::post(url).header("authorization", format!("Bearer {token}"));
            emulator.handle(request.body(Vec::new()).expect("a request"));
        }
        (tenant.id.clone(), token)
    });
    let task = Task {
        address: emulator.address().expect("the emulator listens").to_string(),
        output: output.to_owned(),
        tenants: tenants.collect(),
    };
    serde_json::to_vec(&task).expect("it is plain data")
}

fn token(emulator: &Emulator, tenant: &str) -> String {
    let body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=https://manage.office.com/.default",
        emulator.client_id(),
        emulator.client_secret()
    );
    let request = Request::post(format!("/{tenant}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded");
    let response = emulator.handle(request.body(body.into_bytes()).expect("a request"));
    let body: serde_json::Value = serde_json::from_slice(response.body()).expect("JSON");
    body["access_token"].as_str().expect("a token").to_owned()
}

/// Carries out the task on standard input.
pub(crate) fn run() -> ExitCode {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input).expect("the input can be read");
    let task: Task = serde_json::from_slice(&input).expect("the input is a task");
    let task = Arc::new(task);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let left: VecDeque<usize> = (0..task.tenants.len()).collect();
        let left = Arc::new(Mutex::new(left));
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                let (task, left) = (Arc::clone(&task), Arc::clone(&left));
                tokio::spawn(async move {
                    let mut sender = connect(&task.address).await;
                    loop {
                        let next = left.lock().expect("no worker panics").pop_front();
                        let Some(tenant) = next else { return };
                        collect(&task, tenant, &mut sender).await;
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.expect("a worker ends well");
        }
    });
    ExitCode::SUCCESS
}

async fn connect(address: &str) -> SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("the emulator listens");
    stream.set_nodelay(true).expect("a TCP option");
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP");
    tokio::spawn(connection);
    sender
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    content_id: String,
    content_uri: String,
}

async fn collect(task: &Task, tenant: usize, sender: &mut SendRequest<Empty<Bytes>>) {
    let (tenant, token) = &task.tenants[tenant];
    let mut output = Output::create(&task.output.join(tenant)).expect("the folder can be made");
    for content_type in TYPES {
        let path = format!("/api/v1.0/{tenant}/activity/feed/subscriptions/content");
        let mut next = Some(format!("{path}?contentType={}", content_type.as_str()));
        while let Some(page) = next {
            let (body, more) = get(task, sender, token, &page).await;
            next = more;
            let items: Vec<Item> = serde_json::from_slice(&body).expect("a list");
            for item in items {
                let (body, _) = get(task, sender, token, &item.content_uri).await;
                output.write(&item, &body).expect("the content can be written");
                if output.unsaved >= SAVED_BYTES {
                    output = save(output).await;
                }
            }
        }
    }
    save(output).await;
}

/// Waits for the disk beside the other tenants.
async fn save(mut output: Output) -> Output {
    let saved = tokio::task::spawn_blocking(move || output.save().map(|()| output));
    saved
        .await
        .expect("it does not panic")
        .expect("the records can be written")
}

async fn get(task: &Task, sender: &mut SendRequest<Empty<Bytes>>, token: &str, url: &str) -> (Bytes, Option<String>) {
    let path = url.find("/api/").map_or(url, |at| &url[at..]);
    let request = Request::get(path)
        .header("host", &task.address)
        .header("authorization", format!("Bearer {token}"))
        .body(Empty::new())
        .expect("a request");
    sender.ready().await.expect("the connection is kept");
    let response = sender.send_request(request).await.expect("a response");
    assert_eq!(response.status(), 200);
    let next = response
        .headers()
        .get("nextpageuri")
        .map(|next| next.to_str().expect("text").to_owned());
    (response.into_body().collect().await.expect("a body").to_bytes(), next)
}

/// The files of a tenant.
struct Output {
    folder: PathBuf,
    days: BTreeMap<Vec<u8>, BufWriter<File>>,
    /// Contents that are done: a run after a crash would begin behind them, and cut the files to
    /// the lengths behind their names.
    progress: File,
    done: Vec<u8>,
    unsaved: usize,
}

impl Output {
    fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            days: BTreeMap::new(),
            progress: File::create(folder.join("progress"))?,
            done: Vec::new(),
            unsaved: 0,
        })
    }

    /// Writes each record of a content to the file of its day, on a line of its own.
    fn write(&mut self, content: &Item, body: &[u8]) -> io::Result<()> {
        let records: Vec<&RawValue> = serde_json::from_slice(body)?;
        for record in records {
            let record = record.get().as_bytes();
            let day = &record[TIME.len()..TIME.len() + 10];
            if !self.days.contains_key(day) {
                let name = format!("{}.jsonl", String::from_utf8_lossy(day));
                let file = File::create(self.folder.join(name))?;
                let file = BufWriter::with_capacity(64 * 1_024, file);
                self.days.insert(day.to_owned(), file);
            }
            let file = self.days.get_mut(day).expect("it was just added");
            file.write_all(record)?;
            file.write_all(b"\n")?;
        }
        writeln!(self.done, "{}", content.content_id)?;
        self.unsaved += body.len();
        if self.unsaved >= SAVED_BYTES {
            self.save()
        } else {
            Ok(())
        }
    }

    /// Waits until the records, and then the progress, are on the disk.
    fn save(&mut self) -> io::Result<()> {
        for (day, file) in &mut self.days {
            file.flush()?;
            file.get_ref().sync_data()?;
            let length = file.get_ref().metadata()?.len();
            writeln!(self.done, "{} {length}", String::from_utf8_lossy(day))?;
        }
        File::open(&self.folder)?.sync_all()?;
        self.progress.write_all(&self.done)?;
        self.progress.sync_data()?;
        self.done.clear();
        self.unsaved = 0;
        Ok(())
    }
}

/// The beginning of the emulator's records.
const TIME: &[u8] = b"{\"CreationTime\":\"";
/// As many tenants at once as the collector has requests at once.
const WORKERS: usize = 32;
/// As many bytes of a tenant as the collector leaves to the memory of the system at most.
const SAVED_BYTES: usize = 32 << 20;
