//! The access log: one line for each answer, without a secret in it.

use crate::support::Bench;
use axum::body::Body;
use headwater_frontend::FrontendConfig;
use headwater_meta::NamespaceSettings;
use headwater_telemetry::AccessLog;
use http::Request;
use serde_json::Value;

#[tokio::test]
async fn a_line_for_each_answer_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = AccessLog::file(&path).unwrap();
    let bench = Bench::logged(FrontendConfig::default(), NamespaceSettings::default(), log.clone());
    let put = bench.put("a/v_1.ts", "hello", &[("user-agent", "Lavf/59")]).await;
    let uri = format!("/cache/live/absent.ts?token={}&x=1", bench.reader);
    bench.send(Request::get(uri).body(Body::empty()).unwrap()).await;
    log.shutdown();

    let text = std::fs::read_to_string(&path).unwrap();
    for secret in [&bench.writer, &bench.reader] {
        assert!(!text.contains(secret.rsplit('_').next().unwrap()));
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for (line, field, want) in [
        (&lines[0], "request_id", Value::from(put.header("x-request-id"))),
        (&lines[0], "namespace", "live".into()),
        (&lines[0], "key", "a/v_1.ts".into()),
        (&lines[0], "method", "PUT".into()),
        (&lines[0], "status", 201.into()),
        (&lines[0], "bytes_in", 5.into()),
        (&lines[0], "user_agent", "Lavf/59".into()),
        (&lines[0], "key_id", bench.writer.split('_').nth(1).unwrap().into()),
        (&lines[0], "code", Value::Null),
        (&lines[1], "status", 404.into()),
        (&lines[1], "code", "not_found".into()),
        (&lines[1], "cut", false.into()),
    ] {
        assert_eq!(line[field], want, "{field}");
    }
}
