//! The rule that any credential that grants is enough, over combinations of all of them.

mod table;
mod world;

use super::*;
use headwater_meta::Permission;
use headwater_types::{KeyId, UnixMillis, signing::Claims};
use proptest::prelude::*;
use table::{CREDENTIALS, Credential, URLS, VERBS};
use world::World;

const HERE: NamespaceId = NamespaceId(1);
const ELSEWHERE: NamespaceId = NamespaceId(2);

fn key(namespace: Option<NamespaceId>, permission: Permission, prefix: Option<&str>) -> Right {
    let record = KeyRecord {
        id: KeyId("id".into()),
        secret_sha256: String::new(),
        namespace,
        permission,
        prefix: prefix.map(str::to_owned),
        created_at: UnixMillis(0),
        expires_at: None,
        cidrs: Vec::new(),
        digest: None,
        rate_limits: Default::default(),
        version: 1,
    };
    Right::Key { record: Arc::new(record), from_here: true }
}

fn actions(name: &str) -> [Action<'_>; 6] {
    [
        Action::Get(name),
        Action::Head(name),
        Action::Put(name),
        Action::Post(name),
        Action::Delete(name),
        Action::List(name),
    ]
}

/// Names, and whether they lie below `live`.
const NAMES: [(&str, bool); 5] =
    [("live/a.ts", true), ("live/", true), ("live", false), ("live2/a.ts", false), ("a.ts", false)];

/// Every combination of permission, namespace, prefix and action, against the rule told a second time as a table.
#[test]
fn every_combination_of_one_key() {
    for permission in [Permission::ReadOnly, Permission::WriteOnly, Permission::ReadWrite, Permission::Admin]
    {
        for owner in [Some(HERE), Some(ELSEWHERE), None] {
            for prefix in [None, Some("live/"), Some("live"), Some("")] {
                for (name, below) in NAMES {
                    for action in actions(name) {
                        let permitted = match action {
                            _ if permission == Permission::ReadWrite => true,
                            Action::Get(_) | Action::Head(_) | Action::List(_) => {
                                permission == Permission::ReadOnly
                            }
                            _ => permission == Permission::WriteOnly,
                        };
                        let covered = prefix.is_none_or(|prefix| !prefix.is_empty() && below);
                        let want = permitted && owner == Some(HERE) && covered;
                        let mut right = key(owner, permission, prefix);
                        let told = format!("{permission:?} {owner:?} {prefix:?} {action:?}");
                        assert_eq!(right.grants(HERE, action), want, "{told}");
                        if let Right::Key { from_here, .. } = &mut right {
                            *from_here = false;
                        }
                        assert!(!right.grants(HERE, action), "{told} from elsewhere");
                    }
                }
            }
        }
    }
}

#[test]
fn every_combination_of_what_is_signed() {
    for namespace in [HERE, ELSEWHERE] {
        for (prefix, all) in [("", true), ("live/", false), ("live", false)] {
            for verbs in [&["GET"][..], &["HEAD", "LIST"], &["PUT", "POST", "DELETE"], &["get", "*"], &[]] {
                for (name, below) in NAMES {
                    for (action, verb) in actions(name).into_iter().zip(VERBS) {
                        let verbs_owned = verbs.iter().map(ToString::to_string).collect();
                        let kid = SigningKeyId("kid".into());
                        let signed = Signed { kid, namespace, prefix: prefix.into(), verbs: verbs_owned };
                        let want = namespace == HERE && (all || below) && verbs.contains(&verb);
                        let got = Right::Signed(signed).grants(HERE, action);
                        assert_eq!(got, want, "{namespace} {prefix:?} {verbs:?} {action:?}");
                    }
                }
            }
        }
    }
}

/// Holds what is decided of a set of credentials against the rule told a second time.
fn check(world: &World, chosen: &[&Credential], verb: &str) {
    let told = || format!("{verb} {:?}", chosen.iter().map(|c| c.name).collect::<Vec<_>>());
    let want = if chosen.iter().any(|c| c.grants.contains(&verb)) {
        Ok(())
    } else if chosen.iter().any(|c| c.valid) {
        Err(Refusal::Forbidden)
    } else {
        Err(Refusal::Unauthorized { stale: chosen.iter().any(|c| c.stale) })
    };
    assert_eq!(world.ask("live", chosen, verb).map(drop), want, "{}", told());
    if verb != "GET" {
        return;
    }
    // Where there is no such namespace nothing is granted, and no Digest answer can be right.
    let known = |c: &&&Credential| c.valid && !c.name.starts_with("digest");
    let want = match chosen.iter().find(known) {
        Some(_) => Refusal::Forbidden,
        None => Refusal::Unauthorized { stale: false },
    };
    assert_eq!(world.ask("nowhere", chosen, verb).map(drop), Err(want), "nowhere: {}", told());
}

