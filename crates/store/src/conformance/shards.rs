//! What a tier has of a shard, and throwing all of it away.

use headwater_types::ShardId;

use super::{Subject, everything};

fn shard(id: u16) -> ShardId {
    ShardId::new(id).unwrap_or_else(|| unreachable!("a shard of the cluster"))
}

pub(super) async fn a_shard_is_held_until_its_last_trace_is_gone(subject: Subject) {
    let holds = |id| subject.tier.holds(shard(id));
    assert!(!holds(5) && subject.tier.used_bytes() == 0);
    let object = subject.sample("a", 1).shard(5).build();
    subject.apply(&object).await;
    assert!(holds(5) && !holds(6));
    assert!(subject.tier.used_bytes() > 0 && subject.tier.used_bytes() <= subject.tier.capacity_bytes());
    let tombstone = subject.sample("a", 2).shard(5).tombstone().build();
    subject.apply(&tombstone).await;
    assert!(holds(5), "a tombstone is something");
    assert!(subject.remove(&tombstone).await);
    assert!(!holds(5));
}

pub(super) async fn discarding_takes_one_shard_whole(subject: Subject) {
    let kept = subject.sample("b", 1).shard(6).build();
    subject.apply(&kept).await;
    for n in 0..40 {
        subject.apply(&subject.sample(&format!("a{n}"), 1).shard(5).build()).await;
    }
    let tombstone = subject.sample("a1", 2).shard(5).tombstone().build();
    subject.apply(&tombstone).await;
    subject.tier.discard(shard(5));
    assert!(!subject.tier.holds(shard(5)));
    subject.assert_absent(&tombstone.object).await;
    assert_eq!(subject.names(everything()).await, ["b"]);
    subject.assert_holds(&kept).await;
    let older = subject.sample("a1", 1).shard(5).build();
    subject.apply(&older).await;
    assert!(subject.tier.holds(shard(5)), "no trace of what was discarded is in the way");
}
