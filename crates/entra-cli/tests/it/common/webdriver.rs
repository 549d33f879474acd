//! A headless Chromium, controlled through WebDriver over plain HTTP. Without it, tests are
//! skipped.

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

/// The time limit of each operation, which is only reached if something fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// A browser and its driver, one process group, which dropping this value ends.
pub(crate) struct Browser {
    driver: Child,
    port: String,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser. If none is installed, skips the test, which is an error in CI.
    pub(crate) fn start() -> Option<Self> {
        let (Some(driver), Some(browser)) = (installed("chromedriver"), installed("chromium")) else {
            let reason = "chromedriver or chromium is not installed: apt-get install chromium chromium-driver";
            skip("chromium", reason);
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // The shell kills the group at the end of its input, so also if this process is killed.
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
            port: port.expect("the driver prints its port"),
            session: String::new(),
            _profile: profile,
        };
        let arguments = [
            "--headless=new",
            // The sandbox does not work for root or in most containers. No foreign page is visited.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
        ];
        let options = json!({ "binary": browser, "args": arguments });
        let capabilities = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let started = this.call("POST", "/session", &capabilities);
        this.session = started["sessionId"].as_str().unwrap().to_owned();
        Some(this)
    }

    pub(crate) fn open(&self, url: &str) {
        self.command("POST", "url", &json!({ "url": url }));
    }

    /// Returns the URL in the address bar.
    pub(crate) fn url(&self) -> String {
        self.command("GET", "url", &Value::Null).as_str().unwrap().to_owned()
    }

    /// Evaluates an expression in the page.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = json!({ "script": format!("return {expression}"), "args": [] });
        self.command("POST", "execute/sync", &script)
    }

    /// Waits for an element, and clicks it.
    pub(crate) fn press(&self, css: &str) {
        self.text(css);
        self.value(&format!("document.querySelector({css:?}).click()"));
    }

    /// Waits for an element, and returns its text.
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

    /// Saves a screenshot of the page at this width in `target/artifacts`. Returns the width of the
    /// content.
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
        let mut response = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            response.read_line(&mut line).unwrap();
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
        response.read_exact(&mut bytes).unwrap();
        let response: Value = serde_json::from_slice(&bytes).unwrap();
        assert!(response["value"]["error"].is_null(), "{path}: {response}");
        response["value"].clone()
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