/// All sets of up to `most` of the credentials.
fn sets(most: usize) -> Vec<Vec<usize>> {
    let mut sets = vec![Vec::new()];
    let mut begin = 0;
    for _ in 0..most {
        let end = sets.len();
        for at in begin..end {
            let next = sets[at].last().map_or(0, |last: &usize| last + 1);
            sets.extend(
                (next..CREDENTIALS.len()).map(|i| [sets[at].as_slice(), &[i]].concat()).collect::<Vec<_>>(),
            );
        }
        begin = end;
    }
    sets
}

#[test]
fn every_set_of_up_to_two_credentials_with_every_signed_url_and_verb() {
    let world = World::new();
    let sets = sets(2);
    assert_eq!(sets.len(), 1 + CREDENTIALS.len() * (CREDENTIALS.len() + 1) / 2);
    for set in &sets {
        for url in std::iter::once(None).chain(URLS.iter().map(Some)) {
            let mut chosen: Vec<&Credential> = set.iter().map(|i| &CREDENTIALS[*i]).chain(url).collect();
            for verb in VERBS {
                check(&world, &chosen, verb);
            }
            chosen.reverse();
            check(&world, &chosen, "GET");
        }
    }
}

/// One of each kind of outcome, so that every set of them, as large as a request may be, can be tried.
#[test]
fn every_set_of_the_kinds_of_credentials_with_every_verb() {
    let world = World::new();
    let kinds = [
        "read-only key",
        "write-only key",
        "expired key",
        "key of another namespace",
        "digest right",
        "digest stale",
        "token",
    ];
    let kind = |name: &str| CREDENTIALS.iter().find(|c| c.name == name).unwrap();
    let kinds: Vec<&Credential> = kinds.iter().map(|name| kind(name)).chain([&URLS[0]]).collect();
    for set in 0..1 << kinds.len() {
        let chosen: Vec<&Credential> =
            kinds.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, c)| *c).collect();
        for verb in VERBS {
            check(&world, &chosen, verb);
        }
    }
}

#[test]
fn the_grant_names_the_credential() {
    let world = World::new();
    let ask = |name: &str, verb| {
        let all = CREDENTIALS.iter().chain(&URLS);
        let chosen: Vec<&Credential> = all.filter(|c| c.name == name).collect();
        world.ask("live", &chosen, verb)
    };
    let key = |name: &str| Ok(Grant::Key(world.record(name)));
    assert_eq!(ask("key", "PUT"), key("key"));
    assert_eq!(ask("digest right", "PUT"), key("digest"));
    let signing = Ok(Grant::Signed(world.signing.id.clone()));
    assert_eq!(ask("token", "GET"), signing);
    assert_eq!(ask("signed URL", "HEAD"), signing);
}

#[test]
fn the_length_of_a_token_is_bounded() {
    let world = World::new();
    let token = |padding: usize| {
        let verbs = vec!["x".repeat(padding)];
        let kid = world.signing.id.to_string();
        world.signing.token(&Claims { ns: "live".into(), prefix: String::new(), exp: u64::MAX, verbs, kid })
    };
    let (at, past) = (2900..3100)
        .map(|padding| (token(padding), token(padding + 1)))
        .find(|(_, p)| p.len() > 4096)
        .unwrap();
    assert_eq!((at.len(), past.len()), (4096, 4097));
    assert!(world.is_valid(&at) && !world.is_valid(&past));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Larger sets, in any order, with repetitions.
    #[test]
    fn any_list_of_credentials(
        list in prop::collection::vec(0..CREDENTIALS.len(), 0..8),
        url in prop::option::of(0..URLS.len()),
        verb in prop::sample::select(VERBS.to_vec()),
    ) {
        thread_local!(static WORLD: World = World::new());
        let chosen: Vec<&Credential> = list.iter().map(|i| &CREDENTIALS[*i]).chain(url.map(|i| &URLS[i])).collect();
        WORLD.with(|world| check(world, &chosen, verb));
    }
}
