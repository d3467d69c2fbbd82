//! Commands that ask a cluster.

use crate::fake::{Fake, headwater};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt};

fn namespace() -> Value {
    json!({"name": "live", "id": 1, "version": 7, "created_at": "2026-01-01T00:00:00Z", "updated_at": "t",
        "usage": {"bytes": 2048, "objects": 3}, "default_ttl": 3600, "hot_capacity_bytes": 209_715_200})
}

fn page(items: &[Value]) -> Value {
    json!({"items": items, "cursor": null})
}

fn purge(done: bool) -> Value {
    json!({"id": 3, "namespace": "live", "prefix": "a/", "created_at": "t", "finished_at": done.then_some("t"),
        "shards_done": 512, "shards_total": 1024, "removed": 5})
}

fn refusal(status: u16, code: &str) -> Value {
    json!({"type": "urn:x", "title": "t", "status": status, "detail": "the detail", "code": code})
}

#[test]
fn namespaces_are_made_listed_shown_and_changed() {
    let fake = Fake::start();
    fake.on("POST /v1/namespaces", 201, namespace());
    let arguments = ["ns", "create", "live", "--hot-capacity", "200MiB", "--ttl-rule", "**/*.m3u8=30s"];
    let text = fake.run(&arguments).ok();
    assert!(text.contains("hot capacity") && text.contains("200 MiB"), "{text}");
    let (_, token, body) = fake.asked().remove(0);
    assert_eq!(token, "Bearer hw_admin_token");
    let sent: Value = serde_json::from_slice(&body).unwrap();
    let rules = json!([{"glob": "**/*.m3u8", "value": 30}]);
    assert_eq!(sent, json!({"name": "live", "hot_capacity_bytes": 209_715_200, "ttl_rules": rules}));

    fake.on("GET /v1/namespaces", 200, page(&[namespace()]));
    let table = fake.run(&["ns", "list"]).ok();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("NAME") && lines[1].starts_with("live") && lines.len() == 2, "{table}");
    assert!(!table.contains('\x1b'), "a pipe gets no colours");
    assert_eq!(fake.run(&["ns", "list", "--json"]).json()[0]["usage"]["objects"], 3);

    fake.on("GET /v1/namespaces/live", 200, namespace());
    fake.on("PATCH /v1/namespaces/live", 200, namespace());
    fake.asked();
    fake.run(&[
        "ns",
        "update",
        "live",
        "--hot-capacity",
        "none",
        "--digest",
        "--cors-origin",
        "https://a.example",
        "--read-bytes-per-s",
        "none",
        "--write-requests-per-s",
        "9",
        "--stale-after",
        "1m",
    ])
    .ok();
    let sent: Value = serde_json::from_slice(&fake.asked()[1].2).unwrap();
    let cors = json!({"allowed_origins": ["https://a.example"]});
    let limits = json!({"read_bytes_per_s": null, "write_requests_per_s": 9});
    let expected = json!({"hot_capacity_bytes": null, "digest": true, "cors": cors, "rate_limits": limits,
        "stale_after": 60});
    assert_eq!(sent, expected);
    assert!(fake.run(&["ns", "update", "live"]).failed().contains("no setting was given"));

    // What `show` prints can be given to `create`.
    let shown = fake.dir.path().join("live.json");
    fs::write(&shown, fake.run(&["ns", "show", "live", "--json"]).ok()).unwrap();
    fake.asked();
    fake.run(&["ns", "create", "copy", "--settings", shown.to_str().unwrap()]).ok();
    let sent: Value = serde_json::from_slice(&fake.asked()[0].2).unwrap();
    assert_eq!(
        (&sent["name"], &sent["id"], &sent["default_ttl"]),
        (&json!("copy"), &Value::Null, &json!(3600))
    );
}

