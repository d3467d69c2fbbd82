//! Each method is its route; pages are followed; names cannot leave their place.

use crate::fake::{Fake, quick};
use futures_util::TryStreamExt;
use headwater_client::{
    Admin, Error, RetryPolicy,
    admin::Scope,
    api::{NewKey, NewMetaMember, NewPurge},
    settings::{NamespaceSettings, Permission},
};
use serde_json::{Value, json};
use std::time::Duration;

fn admin(fake: &Fake) -> Admin {
    Admin::builder().retry(quick()).admin(&fake.url, "hw_admin_token").unwrap()
}

fn namespace(name: &str) -> Value {
    json!({"name": name, "id": 1, "version": 7, "created_at": "t", "updated_at": "t", "usage": null,
        "default_ttl": 60, "a_field_of_a_newer_server": true})
}

fn purge(done: bool) -> Value {
    json!({"id": 3, "namespace": "live", "prefix": "a/", "created_at": "t",
        "finished_at": done.then_some("t"), "shards_done": 1, "shards_total": 2, "removed": 5})
}

const NODE: &str = r#"{"id":3,"incarnation":1,"zone":"a","address":"x:1","state":"draining","alive":true,
    "heard_ms_ago":1,"metadata_version":1,"hot_bytes":0,"hot_capacity_bytes":1,"shards_head":0,"shards_insync":0,
    "shards_syncing":0,"shards_retiring":0}"#;

