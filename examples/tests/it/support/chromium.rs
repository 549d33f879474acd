//! A headless Chromium, driven through its WebDriver. Without one, its tests are skipped with
//! a message.

use std::fs;
use std::io::{BufRead, BufReader, Write, stderr};
use std::net::ToSocketAddrs;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::prelude::*;
use thirtyfour::{CapabilitiesHelper, ChromeCapabilities, ChromiumLikeCapabilities, Key};

use crate::skips::skip;

/// The time after which a test fails. Only failures reach it.
const DEADLINE: Duration = Duration::from_secs(30);

/// Runs a test in a new browser, with or without JavaScript.
///
/// If there is no browser, the test is skipped, which is an error in CI, where one is installed.
pub(crate) fn in_browser(has_scripts: bool, test: impl AsyncFnOnce(&Page)) {
    let (Some(driver), Some(browser)) = (installed(&["chromedriver"]), installed(&BROWSERS)) else {
        let cure = "there is no chromedriver, or no chromium: apt-get install chromium chromium-driver";
        return skip("chromium", cure);
    };
    if ("localhost", 0).to_socket_addrs().is_err() {
        let why = "this machine does not know the name localhost, and chromedriver needs it: add it to /etc/hosts";
        return skip("localhost", why);
    }
    // In this order, so that they are dropped in the reverse order, even after a panic: the
    // session, the processes, the folder.
    let profile = Folder::new();
    let processes = Processes::start(&driver, profile.path());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // The driver is reached over plain HTTP, but reqwest requires a provider anyway.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    runtime.block_on(async {
        let capabilities = capabilities(&browser, profile.path(), has_scripts).unwrap();
        let direct = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .timeout(DEADLINE * 2)
            .build()
            .unwrap();
        let session = WebDriver::builder(&processes.url, capabilities)
            .client(direct)
            .connect()
            .await;
        let page = Page(session.expect("the driver starts the browser"));
        let version = page.0.capabilities().get("browserVersion").and_then(Value::as_str);
        say(&format!(
            "in {} {}",
            browser.display(),
            version.unwrap_or("of no known version")
        ));
        page.0.set_page_load_timeout(DEADLINE).await.unwrap();
        test(&page).await;
        page.0.quit().await.unwrap();
    });
}

/// Prints a line in any case: the output of passing tests is discarded, but that of the stream
/// itself is not.
fn say(text: &str) {
    let test = thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(stderr(), "{test}: {text}");
}

fn installed(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let mut paths = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    paths.find(|path| path.is_file())
}

const MOST_STARTS: usize = 4;
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

fn capabilities(browser: &Path, profile: &Path, has_scripts: bool) -> WebDriverResult<ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    capabilities.set_binary(browser.to_str().unwrap_or_default())?;
    for argument in [
        "--headless=new",
        // Its sandbox does not work for root, nor in most containers. No foreign sites are visited.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-crash-reporter",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-proxy-server",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
        "--window-size=1000,1000",
        &format!("--user-data-dir={}", profile.display()),
    ] {
        capabilities.add_arg(argument)?;
    }
    if !has_scripts {
        let blocked = json!({"profile.managed_default_content_settings.javascript": 2});
        capabilities.add_experimental_option("prefs", blocked)?;
    }
    capabilities.set("goog:loggingPrefs", json!({"browser": "ALL", "performance": "ALL"}))?;
    Ok(capabilities)
}

/// A driver and the browser that it starts: one process group, which ends when this is dropped.
///
/// A shell leads the group, and ends it when the shell's input ends. That happens when this process
/// ends, even if it is killed.
struct Processes {
    url: String,
    driver: Child,
}

impl Processes {
    fn start(driver: &Path, home: &Path) -> Self {
        // A driver ends at once if the port that is free at one loopback address is taken at the
        // other.
        let mut starts = (0..MOST_STARTS).map(|_| Self::start_once(driver, home));
        starts.find_map(|started| started).expect("the driver reports its port")
    }

    /// Returns `None` if the driver ends before it reports its port.
    fn start_once(driver: &Path, home: &Path) -> Option<Self> {
        let script = r#""$@" </dev/null & exec >&- 2>&-; read -r _; kill -KILL 0"#;
        let mut driver = Command::new("/bin/sh")
            .args(["-c", script, "sh"])
            .arg(driver)
            .args(["--port=0", "--log-level=WARNING"])
            // Files that a browser leaves in a home are left in the test's folder.
            .env("HOME", home)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_DATA_HOME")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the driver starts");
        let stdout = driver.stdout.take().expect("it is piped");
        let mut processes = Self {
            url: String::new(),
            driver,
        };
        let (tell, reported) = mpsc::channel();
        // The thread reads to the end, so that the driver is never blocked.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    let _ = tell.send(port.trim_end_matches('.').to_owned());
                }
            }
        });
        let port = match reported.recv_timeout(DEADLINE) {
            Err(RecvTimeoutError::Disconnected) => return None,
            port => port.expect("the driver reports its port in time"),
        };
        processes.url = format!("http://127.0.0.1:{port}");
        Some(processes)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        drop(self.driver.stdin.take());
        let _ = self.driver.wait();
    }
}

/// A folder for one test, removed at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "browser-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        // Not below the checkout, which other users may be able to change: the application rejects
        // such a folder for its tenants.
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The page in the browser.
pub(crate) struct Page(WebDriver);

