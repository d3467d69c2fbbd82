//! nginx as the peer: one worker, sendfile, files in memory, uploads by WebDAV.

use crate::{
    machine,
    process::Server,
    target::{Kind, Target},
};
use anyhow::{Context, ensure};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
};
use tokio::{net::TcpStream, process::Command};

/// Beside `PATH`, which may lack the `sbin` folders.
const PROGRAMS: [&str; 2] = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"];

/// Starts nginx with a configuration of its own and waits until it listens.
///
/// # Errors
/// It is not installed, lacks WebDAV or does not start.
pub async fn start() -> anyhow::Result<Target> {
    let program =
        PROGRAMS.into_iter().map(Path::new).find(|path| path.exists()).unwrap_or(Path::new("nginx"));
    let version = Command::new(program).arg("-V").output().await.context("nginx is not installed")?;
    let modules = String::from_utf8_lossy(&version.stderr);
    ensure!(modules.contains("http_dav_module"), "this nginx lacks the WebDAV module");

    let files =
        tempfile::Builder::new().prefix("headwater-bench-nginx-").tempdir_in(machine::memory_folder())?;
    let dir = files.path();
    for folder in ["root", "temporary"] {
        fs::create_dir(dir.join(folder))?;
    }
    let address = free_address()?;
    let config = dir.join("nginx.conf");
    fs::write(&config, configuration(dir, address, rustix::process::geteuid().is_root()))?;
    let arguments = ["-p".as_ref(), dir.as_os_str(), "-c".as_ref(), config.as_os_str()];
    let mut server = Server::start("nginx", program, arguments, &dir.join("log"))?;
    server.wait_for(async || TcpStream::connect(address).await.ok()).await?;
    Ok(Target::new(Kind::Nginx, address, "none".to_owned(), "none".to_owned(), server, files))
}

/// A loopback address that was free just now.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// nginx would give up root for a user that cannot enter the folder.
fn configuration(dir: &Path, address: SocketAddr, is_root: bool) -> String {
    let dir = dir.display();
    let user = if is_root { "user root;\n" } else { "" };
    format!(
        "{user}daemon off;
worker_processes 1;
worker_rlimit_nofile 8192;
pid {dir}/pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_timeout 600;
  keepalive_requests 1000000000;
  client_max_body_size 20m;
  client_body_temp_path {dir}/temporary;
  proxy_temp_path {dir}/temporary;
  fastcgi_temp_path {dir}/temporary;
  uwsgi_temp_path {dir}/temporary;
  scgi_temp_path {dir}/temporary;
  types {{ video/mp2t ts; application/vnd.apple.mpegurl m3u8; }}
  server {{
    listen {address} backlog=1024;
    root {dir}/root;
    dav_methods PUT DELETE;
    create_full_put_path on;
  }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn serves_what_was_uploaded() {
        // Only where it is installed, as the project's own test run sees to.
        let target = start().await.unwrap();
        let body: Arc<[u8]> = vec![7; 4096].into();
        target.prepare("a.ts", &body).await.unwrap();
        assert!(crate::put::closed_loop(&target, &body).await.unwrap() > 0.0);
        assert!(crate::wrk::get(&target, "a.ts", 1).await.unwrap() > 0.0);
        assert!(crate::wrk::get(&target, "absent.ts", 1).await.is_err(), "errors must not be measured");
    }
}