#[test]
fn deleting_asks_where_something_would_be_lost() {
    let fake = Fake::start();
    fake.on("DELETE /v1/namespaces/live", 409, refusal(409, "not_empty"));
    assert!(fake.run(&["ns", "delete", "live"]).failed().contains("--force"));
    fake.asked();
    assert!(fake.run(&["ns", "delete", "live", "--force"]).failed().contains("--yes"));
    assert!(fake.asked().is_empty(), "nothing was sent");
    fake.on("DELETE /v1/namespaces/live?force=true", 202, purge(false));
    fake.on("GET /v1/purges/3", 200, purge(true));
    let done = fake.run(&["ns", "delete", "live", "--force", "--yes", "--wait"]).ok();
    assert_eq!(done, "deleted live with 5 objects\n");
    let job = fake.run(&["ns", "delete", "live", "--force", "--yes", "--json"]).json();
    assert_eq!((&job["deleted"], &job["purge"]["id"]), (&json!("live"), &json!(3)));
    fake.on("DELETE /v1/namespaces/live", 412, refusal(412, "precondition_failed"));
    let changed = fake.run(&["ns", "delete", "live", "--if-version", "6"]).failed();
    assert!(changed.contains("Somebody changed it"), "{changed}");
}

#[test]
fn a_key_is_written_once_into_a_file_of_its_own() {
    let fake = Fake::start();
    let limits = json!({"read_requests_per_s": 5, "read_bytes_per_s": null, "write_requests_per_s": null,
        "write_bytes_per_s": 10 << 20});
    let key = json!({"api_key": "hw_k_verysecret", "id": "k", "namespace": "live", "permission": "readwrite",
        "prefix": null, "cidrs": [], "digest": false, "rate_limits": &limits, "created_at": "t", "expires_at": null,
        "last_used_at": null});
    fake.on("POST /v1/namespaces/live/keys", 201, &key);
    let path = fake.dir.path().join("encoder.json");
    let create = ["key", "create", "live", "--permission", "readwrite", "--expires", "30d", "--out"];
    let limited = ["--read-requests-per-s", "5", "--write-bytes-per-s", "10MiB"];
    let create = [&create[..], &[path.to_str().unwrap()], &limited].concat();
    let said = fake.run(&create);
    assert!(!said.stdout.contains("verysecret") && !said.stderr.contains("verysecret"));
    said.ok();
    let sent: Value = serde_json::from_slice(&fake.asked()[0].2).unwrap();
    assert_eq!(
        sent,
        json!({"permission": "readwrite", "expires_in_s": 2_592_000, "digest": false, "rate_limits": limits})
    );
    let written: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(written, key);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    // A file that is there is never overwritten, and no key is made for it.
    assert!(fake.run(&create).failed().contains("must be new"));
    assert!(fake.asked().is_empty());
    // A refusal leaves no file behind.
    fake.on("POST /v1/keys", 403, refusal(403, "forbidden"));
    let none = fake.dir.path().join("none.json");
    let failed = fake.run(&["key", "create", "--admin", "--out", none.to_str().unwrap()]).failed();
    assert!(failed.contains("the detail") && !none.exists(), "{failed}");
    // Without a file, on standard output.
    let shown = fake.run(&["key", "create", "live", "--permission", "readonly"]).json();
    assert_eq!(shown["api_key"], "hw_k_verysecret");
}