impl Page {
    pub(crate) async fn open(&self, url: &str) {
        self.0.goto(url).await.unwrap();
    }

    /// Returns the first element that the selector names, as soon as it exists.
    pub(crate) async fn find(&self, css: &str) -> WebElement {
        let found = self
            .0
            .query(By::Css(css))
            .wait(DEADLINE, Duration::from_millis(20))
            .first()
            .await;
        match found {
            Ok(element) => element,
            Err(error) => panic!(
                "{css}: {error}\nat {}\n{}\n{:#?}",
                self.url().await,
                self.0.source().await.unwrap_or_default(),
                self.complaints().await
            ),
        }
    }

    pub(crate) async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap()
    }

    /// Returns the texts of all elements that the selector names.
    pub(crate) async fn texts(&self, css: &str) -> Vec<String> {
        self.find(css).await;
        let mut texts = Vec::new();
        for element in self.0.find_all(By::Css(css)).await.unwrap() {
            texts.push(element.text().await.unwrap());
        }
        texts
    }

    pub(crate) async fn has(&self, css: &str) -> bool {
        !self.0.find_all(By::Css(css)).await.unwrap().is_empty()
    }

    /// Moves from one element to the next by the keyboard until this one has the focus, and presses
    /// Enter there.
    pub(crate) async fn enter_at(&self, css: &str) {
        let wanted = self.find(css).await;
        for _ in 0..MOST_TABS {
            if self.0.active_element().await.unwrap() == wanted {
                return wanted.send_keys(Key::Enter).await.unwrap();
            }
            self.press(Key::Tab).await;
        }
        panic!("{css} is not reached by {MOST_TABS} tabs");
    }

    async fn press(&self, key: Key) {
        self.0.action_chain().send_keys(key).perform().await.unwrap();
    }

    pub(crate) async fn back(&self) {
        self.0.back().await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.0.refresh().await.unwrap();
    }

    pub(crate) async fn url(&self) -> String {
        self.0.current_url().await.unwrap().to_string()
    }

    /// Deletes the cookies of another site, and stays on the page.
    pub(crate) async fn forget_cookies(&self, url: &str) {
        let forget = || async {
            self.0.goto(url).await?;
            self.0.delete_all_cookies().await
        };
        self.0.in_new_tab(forget).await.unwrap();
    }

    /// Returns the cookies of the page's host without their values.
    pub(crate) async fn cookies(&self) -> Vec<Value> {
        let cookies = self.0.get_all_cookies().await.unwrap();
        let cookies = cookies.iter().map(|cookie| {
            json!([
                cookie.name,
                cookie.path,
                cookie.http_only,
                cookie.same_site,
                cookie.secure,
                cookie.value.len()
            ])
        });
        cookies.collect()
    }

    /// Returns the browser's complaints since the last call, including violations of a policy.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.0.get_log("browser").await.unwrap();
        log.into_iter().map(|entry| entry.message).collect()
    }

    /// Returns the addresses with this prefix that the browser requested, including redirects,
    /// which no page shows.
    pub(crate) async fn visited(&self, start: &str) -> Vec<String> {
        let log = self.0.get_log("performance").await.unwrap();
        let events = log
            .iter()
            .map(|entry| serde_json::from_str::<Value>(&entry.message).unwrap());
        let sent = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        let urls = sent.filter_map(|event| event["message"]["params"]["request"]["url"].as_str().map(str::to_owned));
        urls.filter(|url| url.starts_with(start)).collect()
    }

    /// Saves a picture among the artifacts of the build.
    pub(crate) async fn keep_picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("artifacts");
        fs::create_dir_all(&folder).unwrap();
        let picture = self.0.screenshot_as_png().await.unwrap();
        fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    /// Sets the width of the page, with the full height of its contents, in light or dark colours.
    pub(crate) async fn resize(&self, width: u32, is_dark: bool) {
        let tools = self.0.cdp();
        let scheme = if is_dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        tools.send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
        let mut height = 800;
        // The height depends on the width.
        for _ in 0..2 {
            let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
            tools
                .send_raw("Emulation.setDeviceMetricsOverride", metrics)
                .await
                .unwrap();
            height = self.size().await.1;
        }
    }

    /// Returns the width and the height of the contents, visible or not.
    pub(crate) async fn size(&self) -> (u64, u64) {
        let script = "const all = document.documentElement; return [all.scrollWidth, all.scrollHeight]";
        let size = self.0.execute(script, Vec::new()).await.unwrap();
        size.convert().unwrap()
    }

    /// Returns the boolean result of a script.
    pub(crate) async fn is(&self, script: &str) -> bool {
        let returned = self.0.execute(script, Vec::new()).await.unwrap();
        returned.convert().unwrap()
    }

    /// Returns the role and the name of each element, as screen readers receive them.
    pub(crate) async fn accessible(&self) -> Vec<(String, String)> {
        let tree = self
            .0
            .cdp()
            .send_raw("Accessibility.getFullAXTree", json!({}))
            .await
            .unwrap();
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        let nodes = tree["nodes"].as_array().unwrap().iter();
        nodes.map(|node| (text(&node["role"]), text(&node["name"]))).collect()
    }

    /// Returns the source of the page, including changes by its scripts.
    pub(crate) async fn source(&self) -> String {
        self.0.source().await.unwrap()
    }
}

const MOST_TABS: usize = 30;
