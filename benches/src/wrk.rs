//! Closed-loop GETs by `wrk`: a light client, so that the server's cost is what shows.

use crate::target::Target;
use anyhow::{Context, ensure};
use std::process::Stdio;
use tokio::process::Command;

const CONNECTIONS: u32 = 16;

/// GETs one object for `seconds` over 16 connections and gives the requests per second.
///
/// # Errors
/// `wrk` fails, or any answer is an error or is cut.
pub async fn get(target: &Target, name: &str, seconds: u32) -> anyhow::Result<f64> {
    let url = format!("http://{}{}", target.address, Target::path(name));
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s")]);
    wrk.args(["-H", &format!("Authorization: {}", target.read_key)]).arg(&url);
    // Killed when this future is dropped by an interrupt.
    let output = wrk.stdin(Stdio::null()).kill_on_drop(true).output().await.context("start wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk: {}", String::from_utf8_lossy(&output.stderr));
    parse(&text).with_context(|| format!("{}: wrk {url}:\n{text}", target.kind))
}

/// Requests per second in wrk's report, if all of them went well.
fn parse(report: &str) -> anyhow::Result<f64> {
    for trouble in ["Socket errors:", "Non-2xx or 3xx responses:"] {
        ensure!(!report.contains(trouble), "wrk met errors");
    }
    let rate = report.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    rate.context("no rate in wrk's report")?.trim().parse().context("the rate in wrk's report")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "Running 1s test @ http://127.0.0.1:1/x\n  1 threads and 16 connections\n  \
        Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency   210.94us  119.17us   6.31ms   95.32%\n    \
        Req/Sec    73.30k     3.50k   77.41k    81.82%\n  80227 requests in 1.10s, 339.54MB read\n\
        Requests/sec:  72967.54\nTransfer/sec:    308.81MB\n";

    #[test]
    fn reads_the_rate_of_a_clean_run_only() {
        assert_eq!(parse(REPORT).unwrap(), 72967.54);
        assert!(parse(&format!("{REPORT}  Non-2xx or 3xx responses: 3\n")).is_err());
        assert!(parse(&format!("{REPORT}  Socket errors: connect 0, read 1, write 0, timeout 0\n")).is_err());
        assert!(parse("").is_err());
    }
}
