//! Commands that need no cluster.

use crate::fake::{Ran, headwater};
use serde_json::{Value, json};
use std::fs;

const NODE: &str = "id = 3\nzone = \"a\"\ndata_dir = \"data\"\nlisten = \"127.0.0.1:9001\"\n\
    admin_listen = \"127.0.0.1:9002\"\nmeta = [\"m:1\"]\nhot_capacity_bytes = 67108864\n\
    [log]\notlp_endpoint = \"http://user:verysecret@otlp:4317\"\n";

fn run(dir: &tempfile::TempDir, arguments: &[&str]) -> Ran {
    headwater(dir.path(), &[], arguments)
}

#[test]
fn the_tutorials_ladder_is_sized() {
    let dir = tempfile::tempdir().unwrap();
    let arguments =
        ["size", "--profile", "2500k,1500k,750k", "--segment", "2.5", "--hot", "5m", "--dvr", "7d"];
    let text = run(&dir, &arguments).ok();
    for part in
        ["850 KiB", "500 KiB", "250 KiB", "200 MiB for 5m in each zone", "1h", "7d", "S3", "between zones"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = run(&dir, &[&arguments[..], &["--json"]].concat()).json();
    let classes: Vec<u64> = json["renditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["class_bytes"].as_u64().unwrap() / 1024)
        .collect();
    assert_eq!(classes, [850, 500, 250]);
    assert_eq!(json["hot_capacity_bytes"], 200 << 20);
    let windows: Vec<&Value> = json["dvr"].as_array().unwrap().iter().map(|dvr| &dvr["window_s"]).collect();
    assert_eq!(windows, [3600, 604_800]);
}

#[test]
fn a_configuration_is_checked_and_shown_without_its_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("node.toml");
    fs::write(&file, NODE).unwrap();
    let dump = ["config", "dump", "node", "--config", "node.toml"];
    let text = run(&dir, &dump).ok();
    assert!(
        text.contains("hot_capacity_bytes = 67108864") && text.contains("inflight_bytes_max = 1073741824"),
        "{text}"
    );
    assert!(text.contains("(redacted)@otlp:4317") && !text.contains("verysecret"), "{text}");
    let env = [("HEADWATER_NODE__LOG__FORMAT", "json")];
    let json = headwater(dir.path(), &env, &[&dump[..], &["--json"]].concat()).json();
    assert_eq!((&json["log"]["format"], &json["id"]), (&json!("json"), &json!(3)));
    // What is printed is a file that says the same.
    fs::write(&file, &text).unwrap();
    assert_eq!(run(&dir, &dump).ok(), text);

    fs::write(&file, NODE.replace("67108864", "1")).unwrap();
    let wrong = run(&dir, &dump);
    assert_eq!(wrong.code, Some(64));
    assert!(wrong.stderr.contains("hot_capacity_bytes"), "{}", wrong.stderr);
}

#[test]
fn lists_of_the_environment_are_separated_by_commas() {
    let dir = tempfile::tempdir().unwrap();
    let file = "id = 1\nzone = \"a\"\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n";
    fs::write(dir.path().join("frontend.toml"), file).unwrap();
    let dump = ["config", "dump", "frontend", "--config", "frontend.toml", "--json"];
    let env = [
        ("HEADWATER_FRONTEND__META", "a:1,b:2"),
        ("HEADWATER_FRONTEND__TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.1"),
    ];
    let json = headwater(dir.path(), &env, &dump).json();
    assert_eq!(json["meta"], json!(["a:1", "b:2"]));
    assert_eq!(json["trusted_proxies"], json!(["10.0.0.0/8", "192.0.2.1"]));
}

#[test]
fn urls_and_tokens_are_signed_here() {
    let dir = tempfile::tempdir().unwrap();
    let key = json!({"id": "k1", "secret": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "namespace": "live",
        "created_at": "t"});
    fs::write(dir.path().join("signing.json"), key.to_string()).unwrap();
    let with = ["--signing-key", "signing.json", "--data-url", "http://cdn.example"];
    let sign = |arguments: &[&str]| run(&dir, &[&["sign"][..], arguments, &with[..]].concat());
    let url = sign(&["url", "news/main.m3u8", "--expires", "6h"]).ok();
    assert!(url.starts_with("http://cdn.example/cache/live/news/main.m3u8?hw_exp="), "{url}");
    assert!(url.contains("&hw_prefix=news%2F&hw_kid=k1&hw_sig="), "{url}");
    assert!(sign(&["url", "main.m3u8"]).failed().contains("lies in no folder"));
    assert_eq!(sign(&["url", "main.m3u8", "--prefix", "", "--json"]).json()["prefix"], "");
    let token = sign(&["token", "--prefix", "news/", "--verb", "GET", "--json"]).json();
    assert!(token["token"].as_str().unwrap().starts_with("hwv1."));
    assert_eq!(sign(&["token", "--prefix", "news", "--json"]).json()["prefix"], "news/");
    assert!(sign(&["token", "--prefix", "/news"]).failed().contains("has an empty segment"));
    assert!(sign(&["token", "--prefix", "", "-n", "vod"]).failed().contains("not for vod"));
    fs::write(dir.path().join("signing.json"), "{}").unwrap();
    assert!(sign(&["url", "a/b"]).failed().contains("key signing create"));
}

#[test]
fn the_shell_is_helped() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&dir, &["version"]).ok(), format!("headwater {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(&dir, &["version", "--json"]).json()["version"], env!("CARGO_PKG_VERSION"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(run(&dir, &["completions", shell]).ok().contains("signing"), "{shell}");
    }
    let pages = run(&dir, &["man", "--dir", "man/man1", "--json"]).json();
    let pages = pages.as_array().unwrap();
    assert!(pages.len() > 30 && pages.contains(&json!("headwater-cluster-meta-add.1")), "{pages:?}");
    let page = fs::read_to_string(dir.path().join("man/man1/headwater-size.1")).unwrap();
    assert!(page.contains("size class"), "{page}");
    for help in [&["--help"][..], &["ns", "create", "--help"], &["size", "--help"]] {
        assert!(run(&dir, help).ok().contains("Examples:"), "{help:?}");
    }
    assert_eq!(run(&dir, &["nonsense"]).code, Some(2));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let script =
        format!("set -o pipefail; '{}' completions bash | head -c 10", env!("CARGO_BIN_EXE_headwater"));
    let ran =
        std::process::Command::new("bash").args(["-c", &script]).current_dir(dir.path()).output().unwrap();
    assert_eq!(String::from_utf8(ran.stderr).unwrap(), "");
    assert_eq!(ran.stdout.len(), 10);
    // What recovery prints goes the same way.
    for more in [&[][..], &["--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_headwater"));
        command.args(["backup", "list", "."]).args(more).current_dir(dir.path());
        let ran = command.stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
        assert_eq!(String::from_utf8(ran.stderr).unwrap(), "");
    }
}

#[test]
fn dev_fails_in_json_where_json_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let failed = run(&dir, &["dev", "--json", "--data-dir", "file"]).failed();
    let last = failed.lines().last().unwrap();
    let error: Value = serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {failed}"));
    assert!(error["error"].as_str().unwrap().contains("metadata"), "{error}");
}