#[test]
fn revoking_says_who_has_confirmed() {
    let fake = Fake::start();
    let revoked = |pending: &[&str]| {
        json!({"id": "k", "version": 9, "confirmed": ["frontend-1"], "pending": pending, "silent": [],
            "frontends_known": true})
    };
    fake.on("DELETE /v1/namespaces/live/keys/k", 200, revoked(&["frontend-2"]));
    assert!(fake.run(&["key", "revoke", "live", "k"]).ok().contains("frontend-2"));
    fake.on("DELETE /v1/namespaces/live/keys/k?wait_ms=5000", 200, revoked(&[]));
    fake.run(&["key", "revoke", "live", "k", "--wait"]).ok();
    fake.on("DELETE /v1/keys/k?wait_ms=100", 200, revoked(&["frontend-2"]));
    let late = fake.run(&["key", "revoke", "--admin", "k", "--wait", "100ms", "--json"]);
    assert_eq!(late.code, Some(1));
    assert!(late.stderr.contains("not every frontend") && late.stdout.contains("frontend-1"));
    assert!(fake.run(&["key", "revoke", "k"]).failed().contains("--admin"));

    // Nobody has confirmed, one is silent, or nobody knows: without --wait that is said, with it it is a failure.
    for (field, value, said) in [
        ("confirmed", json!([]), "no frontend has confirmed"),
        ("silent", json!(["frontend-7"]), "not every frontend has confirmed: frontend-7"),
        ("frontends_known", json!(false), "does not say which frontends"),
    ] {
        let mut answer = revoked(&[]);
        answer[field] = value;
        fake.on("DELETE /v1/namespaces/live/keys/k", 200, &answer);
        fake.run(&["key", "revoke", "live", "k"]).ok();
        fake.on("DELETE /v1/namespaces/live/keys/k?wait_ms=10000", 200, &answer);
        let late = fake.run(&["key", "revoke", "live", "k", "--wait", "10s"]);
        assert_eq!(late.code, Some(1), "{field}");
        assert!(late.stderr.contains(said), "{}", late.stderr);
    }
    fake.asked();
    let long = fake.run(&["key", "revoke", "live", "k", "--wait", "11s"]);
    assert_eq!(long.code, Some(2));
    assert!(long.stderr.contains("at most 10s") && fake.asked().is_empty(), "{}", long.stderr);
}

#[test]
fn objects_come_and_go() {
    let fake = Fake::start();
    let path = |name: &str| fake.dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("in.ts"), "segment").unwrap();
    fake.on("PUT /cache/live/a/x.ts?ttl_seconds=300", 201, "");
    let stored = fake.run(&["object", "put", "a/x.ts", &path("in.ts"), "--ttl", "5m", "--json"]).json();
    assert_eq!(stored, json!({"object": "a/x.ts", "bytes": 7, "created": true, "etag": "\"e\""}));
    let (_, key, body) = fake.asked().remove(0);
    assert_eq!((key.as_str(), &*body), ("Bearer hw_api_key", &b"segment"[..]));

    fake.on("GET /cache/live/a/x.ts", 200, "segment");
    assert_eq!(fake.run(&["object", "get", "a/x.ts", "-"]).ok(), "segment");
    fake.run(&["object", "get", "a/x.ts"]).ok();
    assert_eq!(fs::read_to_string(path("x.ts")).unwrap(), "segment");
    let none = fake.run(&["object", "get", "a/none.ts", &path("none.ts")]);
    assert!(none.failed().contains("404"));
    assert!(!fs::exists(path("none.ts")).unwrap() && !fs::exists(path("none.ts.part")).unwrap());

    let object = json!({"name": "a/x.ts", "size": 7, "etag": "\"e\"", "content_type": "video/mp2t",
        "last_modified": "t", "expires_at": "t", "tier": "hot"});
    let listing = json!({"objects": [object], "prefixes": ["a/b/"], "cursor": null});
    fake.on("GET /cache/live?list&prefix=a%2F&delimiter=/", 200, &listing);
    let table = fake.run(&["object", "ls", "a/"]).ok();
    assert!(table.contains("a/b/") && table.contains("7 B") && table.contains("hot"), "{table}");
    assert_eq!(fake.run(&["object", "ls", "a/", "--json"]).json(), listing);
    fake.on("HEAD /cache/live/a/x.ts", 200, "");
    assert_eq!(fake.run(&["object", "stat", "a/x.ts", "--json"]).json()["etag"], "\"e\"");
    assert!(fake.run(&["object", "stat", "a/none.ts"]).failed().contains("there is no object a/none.ts"));
    fake.on("DELETE /cache/live/a/x.ts", 204, "");
    assert_eq!(fake.run(&["object", "rm", "a/x.ts"]).ok(), "removed a/x.ts\n");

    fake.on("POST /v1/namespaces/live/purge", 202, purge(false));
    fake.on("GET /v1/purges/3", 200, purge(true));
    fake.asked();
    assert_eq!(fake.run(&["object", "rm", "--prefix", "a/", "--block"]).ok(), "removed 5 objects\n");
    let (_, token, body) = fake.asked().remove(0);
    assert_eq!(token, "Bearer hw_admin_token");
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), json!({"prefix": "a/", "block": true}));
    assert!(fake.run(&["object", "rm", "--prefix", ""]).failed().contains("--yes"));
}