#[tokio::test]
async fn namespaces() {
    let fake = Fake::start().await;
    let admin = admin(&fake);
    fake.answers(201, &[], namespace("live").to_string());
    let settings = NamespaceSettings { hot_capacity_bytes: Some(9), ..NamespaceSettings::default() };
    assert_eq!(admin.create_namespace("live", &settings).await.unwrap().settings.default_ttl.as_secs(), 60);
    let asked = fake.asked().remove(0);
    let sent: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!((&sent["name"], &sent["hot_capacity_bytes"]), (&json!("live"), &json!(9)));
    assert_eq!(asked.headers["authorization"], "Bearer hw_admin_token");
    assert_eq!(asked.headers["content-type"], "application/json");
    assert_eq!(asked.line, "POST /v1/namespaces");

    fake.answers(200, &[], namespace("live").to_string());
    admin.update_namespace("live", Some(7), &json!({"default_ttl": null})).await.unwrap();
    let asked = fake.asked().remove(0);
    assert_eq!(
        (&*asked.body, asked.line.as_str()),
        (&br#"{"default_ttl":null}"#[..], "PATCH /v1/namespaces/live")
    );
    assert_eq!(asked.headers["if-match"], "\"7\"");
    assert_eq!(asked.headers["content-type"], "application/merge-patch+json");

    fake.answers(204, &[], "");
    assert_eq!(admin.delete_namespace("live", None, false).await.unwrap().purge, None);
    fake.answers(202, &[], purge(false).to_string());
    assert_eq!(admin.delete_namespace("live", Some(7), true).await.unwrap().purge.unwrap().id, 3);
    let asked = fake.asked();
    let conditions: Vec<_> = asked.iter().map(|call| call.headers.get("if-match")).collect();
    assert_eq!(conditions, [None, Some(&"\"7\"".parse().unwrap())]);
    let lines: Vec<&str> = asked.iter().map(|call| call.line.as_str()).collect();
    assert_eq!(lines, ["DELETE /v1/namespaces/live", "DELETE /v1/namespaces/live?force=true"]);
}

#[tokio::test]
async fn a_deletion_by_name_is_not_sent_again_after_an_unknown_outcome() {
    let fake = Fake::start().await;
    let admin = admin(&fake);
    for version in [None, Some(7)] {
        fake.refuses(503, "outcome_unknown", &[]);
        let error = admin.delete_namespace("live", version, true).await.unwrap_err();
        assert_eq!((error.code(), fake.lines().len()), (Some("outcome_unknown"), 1));
        // Nothing was done: it is safe.
        fake.refuses(503, "metadata_unavailable", &[]);
        fake.answers(204, &[], "");
        admin.delete_namespace("live", version, true).await.unwrap();
        assert_eq!(fake.lines().len(), 2);
    }
    // One by an id that is never used again is.
    fake.refuses(503, "outcome_unknown", &[]);
    fake.answers(204, &[], "");
    admin.remove_node(3).await.unwrap();
    assert_eq!(fake.lines().len(), 2);
}

#[tokio::test]
async fn stale_reads_are_asked_for_where_there_are_any() {
    let fake = Fake::start().await;
    let admin = admin(&fake).stale(true);
    let empty = r#"{"items":[],"cursor":null}"#;
    fake.answers(200, &[], namespace("live").to_string());
    admin.namespace("live").await.unwrap();
    fake.answers(200, &[], NODE);
    admin.node(3).await.unwrap();
    fake.answers(200, &[], purge(true).to_string());
    admin.purge(3).await.unwrap();
    for _ in 0..3 {
        fake.answers(200, &[], empty);
    }
    admin.shards(true).all().await.unwrap();
    admin.keys("live").all().await.unwrap();
    admin.audit().all().await.unwrap();
    fake.answers(204, &[], "");
    admin.remove_node(3).await.unwrap();
    let expected = [
        "GET /v1/namespaces/live?stale=true",
        "GET /v1/nodes/3?stale=true",
        "GET /v1/purges/3?stale=true",
        "GET /v1/shards?state=degraded&stale=true",
        "GET /v1/namespaces/live/keys?stale=true",
        "GET /v1/audit",
        "DELETE /v1/nodes/3",
    ];
    assert_eq!(fake.lines(), expected);
}

#[tokio::test]
async fn adding_a_voter_is_waited_for_longer_than_other_answers() {
    // Accepts and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let builder = Admin::builder().retry(RetryPolicy::none()).idle_timeout(Duration::from_millis(50));
    let admin = builder.admin(&url, "token").unwrap();
    let member = NewMetaMember { id: 4, address: "m:1".into() };
    let adding = admin.add_meta_member(&member);
    tokio::pin!(adding);
    tokio::select! {
        outcome = &mut adding => panic!("{outcome:?}"),
        other = admin.drain_node(3) => assert!(matches!(other, Err(Error::Timeout { .. })), "{other:?}"),
    }
}

#[tokio::test]
async fn pages_are_followed_to_the_end_and_not_in_circles() {
    let fake = Fake::start().await;
    let page =
        |name: &str, cursor: Option<&str>| json!({"items": [namespace(name)], "cursor": cursor}).to_string();
    for round in 0..2 {
        fake.answers(200, &[], page("a", Some("c 1")));
        fake.answers(200, &[], page("b", None));
        let admin = admin(&fake);
        let paged = admin.namespaces("x&y").limit(1);
        let all = if round == 0 { paged.all().await } else { paged.stream().try_collect().await };
        let names: Vec<String> = all.unwrap().into_iter().map(|namespace| namespace.name).collect();
        assert_eq!(names, ["a", "b"]);
        let lines = fake.lines();
        assert_eq!(lines[0], "GET /v1/namespaces?prefix=x%26y&limit=1");
        assert_eq!(lines[1], "GET /v1/namespaces?prefix=x%26y&limit=1&cursor=c+1");
    }
    for _ in 0..2 {
        fake.answers(200, &[], page("a", Some("same")));
    }
    let error = admin(&fake).namespaces("").all().await.unwrap_err();
    assert!(error.to_string().contains("does not advance"), "{error}");
}

#[tokio::test]
async fn keys() {
    let fake = Fake::start().await;
    let admin = admin(&fake);
    let key = json!({"api_key": "hw_k_s", "id": "k", "namespace": "live", "permission": "readwrite", "prefix": "a/",
        "cidrs": [], "digest": false, "created_at": "t", "expires_at": null, "last_used_at": null});
    fake.answers(201, &[], key.to_string());
    let new = NewKey {
        permission: Permission::ReadWrite,
        prefix: Some("a/".into()),
        expires_in_s: Some(60),
        cidrs: Vec::new(),
        digest: false,
        rate_limits: Default::default(),
    };
    assert_eq!(admin.create_key("live", &new).await.unwrap().api_key, "hw_k_s");
    let sent = fake.asked().remove(0);
    let expected = json!({"permission": "readwrite", "prefix": "a/", "expires_in_s": 60, "digest": false});
    assert_eq!(serde_json::from_slice::<Value>(&sent.body).unwrap(), expected);
    let revoked = json!({"id": "k", "version": 9, "confirmed": ["frontend-1"], "pending": []}).to_string();
    for _ in 0..3 {
        fake.answers(200, &[], revoked.clone());
    }
    admin.revoke_key("live", "k", Some(Duration::from_secs(2))).await.unwrap();
    admin.revoke_key(Scope::Admin, "k", Some(Duration::ZERO)).await.unwrap();
    admin.revoke_signing_key("live", "s", None).await.unwrap();
    assert_eq!(
        fake.lines(),
        [
            "DELETE /v1/namespaces/live/keys/k?wait_ms=2000",
            "DELETE /v1/keys/k?wait_ms=0",
            "DELETE /v1/namespaces/live/signing-keys/s"
        ]
    );
    // Making a key twice would leave one that nobody knows: an unknown outcome is not repeated.
    fake.refuses(503, "outcome_unknown", &[]);
    assert!(admin.create_key(Scope::Admin, &new).await.is_err());
    assert_eq!(fake.lines(), ["POST /v1/keys"]);
    fake.refuses(503, "metadata_unavailable", &[]);
    fake.answers(201, &[], key.to_string());
    assert!(admin.create_key("live", &new).await.is_ok());
    assert_eq!(fake.lines().len(), 2);
}

#[tokio::test]
async fn the_other_routes() {
    let fake = Fake::start().await;
    let admin = admin(&fake);
    let empty = r#"{"items":[],"cursor":null}"#;
    for answer in [NODE, "", "{}", ""] {
        fake.answers(200, &[], answer);
    }
    admin.node(3).await.unwrap();
    admin.drain_node(3).await.unwrap();
    admin.activate_node(3).await.unwrap();
    admin.remove_node(3).await.unwrap();
    for _ in 0..6 {
        fake.answers(200, &[], empty);
    }
    admin.shards(true).all().await.unwrap();
    admin.shards(false).all().await.unwrap();
    admin.objects("live", "a/").all().await.unwrap();
    admin.channels("live").all().await.unwrap();
    admin.audit().all().await.unwrap();
    admin.signing_keys("live").all().await.unwrap();
    for _ in 0..4 {
        fake.answers(200, &[], "{}");
    }
    admin.add_meta_member(&NewMetaMember { id: 4, address: "m:1".into() }).await.unwrap();
    admin.remove_meta_member(4).await.unwrap();
    admin.fence_zone("b").await.unwrap();
    admin.unfence_zone("b").await.unwrap();
    fake.answers(202, &[], purge(false).to_string());
    fake.answers(200, &[], purge(true).to_string());
    let job = admin.start_purge("live", &NewPurge { prefix: "a/".into(), block: true }).await.unwrap();
    assert!(admin.purge(job.id).await.unwrap().finished_at.is_some());
    let expected = [
        "GET /v1/nodes/3",
        "POST /v1/nodes/3/drain",
        "POST /v1/nodes/3/activate",
        "DELETE /v1/nodes/3",
        "GET /v1/shards?state=degraded",
        "GET /v1/shards",
        "GET /v1/namespaces/live/objects?prefix=a%2F",
        "GET /v1/namespaces/live/channels",
        "GET /v1/audit",
        "GET /v1/namespaces/live/signing-keys",
        "POST /v1/cluster/meta",
        "DELETE /v1/cluster/meta/4",
        "POST /v1/cluster/zones/b/fence",
        "DELETE /v1/cluster/zones/b/fence",
        "POST /v1/namespaces/live/purge",
        "GET /v1/purges/3",
    ];
    assert_eq!(fake.lines(), expected);
}

#[tokio::test]
async fn names_stay_one_segment_and_strange_answers_are_named() {
    let fake = Fake::start().await;
    let admin = admin(&fake);
    for wrong in ["", ".", ".."] {
        assert!(matches!(admin.delete_namespace(wrong, None, true).await, Err(Error::Url(_))), "{wrong:?}");
        assert!(matches!(admin.keys(wrong).all().await, Err(Error::Url(_))), "{wrong:?}");
    }
    assert!(fake.lines().is_empty());
    fake.refuses(404, "not_found", &[]);
    assert!(admin.namespace("a/../b").await.is_err());
    assert_eq!(fake.lines(), ["GET /v1/namespaces/a%2F..%2Fb"]);
    fake.answers(200, &[], "<html>");
    let error = admin.cluster().await.unwrap_err();
    assert!(matches!(&error, Error::Answer(_)) && error.to_string().contains("/v1/cluster"), "{error}");
}
