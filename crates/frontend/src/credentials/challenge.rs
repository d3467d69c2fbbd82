//! What a 401 asks for.

use headwater_meta::MetaCache;
use headwater_types::UnixMillis;
use http::HeaderValue;

use super::nonce;
use crate::policy::Policy;

/// The algorithms that are offered. MD5 last: ffmpeg knows no other and takes the last challenge, others the first.
const ALGORITHMS: [&str; 2] = ["SHA-256", "MD5"];

/// The Digest challenges of a namespace that offers it; none elsewhere, where Basic is asked for. Never both: ffmpeg
/// answers Digest whenever it is offered, and its push would fail for keys without it.
///
/// `stale`: the answer was right, but its nonce had ended. The client then answers again without asking anyone.
pub(crate) fn digest(
    cache: &MetaCache,
    policy: Option<&Policy>,
    now: UnixMillis,
    stale: bool,
) -> Vec<HeaderValue> {
    let Some(policy) = policy.filter(|policy| policy.settings().digest) else { return Vec::new() };
    let nonce = nonce::issue(cache, policy.id(), now);
    let stale = if stale { ", stale=true" } else { "" };
    let challenge = |algorithm: &&str| {
        let realm = &policy.label;
        let text = format!(
            "Digest realm=\"{realm}\", qop=\"auth\", nonce=\"{nonce}\", algorithm={algorithm}{stale}"
        );
        HeaderValue::try_from(text).ok()
    };
    ALGORITHMS.iter().filter_map(challenge).collect()
}