#[test]
fn the_cluster_and_its_work_are_shown() {
    let fake = Fake::start();
    let node = |shards: u64| {
        json!({"id": 3, "incarnation": 1, "zone": "a", "address": "x:1", "state": "draining", "alive": true,
        "heard_ms_ago": 12, "metadata_version": 1, "hot_bytes": 1024, "hot_capacity_bytes": 2048, "shards_head": 1,
        "shards_insync": shards, "shards_syncing": 0, "shards_retiring": 0})
    };
    let group = json!({"leader": 1, "term": 4, "quorum_ms_ago": 30,
        "members": [{"id": 1, "address": "m1:1", "voter": true, "lag": 0}, {"id": 2, "address": "m2:1", "voter": false, "lag": 7}]});
    let cluster = json!({"id": "c1", "version": 90, "meta": group,
        "zones": [{"name": "a", "nodes": 1, "alive": 1, "hot_capacity_bytes": 2048}], "fenced_zone": null,
        "shards": {"total": 1024, "healthy": 1000, "degraded": 24, "syncing": 0},
        "watchers": [{"name": "frontend-1", "metadata_version": 88, "heard_ms_ago": 5}],
        "moves": {"planned": 4, "under_way": 2}});
    fake.on("GET /v1/cluster", 200, &cluster);
    fake.on("GET /v1/cluster/meta", 200, &group);
    fake.on("GET /v1/nodes", 200, page(&[node(9)]));
    fake.on("GET /v1/purges", 200, page(&[purge(false)]));
    let text = fake.run(&["cluster", "status"]).ok();
    for part in ["c1", "24 degraded", "4 planned, 2 under way", "frontend-1", "learner"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(fake.run(&["cluster", "status", "--json"]).json(), cluster);
    assert!(fake.run(&["cluster", "meta", "status"]).ok().contains("leader"));
    assert!(fake.run(&["cluster", "nodes"]).ok().contains("1 KiB of 2 KiB"));
    let work = fake.run(&["workers"]).ok();
    for part in ["purge 3", "50 %, 512 of 1024 shards", "drain 3", "9 shards left", "moves"] {
        assert!(work.contains(part), "{part}: {work}");
    }
    assert_eq!(fake.run(&["workers", "--json"]).json()["moves"]["planned"], 4);

    fake.on("POST /v1/nodes/3/drain", 200, node(9));
    fake.on("GET /v1/nodes/3", 200, node(0));
    assert_eq!(fake.run(&["cluster", "drain", "3", "--wait", "--json"]).json()["state"], "drained");
    // One that does not come to its end is given up.
    fake.on("GET /v1/nodes/3", 200, node(9));
    let late = fake.run(&["cluster", "drain", "3", "--wait", "--timeout", "1s"]).failed();
    assert!(late.contains("still holds 9 shards after 1s") && late.contains("The drain goes on"), "{late}");
    let shard = json!({"id": 7, "epoch": 2, "head": 1, "insync": [1], "syncing": [], "retiring": [], "state": "degraded"});
    fake.on("GET /v1/shards?state=degraded", 200, page(&[shard]));
    assert!(fake.run(&["cluster", "shards", "--degraded"]).ok().contains("degraded"));
    fake.on("POST /v1/cluster/zones/b/fence", 200, "{}");
    assert!(fake.run(&["cluster", "fence", "b"]).failed().contains("--yes"));
    fake.run(&["cluster", "fence", "b", "--yes"]).ok();
}

#[test]
fn reads_may_be_stale_and_a_cluster_without_voters_is_shown() {
    let fake = Fake::start();
    fake.on("GET /v1/namespaces/live?stale=true", 200, namespace());
    fake.run(&["ns", "show", "live", "--stale"]).ok();
    for (route, command) in [
        ("GET /v1/namespaces?stale=true", &["ns", "list"][..]),
        ("GET /v1/namespaces/live/keys?stale=true", &["key", "list", "live"]),
        ("GET /v1/namespaces/live/signing-keys?stale=true", &["key", "signing", "list", "live"]),
        ("GET /v1/nodes?stale=true", &["cluster", "nodes"]),
        ("GET /v1/shards?stale=true", &["cluster", "shards"]),
    ] {
        fake.on(route, 200, page(&[]));
        fake.run(&[command, &["--stale"]].concat()).ok();
    }
    let cluster = json!({"id": "c1", "version": 90, "meta": null, "zones": [], "fenced_zone": null,
        "shards": {"total": 0, "healthy": 0, "degraded": 0, "syncing": 0}, "watchers": [],
        "moves": {"planned": 0, "under_way": 0}});
    fake.on("GET /v1/cluster?stale=true", 200, &cluster);
    assert!(fake.run(&["cluster", "status", "--stale"]).ok().contains("no voter answers"));
    fake.on("GET /v1/purges?stale=true", 200, page(&[]));
    assert_eq!(fake.run(&["workers", "--stale"]).ok(), "nothing to do\n");
}

#[test]
fn a_connection_that_is_lost_leaves_what_was_asked_open() {
    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        std::io::Read::read(&mut stream, &mut request).unwrap()
    });
    let env = [("HEADWATER_ADMIN_TOKEN", "t"), ("HEADWATER_ADMIN_URL", &*url)];
    let lost = headwater(dir.path(), &env, &["key", "create", "live", "--permission", "readonly"]).failed();
    assert!(lost.contains("may or may not have been done") && lost.contains("key list"), "{lost}");
    assert!(server.join().unwrap() > 0);
}

