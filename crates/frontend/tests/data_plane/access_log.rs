//! The access log: one line for each answer, without a secret in it.

use crate::support::Bench;
use axum::body::Body;
use headwater_frontend::FrontendConfig;
use headwater_meta::NamespaceSettings;
use headwater_telemetry::AccessLog;
use headwater_types::{NamespaceName, signing::Claims};
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
    let secrets = send_signed(&bench).await;
    let name = format!("p.m3u8%3Ftoken%3D{}", bench.reader);
    bench.get(&name, &[("user-agent", &format!("player/1 (?token={})", bench.reader))]).await;
    log.shutdown();

    let text = std::fs::read_to_string(&path).unwrap();
    for secret in [&bench.writer, &bench.reader] {
        assert!(!text.contains(secret.rsplit('_').next().unwrap()));
    }
    for secret in &secrets {
        assert!(secret.len() > 20 && !text.contains(secret), "{secret} is in the log");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[5]["key"], "p.m3u8?token=REDACTED");
    assert_eq!(lines[5]["user_agent"], "player/1 (?token=REDACTED");
    assert_eq!(lines[1]["kid"], Value::Null);
    let kid = Value::from(bench.signing_key().id.to_string());
    for line in &lines[2..4] {
        assert_eq!(
            (&line["kid"], &line["key_id"], &line["code"]),
            (&kid, &Value::Null, &Value::from("not_found"))
        );
    }
    assert_eq!(lines[4]["code"], "unauthorized");
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

/// A signed URL, a viewer token and a Digest answer; what of them must not be logged.
async fn send_signed(bench: &Bench) -> Vec<String> {
    let key = bench.signing_key();
    let exp = 4_000_000_000;
    let signature = key.sign_url(&NamespaceName::parse("live").unwrap(), "", exp);
    let verbs = vec!["GET".to_owned()];
    let claims = Claims { ns: "live".into(), prefix: String::new(), exp, verbs, kid: key.id.to_string() };
    let token = key.token(&claims);
    let response = "0123456789abcdef0123456789abcdef";
    let digest = format!(
        "Digest username=\"u\", realm=\"live\", nonce=\"n\", uri=\"/cache/live/absent.ts\", qop=auth, \
         nc=00000001, cnonce=\"c\", response=\"{response}\""
    );
    let absent = "/cache/live/absent.ts";
    for (uri, authorization) in [
        (format!("{absent}?hw_exp={exp}&hw_prefix=&hw_kid={}&hw_sig={signature}", key.id), ""),
        (format!("{absent}?token={token}"), ""),
        (absent.to_owned(), &*digest),
    ] {
        let request = Request::get(uri).header("authorization", authorization);
        bench.send(request.body(Body::empty()).unwrap()).await;
    }
    let mut secrets = vec![signature, response.to_owned()];
    secrets.extend(token.split('.').filter(|part| part.len() > 20).map(str::to_owned));
    assert_eq!(secrets.len(), 4);
    secrets
}
