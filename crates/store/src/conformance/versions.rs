//! Cases about one object: versions, tombstones, expiry, removal.

use headwater_types::{NamespaceId, ObjectId};
use std::time::Duration;

use super::{Subject, assert_same, everything};
use crate::tier::TierError;

pub(super) async fn the_larger_version_wins(subject: Subject) {
    let first = subject.sample("a", 5).build();
    subject.assert_absent(&first.object).await;
    assert!(subject.apply(&first).await.is_none());
    subject.assert_holds(&first).await;

    subject.assert_stale(&subject.sample("a", 4).build()).await;
    subject.assert_stale(&first).await;
    subject.assert_holds(&first).await;

    let second = subject.sample("a", 6).build();
    assert_same(&subject.apply(&second).await.expect_replaced(), &first);
    // A larger epoch goes before any sequence number.
    let third = subject.sample("a", 1).epoch(2).build();
    assert_same(&subject.apply(&third).await.expect_replaced(), &second);
    subject.assert_stale(&subject.sample("a", 99).build()).await;
    subject.assert_holds(&third).await;
    assert_eq!(subject.names(everything()).await, ["a"]);
}

pub(super) async fn inserts_in_any_order_and_number_end_alike(subject: Subject) {
    let versions = |key: &str| {
        let one = subject.sample(key, 1).build();
        let two = subject.sample(key, 2).tombstone().build();
        let three = subject.sample(key, 3).body("three").build();
        [one, two, three]
    };
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (n, order) in orders.into_iter().enumerate() {
        let versions = versions(&format!("key-{n}"));
        for at in order.into_iter().chain(order) {
            if let Err(error) = subject.insert(&versions[at]).await {
                panic!("a repeated insert failed: {error}");
            }
        }
        subject.assert_holds(&versions[2]).await;
    }
}

pub(super) async fn one_version_with_two_digests_is_a_conflict(subject: Subject) {
    let first = subject.sample("a", 3).body("one").build();
    subject.apply(&first).await;
    let other = subject.sample("a", 3).body("other").build();
    let conflict =
        TierError::Conflict { object: Box::new(first.object.clone()), version: first.meta.version };
    match subject.insert(&other).await {
        Err(error) => assert_eq!(error, conflict),
        Ok(outcome) => panic!("two digests of one version: {outcome:?}"),
    }
    subject.assert_holds(&first).await;
}

pub(super) async fn tombstones_are_answered_and_not_listed(subject: Subject) {
    let object = subject.sample("a", 1).build();
    subject.apply(&object).await;
    let deleted = subject.sample("a", 2).tombstone().build();
    assert_same(&subject.apply(&deleted).await.expect_replaced(), &object);
    subject.assert_holds(&deleted).await;
    assert!(subject.names(everything()).await.is_empty());
    subject.assert_stale(&object).await;

    let again = subject.sample("a", 3).build();
    assert_same(&subject.apply(&again).await.expect_replaced(), &deleted);
    assert_eq!(subject.names(everything()).await, ["a"]);

    let never_there = subject.sample("b", 1).tombstone().build();
    assert!(subject.apply(&never_there).await.is_none());
    subject.assert_holds(&never_there).await;
}

pub(super) async fn nothing_is_answered_from_its_expiry_on(subject: Subject) {
    let ttl = Duration::from_secs(2);
    let object = subject.sample("a", 1).ttl(ttl).build();
    let deleted = subject.sample("b", 1).ttl(ttl).tombstone().build();
    subject.apply(&object).await;
    subject.apply(&deleted).await;

    subject.advance(ttl - Duration::from_millis(1));
    subject.assert_holds(&object).await;
    subject.assert_holds(&deleted).await;
    assert_eq!(subject.names(everything()).await, ["a"]);

    subject.advance(Duration::from_millis(1));
    subject.assert_absent(&object.object).await;
    subject.assert_absent(&deleted.object).await;
    assert!(subject.names(everything()).await.is_empty());

    let next = subject.sample("a", 2).build();
    subject.apply(&next).await;
    subject.assert_holds(&next).await;
}

pub(super) async fn an_expired_version_does_not_uncover_an_older_one(subject: Subject) {
    let long = subject.sample("a", 1).ttl(Duration::from_secs(3600)).build();
    let short = subject.sample("a", 2).ttl(Duration::from_secs(1)).build();
    let late = subject.sample("b", 1).ttl(Duration::from_secs(3600)).build();
    subject.apply(&long).await;
    subject.apply(&late).await;
    subject.apply(&short).await;
    subject.advance(Duration::from_secs(1));
    subject.assert_absent(&short.object).await;
    // Also where it had expired on its way here.
    let expired = subject.sample("b", 2).ttl(Duration::ZERO).build();
    assert_same(&subject.apply(&expired).await.expect_replaced(), &late);
    subject.assert_absent(&expired.object).await;
    assert!(subject.names(everything()).await.is_empty());
}

pub(super) async fn remove_takes_what_is_at_or_below_a_version(subject: Subject) {
    let (one, two, three) =
        (subject.sample("a", 1).build(), subject.sample("a", 2).build(), subject.sample("a", 3).build());
    assert!(!subject.remove(&one).await, "removed what was never there");
    subject.apply(&two).await;
    assert!(!subject.remove(&one).await, "removed a newer version");
    subject.assert_holds(&two).await;
    assert!(subject.remove(&two).await);
    subject.assert_absent(&two.object).await;
    assert!(subject.names(everything()).await.is_empty());
    assert!(!subject.remove(&two).await, "removed twice");

    // Every trace is gone: an older version may come, a tombstone leaves in the same way.
    assert!(subject.apply(&one).await.is_none());
    let deleted = subject.sample("a", 2).tombstone().build();
    subject.apply(&deleted).await;
    assert!(subject.remove(&three).await);
    subject.assert_absent(&deleted.object).await;
}

pub(super) async fn namespaces_do_not_see_each_other(subject: Subject) {
    let here = subject.sample("a", 1).build();
    let namespace = NamespaceId(8);
    let there = subject.sample("a", 9).namespace(namespace).body("there").build();
    subject.apply(&here).await;
    subject.apply(&there).await;
    subject.assert_holds(&here).await;
    subject.assert_holds(&there).await;
    assert!(subject.remove(&there).await);
    subject.assert_absent(&ObjectId { namespace, key: here.object.key.clone() }).await;
    subject.assert_holds(&here).await;
}

/// `Option::expect` that says what was expected of an insert.
trait ExpectReplaced<T> {
    fn expect_replaced(self) -> T;
}

impl<T> ExpectReplaced<T> for Option<T> {
    fn expect_replaced(self) -> T {
        self.unwrap_or_else(|| panic!("the insert says that it replaced nothing"))
    }
}