#[test]
fn errors_say_what_to_do_next() {
    let fake = Fake::start();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let env = [("HEADWATER_ADMIN_TOKEN", "t"), ("HEADWATER_ADMIN_URL", &*url)];
    let nobody = headwater(fake.dir.path(), &env, &["ns", "list"]).failed();
    assert!(nobody.contains("nothing answers") && nobody.contains("Is it running?"), "{nobody}");
    assert!(nobody.contains("--admin-url or HEADWATER_ADMIN_URL"), "{nobody}");

    fake.on("GET /v1/namespaces", 401, refusal(401, "unauthorized"));
    assert!(fake.run(&["ns", "list"]).failed().contains("credentials file"));
    let json = fake.run(&["ns", "list", "--json"]).failed();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["status"], &json["code"]), (&json!(401), &json!("unauthorized")));
    assert!(json["hint"].as_str().unwrap().contains("admin token"));

    fake.on("GET /v1/cluster", 200, "<html>");
    assert!(fake.run(&["cluster", "status"]).failed().contains("two planes"));
    assert!(fake.run(&["cluster", "nodes"]).failed().contains("two planes"), "404 without a code");

    let nothing = headwater(fake.dir.path(), &[], &["ns", "list"]).failed();
    assert!(nothing.contains("where the admin plane is"), "{nothing}");
    let no_token =
        headwater(fake.dir.path(), &[("HEADWATER_ADMIN_URL", "http://x")], &["ns", "list"]).failed();
    assert!(no_token.contains("no admin token"), "{no_token}");
}

#[test]
fn dev_json_is_found_and_named() {
    let fake = Fake::start();
    fake.on("GET /v1/namespaces", 200, page(&[]));
    let dev = json!({"data_url": fake.url, "admin_url": fake.url, "namespace": "live", "encoder_api_key": "hw_e_k",
        "player_api_key": "p", "admin_token": "hw_dev_token"});
    fs::create_dir(fake.dir.path().join("headwater-data")).unwrap();
    fs::write(fake.dir.path().join("headwater-data/dev.json"), dev.to_string()).unwrap();
    let ran = headwater(fake.dir.path(), &[], &["ns", "list", "--json"]);
    assert!(ran.stderr.contains("headwater-data/dev.json"), "{}", ran.stderr);
    assert_eq!(ran.json(), json!([]));
    assert_eq!(fake.asked()[0].1, "Bearer hw_dev_token");
}
