//! A server that answers by a table of routes, and the command beside it.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

/// A running server.
pub struct Fake {
    pub url: String,
    pub dir: tempfile::TempDir,
    routes: Arc<Routes>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Routes {
    answers: Mutex<BTreeMap<String, (u16, String)>>,
    asked: Mutex<Vec<(String, String, Vec<u8>)>>,
}

async fn handle(State(routes): State<Arc<Routes>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 64 << 20).await.unwrap_or_default();
    let line = format!("{} {}", head.method, head.uri);
    let token =
        head.headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    routes.asked.lock().unwrap().push((line.clone(), token, body.to_vec()));
    let answer = routes.answers.lock().unwrap().get(&line).cloned();
    let (status, body) = answer.unwrap_or((404, String::new()));
    Response::builder().status(status).header("etag", "\"e\"").body(Body::from(body)).unwrap()
}

impl Fake {
    pub fn start() -> Self {
        let routes = Arc::new(Routes::default());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(handle).with_state(routes.clone());
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, dir: tempfile::tempdir().unwrap(), routes, _runtime: runtime }
    }

    /// What a route answers from now on.
    pub fn on(&self, line: &str, status: u16, body: impl ToString) {
        self.routes.answers.lock().unwrap().insert(line.to_owned(), (status, body.to_string()));
    }

    /// Lines, credentials and bodies that were asked since the last time.
    pub fn asked(&self) -> Vec<(String, String, Vec<u8>)> {
        std::mem::take(&mut *self.routes.asked.lock().unwrap())
    }

    /// Runs a command that is told where this server is.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let env = [
            ("HEADWATER_ADMIN_URL", &*self.url),
            ("HEADWATER_ADMIN_TOKEN", "hw_admin_token"),
            ("HEADWATER_DATA_URL", &*self.url),
            ("HEADWATER_API_KEY", "hw_api_key"),
            ("HEADWATER_NAMESPACE", "live"),
        ];
        headwater(self.dir.path(), &env, arguments)
    }
}

/// What a command did.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// What it says when it fails.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "{} {}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "a failure prints no result");
        self.stderr
    }
}

/// Runs the binary in `dir`, with nothing in its environment but `env`.
pub fn headwater(dir: &Path, env: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.args(arguments).current_dir(dir).env_clear().envs(env.iter().copied()).stdin(Stdio::null());
    command.env("HOME", dir);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}
