//! A headless Chromium, driven through its WebDriver over plain HTTP. Where there is none, its tests say so and pass.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::skips::skip;

/// How long anything may take: it is reached only where something has failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// A browser and the driver that started it, one group of processes, which ends with this.
pub(crate) struct Browser {
    driver: Child,
    port: String,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser. Where none is installed, that is told: it is an error where CI has installed one.
    pub(crate) fn start() -> Option<Self> {
        let (Some(driver), Some(browser)) = (installed("chromedriver"), installed("chromium")) else {
            let cure = "there is no chromedriver, or no chromium: apt-get install chromium chromium-driver";
            skip("chromium", cure);
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // The shell ends the group at the end of its input, which comes with the end of this process, even of one that is killed.
        let script = r#""$@" </dev/null & exec >&- 2>&-; read -r _; kill -KILL 0"#;
        let mut child = Command::new("/bin/sh")
            .args(["-c", script, "sh"])
            .arg(driver)
            .args(["--port=0", "--log-level=WARNING"])
            .env("HOME", profile.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        thread::spawn(move || lines.for_each(drop));
        let mut this = Self {
            driver: child,
            port: port.expect("the driver tells its port"),
            session: String::new(),
            _profile: profile,
        };
        let arguments = [
            "--headless=new",
            // Its sandbox does not work for root, nor in most containers. Nothing foreign is visited.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
        ];
        let options = json!({ "binary": browser, "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let started = this.call("POST", "/session", &wanted);
        this.session = started["sessionId"].as_str().unwrap().to_owned();
        Some(this)
    }

    pub(crate) fn open(&self, url: &str) {
        self.command("POST", "url", &json!({ "url": url }));
    }

    /// What stands in the address bar.
    pub(crate) fn url(&self) -> String {
        self.command("GET", "url", &Value::Null).as_str().unwrap().to_owned()
    }

    /// The value of a script's expression in the page.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = json!({ "script": format!("return {expression}"), "args": [] });
        self.command("POST", "execute/sync", &script)
    }

    /// Waits for an element, and presses it.
    pub(crate) fn press(&self, css: &str) {
        self.text(css);
        self.value(&format!("document.querySelector({css:?}).click()"));
    }

    /// The text of an element, as soon as there is one.
    pub(crate) fn text(&self, css: &str) -> String {
        let since = Instant::now();
        loop {
            let found = self.value(&format!("document.querySelector({css:?})?.innerText"));
            if let Some(text) = found.as_str() {
                return text.to_owned();
            }
            let page = || self.value("document.documentElement.outerHTML");
            assert!(since.elapsed() < DEADLINE, "{css} at {}: {}", self.url(), page());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// A picture of the page at this width, among what a build leaves behind. Returns how wide the content is.
    pub(crate) fn picture(&self, name: &str, width: u32, dark: bool) -> u64 {
        let metrics = json!({ "width": width, "height": 640, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
        let picture = self.command("GET", "screenshot", &Value::Null);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("artifacts");
        fs::create_dir_all(&folder).unwrap();
        let png = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, picture.as_str().unwrap());
        let scheme = if dark { "-dark" } else { "" };
        fs::write(folder.join(format!("{name}-{width}{scheme}.png")), png.unwrap()).unwrap();
        self.value("document.documentElement.scrollWidth").as_u64().unwrap()
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        let call = json!({ "cmd": command, "params": parameters });
        self.command("POST", "goog/cdp/execute", &call);
    }

    fn command(&self, method: &str, command: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}/{command}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "GET" {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut bytes = vec![0; length];
        answer.read_exact(&mut bytes).unwrap();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.driver.stdin.take());
        let _ = self.driver.wait();
    }
}

fn installed(name: &str) -> Option<PathBuf> {
    let mut folders = std::env::split_paths(&std::env::var_os("PATH")?)
        .collect::<Vec<_>>()
        .into_iter();
    folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
}
